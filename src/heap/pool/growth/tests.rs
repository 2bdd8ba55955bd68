//! Chunks ahead: how many, who gets them, and what becomes of them where memory is short.

use super::*;
use crate::heap::chunks::{NoChunk, populate};
use crate::heap::geometry::{BLOCKS_PER_CHUNK, CHUNK, GRANULES_PER_BLOCK};
use crate::heap::metadata::Metadata;
use crate::heap::pool::Room;
use crate::heap::pool::fixture::some_chunks;
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
        let (pool, metadata, tracker, memory) = some_chunks(CHUNKS);
        let mut heap = Self { pool, metadata, tracker, _memory: memory };
        (0..taken).for_each(|_| heap.grow());
        heap
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

    /// As the sweeper does.
    fn populate_ahead(&mut self) {
        while let Some(range) = self.pool.commit_ahead(&self.tracker) {
            let populated = populate(range);
            self.pool.chunks.populated(range, populated);
        }
    }

    fn ahead(&self) -> usize {
        self.pool.chunks.ahead(crate::heap::chunks::Watch::Unwatched)
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
    let large = heap.pool.take_large(Kind::Precise, bytes, limit, metadata, &heap.tracker);
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
