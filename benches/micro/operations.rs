//! What a mutator does all the time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use strandline::{Heap, Kind, Mode, Mutator, ObjectRef, Root, StackScan};

use crate::{Pairs, heap, random, write};

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

/// Old objects of one page each, so that each store can meet a page of its own.
struct Old {
    mutator: Mutator,
    objects: Vec<ObjectRef>,
    _roots: Vec<Root>,
}

const PAGES: usize = 4096;
const PAGE: usize = 4096;

impl Old {
    fn new(heap: &Heap<Pairs>, kind: Kind) -> Self {
        let mut mutator = heap.attach(StackScan::None).expect("a mutator");
        let mut new = |_| {
            let object = mutator.allocate(kind, PAGE).expect("room");
            mutator.root(object)
        };
        let roots: Vec<_> = (0..PAGES).map(&mut new).collect();
        mutator.collect();
        Self { mutator, objects: roots.iter().map(Root::get).collect(), _roots: roots }
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
    let heap = heap(Mode::Concurrent, 256);
    // Memory for objects without references is not tracked; what is in it is nobody's business.
    let leaves = Old::new(&heap, Kind::Leaf);
    leaves.store();
    group.bench_function("untracked", |bencher| bencher.iter(|| leaves.store()));
    drop(leaves);
    let mut old = Old::new(&heap, Kind::Precise);
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
