//! Which blocks scans are about, and how many of the new ones survive.

use super::*;
use crate::heap::pool::Room;
use crate::heap::pool::fixture::one_chunk;
use crate::object::Kind;
use crate::os::memory::Reservation;

fn marked(marks: &Marks) -> Where<'_> {
    Where::Marked(marks)
}

fn or_new(marks: &Marks) -> Where<'_> {
    Where::MarkedOrNew(marks)
}

/// A chunk of blocks.
struct Blocks {
    metadata: Metadata,
    tracker: Tracker,
    pool: Pool,
    /// Dropped last.
    _memory: Reservation,
}

impl Blocks {
    fn new() -> Self {
        let (pool, metadata, tracker, memory) = one_chunk();
        Self { metadata, tracker, pool, _memory: memory }
    }

    /// So many blocks that a mutator owns from now on.
    fn take<const N: usize>(&mut self) -> [usize; N] {
        let (metadata, tracker) = (&self.metadata, &self.tracker);
        std::array::from_fn(|_| {
            let grant = self.pool.take(Kind::Precise, 1, Room::Limit, metadata, tracker);
            grant.expect("there is room").block
        })
    }

    /// As above, and it retires them.
    fn retired<const N: usize>(&mut self) -> [usize; N] {
        let blocks = self.take();
        self.pool.retire(&self.metadata);
        blocks
    }

    /// Marks the first granule of a block.
    fn mark(&self, block: usize) {
        let marks = self.marks();
        marks.set_owned(block * WORDS_PER_BLOCK * 64);
        marks.reach(block);
    }

    fn marks(&self) -> &Marks {
        self.metadata.current_marks()
    }

    fn numbers(&self, ranges: &[PageRange]) -> Vec<usize> {
        let blocks = ranges.iter().flat_map(|range| range.pieces(BLOCK));
        blocks.map(|block| self.metadata.geometry.block(block.start())).collect()
    }

    /// The blocks that a scan is about, and those that it leaves out.
    fn watched(
        &mut self,
        which: Which,
        place: fn(&Marks) -> Where<'_>,
    ) -> (Vec<usize>, Vec<usize>) {
        let marks = self.metadata.current_marks();
        let watched = self.pool.watched(which, place(marks), &self.metadata);
        (self.numbers(&watched.quiet), self.numbers(&watched.left_out))
    }

    /// What comes after a scan. Returns the blocks whose pages are forgiven.
    fn forgive(&mut self) -> Vec<usize> {
        let mut forgiven = Vec::new();
        let marks: &Bitmap = self.metadata.current_marks();
        self.pool.unmarked_new(Some(marks), &self.metadata, |range| forgiven.push(range));
        self.numbers(&forgiven)
    }

    fn survival(&self) -> Option<f64> {
        self.pool.survival(self.marks())
    }
}

#[test]
fn a_scan_is_about_blocks_with_marks_and_new_ones_if_these_are_wanted() {
    let mut blocks = Blocks::new();
    let [first, second, third] = blocks.retired();
    blocks.mark(second);
    let nothing = Vec::new();
    assert_eq!(blocks.watched(Which::All, marked), (vec![second], nothing.clone()));
    let all = vec![first, second, third];
    assert_eq!(blocks.watched(Which::All, or_new), (all, nothing.clone()));
    assert_eq!(blocks.forgive(), [first, third]);
    // They are not new any more.
    assert_eq!(blocks.watched(Which::All, or_new), (vec![second], nothing.clone()));
    blocks.mark(third);
    assert_eq!(blocks.watched(Which::All, marked), (vec![second, third], nothing));
}

#[test]
fn owned_blocks_are_left_out_and_are_not_new_before_they_are_retired() {
    let mut blocks = Blocks::new();
    let [first, second] = blocks.take();
    assert_eq!(blocks.watched(Which::All, or_new), (vec![], vec![]));
    // As with one that had objects already when it was taken.
    blocks.mark(second);
    assert_eq!(blocks.watched(Which::All, or_new), (vec![], vec![second]));
    assert!(blocks.forgive().is_empty());
    blocks.pool.retire(&blocks.metadata);
    assert_eq!(blocks.watched(Which::All, or_new), (vec![first, second], vec![]));
    assert_eq!(blocks.forgive(), [first]);
    assert!(blocks.forgive().is_empty());
}

