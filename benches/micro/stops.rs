//! What a collection consists of, from the reports of its cycles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use strandline::{
    CycleReport, Heap, Kind, Mode, Mutator, ObjectRef, Root, StackScan, StopPurpose, StopReport,
};

use crate::{Pairs, heap, random, write};

/// The report of the last cycle.
fn last_cycle(heap: &Heap<Pairs>) -> CycleReport {
    heap.cycles().pop().expect("there was a cycle")
}

/// A part of the stops of the last cycle.
fn part(heap: &Heap<Pairs>, part: impl Fn(&StopReport) -> Duration) -> Duration {
    last_cycle(heap).stops.iter().map(part).sum()
}

/// `count` objects of `bytes` bytes that refer to two others at random, all reachable from the last.
fn graph(mutator: &mut Mutator, count: usize, bytes: usize) -> Root {
    let mut objects: Vec<ObjectRef> = Vec::with_capacity(count);
    let mut random = random(usize::MAX);
    for index in 0..count {
        let object = mutator.allocate(Kind::Precise, bytes).expect("room");
        if index > 0 {
            write(object, 0, objects[index - 1]);
            write(object, 1, objects[random() % index]);
        }
        objects.push(object);
    }
    mutator.root(objects[count - 1])
}

/// Marking with the world stopped: time for each object.
pub(crate) fn mark(criterion: &mut Criterion) {
    const COUNT: usize = 1 << 20;
    let mut group = criterion.benchmark_group("mark");
    group.throughput(Throughput::Elements(COUNT as u64));
    for bytes in [32, 64, 256] {
        let heap = heap(Mode::Stopped, 1024);
        let mut mutator = heap.attach(StackScan::Conservative).expect("a mutator");
        let _root = graph(&mut mutator, COUNT, bytes);
        group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
            bencher.iter_custom(|count| {
                let collect = |_| {
                    mutator.collect();
                    part(&heap, |stop| stop.drain)
                };
                (0..count).map(collect).sum()
            });
        });
    }
    group.finish();
}

/// Sweeping 64 MiB of which every other object is dead: what a collection does before it stops the
/// world, when the one before it has just ended.
pub(crate) fn sweep(criterion: &mut Criterion) {
    const MIB: usize = 64;
    let mut group = criterion.benchmark_group("sweep");
    group.throughput(Throughput::Bytes((MIB as u64) << 20));
    for bytes in [16, 64, 1024] {
        group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| sweep_once(MIB << 20, bytes)).sum());
        });
    }
    group.finish();
}

fn sweep_once(all: usize, bytes: usize) -> Duration {
    let heap = heap(Mode::Stopped, 256);
    let mut mutator = heap.attach(StackScan::Conservative).expect("a mutator");
    let objects: Vec<_> =
        (0..all / bytes).map(|_| mutator.allocate(Kind::Precise, bytes).expect("room")).collect();
    for three in objects.windows(3).step_by(2) {
        write(three[2], 0, three[0]);
    }
    let _root = mutator.root(objects[(objects.len() - 1) / 2 * 2]);
    drop(objects);
    mutator.collect();
    let start = Instant::now();
    mutator.collect();
    start.elapsed() - heap.stats().last_pause
}

/// Stopping the threads of an empty heap and letting them run again.
pub(crate) fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    for others in [0, 1, 3] {
        let heap = heap(Mode::Stopped, 64);
        let mut mutator = heap.attach(StackScan::None).expect("a mutator");
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..others {
                scope.spawn(|| {
                    let mut mutator = heap.attach(StackScan::None).expect("a mutator");
                    while !ended.load(Ordering::Relaxed) {
                        mutator.safepoint();
                    }
                });
            }
            group.bench_function(BenchmarkId::new("running threads", others), |bencher| {
                bencher.iter_custom(|count| {
                    let collect = |_| {
                        mutator.collect();
                        part(&heap, |stop| stop.to_safepoint + stop.resume)
                    };
                    (0..count).map(collect).sum()
                });
            });
            ended.store(true, Ordering::Relaxed);
            // The threads end at once, or stop for nobody any more.
            drop(mutator);
        });
    }
    group.finish();
}

/// The last stop of a minor cycle that has nothing to do, by the size of the old heap.
pub(crate) fn remark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("remark");
    for mib in [1, 64, 512] {
        let heap = heap(Mode::Concurrent, 1024 + mib);
        let mut mutator = heap.attach(StackScan::Conservative).expect("a mutator");
        let _root = graph(&mut mutator, (mib << 20) / 64, 64);
        mutator.collect();
        group.bench_function(BenchmarkId::new("old MiB", mib), |bencher| {
            bencher.iter_custom(|count| {
                let collect = |_| {
                    mutator.collect_young();
                    part(&heap, |stop| match stop.purpose {
                        StopPurpose::Remark => stop.total,
                        _ => Duration::ZERO,
                    })
                };
                (0..count).map(collect).sum()
            });
        });
    }
    group.finish();
}

/// Finding roots: handles, and words of a registered range.
pub(crate) fn roots(criterion: &mut Criterion) {
    const COUNT: usize = 1 << 20;
    let mut group = criterion.benchmark_group("roots");
    group.throughput(Throughput::Elements(COUNT as u64));
    let heap = heap(Mode::Stopped, 256);
    let mut mutator = heap.attach(StackScan::None).expect("a mutator");
    let object = mutator.allocate(Kind::Leaf, 64).expect("room");
    let mut measure = |name: &str, mutator: &mut Mutator| {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let collect = |_| {
                    mutator.collect();
                    part(&heap, |stop| stop.roots)
                };
                (0..count).map(collect).sum()
            });
        });
    };
    let handles: Vec<_> = (0..COUNT).map(|_| mutator.root(object)).collect();
    measure("handles", &mut mutator);
    let words = vec![object.address(); COUNT];
    let range = words.as_ptr_range();
    // SAFETY: the words are there, and are not written to, until the registration has ended.
    let registration = unsafe { heap.add_root_range(range.start.addr()..range.end.addr()) };
    drop(handles);
    measure("words of a range", &mut mutator);
    drop(registration);
    group.finish();
}
