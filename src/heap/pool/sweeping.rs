//! Sweeping: from metadata alone, by whoever needs room, and in the background.

use std::ops::Range;

use super::arming::{set_ages, share};
use super::{Pool, watch};
use crate::heap::chunk::{Use, Watch};
use crate::heap::geometry::{BLOCKS_PER_CHUNK, CHUNK, GRANULE, GRANULES_PER_BLOCK};
use crate::heap::large::LargeObject;
use crate::heap::metadata::{Age, Content, Metadata};
use crate::object::Kind;
use crate::os::page_size;

impl Pool {
    /// Sweeps up to `count` of what is left of the blocks of a kind. Returns whether there were any.
    pub(super) fn sweep_some_of(&mut self, kind: Kind, count: usize, metadata: &Metadata) -> bool {
        let mut swept = 0;
        while swept < count {
            match self.unswept[kind as usize].pop() {
                Some(block) => self.sweep(block, metadata),
                None if self.list_unswept(metadata) => continue,
                None => break,
            }
            swept += 1;
        }
        swept > 0
    }

    /// Sweeps everything that is left. Returns whether anything was.
    pub(crate) fn sweep_all(&mut self, metadata: &Metadata) -> bool {
        let unswept = self.large_unswept || self.has_unswept();
        self.sweep_large(metadata);
        for kind in Kind::ALL {
            self.sweep_some_of(kind, usize::MAX, metadata);
        }
        unswept
    }

    /// After a collection has marked: what it looked at is to be swept, which is every block after
    /// a full one, and the young blocks otherwise. All blocks are old from now on. The world is
    /// stopped and no block is owned.
    pub(crate) fn begin_sweep(&mut self, full: bool, metadata: &Metadata) {
        self.large_unswept = true;
        (self.retired, self.new) = ((0, 0), 0..0);
        self.survival = share(&self.young, metadata.current_marks()).unwrap_or(self.survival);
        for block in std::mem::take(&mut self.young) {
            metadata.set_age(block, Age::Old);
            let (chunk, bit) = (block / BLOCKS_PER_CHUNK, 1 << (block % BLOCKS_PER_CHUNK));
            let unswept = &mut self.chunks.get_mut(chunk).unswept;
            if !full && *unswept == 0 {
                self.unlisted.push(chunk);
            }
            *unswept |= bit;
            self.chunks.get_mut(chunk).new &= !bit;
        }
        for range in std::mem::take(&mut self.young_large) {
            set_ages(range, Age::Old, metadata);
        }
        if full {
            self.begin_full_sweep();
        }
    }

    /// The part of the young blocks that had something alive in the last collection.
    pub(crate) fn last_survival(&self) -> f64 {
        self.survival
    }

    fn begin_full_sweep(&mut self) {
        self.partial = Default::default();
        let chunks: Vec<_> = self.chunks.in_use().collect();
        for (number, state) in chunks {
            self.stale_marks.push(number);
            let chunk = self.chunks.get_mut(number);
            chunk.unswept = if matches!(state, Use::Blocks(_)) { !chunk.unused() } else { 0 };
            if chunk.unswept != 0 {
                self.unlisted.push(number);
            }
        }
    }

    /// Has the next marks cleared before the next collection, because one that filled them was cut
    /// off. Every chunk with objects may have some.
    pub(crate) fn discard_next_marks(&mut self) {
        self.stale_marks.extend(self.chunks.in_use().map(|(chunk, _)| chunk));
    }

    /// Lists the blocks of one more chunk that are to be swept. Whether there was one.
    pub(super) fn list_unswept(&mut self, metadata: &Metadata) -> bool {
        let Some(number) = self.unlisted.pop() else { return false };
        let blocks = std::mem::take(&mut self.chunks.get_mut(number).unswept);
        for index in (0..BLOCKS_PER_CHUNK).filter(|index| blocks >> index & 1 == 1) {
            let block = number * BLOCKS_PER_CHUNK + index;
            let Content::Small(kind) = metadata.content(block) else {
                unreachable!("a chunk of blocks that are not free has small objects")
            };
            self.unswept[kind as usize].push(block);
        }
        true
    }

