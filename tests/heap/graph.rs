//! The object model of these tests: a header word with the number of slots, the slots, then payload.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use strandline::{Heap, HeapOptions, Kind, Mutator, ObjectModel, ObjectRef, SlotVisitor};

pub(crate) struct Graph;

/// Bytes of a node with `slots` references and `payload` words.
pub(crate) fn node_bytes(slots: usize, payload: usize) -> usize {
    8 * (1 + slots + payload)
}

// SAFETY: the header says how many slots there are; it is written before the first safepoint after
// the allocation, and is zero (no slots) until then.
unsafe impl ObjectModel for Graph {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in 1..=slots(object) {
            // SAFETY: the header says that the node has these words.
            visitor.visit(unsafe { object.slot(index) });
        }
    }

    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: std::ops::Range<usize>,
        visitor: &mut V,
    ) {
        let last = slots(object).min((part.end - 1) / 8);
        for index in (part.start / 8).max(1)..=last {
            // SAFETY: as above.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

fn slots(object: ObjectRef) -> usize {
    // SAFETY: every node begins with its header.
    unsafe { object.as_ptr::<usize>().read() }
}

pub(crate) fn heap(options: HeapOptions) -> Heap<Graph> {
    Heap::new(Graph, options).unwrap()
}

/// A new node with all slots null.
pub(crate) fn node(mutator: &mut Mutator, slots: usize, payload: usize) -> ObjectRef {
    let object = mutator.allocate(Kind::Precise, node_bytes(slots, payload)).unwrap();
    // SAFETY: the node has room for its header.
    unsafe { object.as_ptr::<usize>().write(slots) };
    object
}

/// A plain store: no barrier. Relaxed is the same instruction, and what Rust calls it when markers read
/// the word at the same time.
pub(crate) fn set(object: ObjectRef, slot: usize, value: Option<ObjectRef>) {
    assert!(slot < slots(object));
    // SAFETY: the node has the slot.
    let word = unsafe { AtomicUsize::from_ptr(object.as_ptr::<usize>().add(1 + slot)) };
    word.store(value.map_or(0, ObjectRef::address), Relaxed);
}

/// A store for any tracker: the barrier is for a card table, where there is one.
pub(crate) fn store(heap: &Heap<Graph>, object: ObjectRef, slot: usize, value: Option<ObjectRef>) {
    set(object, slot, value);
    if let Some(cards) = heap.tracker().tracker.cards() {
        cards.mark(object.address() + 8 * (1 + slot));
    }
}

pub(crate) fn get(object: ObjectRef, slot: usize) -> Option<ObjectRef> {
    assert!(slot < slots(object));
    // SAFETY: the node has the slot, which holds null or an object's address.
    unsafe { ObjectRef::from_address(object.as_ptr::<usize>().add(1 + slot).read()) }
}
