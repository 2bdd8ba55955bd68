//! Saying what was written: where that is possible, and where it is not.

use strandline::dirty::TrackError;
use strandline::os::page_size;
use strandline::{HeapOptions, Kind, StackScan};

use crate::graph::heap;

const LARGE: usize = 5 << 20;

#[test]
fn objects_of_every_kind_and_size_can_be_said_to_be_written() {
    let heap = heap(HeapOptions { limit: 64 << 20, ..HeapOptions::default() });
    let mut mutator = heap.attach(StackScan::None).unwrap();
    for kind in [Kind::Precise, Kind::Leaf, Kind::Conservative, Kind::External] {
        for bytes in [16, LARGE] {
            let object = mutator.allocate(kind, bytes).unwrap();
            let object = mutator.root(object);
            mutator.collect();
            let start = object.get().address();
            let before = heap.tracker().tracker.stats().unprotected_pages;
            heap.written(start..start + bytes).unwrap();
            mutator.written(start..start).unwrap();
            let pages = heap.tracker().tracker.stats().unprotected_pages - before;
            // Leaves are not watched. The heap may unprotect others meanwhile.
            let watched = if kind.has_slots() { bytes.div_ceil(page_size()) as u64 } else { 0 };
            assert!(pages >= watched, "{pages} pages of {kind:?}, {bytes} bytes");
        }
    }
}

#[test]
fn what_is_no_part_of_the_heap_is_refused() {
    let heap = heap(HeapOptions { limit: 64 << 20, ..HeapOptions::default() });
    let word = 0usize;
    let address = std::ptr::from_ref(&word).addr();
    let error = heap.written(address..address + 8).unwrap_err();
    assert!(matches!(error, TrackError::OutsideSpan { .. }), "{error}");
}
