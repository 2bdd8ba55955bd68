//! Negative controls: what breaks a rule of the heap is noticed, and by what.
//!
//! The verifier asks the same object model and the same root sources as the marker does, so it
//! cannot notice what these leave out. The reference model of the property tests can: an object
//! that the program reaches is gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use strandline::{
    Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef, RootSource, Slot, SlotVisitor,
    StackScan,
};

use crate::graph::{Graph, get, heap, node, set};

/// Collected on the thread that asks, so that a panic of the verifier ends up there.
fn options() -> HeapOptions {
    let mode = Mode::Stopped;
    HeapOptions { limit: 8 << 20, mode, verify: true, markers: 2, ..HeapOptions::default() }
}

/// The message of the panic that a collection ends in.
fn panic_of_collection(mutator: &mut Mutator) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| mutator.collect())).expect_err("a panic");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).expect("a panic with a message")
}

/// Leaves out the last slot of every object.
struct Forgetful;

// SAFETY: it breaks the contract on purpose; what is lost is not touched afterwards.
unsafe impl ObjectModel for Forgetful {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        // SAFETY: objects of this test begin with the number of their slots.
        for index in 1..unsafe { object.as_ptr::<usize>().read() } {
            // SAFETY: as above.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

#[test]
fn a_slot_that_the_model_forgets_loses_an_object_and_the_verifier_cannot_tell() {
    let heap = Heap::new(Forgetful, options()).unwrap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let objects = [node(&mut mutator, 2, 0), node(&mut mutator, 0, 0), node(&mut mutator, 0, 0)];
    set(objects[0], 0, Some(objects[1]));
    set(objects[0], 1, Some(objects[2]));
    let _root = mutator.root(objects[0]);
    mutator.collect();
    assert_eq!(heap.stats().live_objects, 2, "the third is what the reference model would miss");
}

struct Globals([usize; 2]);

impl RootSource for Globals {
    /// Leaves out the second.
    fn visit_roots(&self, visitor: &mut dyn SlotVisitor) {
        // SAFETY: the word lives as long as the source.
        visitor.visit(unsafe { Slot::at(NonNull::from(&self.0[0])) });
    }
}

#[test]
fn a_root_that_its_source_omits_is_freed() {
    let heap = heap(options());
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let objects = [node(&mut mutator, 1, 0), node(&mut mutator, 1, 0)];
    let globals = Arc::new(Globals(objects.map(ObjectRef::address)));
    let _registration = heap.add_root_source(globals);
    mutator.collect();
    assert_eq!(heap.stats().live_objects, 1);
    // The next collection begins when everything is swept.
    mutator.collect();
    assert_eq!(objects.map(|object| heap.find_object(object.address()).is_some()), [true, false]);
}

#[test]
fn a_precise_reference_into_an_object_is_noticed_by_the_verifier() {
    let heap = heap(options());
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let holder = node(&mut mutator, 1, 0);
    let _root = mutator.root(holder);
    let other = mutator.allocate(Kind::Leaf, 64).unwrap();
    // SAFETY: wrong on purpose; the object is a leaf, so nobody reads it.
    set(holder, 0, unsafe { ObjectRef::from_address(other.address() + 16) });
    let message = panic_of_collection(&mut mutator);
    assert!(message.contains("is not the start of an object"), "{message}");
}

#[test]
fn a_reference_to_a_freed_object_is_a_panic_and_not_a_hang() {
    let heap = heap(options());
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let holder = node(&mut mutator, 1, 0);
    let root = mutator.root(holder);
    let lost = mutator.allocate(Kind::Leaf, 64).unwrap();
    mutator.collect();
    mutator.collect();
    // Its block has gone back to the pool; one of two markers meets it.
    set(holder, 0, Some(lost));
    assert_eq!(get(root.get(), 0), Some(lost));
    let message = panic_of_collection(&mut mutator);
    assert!(message.contains("unused memory") || message.contains("marker"), "{message}");
}

/// Panics at every object with a slot.
struct Refusing;

// SAFETY: it never returns from an object that has slots.
unsafe impl ObjectModel for Refusing {
    unsafe fn trace<V: SlotVisitor>(&self, _: ObjectRef, _: &mut V) {
        panic!("this model refuses");
    }
}

#[test]
fn a_model_that_panics_ends_the_collection_whichever_marker_met_it() {
    for markers in [1, 2, 4] {
        let heap = Heap::new(Refusing, HeapOptions { markers, ..options() }).unwrap();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let object = node(&mut mutator, 1, 0);
        let _root = mutator.root(object);
        let message = panic_of_collection(&mut mutator);
        assert!(message.contains("refuses") || message.contains("marker"), "{message}");
    }
}

#[test]
fn the_model_of_these_tests_is_a_good_one() {
    let heap = Heap::new(Graph, options()).unwrap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let objects = [node(&mut mutator, 2, 0), node(&mut mutator, 0, 0), node(&mut mutator, 0, 0)];
    set(objects[0], 0, Some(objects[1]));
    set(objects[0], 1, Some(objects[2]));
    let _root = mutator.root(objects[0]);
    mutator.collect();
    assert_eq!(heap.stats().live_objects, 3);
}
