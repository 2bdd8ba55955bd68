//! An object that one marker marks is found by another by nothing but its mark, on a dirty page: that
//! one asks neither for a reference to it nor for the age of its block.

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use super::*;
use crate::heap::geometry::CHUNK;
use crate::heap::metadata::{Age, Metadata};
use crate::os::{PageRange, page_size};
use crate::sync::atomic::{AtomicUsize, Ordering::Acquire, fence};
use crate::sync::model::{check_all, refute};

const UNORDERED: &str = "Causality violation";

/// First and last granule of the object: it reaches from the first page into the second.
const EXTENT: [usize; 2] = [31, 32];

struct Object {
    metadata: Metadata,
    slot: AtomicUsize,
    header: UnsafeCell<bool>,
}

// SAFETY: the protocol under test is what keeps the accesses apart; loom checks that.
unsafe impl Sync for Object {}
// SAFETY: as above.
unsafe impl Send for Object {}

impl Object {
    fn marks(&self) -> &Marks {
        self.metadata.current_marks()
    }

    fn address(&self) -> usize {
        self.metadata.geometry.granule_address(EXTENT[0])
    }

    /// What the mutator does: it allocates the object in a block that it owns, and retires that.
    fn make(&self) {
        self.metadata.set_age(0, Age::Owned);
        self.metadata.starts.set_owned(EXTENT[0]);
        self.metadata.ends.set_owned(EXTENT[1]);
        // SAFETY: nobody looks at the object yet.
        self.header.with_mut(|header| unsafe { *header = true });
        self.slot.store(self.address(), Relaxed);
        self.metadata.set_age(0, Age::Young);
    }

    /// What the marker does that finds the reference.
    fn mark(&self, set: fn(&Marks, usize)) {
        if self.slot.load(Acquire) != 0 && self.metadata.age(0) != Age::Owned {
            set(self.marks(), EXTENT[0]);
        }
    }

    /// What the marker does that finds the mark.
    fn look(&self) {
        // SAFETY: the object is initialised.
        self.header.with(|header| assert!(unsafe { *header }));
    }
}

/// How an object is marked, and how it is found by its mark.
#[derive(Clone, Copy)]
struct Sides {
    set: fn(&Marks, usize),
    find: fn(&Object) -> bool,
}

/// A page that the object begins on.
const BEGINS: Sides = Sides {
    set: |marks, granule| assert!(marks.set_shared(granule)),
    find: |object| {
        let mut found = false;
        object.marks().for_each_set(0, EXTENT[1], |_| found = true);
        found
    },
};

/// A page that it reaches into.
const REACHES: Sides = Sides {
    find: |object| {
        let page = object.metadata.geometry.base() + page_size();
        object.metadata.spanning_into(page, object.marks()) == Some(object.address())
    },
    ..BEGINS
};

/// Pages of an object that is known to be there.
const LARGE: Sides = Sides { find: |object| object.marks().finds(EXTENT[0]), ..BEGINS };

fn race(sides: Sides) {
    let geometry = Geometry::new(PageRange::new(CHUNK, 2 * CHUNK).unwrap());
    let object = Arc::new(Object {
        metadata: Metadata::new(geometry).unwrap(),
        slot: AtomicUsize::new(0),
        header: UnsafeCell::new(false),
    });
    // Both are there before the object is: nothing orders that but what they read.
    let marks = loom::thread::spawn({
        let object = Arc::clone(&object);
        move || object.mark(sides.set)
    });
    let finds = loom::thread::spawn({
        let object = Arc::clone(&object);
        move || {
            if (sides.find)(&object) {
                object.look();
            }
        }
    });
    object.make();
    marks.join().unwrap();
    finds.join().unwrap();
}

#[test]
fn loom_what_is_found_by_its_mark_is_initialised() {
    check_all(None, [BEGINS, REACHES, LARGE].map(|sides| move || race(sides)));
}

#[test]
fn loom_control_an_object_is_found_by_a_relaxed_read() {
    let find = |object: &Object| object.marks().words()[0].load(Relaxed) != 0;
    refute(UNORDERED, None, move || race(Sides { find, ..BEGINS }));
}

#[test]
fn loom_control_a_large_object_is_found_by_a_relaxed_read() {
    let find = |object: &Object| object.marks().get(EXTENT[0]);
    refute(UNORDERED, None, move || race(Sides { find, ..LARGE }));
}

#[test]
fn loom_control_an_object_is_marked_by_a_relaxed_operation() {
    let set = |marks: &Marks, granule: usize| {
        marks.words()[0].fetch_or(1 << granule, Relaxed);
    };
    refute(UNORDERED, None, move || race(Sides { set, ..BEGINS }));
}

/// As it was: the fence came after the end had been looked for.
#[test]
fn loom_control_the_end_of_an_object_is_read_before_the_fence() {
    refute("every small object has an end", None, || {
        race(Sides {
            find: |object| {
                let found = object.marks().last_set(0, EXTENT[1] - 1).is_some();
                if found {
                    object.metadata.small_size(object.address());
                    fence(Acquire);
                }
                found
            },
            ..REACHES
        });
    });
}
