//! How many chunks are [committed and populated ahead](crate::heap::chunks) of a heap that grows.
//!
//! What may still be committed before the next collection is needed sooner or later, however fast the
//! heap grows. And it has to last: while a cycle runs nothing is populated, and where the kernel takes long
//! for it the program is faster.

use super::{Pool, Room};
use crate::dirty::Tracker;
use crate::heap::chunk::Watch;
use crate::heap::chunks::Untouched;
use crate::os::PageRange;

/// The chunks ahead are no more than this part of what may still be committed, and of what is.
const SHARE: usize = 4;

/// Chunks that are committed while others wait for the pool.
const BATCH: usize = 4;

impl Pool {
    /// Commits chunks ahead for such objects as the heap has grown for last, and returns the memory of
    /// one that is to be populated. What the kernel refuses is left to whoever needs it.
    pub(crate) fn commit_ahead(&mut self, tracker: &Tracker) -> Option<PageRange> {
        for _ in 0..BATCH {
            let Some(watch) = self.grown else { break };
            let lacks = self.chunks.ahead(watch) < self.wanted_ahead();
            if !lacks || !self.chunks.commit_ahead(watch, tracker).unwrap_or(false) {
                self.grown = None;
            }
        }
        self.chunks.next_to_populate()
    }

    /// Chunks that a mutator is about to take, if it is to touch them first. What the kernel refuses is
    /// refused again when they are taken. The last chunk that there may be is not committed for it: meanwhile
    /// another mutator that needs a block would find no memory.
    pub(super) fn begin_touching(
        &mut self,
        count: usize,
        watch: Watch,
        room: Room,
        tracker: &Tracker,
    ) -> Option<Untouched> {
        let last = self.beside_external(self.limit).saturating_sub(1);
        let most = self.most(room).min(last);
        self.chunks.begin_touching(count, watch, most, tracker).unwrap_or_default()
    }

    fn wanted_ahead(&self) -> usize {
        let committed = self.chunks.committed();
        // Where the target was too small, what is needed is needed, and no more.
        let room = self.beside_external(self.target).saturating_sub(committed);
        room.div_ceil(SHARE).min(committed / SHARE)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
