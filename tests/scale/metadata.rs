//! What the heap costs besides its objects.

use strandline::{HeapOptions, Sizing, StackScan};

use crate::chains::Chains;
use crate::graph::heap;
use crate::measure::{GIB, MIB, alone, mib, peak_resident, resident, resident_within, scale};

/// What a heap may take whatever its size: marker stacks, the allocator's slack, thread stacks, and the
/// code that runs for the first time.
const CONSTANT: usize = 8 * MIB;

/// Fills a heap with objects of one size, collects, and compares the memory of the process outside
/// the object chunks with that inside.
fn check(what: &str, object_bytes: usize) {
    let _alone = alone();
    let before = resident();
    let limit = scale(2 * GIB, 64 * MIB);
    let options = HeapOptions { limit, sizing: Sizing::Fixed, ..HeapOptions::default() };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let mut chains = Chains::new(&mut mutator, 100);
    let (mut lowest, mut highest) = (usize::MAX, 0);
    while let Ok(object) = chains.add(&mut mutator, object_bytes) {
        lowest = lowest.min(object.address());
        highest = highest.max(object.address() + object_bytes);
    }
    mutator.collect();
    mutator.collect();
    assert_eq!(heap.stats().live_objects, chains.len() + 1);
    // Whole chunks, and one more for where the table is.
    let chunk = 2 * MIB;
    let chunks = (lowest / chunk - 1) * chunk..highest.next_multiple_of(chunk);
    let objects = resident_within(&chunks);
    let beside = resident() - before - objects;
    let committed = heap.stats().committed_bytes;
    println!(
        "{what}: {:.1} MiB committed, {:.1} MiB of objects resident, {:.2} MiB beside them: {:.4} of the \
         committed (at most {:.4} + {} MiB)",
        mib(committed),
        mib(objects),
        mib(beside),
        beside as f64 / committed as f64,
        1.0 / 16.0,
        CONSTANT / MIB,
    );
    assert!(objects > committed / 10 * 9, "the objects are where they were looked for");
    assert!(beside <= committed / 16 + CONSTANT);
    let stats = heap.stats();
    assert!(stats.peak_bytes <= limit, "{stats}");
    let used = peak_resident() - before;
    assert!(used <= limit / 100 * 105 + CONSTANT, "{} MiB resident at most", mib(used));
}

#[test]
fn metadata_of_the_smallest_objects() {
    check("24-byte objects", 24);
}

#[test]
fn metadata_of_nodes() {
    check("64-byte nodes", 64);
}

#[test]
fn metadata_of_the_smallest_large_objects() {
    check("large objects of 12 KiB", 12 << 10);
}

#[test]
fn metadata_of_large_objects() {
    check("large objects of 1 MiB", MIB);
}
