//! What the sweeper does where a heap grows.

use crate::collector::options::HeapOptions;
use crate::{Heap, Kind, Mutator, ObjectModel, ObjectRef, SlotVisitor, StackScan};

/// Objects without slots.
struct Leaves;

// SAFETY: the tests allocate leaves only.
unsafe impl ObjectModel for Leaves {
    unsafe fn trace<V: SlotVisitor>(&self, _: ObjectRef, _: &mut V) {}
}

/// A heap that is not collected before it has grown to `GROWN`, which is not small.
fn heap() -> Heap<Leaves> {
    let options = HeapOptions { limit: 8 * GROWN, heed_pressure: false, ..HeapOptions::default() };
    Heap::new(Leaves, HeapOptions { sizing: crate::Sizing::Fixed, ..options }).unwrap()
}

const GROWN: usize = 32 << 20;

fn grow(mutator: &mut Mutator) {
    for _ in 0..GROWN / 4096 {
        mutator.allocate(Kind::Leaf, 4096).unwrap();
    }
}

/// For ever, if it is not.
#[test]
fn memory_is_populated_where_the_heap_grows() {
    let heap = heap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    grow(&mut mutator);
    while heap.stats().populated_ahead == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_populated_while_a_cycle_goes_on() {
    let heap = heap();
    let shared = &heap.shared;
    let mut mutator = heap.attach(StackScan::None).unwrap();
    shared.pacer.cycle_begins(false);
    grow(&mut mutator);
    shared.populate_ahead();
    assert_eq!(heap.stats().populated_ahead, 0);
    shared.pacer.cycle_ends();
    shared.populate_ahead();
    assert!(heap.stats().populated_ahead > 0);
}
