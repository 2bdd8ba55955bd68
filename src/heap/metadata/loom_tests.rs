//! Spans that are retired while others mark: an object is looked at only when it is initialised, and
//! each is marked by one marker.

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use super::*;
use crate::os::PageRange;
use crate::sync::atomic::AtomicUsize;
use crate::sync::model::{check, refute};

const UNORDERED: &str = "Causality violation";

fn metadata() -> Metadata {
    Metadata::new(Geometry::new(PageRange::new(CHUNK, 2 * CHUNK).unwrap())).unwrap()
}

/// An object in a block that a mutator takes, and a slot that refers to it.
struct Span {
    metadata: Metadata,
    slot: AtomicUsize,
    header: UnsafeCell<bool>,
}

// SAFETY: the protocol under test is what keeps the accesses apart; loom checks that.
unsafe impl Sync for Span {}
// SAFETY: as above.
unsafe impl Send for Span {}

impl Span {
    fn initialise(&self) {
        // SAFETY: nobody looks at the object yet.
        self.header.with_mut(|header| unsafe { *header = true });
    }

    fn look(&self) {
        // SAFETY: the object is initialised.
        self.header.with(|header| assert!(unsafe { *header }));
    }

    fn publish(&self) {
        self.metadata.starts.set_owned(0);
        self.metadata.ends.set_owned(0);
        self.slot.store(self.metadata.geometry.base(), Ordering::Relaxed);
    }
}

/// A mutator takes the block, publishes an object, initialises it and retires the block; a marker
/// comes by.
#[derive(Clone, Copy)]
struct Sides {
    own: fn(&Metadata),
    retire: fn(&Metadata),
    mark: fn(&Span),
}

const SOUND: Sides = Sides {
    own: |metadata| metadata.set_age(0, Age::Owned),
    retire: |metadata| metadata.set_age(0, Age::Young),
    mark: |span| follow(span, Ordering::Acquire, |metadata| metadata.age(0)),
};

/// What a marker does with a slot: `Slot::load`, then the filter.
fn follow(span: &Span, order: Ordering, age: fn(&Metadata) -> Age) {
    if span.slot.load(order) != 0 && age(&span.metadata) != Age::Owned {
        span.look();
    }
}

/// What a marker does with a word that may be anything, by either way of finding its object.
fn resolve(span: &Span, find: fn(&Metadata, usize) -> bool, acquire: fn()) {
    let word = span.metadata.geometry.base();
    if span.metadata.age(0) == Age::Owned {
        return;
    }
    let content = span.metadata.content(0);
    let is_object = content != Content::Unused && find(&span.metadata, word);
    acquire();
    if is_object && span.metadata.age(0) != Age::Owned {
        assert_eq!(
            span.metadata.content(0),
            Content::Small(Kind::Precise),
            "the content is not known"
        );
        span.look();
    }
}

/// What a marker of a minor cycle does first with a slot: it passes by what is old, as marked. The block
/// was handed out before the reference can be seen, so it is not old, and it has its content.
fn pass_by(span: &Span) {
    if span.slot.load(Ordering::Acquire) != 0 {
        assert!(!span.metadata.is_old(0), "a new object is passed by");
        assert_eq!(
            span.metadata.content(0),
            Content::Small(Kind::Precise),
            "the content is not known"
        );
    }
}

fn points_into_one(metadata: &Metadata, word: usize) -> bool {
    metadata.resolve_small(word).is_some()
}

fn race(sides: Sides) {
    let span = Arc::new(Span {
        metadata: metadata(),
        slot: AtomicUsize::new(0),
        header: UnsafeCell::new(false),
    });
    let marker = loom::thread::spawn({
        let span = Arc::clone(&span);
        move || (sides.mark)(&span)
    });
    span.metadata.set_content(0, Content::Small(Kind::Precise));
    (sides.own)(&span.metadata);
    span.publish();
    span.initialise();
    (sides.retire)(&span.metadata);
    marker.join().unwrap();
}

#[test]
fn loom_an_object_is_looked_at_when_its_block_is_retired() {
    check(None, || race(SOUND));
}

