//! Free blocks that give their memory back, so that it can be used where it is needed.
//!
//! The limit is on memory, not on addresses, of which there are more. A large object needs chunks of its
//! own, and so do the objects that are watched and those that are not. When there is no memory for
//! another chunk, because each one has something alive, free blocks of other chunks are purged for it;
//! they are free again as soon as there is memory for them.

use super::Pool;
use crate::dirty::Tracker;
use crate::heap::chunk::{Use, Watch};
use crate::heap::chunks::NoChunk;
use crate::heap::geometry::BLOCKS_PER_CHUNK;

impl Pool {
    /// `count` adjacent chunks, if need be with the memory of free blocks.
    pub(super) fn take_chunks(
        &mut self,
        count: usize,
        watch: Watch,
        state: Use,
        most: usize,
        tracker: &Tracker,
    ) -> Result<usize, NoChunk> {
        match self.chunks.take_run(count, watch, state, most, tracker) {
            Err(NoChunk::Limit) if self.purge(self.chunks.shortfall(count, most))? => {
                self.chunks.take_run(count, watch, state, most, tracker)
            }
            result => result,
        }
    }

    /// Gives the memory of so many free blocks back, or of none if there are not as many.
    fn purge(&mut self, blocks: usize) -> Result<bool, NoChunk> {
        let free = |chunk: &usize| self.chunks.get(*chunk).free.count_ones() as usize;
        let all = self.open.iter().flatten().map(free).sum::<usize>();
        let mut purged = 0;
        while all >= blocks && purged < blocks {
            let fullest = |open: &std::collections::BTreeSet<usize>| open.last().copied();
            let Some(chunk) = self.open.iter().find_map(fullest) else { break };
            purged += self.chunks.purge(chunk)?;
            self.open.iter_mut().for_each(|open| {
                open.remove(&chunk);
            });
            self.purged.insert(chunk);
        }
        Ok(purged >= blocks)
    }

    /// A block that had been purged, if there is memory for it.
    pub(super) fn regain_block(&mut self, watch: Watch, most: usize) -> Option<usize> {
        let fits = |&&chunk: &&usize| self.chunks.get(chunk).state == Use::Blocks(watch);
        let chunk = *self.purged.iter().find(fits)?;
        if !self.chunks.regain(chunk, most) {
            return None;
        }
        if self.chunks.get(chunk).purged == 0 {
            self.purged.remove(&chunk);
        }
        self.filling[watch as usize] = Some(chunk);
        let block = self.pop_block(watch).expect("some of its blocks are free");
        debug_assert_eq!(block / BLOCKS_PER_CHUNK, chunk);
        Some(block)
    }
}