    fn has_unswept(&self) -> bool {
        !self.unlisted.is_empty() || self.unswept.iter().any(|blocks| !blocks.is_empty())
    }

    /// Sweeps up to `count` blocks and clears as many chunks' old marks. Returns whether everything
    /// is swept and the next marks are clear.
    pub(crate) fn sweep_some(&mut self, count: usize, metadata: &Metadata) -> bool {
        self.sweep_large(metadata);
        for _ in 0..count {
            if let Some(chunk) = self.stale_marks.pop() {
                metadata.next_marks().clear_chunk(chunk);
            }
            if let Some(block) = self.unswept.iter_mut().find_map(Vec::pop) {
                self.sweep(block, metadata);
            } else {
                self.list_unswept(metadata);
            }
        }
        self.stale_marks.is_empty() && !self.has_unswept()
    }

    /// Bytes that objects occupy, once everything is swept.
    pub(crate) fn live_bytes(&self) -> usize {
        self.live_granules * GRANULE + self.large.bytes()
    }

    pub(super) fn sweep(&mut self, block: usize, metadata: &Metadata) {
        let Content::Small(kind) = metadata.content(block) else {
            unreachable!("only blocks of small objects are listed as unswept")
        };
        let holes = metadata.sweep(block);
        let occupied = holes.count();
        let before = std::mem::replace(&mut self.survivors[block], occupied as u16);
        self.live_granules = self.live_granules + occupied - usize::from(before);
        if occupied == 0 {
            self.release_block(block, watch(kind), metadata);
        } else if occupied < GRANULES_PER_BLOCK - GRANULES_PER_BLOCK / 16 {
            let class = holes.largest_hole_log2().expect("not all of it is occupied");
            self.partial[kind as usize][class].push(block);
        }
    }

    pub(super) fn release_block(&mut self, block: usize, watch: Watch, metadata: &Metadata) {
        metadata.set_content(block, Content::Unused);
        metadata.current_marks().leave(block);
        self.external.remove(&block);
        let number = block / BLOCKS_PER_CHUNK;
        let chunk = self.chunks.get_mut(number);
        chunk.free |= 1 << (block % BLOCKS_PER_CHUNK);
        let empty = chunk.unused() == !0;
        let filling = &mut self.filling[watch as usize];
        if empty {
            // Also the one that is being filled: it may be all that another use lacks.
            filling.take_if(|filling| *filling == number);
            self.open[watch as usize].remove(&number);
            self.purged.remove(&number);
            self.chunks.release(number);
        } else if *filling != Some(number) {
            self.open[watch as usize].insert(number);
        }
    }

    pub(super) fn sweep_large(&mut self, metadata: &Metadata) {
        if !std::mem::take(&mut self.large_unswept) {
            return;
        }
        let marks = metadata.current_marks();
        let granule = |object: &LargeObject| metadata.geometry.granule(object.start);
        let dead: Vec<_> =
            self.large.objects().filter(|object| !marks.get(granule(object))).collect();
        for object in dead {
            metadata.starts.clear_owned(granule(&object));
            let pages = object.bytes.next_multiple_of(page_size());
            if let Some(free) = self.large.free(watch(object.kind), object, pages) {
                self.release_large(free, metadata);
            }
        }
    }

    /// Ends the use of chunks of the large-object space, given by their addresses.
    pub(super) fn release_large(&mut self, addresses: Range<usize>, metadata: &Metadata) {
        for address in addresses.step_by(CHUNK) {
            let chunk = metadata.geometry.chunk(address);
            for block in chunk * BLOCKS_PER_CHUNK..(chunk + 1) * BLOCKS_PER_CHUNK {
                metadata.set_content(block, Content::Unused);
            }
            self.chunks.release(chunk);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
