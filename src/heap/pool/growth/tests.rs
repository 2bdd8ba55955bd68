//! Chunks ahead: how many, who gets them, and what becomes of them where memory is short. And those that
//! mutators touch.

use super::*;
use crate::heap::chunks::{NoChunk, populate};
use crate::heap::geometry::{BLOCKS_PER_CHUNK, CHUNK, GRANULES_PER_BLOCK};
use crate::heap::metadata::Metadata;
use crate::heap::pool::fixture::some_chunks;
use crate::heap::pool::{Room, Taken};
use crate::object::Kind;
use crate::os::memory::{Access, Reservation, protect};
use crate::os::page_size;

const CHUNKS: usize = 32;

/// A pool of that many chunks, some of which were taken for leaves.
struct Heap {
    pool: Pool,
    metadata: Metadata,
    tracker: Tracker,
    /// Dropped last.
    _memory: Reservation,
}

impl Heap {
    fn of(taken: usize) -> Self {
        let mut heap = Self::with(false);
        (0..taken).for_each(|_| heap.grow());
        heap
    }

    fn with(huge_pages: bool) -> Self {
        let (pool, metadata, tracker, memory) = some_chunks(CHUNKS, huge_pages);
        Self { pool, metadata, tracker, _memory: memory }
    }

    /// Takes all blocks of another chunk.
    fn grow(&mut self) {
        for index in 0..BLOCKS_PER_CHUNK {
            assert_eq!(self.take().1, index == 0, "grown for the first block of a chunk");
        }
    }

    /// A block, and whether the heap has grown for it.
    fn take(&mut self) -> (usize, bool) {
        let (size, room) = (GRANULES_PER_BLOCK, Room::Limit);
        let grant = self.pool.take(Kind::Leaf, size, room, &self.metadata, &self.tracker);
        let grant = grant.expect("there is room");
        (grant.block, grant.grown)
    }

    /// The chunk of a block for a mutator, or the one that is to be touched first.
    fn take_touched(&mut self) -> Result<usize, Untouched> {
        let (size, room) = (GRANULES_PER_BLOCK, Room::Limit);
        let taken = self.pool.take_touched(Kind::Leaf, size, room, &self.metadata, &self.tracker);
        match taken.expect("there is room") {
            Taken::Block(grant) => Ok(grant.block / BLOCKS_PER_CHUNK),
            Taken::Untouched(untouched) => Err(untouched),
        }
    }

    fn touch(&mut self, untouched: &Untouched) -> usize {
        untouched.touch();
        self.pool.chunks.touched(untouched);
        self.metadata.geometry.chunk(untouched.range().start())
    }

    /// What is to be touched for a large object, and the object then.
    fn take_large(&mut self, bytes: usize) -> (Option<PageRange>, PageRange) {
        let (kind, room, metadata) = (Kind::Precise, Room::Limit, &self.metadata);
        let untouched = self.pool.untouched_for_large(kind, bytes, room, metadata, &self.tracker);
        untouched.iter().for_each(|untouched| self.pool.chunks.touched(untouched));
        let object = self.pool.reserve_large(kind, bytes, room, metadata, &self.tracker);
        let object = object.expect("there is room").0;
        self.pool.hand_out_large(object, metadata);
        let range = PageRange::covering(object.start, bytes).unwrap();
        (untouched.map(|untouched| untouched.range()), range)
    }

    /// As the sweeper does.
    fn populate_ahead(&mut self) {
        while let Some(range) = self.pool.commit_ahead(&self.tracker) {
            let populated = populate(range);
            self.pool.chunks.populated(range, populated);
        }
    }

    fn ahead(&self) -> usize {
        self.pool.chunks.ahead(crate::heap::chunk::Watch::Unwatched)
    }

    /// Pages of a chunk that are in memory.
    fn resident(&self, chunk: usize) -> usize {
        let range = self.metadata.geometry.chunk_range(chunk, 1);
        let mut pages = vec![0_u8; range.pages()];
        // SAFETY: the addresses are reserved, and there is a byte for each of their pages.
        let status =
            unsafe { libc::mincore(range.as_ptr().cast(), range.bytes(), pages.as_mut_ptr()) };
        assert_eq!(status, 0);
        pages.iter().filter(|&page| page & 1 == 1).count()
    }
}

#[test]
fn a_part_of_the_room_is_populated_when_the_heap_grows() {
    let mut heap = Heap::of(16);
    assert_eq!(heap.ahead(), 0);
    heap.populate_ahead();
    // 20 are committed then, and a quarter of the 12 others is less than that.
    assert_eq!((heap.ahead(), heap.pool.chunks.populated_ahead()), (4, 4));
    let (block, grown) = heap.take();
    assert!(grown);
    assert_eq!(heap.resident(block / BLOCKS_PER_CHUNK), CHUNK / page_size());
    assert_eq!(heap.ahead(), 3);
}

