//! Chunks that are committed and populated before they are needed.
//!
//! The first store into a chunk has the kernel find a huge page and clear it: 0.15 ms, and several
//! milliseconds where a host has to find the memory first. Where the heap grows the sweeper does that
//! beforehand, without any lock.
//!
//! To everybody else such a chunk is an idle one: it may be taken at any time, and given back. What
//! the kernel is told to populate meanwhile has the contents that it has; what is inaccessible by then is
//! refused. So nobody waits for the sweeper, and a forked child has nothing to mend.

use std::collections::BTreeMap;

use super::{Chunks, NoChunk, nearest};
use crate::dirty::Tracker;
use crate::heap::chunk::{Use, Watch};
use crate::os::PageRange;
use crate::os::memory::{self, Advice};

/// How a chunk that was committed ahead is to its first touch, the best to take last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touch {
    /// The sweeper is at it. Who takes it does the same work beside it.
    UnderWay,
    Waiting,
    Done,
}

/// The chunks that were committed ahead, for objects that are watched and for others. All are idle.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    chunks: [BTreeMap<usize, Touch>; 2],
    /// Chunks that were populated before anybody took them.
    populated: usize,
}

impl Ahead {
    /// The chunk for objects that want `watch` whose first touch has come furthest.
    pub(super) fn best(&self, watch: Watch) -> Option<(usize, Touch)> {
        let chunks = self.chunks[watch as usize].iter();
        chunks.max_by_key(|&(_, touch)| touch).map(|(&chunk, &touch)| (chunk, touch))
    }

    pub(super) fn contains(&self, chunk: usize) -> bool {
        self.chunks.iter().any(|chunks| chunks.contains_key(&chunk))
    }

    /// A chunk that needs no more of it.
    pub(super) fn insert_touched(&mut self, chunk: usize, watch: Watch) {
        self.chunks[watch as usize].insert(chunk, Touch::Done);
    }

    /// The chunk is taken, or given back.
    pub(super) fn remove(&mut self, chunk: usize) {
        self.chunks.iter_mut().for_each(|chunks| {
            chunks.remove(&chunk);
        });
    }

    fn get_mut(&mut self, chunk: usize) -> Option<&mut Touch> {
        self.chunks.iter_mut().find_map(|chunks| chunks.get_mut(&chunk))
    }
}

impl Chunks {
    /// Chunks that were committed ahead and have not been taken.
    pub(crate) fn ahead(&self, watch: Watch) -> usize {
        self.ahead.chunks[watch as usize].len()
    }

    /// Chunks that were populated before anybody took them.
    pub(crate) fn populated_ahead(&self) -> usize {
        self.ahead.populated
    }

    /// Commits the chunk that the heap would grow by next. Whether there is one.
    pub(crate) fn commit_ahead(
        &mut self,
        watch: Watch,
        tracker: &Tracker,
    ) -> Result<bool, NoChunk> {
        let Some(chunk) = nearest(self.uncommitted.iter().copied(), watch) else {
            return Ok(false);
        };
        self.commit(chunk)?;
        self.set_watched(chunk, watch, tracker)?;
        self.ahead.chunks[watch as usize].insert(chunk, Touch::Waiting);
        Ok(true)
    }

    /// The memory of a chunk that is to be [populated](populate), which the caller does.
    pub(crate) fn next_to_populate(&mut self) -> Option<PageRange> {
        let mut all = self.ahead.chunks.iter_mut().flatten();
        let (&chunk, touch) = all.find(|(_, touch)| **touch == Touch::Waiting)?;
        *touch = Touch::UnderWay;
        Some(self.range(chunk))
    }

    /// Takes note that the kernel has populated a chunk, or has refused to.
    pub(crate) fn populated(&mut self, range: PageRange, populated: bool) {
        let chunk = self.geometry.chunk(range.start());
        if let Some(touch) = self.ahead.get_mut(chunk) {
            *touch = Touch::Done;
            self.ahead.populated += usize::from(populated);
        } else if self.chunks[chunk].state == Use::Uncommitted {
            // It was given back meanwhile, and has got memory again before it was inaccessible.
            // SAFETY: nobody uses a chunk of the heap's own reservation that is not committed.
            let _ = unsafe { memory::advise(range, Advice::Discard) };
        }
    }
}

/// Has the kernel find memory for a heap's addresses, without any lock. Whether it has: not before Linux
/// 5.14, nor where the memory was given back.
pub(crate) fn populate(range: PageRange) -> bool {
    // SAFETY: the addresses are the heap's own until its end, and what is there stays as it is.
    unsafe { memory::advise(range, Advice::Populate) }.is_ok()
}
