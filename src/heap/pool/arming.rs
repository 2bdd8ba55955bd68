//! Which blocks have protected pages, and which memory a scan is about.

use super::Pool;
use super::watched::{Watched, Where, Which};
use crate::dirty::Tracker;
use crate::heap::bitmap::Bitmap;
use crate::heap::chunk::{Use, Watch, bits, ones, runs};
use crate::heap::chunks::NoChunk;
use crate::heap::geometry::{BLOCK, BLOCKS_PER_CHUNK, WORDS_PER_BLOCK};
use crate::heap::marks::Marks;
use crate::heap::metadata::{Age, Metadata};
use crate::os::{PageRange, page_size};

/// Adds pages to ranges in address order.
fn append(ranges: &mut Vec<PageRange>, start: usize, bytes: usize) {
    let first = match ranges.last() {
        Some(last) if last.end() == start => ranges.pop().map_or(start, PageRange::start),
        _ => start,
    };
    ranges.push(PageRange::new(first, start + bytes).expect("it has whole pages"));
}

/// The blocks that a range has pages in.
pub(super) fn blocks_of(range: PageRange, metadata: &Metadata) -> std::ops::RangeInclusive<usize> {
    metadata.geometry.block(range.start())..=metadata.geometry.block(range.end() - 1)
}

pub(super) fn set_ages(range: PageRange, age: Age, metadata: &Metadata) {
    blocks_of(range, metadata).for_each(|block| metadata.set_age(block, age));
}

/// The part of `blocks` that has marked objects, if there are any blocks.
pub(super) fn share(blocks: &[usize], marks: &Marks) -> Option<f64> {
    let count = blocks.iter().filter(|&&block| marks.is_reached(block)).count();
    (!blocks.is_empty()).then(|| count as f64 / blocks.len() as f64)
}

impl Pool {
    /// Before a block is handed out: what is to be unprotected for it, and with it the free blocks around
    /// it, which will be next. Whoever takes one of them before that has been done takes faults.
    pub(super) fn disarm(&mut self, block: usize, metadata: &Metadata) -> Option<PageRange> {
        let (number, index) = (block / BLOCKS_PER_CHUNK, block % BLOCKS_PER_CHUNK);
        let chunk = self.chunks.get_mut(number);
        if chunk.armed >> index & 1 == 0 {
            return None;
        }
        let candidates = chunk.armed & (chunk.free | 1 << index);
        let below = (candidates << (u32::BITS as usize - 1 - index)).leading_ones() as usize;
        let above = (candidates >> index).trailing_ones() as usize;
        let (first, count) = (index + 1 - below, below + above - 1);
        let start = metadata.geometry.block_address(number * BLOCKS_PER_CHUNK + first);
        chunk.armed &= !(ones(count) << first);
        Some(PageRange::new(start, start + count * BLOCK).expect("blocks are whole pages"))
    }

    /// The addresses of watched memory that has been in use, as maximal ranges, and what of it
    /// is left out. What is not, counts as protected from now on, as `which` says.
    pub(crate) fn watched(
        &mut self,
        which: Which,
        place: Where<'_>,
        metadata: &Metadata,
    ) -> Watched {
        let mut watched = Watched::default();
        let chunks: Vec<_> = self.chunks.in_use().collect();
        for (number, state) in chunks {
            if !matches!(state, Use::Blocks(Watch::Watched) | Use::Large(Watch::Watched)) {
                continue;
            }
            let chunk = self.chunks.get_mut(number);
            let first = number * BLOCKS_PER_CHUNK;
            let is_owned = |index: &u32| metadata.age(first + *index as usize) == Age::Owned;
            let owned = bits(chunk.owned).filter(is_owned).fold(0, |mask, index| mask | 1 << index);
            if which == Which::AllButHot && chunk.heat.unprotected {
                watched.but_hot = true;
                continue;
            }
            let used = match (state, place) {
                (Use::Blocks(_), Where::Marked(marks)) => marks.reached(number),
                (Use::Blocks(_), Where::MarkedOrNew(marks)) => marks.reached(number) | chunk.new,
                _ => !0,
            } & !chunk.zero;
            let (mut quiet, owned) = (used & !owned, used & owned);
            let mut fresh = quiet & !chunk.armed;
            watched.unprotected += fresh.count_ones() as usize * (BLOCK / page_size());
            if matches!(which, Which::All | Which::AllButHot) {
                chunk.armed |= quiet;
            }
            if which == Which::ProtectedAsItIs {
                quiet &= chunk.armed;
            } else {
                fresh = 0;
            }
            let parts = [
                (quiet, &mut watched.quiet),
                (fresh, &mut watched.unarmed),
                (owned, &mut watched.left_out),
            ];
            for (mask, ranges) in parts {
                for run in runs(mask) {
                    let start = metadata.geometry.block_address(first + run.start);
                    append(ranges, start, run.len() * BLOCK);
                }
            }
        }
        watched
    }

