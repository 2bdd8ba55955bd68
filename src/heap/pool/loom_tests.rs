//! The background sweeper against mutators that allocate, and against the next collection.

use loom::sync::Arc;

use super::fixture::one_chunk;
use super::*;
use crate::heap::geometry::GRANULE;
use crate::mutator::Buffer;
use crate::os::memory::Reservation;
use crate::sync::Mutex;
use crate::sync::model::{check, refute};

/// A chunk of blocks, each with an object that is marked and one that is not.
struct Blocks {
    metadata: Metadata,
    tracker: Tracker,
    pool: Mutex<Pool>,
    live: Vec<usize>,
    dead: Vec<usize>,
    /// Dropped last.
    _memory: Reservation,
}

/// Granules of each of the objects; what is left of a block is a hole.
const SIZE: usize = GRANULES_PER_BLOCK / 4;

impl Blocks {
    /// So many blocks are in use.
    fn new(count: usize) -> Self {
        let (pool, metadata, tracker, memory) = one_chunk();
        let (live, dead, pool) = (Vec::new(), Vec::new(), Mutex::new(pool));
        let mut blocks = Self { metadata, tracker, pool, live, dead, _memory: memory };
        for _ in 0..count {
            let mut buffer = blocks.buffer();
            blocks.live.push(buffer.allocate(SIZE * GRANULE));
            blocks.dead.push(buffer.allocate(SIZE * GRANULE));
            buffer.retire(&blocks.metadata);
        }
        blocks
    }

    /// Leaves no block that is free already.
    fn hide_free_blocks(&self) {
        let mut pool = self.pool.lock().unwrap();
        pool.chunks.get_mut(0).free = 0;
        pool.filling = [None; 2];
    }

    /// A buffer on a block that the caller owns.
    fn buffer(&self) -> Buffer {
        let grant = self.pool.lock().unwrap().take(
            Kind::Leaf,
            SIZE,
            Room::Limit,
            &self.metadata,
            &self.tracker,
        );
        Buffer::on(grant.expect("there is room"), &self.metadata)
    }

    fn granule(&self, object: usize) -> usize {
        self.metadata.geometry.granule(object)
    }

    /// Marks what is alive, and hands the blocks to the sweep; the world is stopped.
    fn collect(&self) {
        self.pool.lock().unwrap().retire(&self.metadata);
        let marks = self.metadata.next_marks();
        for &object in &self.live {
            marks.set_owned(self.granule(object));
            marks.reach(self.metadata.geometry.block(object));
        }
        self.metadata.flip_marks();
        self.pool.lock().unwrap().begin_sweep(true, &self.metadata);
    }

    fn sweep_some(&self) -> bool {
        self.pool.lock().unwrap().sweep_some(1, &self.metadata)
    }

    fn finish_sweep(&self) {
        while !self.sweep_some() {}
    }

    fn exists(&self, object: usize) -> bool {
        self.metadata.resolve_small(object) == Some(object)
    }

    fn check(&self) {
        assert!(self.live.iter().all(|&object| self.exists(object)), "what is alive was swept");
    }
}

fn spawn<R: 'static>(
    blocks: &Arc<Blocks>,
    body: impl FnOnce(&Blocks) -> R + 'static,
) -> loom::thread::JoinHandle<R> {
    let blocks = Arc::clone(blocks);
    loom::thread::spawn(move || body(&blocks))
}

/// Two blocks are swept in the background while a mutator takes one of them and allocates there.
fn allocation_against_sweep(take: fn(&Blocks) -> Buffer) {
    let blocks = Arc::new(Blocks::new(2));
    blocks.collect();
    blocks.hide_free_blocks();
    let sweeper = spawn(&blocks, Blocks::finish_sweep);
    let mut buffer = take(&blocks);
    let new: Vec<_> = (0..2).map(|_| buffer.allocate(SIZE * GRANULE)).collect();
    sweeper.join().unwrap();
    blocks.check();
    assert!(new.iter().all(|&object| blocks.exists(object)), "a new object was swept");
    let dead = blocks.dead.iter().filter(|object| !new.contains(object));
    assert!(!dead.into_iter().any(|&object| blocks.exists(object)), "garbage was not swept");
    assert!(!blocks.live.iter().any(|object| new.contains(object)), "allocated over an object");
}

#[test]
fn loom_nobody_sweeps_a_block_that_a_mutator_owns() {
    check(None, || allocation_against_sweep(Blocks::buffer));
}

#[test]
fn loom_control_a_mutator_allocates_in_a_block_that_is_not_swept() {
    refute("swept", None, || {
        allocation_against_sweep(|blocks| {
            let block = blocks.metadata.geometry.block(blocks.live[0]);
            Buffer::on(Grant::partial(block, 0, &blocks.metadata), &blocks.metadata)
        });
    });
}

/// The next collection, with the sweep of the one before going on in the background.
fn collection_against_sweep(before: fn(&Blocks)) {
    let blocks = Arc::new(Blocks::new(1));
    blocks.collect();
    let sweeper = spawn(&blocks, Blocks::finish_sweep);
    before(&blocks);
    // A word that may be anything, as it is left over in a dead slot.
    assert!(!blocks.exists(blocks.dead[0]), "what is dead was found");
    blocks.collect();
    blocks.finish_sweep();
    sweeper.join().unwrap();
    blocks.check();
    assert!(blocks.metadata.next_marks().is_clear(0..1), "old marks are left");
}

#[test]
fn loom_everything_is_swept_before_the_marks_are_switched() {
    check(None, || collection_against_sweep(Blocks::finish_sweep));
}

#[test]
fn loom_control_words_are_resolved_in_blocks_that_are_not_swept() {
    refute("what is dead was found", None, || collection_against_sweep(|_| ()));
}

/// As above, but for what is resolved: the old marks are being cleared while a collection fills that
/// map.
#[test]
fn loom_control_marks_are_switched_in_the_middle_of_the_sweep() {
    refute("what is alive was swept", None, || {
        let blocks = Arc::new(Blocks::new(1));
        blocks.collect();
        let sweeper = spawn(&blocks, Blocks::finish_sweep);
        blocks.collect();
        blocks.finish_sweep();
        sweeper.join().unwrap();
        blocks.check();
    });
}
