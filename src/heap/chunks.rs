//! Chunks: committing them, watching them, and giving them back.

mod ahead;
mod canaries;
mod touching;

use std::collections::BTreeSet;
use std::ops::Range;

use ahead::Ahead;
pub(crate) use ahead::populate;
pub(crate) use touching::Untouched;

use super::chunk::{ALL_BLOCKS, Chunk, Heat, runs};
use super::chunk::{Use, Watch};
use super::geometry::{BLOCK, BLOCKS_PER_CHUNK, Geometry};
use super::metadata::Metadata;
use crate::dirty::{TrackError, Tracker};
use crate::os::memory::{self, Advice};
use crate::os::{OsError, PageRange};

/// Why there is no chunk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoChunk {
    /// The number of chunks that may be committed is reached.
    #[error("the heap limit is reached")]
    Limit,
    /// No run of adjacent chunks is long enough.
    #[error("the reserved address range has no {0} adjacent free chunks")]
    Fragmented(usize),
    #[error(transparent)]
    Os(#[from] OsError),
    #[error(transparent)]
    Track(#[from] TrackError),
}

/// Collections that an idle chunk survives before its memory goes back to the system.
const IDLE_COLLECTIONS: u8 = 3;

/// All chunks of a heap. Used under the pool's lock.
#[derive(Debug)]
pub(crate) struct Chunks {
    geometry: Geometry,
    chunks: Vec<Chunk>,
    /// Chunks without memory, and with memory but without use. Watched chunks are taken from the
    /// low end and others from the high end, so that either kind is one run for the kernel.
    uncommitted: BTreeSet<usize>,
    idle: BTreeSet<usize>,
    /// Those of the latter that were committed before they are needed.
    ahead: Ahead,
    committed: usize,
    peak: usize,
    /// Blocks of committed chunks that have given their memory back.
    purged: usize,
    huge_pages: bool,
}

impl Chunks {
    pub(crate) fn new(geometry: Geometry, huge_pages: bool) -> Self {
        Self {
            geometry,
            chunks: vec![Chunk::UNCOMMITTED; geometry.chunks()],
            uncommitted: (0..geometry.chunks()).collect(),
            idle: BTreeSet::new(),
            ahead: Ahead::default(),
            committed: 0,
            peak: 0,
            purged: 0,
            huge_pages,
        }
    }

    /// Whether the kernel was asked for huge pages.
    pub(crate) fn has_huge_pages(&self) -> bool {
        self.huge_pages
    }

    /// Chunks' worth of memory that is committed.
    pub(crate) fn committed(&self) -> usize {
        (self.committed * BLOCKS_PER_CHUNK - self.purged).div_ceil(BLOCKS_PER_CHUNK)
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    pub(crate) fn get(&self, chunk: usize) -> &Chunk {
        &self.chunks[chunk]
    }

    pub(crate) fn get_mut(&mut self, chunk: usize) -> &mut Chunk {
        &mut self.chunks[chunk]
    }

    /// The chunks that are in use, with what for.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = (usize, Use)> + '_ {
        let states = self.chunks.iter().map(|chunk| chunk.state).enumerate();
        states.filter(|(_, state)| matches!(state, Use::Blocks(_) | Use::Large(_)))
    }

    /// A chunk that is idle, and was in use before.
    pub(crate) fn take_idle(
        &mut self,
        watch: Watch,
        state: Use,
        tracker: &Tracker,
    ) -> Result<Option<usize>, NoChunk> {
        self.give_back_purged(tracker)?;
        let used = self.idle.iter().copied().filter(|&chunk| !self.ahead.contains(chunk));
        let Some(chunk) = nearest(used, watch) else { return Ok(None) };
        self.set_watched(chunk, watch, tracker)?;
        self.idle.remove(&chunk);
        self.begin(chunk, state, tracker);
        Ok(Some(chunk))
    }

    /// `count` adjacent chunks, as long as no more than `limit` are committed then; a single one as
    /// was committed ahead, if any was.
    pub(crate) fn take_run(
        &mut self,
        count: usize,
        watch: Watch,
        state: Use,
        limit: usize,
        tracker: &Tracker,
    ) -> Result<usize, NoChunk> {
        self.give_back_purged(tracker)?;
        let ahead = if count == 1 { self.ahead.best(watch) } else { None };
        let first = ahead.map(|(chunk, _)| chunk).or_else(|| self.find_run(count, watch));
        let first = first.ok_or(NoChunk::Fragmented(count))?;
        let run = first..first + count;
        let new = run.clone().filter(|chunk| self.uncommitted.contains(chunk)).count();
        self.make_room(new, &run, limit, tracker)?;
        self.make_ready(&run, watch, tracker)?;
        for chunk in run {
            self.idle.remove(&chunk);
            self.begin(chunk, state, tracker);
        }
        Ok(first)
    }

    /// Commits and watches all of the chunks: should the kernel refuse one, those before it stay idle.
    fn make_ready(
        &mut self,
        run: &Range<usize>,
        watch: Watch,
        tracker: &Tracker,
    ) -> Result<(), NoChunk> {
        for chunk in run.clone() {
            if self.uncommitted.contains(&chunk) {
                self.commit(chunk)?;
            }
            self.set_watched(chunk, watch, tracker)?;
        }
        Ok(())
    }

    /// Sees to it that `new` more chunks may be committed, if need be by giving idle ones outside
    /// of `run` back to the system.
    fn make_room(
        &mut self,
        new: usize,
        run: &Range<usize>,
        limit: usize,
        tracker: &Tracker,
    ) -> Result<(), NoChunk> {
        let excess = (self.committed() + new).saturating_sub(limit);
        let spare = self.idle.iter().copied().filter(|chunk| !run.contains(chunk));
        let spare: Vec<_> = spare.take(excess).collect();
        if spare.len() < excess {
            return Err(NoChunk::Limit);
        }
        spare.into_iter().try_for_each(|chunk| self.decommit(chunk, tracker))
    }

    /// Blocks that would have to be given up for `count` more chunks, besides those that are idle.
    pub(crate) fn shortfall(&self, count: usize, limit: usize) -> usize {
        let wanted = (self.committed + count) * BLOCKS_PER_CHUNK;
        wanted.saturating_sub(self.purged + (self.idle.len() + limit) * BLOCKS_PER_CHUNK)
    }

    /// Gives the memory of a chunk's free blocks back. Returns how many there were.
    pub(crate) fn purge(&mut self, number: usize) -> Result<usize, NoChunk> {
        let free = self.chunks[number].free;
        for run in runs(free) {
            let start = self.range(number).start() + run.start * BLOCK;
            let range = PageRange::new(start, start + run.len() * BLOCK).expect("whole pages");
            // SAFETY: no free block of the heap's own reservation has an object.
            unsafe { memory::advise(range, Advice::Discard) }?;
        }
        let chunk = &mut self.chunks[number];
        chunk.zero |= free;
        chunk.purged |= free;
        chunk.free = 0;
        self.purged += free.count_ones() as usize;
        Ok(free.count_ones() as usize)
    }

    /// Makes blocks of a chunk free again that had given their memory back, as far as `limit` allows.
    /// Whether there are any.
    pub(crate) fn regain(&mut self, number: usize, limit: usize) -> bool {
        let spent = self.committed * BLOCKS_PER_CHUNK - self.purged;
        let chunk = &mut self.chunks[number];
        let room = (limit * BLOCKS_PER_CHUNK).saturating_sub(spent);
        for _ in 0..room.min(chunk.purged.count_ones() as usize) {
            let lowest = chunk.purged & chunk.purged.wrapping_neg();
            chunk.purged &= !lowest;
            chunk.free |= lowest;
            self.purged -= 1;
        }
        chunk.free != 0
    }

    /// An idle chunk that lacks memory is none to use.
    fn give_back_purged(&mut self, tracker: &Tracker) -> Result<(), NoChunk> {
        let lacks = |chunk: &&usize| self.chunks[**chunk].purged != 0;
        let lacking: Vec<_> = self.idle.iter().filter(lacks).copied().collect();
        lacking.into_iter().try_for_each(|chunk| self.decommit(chunk, tracker))
    }

    /// Gives idle chunks back until at most `limit` are committed.
    pub(crate) fn shrink_to(&mut self, limit: usize, tracker: &Tracker) -> Result<(), NoChunk> {
        self.make_room(0, &(0..0), limit, tracker)
    }

    /// Gives all idle chunks back, and what `metadata` holds of them.
    pub(crate) fn give_back_idle(
        &mut self,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<(), NoChunk> {
        for chunk in self.idle.clone() {
            self.decommit(chunk, tracker)?;
            metadata.discard(chunk)?;
        }
        Ok(())
    }

    /// Whether any chunk is idle.
    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Ends the use of a chunk. It keeps its memory for a while.
    pub(crate) fn release(&mut self, chunk: usize) {
        self.chunks[chunk].state = Use::Idle(0);
        self.idle.insert(chunk);
    }

    /// After a collection: what has been idle for some goes back to the system, and so does what
    /// `metadata` holds of it.
    pub(crate) fn age(&mut self, metadata: &Metadata, tracker: &Tracker) -> Result<(), NoChunk> {
        for chunk in self.idle.clone() {
            match &mut self.chunks[chunk].state {
                Use::Idle(age) if *age < IDLE_COLLECTIONS => *age += 1,
                _ => {
                    self.decommit(chunk, tracker)?;
                    metadata.discard(chunk)?;
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, chunk: usize, state: Use, tracker: &Tracker) {
        self.ahead.remove(chunk);
        self.chunks[chunk].state = state;
        self.chunks[chunk].heat = Heat::NONE;
        self.chunks[chunk].free = ALL_BLOCKS & !self.chunks[chunk].canary;
        self.care_for_canaries(chunk, tracker);
    }

    fn range(&self, chunk: usize) -> PageRange {
        self.geometry.chunk_range(chunk, 1)
    }

    fn commit(&mut self, chunk: usize) -> Result<(), NoChunk> {
        let range = self.range(chunk);
        // SAFETY: the chunk lies in the heap's own reservation and nobody uses it.
        unsafe { memory::commit(range) }?;
        let advice = if self.huge_pages { Advice::HugePages } else { Advice::BasePages };
        // SAFETY: as above. A kernel without huge pages refuses the advice, which changes nothing.
        let _ = unsafe { memory::advise(range, advice) };
        self.uncommitted.remove(&chunk);
        self.idle.insert(chunk);
        self.chunks[chunk] = Chunk { state: Use::Idle(0), zero: ALL_BLOCKS, ..Chunk::UNCOMMITTED };
        self.committed += 1;
        self.peak = self.peak.max(self.committed());
        Ok(())
    }

    fn decommit(&mut self, chunk: usize, tracker: &Tracker) -> Result<(), NoChunk> {
        self.set_watched(chunk, Watch::Unwatched, tracker)?;
        // SAFETY: an idle chunk of the heap's own reservation has no object that is reachable.
        unsafe { memory::decommit(self.range(chunk)) }?;
        self.idle.remove(&chunk);
        self.ahead.remove(chunk);
        self.uncommitted.insert(chunk);
        let purged = std::mem::take(&mut self.chunks[chunk].purged);
        self.purged -= purged.count_ones() as usize;
        self.chunks[chunk].state = Use::Uncommitted;
        self.committed -= 1;
        Ok(())
    }

    fn set_watched(
        &mut self,
        chunk: usize,
        watch: Watch,
        tracker: &Tracker,
    ) -> Result<(), NoChunk> {
        let range = self.range(chunk);
        match (watch, self.chunks[chunk].watched) {
            // SAFETY: the chunk is committed, belongs to the heap's own reservation, and is
            // unregistered here before it is decommitted.
            (Watch::Watched, false) => unsafe { tracker.register(range) }?,
            (Watch::Unwatched, true) => tracker.unregister(range)?,
            _ => return Ok(()),
        }
        self.chunks[chunk].watched = watch == Watch::Watched;
        self.chunks[chunk].armed = 0;
        self.chunks[chunk].canary = 0;
        Ok(())
    }

    /// The first of `count` adjacent chunks without use, from the end that suits `watch`.
    fn find_run(&self, count: usize, watch: Watch) -> Option<usize> {
        let available =
            |&chunk: &usize| matches!(self.chunks[chunk].state, Use::Uncommitted | Use::Idle(_));
        let mut length = 0;
        let mut extends = |chunk: usize| {
            length = if available(&chunk) { length + 1 } else { 0 };
            length == count
        };
        match watch {
            Watch::Watched => (0..self.chunks.len()).find(|&c| extends(c)).map(|c| c + 1 - count),
            Watch::Unwatched => (0..self.chunks.len()).rev().find(|&chunk| extends(chunk)),
        }
    }
}

fn nearest(mut chunks: impl DoubleEndedIterator<Item = usize>, watch: Watch) -> Option<usize> {
    match watch {
        Watch::Watched => chunks.next(),
        Watch::Unwatched => chunks.next_back(),
    }
}
