//! Chunks that a mutator touches before it takes them.
//!
//! Where nothing is [populated ahead](super::ahead) the mutator is the first to touch what the heap grows by.
//! It does so parked, as no stop should wait for the kernel. That is a store and not a call to populate
//! memory, which would keep everybody from mapping any until it is done; and so the chunk must stay
//! accessible: nobody else takes it or gives it back meanwhile.

use super::ahead::Touch;
use super::{Chunks, NoChunk, nearest};
use crate::dirty::Tracker;
use crate::heap::chunk::{Use, Watch};
use crate::heap::geometry::CHUNK;
use crate::os::PageRange;

/// Chunks that nobody else takes before they are [touched](Chunks::touched).
#[derive(Debug)]
pub(crate) struct Untouched {
    first: usize,
    watch: Watch,
    range: PageRange,
}

impl Untouched {
    #[cfg(test)]
    pub(crate) fn range(&self) -> PageRange {
        self.range
    }

    /// Stores into each of the chunks, once: the kernel finds a huge page for it.
    pub(crate) fn touch(&self) {
        for address in self.range.addresses().step_by(CHUNK) {
            let word = std::ptr::with_exposed_provenance_mut::<u64>(address);
            // SAFETY: the chunk is committed and nobody else's until it is touched. What is not zero there
            // is not taken for zero. Volatile, as nobody seems to read it.
            unsafe { word.write_volatile(0) };
        }
    }
}

impl Chunks {
    /// `count` adjacent chunks that are likely to be the next to be taken and that the caller is to touch
    /// first, as long as no more than `limit` are committed then. `None` also with base pages, where no
    /// touch takes long.
    pub(crate) fn begin_touching(
        &mut self,
        count: usize,
        watch: Watch,
        limit: usize,
        tracker: &Tracker,
    ) -> Result<Option<Untouched>, NoChunk> {
        let first = if self.huge_pages { self.untouched_run(count, watch, limit) } else { None };
        let Some(first) = first else { return Ok(None) };
        let run = first..first + count;
        let new = run.clone().filter(|chunk| self.uncommitted.contains(chunk)).count();
        if new > 0 && self.committed() + new > limit {
            return Ok(None);
        }
        self.make_ready(&run, watch, tracker)?;
        for chunk in run {
            self.idle.remove(&chunk);
            self.ahead.remove(chunk);
            self.chunks[chunk].state = Use::Touching;
        }
        let range = self.geometry.chunk_range(first, count);
        Ok(Some(Untouched { first, watch, range }))
    }

    /// The first of adjacent chunks, not all of which have memory; a single one if nobody is at it, or there
    /// may be no other one.
    fn untouched_run(&self, count: usize, watch: Watch, limit: usize) -> Option<usize> {
        if count > 1 {
            let first = self.find_run(count, watch)?;
            let has_new = (first..first + count).any(|chunk| self.uncommitted.contains(&chunk));
            return has_new.then_some(first);
        }
        match self.ahead.best(watch) {
            Some((_, Touch::Done)) => None,
            Some((chunk, Touch::Waiting)) => Some(chunk),
            Some((chunk, Touch::UnderWay)) if self.committed() >= limit => Some(chunk),
            _ => nearest(self.uncommitted.iter().copied(), watch),
        }
    }

    /// The chunks may be taken, or given back, by anybody.
    pub(crate) fn touched(&mut self, chunks: &Untouched) {
        for chunk in chunks.first..chunks.first + chunks.range.bytes() / CHUNK {
            self.release(chunk);
            self.ahead.insert_touched(chunk, chunks.watch);
        }
    }

    /// In a forked child: those who were touching chunks are not here.
    pub(crate) fn release_touched(&mut self) {
        for chunk in 0..self.chunks.len() {
            if self.chunks[chunk].state == Use::Touching {
                self.release(chunk);
            }
        }
    }
}
