//! Arrays are looked at by the dirty page and not by the object, and a dirty page is looked at in full.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::control;
use super::program::{Program, Until, set};
use crate::collector::Scope;
use crate::collector::check::rules::Rule;
use crate::heap::geometry::GRANULE;
use crate::mutator::{Cause, Mutator, StackScan};
use crate::object::{Kind, ObjectModel, ObjectRef, SlotVisitor};
use crate::os::page_size;
use crate::{Heap, HeapOptions, Mode};

/// Words of nothing but references; counts what the collector asks for of large objects.
#[derive(Default)]
struct Counting {
    traced_bytes: AtomicUsize,
    parts: AtomicUsize,
}

const SLOTS: usize = 8 << 20;

// SAFETY: every word of every object is a reference or null. Small objects have two words.
unsafe impl ObjectModel for Counting {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in 0..GRANULE / 8 {
            // SAFETY: the object has two words at least.
            visitor.visit(unsafe { object.slot(index) });
        }
    }

    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: Range<usize>,
        visitor: &mut V,
    ) {
        self.traced_bytes.fetch_add(part.len(), Ordering::Relaxed);
        self.parts.fetch_add(1, Ordering::Relaxed);
        for index in part.start / 8..part.end / 8 {
            // SAFETY: the part lies in the object.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

/// Runs a minor cycle. Returns how many bytes of how many parts of arrays were traced in it.
fn minor(heap: &Heap<Counting>, mutator: &mut Mutator) -> (usize, usize) {
    let model = heap.model();
    model.traced_bytes.store(0, Ordering::Relaxed);
    model.parts.store(0, Ordering::Relaxed);
    mutator.blocking(|| {
        let mut cycle = heap.shared.cycle.lock().unwrap();
        heap.shared.finish_sweep(&mut cycle);
        heap.shared.run_cycle(&mut cycle, Scope::Minor, Cause::Request);
    });
    (model.traced_bytes.load(Ordering::Relaxed), model.parts.load(Ordering::Relaxed))
}

/// Without this a store to one slot of an old array would cost tracing all of it, in every cycle.
#[test]
fn a_store_to_an_old_array_of_64_mib_costs_a_look_at_its_page() {
    let options = HeapOptions { mode: Mode::Concurrent, limit: 96 << 20, ..HeapOptions::default() };
    let heap = Heap::new(Counting::default(), options).unwrap();
    assert!(heap.shared.concurrent, "this needs a tracker that tells dirty pages");
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let array = mutator.allocate(Kind::Precise, 8 * SLOTS).unwrap();
    let array = mutator.root(array);
    mutator.collect();
    // It is old now, and the next cycle protects it.
    minor(&heap, &mut mutator);
    assert_eq!(minor(&heap, &mut mutator), (0, 0), "nothing was written");
    for slot in [SLOTS / 3, SLOTS - 1] {
        let object = mutator.allocate(Kind::Precise, GRANULE).unwrap();
        let allocated = heap.stats().live_objects;
        set(array.get(), slot, object);
        let (bytes, parts) = minor(&heap, &mut mutator);
        // The page is consumed and looked at while the program runs, and, as consuming comes in
        // rounds and the last stop looks too, perhaps again.
        let pages = bytes / page_size();
        assert!((1..=3).contains(&pages), "{pages} pages were looked at");
        assert_eq!(parts, pages, "a page at a time");
        assert!(
            bytes <= pages * (page_size() + GRANULE),
            "a page, and the words beside it: {bytes}"
        );
        assert_eq!(heap.stats().live_objects, allocated + 1, "the new object was found");
    }
}

/// The slot is on a page that its object only reaches into.
#[test]
fn control_an_object_that_reaches_into_a_dirty_page_is_looked_at() {
    control(Rule::LookInFull, Program::straddle, |program, progress| {
        if progress.is_first_preclean() {
            let object = program.fresh();
            program.store_across(object);
        }
        Until::Parked
    });
}

/// As above, and the object is a large one.
#[test]
fn control_a_large_object_that_reaches_into_a_dirty_page_is_looked_at() {
    control(
        Rule::LookInFull,
        |_| {},
        |program, progress| {
            if progress.is_first_preclean() {
                let object = program.fresh();
                program.store_into_the_table(object);
            }
            Until::Parked
        },
    );
}
