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

fn pages(first: usize, count: usize) -> PageRange {
    PageRange::new(page_size() * first, page_size() * (first + count)).unwrap()
}

/// The page at the address itself is what comes next.
#[test]
fn what_lies_below_an_address_is_left_out_and_no_page_more() {
    let watched = || Watched {
        quiet: vec![pages(10, 10), pages(30, 10)],
        left_out: vec![pages(20, 5), pages(25, 1)],
        ..Watched::default()
    };
    let after = |page: usize| {
        let mut watched = watched();
        watched.skip_until(page * page_size());
        (watched.quiet, watched.left_out)
    };
    assert_eq!(after(0), (watched().quiet, watched().left_out));
    assert_eq!(after(10), (watched().quiet, watched().left_out));
    assert_eq!(after(13), (vec![pages(13, 7), pages(30, 10)], watched().left_out));
    assert_eq!(after(20), (vec![pages(30, 10)], watched().left_out));
    assert_eq!(after(25), (vec![pages(30, 10)], vec![pages(25, 1)]));
    assert_eq!(after(39), (vec![pages(39, 1)], vec![]));
    assert_eq!(after(40), (vec![], vec![]));
}

#[test]
fn what_is_to_be_left_out_is_moved_and_nothing_else() {
    let mut watched = Watched {
        quiet: vec![pages(1, 2), pages(10, 10), pages(30, 10)],
        left_out: vec![pages(5, 1)],
        ..Watched::default()
    };
    watched.leave_out(pages(15, 20));
    assert_eq!(watched.quiet, [pages(1, 2), pages(10, 5), pages(35, 5)]);
    assert_eq!(watched.left_out, [pages(5, 1), pages(15, 5), pages(30, 5)]);
    watched.leave_out(pages(11, 1));
    assert_eq!(watched.quiet, [pages(1, 2), pages(10, 1), pages(12, 3), pages(35, 5)]);
}

/// They are dirty until a scan has been about them that is not spared them.
#[test]
fn hot_chunks_are_left_out_where_that_is_wanted_and_nowhere_else() {
    let mut blocks = Blocks::new();
    let [first] = blocks.retired();
    blocks.mark(first);
    let chunk = first / BLOCKS_PER_CHUNK;
    blocks.pool.chunks.get_mut(chunk).heat.unprotected = true;
    let mut watched = |which| {
        let marks = blocks.metadata.current_marks();
        let watched = blocks.pool.watched(which, marked(marks), &blocks.metadata);
        (!watched.quiet.is_empty() || !watched.unarmed.is_empty(), watched.but_hot)
    };
    assert_eq!(watched(Which::AllButHot), (false, true));
    for which in [Which::All, Which::AllAsItIs, Which::ProtectedAsItIs] {
        assert_eq!(watched(which), (true, false), "{which:?}");
    }
}

/// The blocks that are free around it are unprotected together with a block, and count as that.
#[test]
fn a_block_is_unprotected_with_the_free_ones_around_it() {
    let mut blocks = Blocks::new();
    let [block] = blocks.take();
    let chunk = block / BLOCKS_PER_CHUNK;
    let first = chunk * BLOCKS_PER_CHUNK;
    // Armed, free, the block to be taken, and what is unprotected and armed then.
    for (armed, free, index, run, left) in [
        (0b0111_1110, 0b0011_0100, 3, None, 0b0111_1110),
        (0b0111_1110, 0b0011_1100, 3, Some(2..6), 0b0100_0010),
        (0b0111_1110, 0b0011_0100, 3, Some(2..6), 0b0100_0010),
        (0b0111_1110, 0b0110_0011, 3, Some(3..4), 0b0111_0110),
        (!0, !0, 0, Some(0..32), 0),
        (!0, !0, 31, Some(0..32), 0),
        (!0, 1 << 30, 31, Some(30..32), !(0b11 << 30)),
        (!0, 0b10, 0, Some(0..2), !0b11),
    ] {
        let state = blocks.pool.chunks.get_mut(chunk);
        (state.armed, state.free) = (armed, free);
        let number = if run.is_none() { first + 7 } else { first + index };
        let unprotected = blocks.pool.disarm(number, &blocks.metadata);
        let geometry = blocks.metadata.geometry;
        let expected = run.map(|run: std::ops::Range<usize>| {
            let start = geometry.block_address(first + run.start);
            PageRange::new(start, start + run.len() * BLOCK).unwrap()
        });
        let armed = blocks.pool.chunks.get_mut(chunk).armed;
        assert_eq!((unprotected, armed), (expected, left), "{index} of {free:#b}");
    }
}

/// A large object is its mutator's until the next stop, young until a collection, and then old.
#[test]
fn all_blocks_of_a_large_object_have_its_age() {
    let mut blocks = Blocks::new();
    let (metadata, tracker, pool) = (&blocks.metadata, &blocks.tracker, &mut blocks.pool);
    let bytes = 2 * BLOCK + 16;
    let object = pool.reserve_large(Kind::Precise, bytes, Room::Limit, metadata, tracker);
    let (object, _) = object.expect("there is room");
    pool.hand_out_large(object, metadata);
    let first = metadata.geometry.block(object.start);
    let last = metadata.geometry.block(object.start + bytes - 1);
    let have = |age| (first..=last).all(|block| metadata.age(block) == age);
    assert!(last - first >= 2 && have(Age::Owned));
    let range = PageRange::covering(object.start, bytes).unwrap();
    let marks = metadata.current_marks();
    let is_about = |ranges: &[PageRange]| {
        ranges.iter().filter_map(|part| part.intersection(range)).map(|part| part.pages()).sum()
    };
    let watched = pool.watched(Which::AllAsItIs, marked(marks), metadata);
    assert_eq!((is_about(&watched.quiet), is_about(&watched.left_out)), (0, range.pages()));
    pool.retire(metadata);
    assert!(have(Age::Young));
    let watched = pool.watched(Which::AllAsItIs, marked(marks), metadata);
    assert_eq!((is_about(&watched.quiet), is_about(&watched.left_out)), (range.pages(), 0));
    marks.set_owned(metadata.geometry.granule(object.start));
    pool.begin_sweep(false, metadata);
    assert!(have(Age::Old));
}
