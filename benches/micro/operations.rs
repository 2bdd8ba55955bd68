//! What a mutator does all the time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use strandline::{Kind, Mode, Mutator, ObjectRef, Root, StackScan};

use crate::{heap, random, write};

/// Allocation of objects that die at once, with the collections that make room for them.
pub(crate) fn allocate(criterion: &mut Criterion) {
    let kinds =
        [("precise", Kind::Precise), ("leaf", Kind::Leaf), ("conservative", Kind::Conservative)];
    for (name, kind) in kinds {
        let mut group = criterion.benchmark_group(format!("allocate {name}"));
        for bytes in [16, 64, 256, 1024, 8192, 65536] {
            let heap = heap(Mode::Stopped, 256);
            let mut mutator = heap.attach(StackScan::None).expect("a mutator");
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
                bencher.iter(|| black_box(mutator.allocate(kind, bytes).expect("room")));
            });
        }
        group.finish();
    }
}

/// A list of old objects of one page each, so that each store can meet a page of its own.
struct Old {
    mutator: Mutator,
    objects: Vec<ObjectRef>,
    _root: Root,
}

const PAGES: usize = 4096;
const PAGE: usize = 4096;

impl Old {
    fn new(heap: &strandline::Heap<crate::Pairs>) -> Self {
        let mut mutator = heap.attach(StackScan::Conservative).expect("a mutator");
        let mut objects: Vec<ObjectRef> = Vec::with_capacity(PAGES);
        let mut root: Option<Root> = None;
        for _ in 0..PAGES {
            let object = mutator.allocate(Kind::Precise, PAGE).expect("room");
            if let Some(last) = objects.last() {
                write(object, 1, *last);
            }
            match &root {
                Some(root) => root.set(object),
                None => root = Some(mutator.root(object)),
            }
            objects.push(object);
        }
        mutator.collect();
        Self { mutator, objects, _root: root.expect("there are objects") }
    }

    /// Stores once into each object.
    fn store(&self) {
        let value = self.objects[0];
        self.objects.iter().for_each(|&object| write(object, 0, value));
    }
}

/// A store: into memory that nobody tracks, into tracked memory again, and for the first time after a
/// cycle, which is a fault.
pub(crate) fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(PAGES as u64));
    let mut plain = vec![0_usize; PAGES * PAGE / 8];
    group.bench_function("untracked", |bencher| {
        bencher.iter(|| {
            for page in plain.chunks_mut(PAGE / 8) {
                // SAFETY: a reference to a word.
                unsafe { (&raw mut page[0]).write_volatile(1) };
            }
        });
    });
    let heap = heap(Mode::Concurrent, 256);
    let mut old = Old::new(&heap);
    old.store();
    group.bench_function("tracked, again", |bencher| bencher.iter(|| old.store()));
    group.sample_size(20);
    group.bench_function("tracked, first after a cycle", |bencher| {
        bencher.iter_custom(|count| {
            let mut time = Duration::ZERO;
            for _ in 0..count {
                old.mutator.collect_young();
                let start = Instant::now();
                old.store();
                time += start.elapsed();
            }
            time
        });
    });
    group.finish();
}

/// The poll of a thread that nobody wants to stop.
pub(crate) fn safepoint(criterion: &mut Criterion) {
    let heap = heap(Mode::Concurrent, 64);
    let mut mutator = heap.attach(StackScan::None).expect("a mutator");
    criterion.bench_function("safepoint", |bencher| {
        bencher.iter(|| black_box(&mut mutator).safepoint());
    });
}

/// From an address inside an object to the object, as for a word on a stack.
pub(crate) fn resolve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resolve");
    for bytes in [16, 64, 1024, 8192] {
        let heap = heap(Mode::Concurrent, 256);
        let mut mutator = heap.attach(StackScan::None).expect("a mutator");
        let objects: Vec<_> = (0..(64 << 20) / bytes)
            .map(|_| mutator.allocate(Kind::Leaf, bytes).expect("room"))
            .collect();
        let (mut object, mut byte) = (random(objects.len()), random(bytes));
        let addresses: Vec<_> =
            (0..1 << 16).map(|_| objects[object()].address() + byte()).collect();
        let mut next = addresses.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
            bencher.iter(|| {
                let address = *next.next().expect("it goes round");
                assert!(heap.find_object(black_box(address)).is_some());
            });
        });
    }
    group.finish();
}