    /// Of the blocks that were taken since the last stop, retires those that their owners have given up
    /// already. The world may run: so few are left for the stop that comes next.
    pub(crate) fn retire_given_up(&mut self, metadata: &Metadata) {
        for index in self.retired.0..self.young.len() {
            let block = self.young[index];
            if metadata.age(block) == Age::Young {
                let chunk = self.chunks.get_mut(block / BLOCKS_PER_CHUNK);
                let bit = 1 << (block % BLOCKS_PER_CHUNK);
                chunk.owned &= !bit;
                chunk.new |= bit;
                self.young.swap(self.retired.0, index);
                self.retired.0 += 1;
            }
        }
    }

    /// Makes what mutators own young. They have retired their buffers, and the world is stopped.
    pub(crate) fn retire(&mut self, metadata: &Metadata) {
        let (blocks, ranges) = self.retired;
        for &block in &self.young[blocks..] {
            metadata.set_age(block, Age::Young);
            let chunk = self.chunks.get_mut(block / BLOCKS_PER_CHUNK);
            chunk.owned = 0;
            chunk.new |= 1 << (block % BLOCKS_PER_CHUNK);
        }
        for &range in &self.young_large[ranges..] {
            set_ages(range, Age::Young, metadata);
            for block in blocks_of(range, metadata).step_by(BLOCKS_PER_CHUNK) {
                self.chunks.get_mut(block / BLOCKS_PER_CHUNK).owned = 0;
            }
            let last = blocks_of(range, metadata).end() / BLOCKS_PER_CHUNK;
            self.chunks.get_mut(last).owned = 0;
        }
        self.retired = (self.young.len(), self.young_large.len());
    }

    /// Passes the pages of new blocks without a marked object to `visit`; they are not new any more.
    /// Nobody is marking.
    ///
    /// Without `marks` it passes those of all young blocks, which is wrong.
    pub(crate) fn unmarked_new(
        &mut self,
        marks: Option<&Bitmap>,
        metadata: &Metadata,
        mut visit: impl FnMut(PageRange),
    ) {
        let from = if marks.is_some() { self.new.end } else { 0 };
        self.new = self.new.end..self.retired.0;
        for &block in &self.young[from..self.retired.0] {
            self.chunks.get_mut(block / BLOCKS_PER_CHUNK).new &= !(1 << (block % BLOCKS_PER_CHUNK));
            let words = block * WORDS_PER_BLOCK..(block + 1) * WORDS_PER_BLOCK;
            if metadata.age(block) == Age::Young && marks.is_none_or(|marks| marks.is_clear(words))
            {
                let start = metadata.geometry.block_address(block);
                visit(PageRange::new(start, start + BLOCK).expect("blocks are whole pages"));
            }
        }
    }

    /// The part of what was new at the last scan that has marked objects by now; `None` when nothing
    /// was new.
    pub(crate) fn survival(&self, marks: &Marks) -> Option<f64> {
        share(&self.young[self.new.clone()], marks)
    }

    /// The blocks of small objects that are External.
    pub(crate) fn external_blocks(&self) -> impl Iterator<Item = usize> + '_ {
        self.external.iter().copied()
    }

    pub(super) fn disarm_large(
        &mut self,
        range: PageRange,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<(), NoChunk> {
        let mut blocks = blocks_of(range, metadata);
        let armed = |block: usize| {
            self.chunks.get(block / BLOCKS_PER_CHUNK).armed >> (block % BLOCKS_PER_CHUNK) & 1 == 1
        };
        if blocks.any(armed) {
            tracker.unprotect(range)?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
