//! What is not marking nor allocation: safepoints, finding objects, handles, sweeping.

use std::hint::black_box;
use std::time::Instant;

use strandline::{Heap, HeapOptions, Kind, Mutator, ObjectRef, Sizing, StackScan};

use crate::mark::Node;
use crate::random::{Lehmer, SEED};
use crate::{median, thread_ns};

const ROUNDS: usize = 5;
const BYTES: usize = 512 << 20;

fn heap() -> Heap<Node> {
    let options = HeapOptions { limit: 2 << 30, sizing: Sizing::Fixed, ..HeapOptions::default() };
    Heap::new(Node, options).unwrap()
}

/// The median over some rounds of what `round` says.
fn rounds(round: impl FnMut() -> f64) -> f64 {
    median(std::iter::repeat_with(round).take(ROUNDS).collect())
}

pub(crate) fn run() {
    println!("costs: medians of {ROUNDS}");
    safepoints();
    finding();
    handles();
    sweeping();
}

fn safepoints() {
    const POLLS: usize = 100_000_000;
    let heap = heap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let poll = rounds(|| {
        let start = thread_ns();
        for _ in 0..POLLS {
            black_box(&mut mutator).safepoint();
        }
        (thread_ns() - start) / POLLS as f64
    });
    println!("  safepoint: {poll:.2} ns");
}

fn allocate_all(mutator: &mut Mutator, bytes: usize) -> Vec<ObjectRef> {
    (0..BYTES / bytes).map(|_| mutator.allocate(Kind::Precise, bytes).unwrap()).collect()
}

fn finding() {
    const QUESTIONS: usize = 4_000_000;
    for bytes in [64, 1024, 8192] {
        let heap = heap();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let objects = allocate_all(&mut mutator, bytes);
        let mut random = Lehmer::new(SEED);
        let addresses: Vec<_> = (0..QUESTIONS)
            .map(|_| objects[random.below(objects.len())].address() + random.below(bytes))
            .collect();
        let find = rounds(|| {
            let start = thread_ns();
            for &address in &addresses {
                assert!(black_box(heap.find_object(address)).is_some());
            }
            (thread_ns() - start) / QUESTIONS as f64
        });
        println!(
            "  finding the object of an inner address, {bytes} bytes, at random: {find:.1} ns"
        );
    }
}

fn handles() {
    const HANDLES: usize = 10_000_000;
    let heap = heap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let object = mutator.allocate(Kind::Precise, 64).unwrap();
    let start = thread_ns();
    let roots: Vec<_> = (0..HANDLES).map(|_| mutator.root(object)).collect();
    let add = (thread_ns() - start) / HANDLES as f64;
    let scan = rounds(|| {
        mutator.collect();
        heap.stats().last_pause.as_nanos() as f64 / HANDLES as f64
    });
    let start = thread_ns();
    drop(roots);
    let drop = (thread_ns() - start) / HANDLES as f64;
    println!("  a handle: made {add:.1} ns, scanned {scan:.2} ns, dropped {drop:.1} ns");
}

/// Every other object of a heap is dead. The second collection begins by sweeping what the first
/// has left; the background sweeper helps.
fn sweeping() {
    for bytes in [16, 64, 1024] {
        let mut sweeps = Vec::new();
        for _ in 0..ROUNDS {
            let heap = heap();
            let mut mutator = heap.attach(StackScan::None).unwrap();
            let objects = allocate_all(&mut mutator, bytes);
            // A list through every other object, from the last to the first.
            for pair in objects.windows(3).step_by(2) {
                // SAFETY: an object has at least two words.
                unsafe { pair[2].as_ptr::<usize>().write(pair[0].address()) };
            }
            let last = objects[(objects.len() - 1) / 2 * 2];
            let _root = mutator.root(last);
            mutator.collect();
            let start = Instant::now();
            mutator.collect();
            let sweep = start.elapsed() - heap.stats().last_pause;
            sweeps.push(sweep.as_secs_f64() * 1e3);
        }
        println!(
            "  sweeping {} MiB with every other object of {bytes} bytes dead: {:.2} ms",
            BYTES >> 20,
            median(sweeps)
        );
    }
}
