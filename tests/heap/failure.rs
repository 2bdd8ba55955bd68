//! What mutators see when a collector thread ends by a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use strandline::{Heap, HeapOptions, Kind, Mode, ObjectModel, ObjectRef, SlotVisitor, StackScan};

/// A model that can be told to panic.
struct Faulty(&'static AtomicBool);

// SAFETY: objects have one slot, in their first word.
unsafe impl ObjectModel for Faulty {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        assert!(!self.0.load(Ordering::Relaxed), "the model gives up");
        // SAFETY: the object has the word.
        visitor.visit(unsafe { object.slot(0) });
    }
}

/// With several markers, the others wait for work when one of them panics.
#[test]
fn a_panic_of_the_collector_is_an_error_for_who_waits_and_no_hang() {
    static FAULTY: AtomicBool = AtomicBool::new(false);
    let heap = Heap::new(
        Faulty(&FAULTY),
        HeapOptions { markers: 4, mode: Mode::Concurrent, ..HeapOptions::default() },
    )
    .unwrap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let object = mutator.allocate(Kind::Precise, 16).unwrap();
    let _root = mutator.root(object);
    mutator.collect();
    FAULTY.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let panic = catch_unwind(AssertUnwindSafe(|| mutator.collect())).unwrap_err();
        let message = panic.downcast_ref::<String>().expect("a message with an argument");
        assert!(message.contains("the model gives up"), "{message}");
    }
    drop(mutator);
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(heap)));
    assert!(dropped.is_err(), "a panic that nobody waited for would go unnoticed");
}
