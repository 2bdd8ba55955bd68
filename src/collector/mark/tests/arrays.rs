//! Every slot of a large object is traced, from the first to the last.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::*;
use crate::heap::geometry::{GRANULE, LARGEST_SMALL};
use crate::mutator::StackScan;
use crate::object::SlotVisitor;
use crate::{Heap, HeapOptions, Mode};

/// Large objects of nothing but references.
struct Arrays;

// SAFETY: every word of every large object is a reference or null, and small ones have no slots.
unsafe impl ObjectModel for Arrays {
    unsafe fn trace<V: SlotVisitor>(&self, _: ObjectRef, _: &mut V) {}

    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        array: ObjectRef,
        part: Range<usize>,
        visitor: &mut V,
    ) {
        for index in part.start / 8..part.end / 8 {
            // SAFETY: the part lies in the object.
            visitor.visit(unsafe { array.slot(index) });
        }
    }
}

/// Allocates an array whose every slot has the only reference to an object, and collects. Returns how
/// many of these objects were found.
fn found_in_array(bytes: usize, kind: Kind, mode: Mode, markers: usize) -> usize {
    let options = HeapOptions { mode, markers, limit: 32 << 20, ..HeapOptions::default() };
    let heap = Heap::new(Arrays, options).unwrap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let array = mutator.allocate(kind, bytes).unwrap();
    let array = mutator.root(array);
    for slot in 0..bytes / 8 {
        let object = mutator.allocate(Kind::Leaf, GRANULE).unwrap();
        // SAFETY: the array has the slot, and is kept by its root.
        let word = unsafe { &*array.get().as_ptr::<AtomicUsize>().add(slot) };
        word.store(object.address(), Ordering::Relaxed);
    }
    mutator.collect();
    heap.stats().live_objects - 1
}

/// Sizes that are whole parts, and that end a little before and after one.
#[test]
fn every_slot_of_a_large_object_is_traced() {
    let sizes = [LARGEST_SMALL + GRANULE, PART, 3 * PART - GRANULE, 3 * PART + 13 * GRANULE];
    for bytes in sizes {
        for (kind, mode, markers) in [
            (Kind::Precise, Mode::Stopped, 1),
            (Kind::Precise, Mode::Concurrent, 1),
            (Kind::Precise, Mode::Stopped, 2),
            (Kind::Conservative, Mode::Stopped, 1),
        ] {
            let found = found_in_array(bytes, kind, mode, markers);
            let how = format!("{bytes} bytes, {kind:?}, {mode:?}, {markers} markers");
            assert_eq!(found, bytes / 8, "objects were found that only the slots refer to: {how}");
        }
    }
}