/// By the time of a stop most of what was taken has been given up.
#[test]
fn a_block_that_was_given_up_is_retired_before_the_stop() {
    let mut blocks = Blocks::new();
    let [first, second, third] = blocks.take();
    for block in [first, third] {
        blocks.metadata.set_age(block, Age::Young);
    }
    blocks.pool.retire_given_up(&blocks.metadata);
    assert_eq!(blocks.watched(Which::All, or_new), (vec![first, third], vec![]));
    assert_eq!(blocks.forgive(), [first, third]);
    blocks.pool.retire(&blocks.metadata);
    assert_eq!(blocks.watched(Which::All, or_new), (vec![second], vec![]));
    assert_eq!(blocks.forgive(), [second]);
}

#[test]
fn who_protects_nothing_need_not_ask_for_what_is_not_protected() {
    let mut blocks = Blocks::new();
    let [first, second] = blocks.retired();
    blocks.mark(first);
    assert_eq!(blocks.watched(Which::All, marked).0, [first]);
    blocks.mark(second);
    let marks = blocks.metadata.current_marks();
    let watched = blocks.pool.watched(Which::ProtectedAsItIs, marked(marks), &blocks.metadata);
    assert_eq!(blocks.numbers(&watched.quiet), [first]);
    assert_eq!(blocks.numbers(&watched.unarmed), [second]);
    assert_eq!(blocks.watched(Which::AllAsItIs, marked).0, [first, second]);
}

#[test]
fn pages_count_as_unprotected_until_a_scan_that_protects_them() {
    let mut blocks = Blocks::new();
    let [first, _] = blocks.retired();
    blocks.mark(first);
    let mut unprotected = |which, place: fn(&Marks) -> Where<'_>| {
        let marks = blocks.metadata.current_marks();
        blocks.pool.watched(which, place(marks), &blocks.metadata).unprotected
    };
    let pages = BLOCK / page_size();
    assert_eq!(unprotected(Which::AllAsItIs, marked), pages);
    assert_eq!(unprotected(Which::All, marked), pages);
    assert_eq!(unprotected(Which::All, or_new), pages);
    assert_eq!(unprotected(Which::All, or_new), 0);
}

#[test]
fn survival_is_the_part_of_what_was_new_at_the_last_scan_that_has_marks() {
    let mut blocks = Blocks::new();
    assert_eq!(blocks.survival(), None);
    let [first, second, third, fourth] = blocks.retired();
    assert_eq!(blocks.survival(), None, "no scan has been about them");
    blocks.forgive();
    assert_eq!(blocks.survival(), Some(0.0));
    [first, second, third].into_iter().for_each(|block| blocks.mark(block));
    assert_eq!(blocks.survival(), Some(0.75));
    let [last] = blocks.retired();
    blocks.mark(last);
    assert_eq!(blocks.survival(), Some(0.75), "that of the next scan");
    blocks.forgive();
    assert_eq!(blocks.survival(), Some(1.0));
    blocks.mark(fourth);
    blocks.forgive();
    assert_eq!(blocks.survival(), None, "nothing was new");
}

#[test]
fn the_survival_of_a_collection_is_that_of_all_young_blocks_until_another_has_some() {
    let mut blocks = Blocks::new();
    let [first, second] = blocks.retired();
    blocks.forgive();
    let [third, _] = blocks.retired();
    [first, second, third].into_iter().for_each(|block| blocks.mark(block));
    blocks.pool.begin_sweep(false, &blocks.metadata);
    assert_eq!(blocks.pool.last_survival(), 0.75);
    assert_eq!(blocks.survival(), None);
    blocks.pool.begin_sweep(false, &blocks.metadata);
    assert_eq!(blocks.pool.last_survival(), 0.75, "none was young");
    // A block that was new is not when it is old.
    let (about, _) = blocks.watched(Which::All, or_new);
    assert_eq!(about, [first, second, third]);
}