#[test]
fn nothing_is_committed_ahead_of_a_small_heap_nor_of_one_that_does_not_grow() {
    let mut heap = Heap::of(3);
    heap.populate_ahead();
    assert_eq!(heap.ahead(), 0);
    let mut heap = Heap::of(16);
    heap.populate_ahead();
    heap.pool.chunks.give_back_idle(&heap.metadata, &heap.tracker).unwrap();
    heap.populate_ahead();
    assert_eq!((heap.ahead(), heap.pool.chunks.committed()), (0, 16));
}

#[test]
fn a_chunk_that_is_being_populated_is_taken_last() {
    let mut heap = Heap::of(16);
    let range = heap.pool.commit_ahead(&heap.tracker).expect("it grows");
    let at_work = heap.metadata.geometry.chunk(range.start());
    let before = heap.ahead();
    assert!(before > 1);
    for left in (0..before).rev() {
        let (block, _) = heap.take();
        assert_eq!(block / BLOCKS_PER_CHUNK == at_work, left == 0);
        for _ in 1..BLOCKS_PER_CHUNK {
            heap.take();
        }
    }
    // Nobody waits for that to end, and what is there then stays.
    heap.pool.chunks.populated(range, populate(range));
    assert_eq!((heap.ahead(), heap.pool.chunks.populated_ahead()), (0, 0));
}

#[test]
fn free_blocks_are_taken_before_chunks_ahead() {
    let mut heap = Heap::of(16);
    heap.populate_ahead();
    heap.pool.retire(&heap.metadata);
    heap.metadata.flip_marks();
    heap.pool.begin_sweep(true, &heap.metadata);
    let ahead = heap.ahead();
    (0..16 * BLOCKS_PER_CHUNK).for_each(|_| assert!(!heap.take().1));
    assert_eq!(heap.ahead(), ahead);
}

#[test]
fn what_is_ahead_counts_towards_the_limit_and_is_given_up_for_others() {
    let mut heap = Heap::of(16);
    heap.populate_ahead();
    let bytes = (CHUNKS - 16) * CHUNK;
    let (limit, metadata) = (Room::Limit, &heap.metadata);
    let large = heap.pool.reserve_large(Kind::Precise, bytes, limit, metadata, &heap.tracker);
    assert!(large.is_ok(), "all of the rest can be had");
    assert_eq!((heap.ahead(), heap.pool.chunks.committed()), (0, CHUNKS));
    let full = heap.pool.take(Kind::Leaf, 1, limit, metadata, &heap.tracker);
    assert!(matches!(full, Err(NoChunk::Limit | NoChunk::Fragmented(_))));
}

/// The kernel had found the memory when it was given back, and was not yet done.
#[test]
fn a_chunk_that_is_given_back_while_it_is_populated_has_no_memory() {
    let mut heap = Heap::of(16);
    let range = heap.pool.commit_ahead(&heap.tracker).expect("it grows");
    heap.pool.chunks.give_back_idle(&heap.metadata, &heap.tracker).unwrap();
    assert!(!populate(range), "it is inaccessible");
    // SAFETY: nobody uses the chunk.
    unsafe { protect(range, Access::ReadWrite) }.unwrap();
    let populated = populate(range);
    // SAFETY: as above.
    unsafe { protect(range, Access::None) }.unwrap();
    let chunk = heap.metadata.geometry.chunk(range.start());
    assert_eq!((populated, heap.resident(chunk)), (true, CHUNK / page_size()));
    heap.pool.chunks.populated(range, populated);
    assert_eq!((heap.resident(chunk), heap.pool.chunks.populated_ahead()), (0, 0));
}

/// A soft limit that was exceeded for one object was exceeded by a quarter of the limit.
#[test]
fn nothing_is_populated_beyond_a_target_that_was_too_small() {
    let mut heap = Heap::of(0);
    heap.pool.resize(4, 4);
    (0..16).for_each(|_| heap.grow());
    heap.populate_ahead();
    assert_eq!(heap.ahead(), 0);
}

#[test]
fn a_mutator_touches_what_the_heap_grows_by_before_it_takes_it() {
    let mut heap = Heap::with(true);
    let untouched = heap.take_touched().expect_err("nobody has touched it");
    let chunk = heap.touch(&untouched);
    assert_ne!(heap.resident(chunk), 0);
    (0..BLOCKS_PER_CHUNK).for_each(|_| assert_eq!(heap.take_touched().ok(), Some(chunk)));
    assert!(heap.take_touched().is_err(), "the next one");
    assert_eq!(heap.pool.chunks.populated_ahead(), 0, "that was not ahead");
}