#[test]
fn loom_a_word_resolves_to_what_is_initialised() {
    let mark = |span: &Span| resolve(span, points_into_one, || fence(Ordering::Acquire));
    check(None, move || race(Sides { mark, ..SOUND }));
}

#[test]
fn loom_a_checked_word_is_the_start_of_what_is_initialised() {
    let mark = |span: &Span| resolve(span, Metadata::begins_at, || fence(Ordering::Acquire));
    check(None, move || race(Sides { mark, ..SOUND }));
}

#[test]
fn loom_a_new_object_is_not_passed_by_as_old() {
    check(None, || race(Sides { mark: pass_by, ..SOUND }));
}

#[test]
fn loom_control_a_block_is_handed_out_without_a_fence() {
    let own = |metadata: &Metadata| metadata.ages[0].store(Age::Owned as u8, Ordering::Release);
    refute("a new object is passed by", None, move || {
        race(Sides { own, mark: pass_by, ..SOUND });
    });
}

#[test]
fn loom_control_a_block_is_owned_without_a_fence() {
    let own = |metadata: &Metadata| metadata.ages[0].store(Age::Owned as u8, Ordering::Release);
    refute(UNORDERED, None, move || race(Sides { own, ..SOUND }));
}

#[test]
fn loom_control_a_block_is_retired_by_a_relaxed_store() {
    let retire = |metadata: &Metadata| metadata.ages[0].store(Age::Young as u8, Ordering::Relaxed);
    refute(UNORDERED, None, move || race(Sides { retire, ..SOUND }));
}

#[test]
fn loom_control_a_slot_is_read_relaxed() {
    let mark = |span: &Span| follow(span, Ordering::Relaxed, |metadata| metadata.age(0));
    refute(UNORDERED, None, move || race(Sides { mark, ..SOUND }));
}

#[test]
fn loom_control_an_age_is_read_relaxed() {
    let mark = |span: &Span| {
        follow(span, Ordering::Acquire, |metadata| {
            match metadata.ages[0].load(Ordering::Relaxed) {
                2 => Age::Owned,
                _ => Age::Young,
            }
        });
    };
    refute(UNORDERED, None, move || race(Sides { mark, ..SOUND }));
}

#[test]
fn loom_control_a_word_is_resolved_without_a_fence() {
    let mark = |span: &Span| resolve(span, points_into_one, || ());
    refute(UNORDERED, None, move || race(Sides { mark, ..SOUND }));
}

#[test]
fn loom_control_a_word_is_checked_without_a_fence() {
    let mark = |span: &Span| resolve(span, Metadata::begins_at, || ());
    refute(UNORDERED, None, move || race(Sides { mark, ..SOUND }));
}

/// Two markers find the same object, and each a neighbour; returns how often the object was theirs
/// to trace.
fn two_markers(mark: fn(&Bitmap, usize) -> bool) {
    let metadata = Arc::new(metadata());
    let other = loom::thread::spawn({
        let metadata = Arc::clone(&metadata);
        move || {
            let first = mark(metadata.current_marks(), 1);
            mark(metadata.current_marks(), 2);
            metadata.current_marks().reach(1);
            first
        }
    });
    let first = mark(metadata.current_marks(), 1);
    mark(metadata.current_marks(), 3);
    metadata.current_marks().reach(2);
    let traced = usize::from(first) + usize::from(other.join().unwrap());
    assert_eq!(traced, 1, "traced so often");
    assert!((1..=3).all(|granule| metadata.current_marks().get(granule)), "a mark is lost");
    assert_eq!(metadata.current_marks().reached(0), 0b110, "a block is forgotten");
}

#[test]
fn loom_an_object_is_traced_by_one_marker_and_no_mark_is_lost() {
    check(None, || two_markers(Bitmap::set_shared));
}

#[test]
fn loom_control_two_markers_mark_as_if_alone() {
    refute("traced so often", None, || {
        two_markers(|marks, granule| {
            let clear = !marks.get(granule);
            marks.set_owned(granule);
            clear
        });
    });
}
