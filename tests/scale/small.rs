//! A heap of 16-byte objects only.

use std::time::Instant;

use strandline::{HeapOptions, Kind, Mutator, ObjectRef, Root, Sizing, StackScan};

use crate::graph::{get, heap, node, set};
use crate::measure::{GIB, MIB, alone, collect_and_report, mib, scale};

/// Adds pairs of a header and one reference to the chain at `head` until the heap is full.
fn fill(mutator: &mut Mutator, head: &Root) -> usize {
    let mut count = 0;
    while let Ok(object) = mutator.allocate(Kind::Precise, 16) {
        // SAFETY: two words: a header for one slot, and the slot.
        unsafe { object.as_ptr::<usize>().write(1) };
        set(object, 0, get(head.get(), 0));
        set(head.get(), 0, Some(object));
        count += 1;
    }
    count
}

/// Cuts every other object out of the chain. Returns how many are left.
fn thin_out(head: &Root) -> usize {
    let mut left = 0;
    let mut next = get(head.get(), 0);
    while let Some(object) = next {
        let after: Option<ObjectRef> = get(object, 0).and_then(|dropped| get(dropped, 0));
        set(object, 0, after);
        left += 1;
        next = after;
    }
    left
}

#[test]
fn a_heap_of_the_smallest_objects_fills_up_and_fills_its_holes_again() {
    let _alone = alone();
    let limit = scale(2 * GIB, 24 * MIB);
    let options = HeapOptions { limit, sizing: Sizing::Fixed, ..HeapOptions::default() };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let head = node(&mut mutator, 1, 0);
    let head = mutator.root(head);
    let start = Instant::now();
    let count = fill(&mut mutator, &head);
    collect_and_report("16-byte objects", &heap, &mut mutator, start.elapsed());
    assert_eq!(heap.stats().live_objects, count + 1);
    // A thirty-third of the limit is metadata, and a chunk may be left over.
    assert!(count * 16 > limit / 34 * 33 - 4 * MIB, "{:.1} MiB", mib(count * 16));

    let left = thin_out(&head);
    let start = Instant::now();
    let refilled = fill(&mut mutator, &head);
    collect_and_report("  every other one replaced", &heap, &mut mutator, start.elapsed());
    assert_eq!(heap.stats().live_objects, left + refilled + 1);
    assert!(left + refilled > count - count / 100, "{refilled} of {} holes", count - left);
}