#[test]
fn nobody_touches_base_pages_nor_what_the_sweeper_has_populated() {
    let mut heap = Heap::with(false);
    assert!(heap.take_touched().is_ok());
    let mut heap = Heap::with(true);
    (0..16).for_each(|_| heap.grow());
    heap.populate_ahead();
    (0..4 * BLOCKS_PER_CHUNK).for_each(|_| assert!(heap.take_touched().is_ok()));
    assert!(heap.take_touched().is_err());
}

#[test]
fn what_is_being_touched_is_neither_taken_nor_given_back() {
    let mut heap = Heap::with(true);
    let [mine, others] = [(); 2].map(|()| heap.take_touched().expect_err("nobody has touched it"));
    let other = heap.touch(&others);
    assert_eq!(heap.take_touched().ok(), Some(other));
    heap.pool.chunks.give_back_idle(&heap.metadata, &heap.tracker).unwrap();
    (1..BLOCKS_PER_CHUNK).for_each(|_| assert_eq!(heap.take().0 / BLOCKS_PER_CHUNK, other));
    (2..CHUNKS).for_each(|_| heap.grow());
    let (room, metadata) = (Room::Limit, &heap.metadata);
    let full = heap.pool.take(Kind::Leaf, 1, room, metadata, &heap.tracker);
    assert!(matches!(full, Err(NoChunk::Limit | NoChunk::Fragmented(_))));
    let mine = heap.touch(&mine);
    assert_eq!(heap.take_touched().ok(), Some(mine));
}

/// Otherwise another mutator could run out of memory that is free.
#[test]
fn the_last_chunk_is_not_touched_before_it_is_taken() {
    let mut heap = Heap::with(true);
    (1..CHUNKS).for_each(|_| heap.grow());
    assert!(heap.take_touched().is_ok());
}

/// It was taken as it was, and the program's first store waited for the kernel as long as the sweeper.
#[test]
fn a_mutator_touches_what_the_sweeper_populates_if_there_may_be_no_more() {
    let mut heap = Heap::with(true);
    (0..CHUNKS - 4).for_each(|_| heap.grow());
    let range = heap.pool.commit_ahead(&heap.tracker).expect("it grows");
    for _ in 0..2 {
        let another = heap.take_touched().expect_err("nobody has touched it");
        let chunk = heap.touch(&another);
        (0..BLOCKS_PER_CHUNK).for_each(|_| assert_eq!(heap.take_touched().ok(), Some(chunk)));
    }
    let untouched = heap.take_touched().expect_err("it is not populated yet");
    assert_eq!(untouched.range(), range);
    heap.pool.chunks.populated(range, true);
    let chunk = heap.touch(&untouched);
    assert_eq!(heap.take_touched().ok(), Some(chunk));
}

#[test]
fn what_was_being_touched_at_a_fork_is_idle_in_the_child() {
    let mut heap = Heap::with(true);
    heap.take_touched().expect_err("nobody has touched it");
    assert!(!heap.pool.chunks.has_idle());
    heap.pool.chunks.release_touched();
    assert!(heap.pool.chunks.has_idle());
}

#[test]
fn room_that_was_being_cleared_at_a_fork_is_free_in_the_child() {
    let mut heap = Heap::with(true);
    let (before, bytes) = (heap.pool.live_bytes(), 5 * CHUNK / 2);
    let reserve = |heap: &mut Heap| {
        let (kind, room, metadata) = (Kind::Precise, Room::Limit, &heap.metadata);
        heap.pool.reserve_large(kind, bytes, room, metadata, &heap.tracker).unwrap().0.start
    };
    let first = reserve(&mut heap);
    assert_ne!(reserve(&mut heap), first);
    heap.pool.release_reserved(&heap.metadata);
    assert_eq!(heap.pool.live_bytes(), before);
    assert_eq!(reserve(&mut heap), first);
}

#[test]
fn all_chunks_of_a_large_object_are_touched() {
    let mut heap = Heap::with(true);
    let (untouched, object) = heap.take_large(5 * CHUNK / 2);
    let range = untouched.expect("nobody has touched it");
    assert_eq!((range.start(), range.bytes()), (object.start(), 3 * CHUNK));
    // What is left of them is room for others.
    assert_eq!(heap.take_large(CHUNK / 4).0, None);
}
