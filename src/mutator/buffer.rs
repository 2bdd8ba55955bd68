//! Allocation buffers: bump allocation in the holes of a block that one thread owns.
//!
//! A buffer's block has a list of holes (all of it, when the block was free). The part of a hole
//! that may be handed out ends at `limit` and has been zeroed; the rest is zeroed in pieces as it
//! is needed, so that it is still in the first-level cache when objects are made of it.

use crate::heap::geometry::{BLOCK, GRANULE};
use crate::heap::{Age, Grant, Metadata, zero_bytes};
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes to zero at a time.
const PIECE: usize = 16 << 10;

/// What generated code needs to allocate inline; the layout is part of the interface.
///
/// To allocate an object of `size` bytes (at most 8 KiB, rounded up to 16): let `start` be
/// `cursor`; if `limit - start < size` call [`Mutator::allocate`](super::Mutator::allocate); store
/// `start + size` to `cursor`; set the object's bit in the word for `start` in the table of starts,
/// and the bit of its last granule, `start + size - 16`, in the table of ends. The word for an
/// address is at `table + (address >> 10) * 8`, and its bit is `(address >> 4) & 63`. No atomic
/// operation is needed. The memory is zero.
#[derive(Debug)]
#[repr(C)]
pub struct AllocationBuffer {
    /// Where the next object begins.
    pub cursor: usize,
    /// The end of the memory that is zeroed and may be used.
    pub limit: usize,
    /// The table of object starts, as a base for addresses.
    pub starts: usize,
    /// The table of object ends, as a base for addresses.
    pub ends: usize,
}

impl AllocationBuffer {
    fn new(metadata: &Metadata) -> Self {
        let base = metadata.geometry.base();
        let biased = |words: &[AtomicU64]| {
            words
                .as_ptr()
                .expose_provenance()
                .wrapping_sub(base / (64 * GRANULE) * size_of::<AtomicU64>())
        };
        Self {
            cursor: 0,
            limit: 0,
            starts: biased(metadata.starts.words()),
            ends: biased(metadata.ends.words()),
        }
    }

    /// The next object of `size` bytes, which are whole granules, if there is room.
    #[inline]
    pub(super) fn bump(&mut self, size: usize) -> Option<usize> {
        let start = self.cursor;
        if self.limit - start < size {
            return None;
        }
        self.cursor = start + size;
        set_bit(self.starts, start);
        set_bit(self.ends, start + size - GRANULE);
        Some(start)
    }
}

/// Sets the bit of `address` in a table that is given as a base for addresses.
#[inline]
fn set_bit(table: usize, address: usize) {
    let word = table.wrapping_add(address / (64 * GRANULE) * size_of::<AtomicU64>());
    // SAFETY: the address lies in the buffer's block, so the word is the block's part of a side
    // bitmap, which lives as long as the heap and which only the block's owner writes.
    let word = unsafe { &*std::ptr::with_exposed_provenance::<AtomicU64>(word) };
    word.store(word.load(Relaxed) | 1 << (address / GRANULE % 64), Relaxed);
}

/// A buffer and the block behind it.
pub(crate) struct Buffer {
    pub(super) fast: AllocationBuffer,
    /// The end of the current hole.
    hole_end: usize,
    block: Option<OwnedBlock>,
    /// Blocks to go on with, the next one last.
    pub(super) spares: Vec<Grant>,
}

struct OwnedBlock {
    grant: Grant,
    address: usize,
}

impl Buffer {
    /// On a block.
    #[cfg(test)]
    pub(crate) fn on(grant: Grant, metadata: &Metadata) -> Self {
        let mut buffer = Self::new(metadata);
        buffer.adopt(grant, metadata);
        buffer
    }

    /// An object of that size, for which there is room.
    #[cfg(test)]
    pub(crate) fn allocate(&mut self, size: usize) -> usize {
        assert!(self.extend(size, true), "there is a hole of {size} bytes");
        self.fast.bump(size).expect("there is room now")
    }

    pub(super) fn new(metadata: &Metadata) -> Self {
        let fast = AllocationBuffer::new(metadata);
        Self { fast, hole_end: 0, block: None, spares: Vec::new() }
    }

    /// Gives up the block: all objects in it are initialised, as far as the collector cares. What
    /// is left of it is found again by the next sweep.
    pub(crate) fn retire(&mut self, metadata: &Metadata) {
        if let Some(block) = &self.block {
            metadata.set_age(block.grant.block, Age::Young);
        }
        (self.fast.cursor, self.fast.limit, self.hole_end, self.block) = (0, 0, 0, None);
    }

    /// Begins to allocate in a block.
    pub(super) fn adopt(&mut self, grant: Grant, metadata: &Metadata) {
        let address = metadata.geometry.block_address(grant.block);
        (self.fast.cursor, self.fast.limit, self.hole_end) = (address, address, address);
        self.block = Some(OwnedBlock { grant, address });
    }

    /// Whether the current hole has room for `need` bytes.
    pub(super) fn hole_has(&self, need: usize) -> bool {
        self.hole_end - self.fast.cursor >= need
    }

    /// Makes room for `need` bytes in the block: in this hole, or in a later one. With `exactly`
    /// no more than that, so that every allocation takes the slow path.
    pub(super) fn extend(&mut self, need: usize, exactly: bool) -> bool {
        if !self.hole_has(need) && !self.next_hole(need) {
            return false;
        }
        let piece = if exactly { 0 } else { self.fast.limit + PIECE };
        let limit = piece.max(self.fast.cursor + need).min(self.hole_end);
        let zero = self.block.as_ref().is_some_and(|block| block.grant.zero);
        if limit > self.fast.limit {
            if !zero {
                // SAFETY: a hole of the block that this buffer owns, from what has been zeroed on.
                unsafe { zero_bytes(self.fast.limit, limit - self.fast.limit) };
            }
            self.fast.limit = limit;
        }
        true
    }

    fn next_hole(&mut self, need: usize) -> bool {
        let Some(block) = &self.block else { return false };
        let from = (self.hole_end - block.address) / GRANULE;
        if from == BLOCK / GRANULE {
            return false;
        }
        let granules = need.div_ceil(GRANULE).max(block.grant.smallest_hole);
        let hole = match &block.grant.occupied {
            Some(occupied) => occupied.hole(from, granules),
            None => (from == 0).then_some((0, BLOCK / GRANULE)),
        };
        let Some((start, end)) = hole else { return false };
        let start = block.address + start * GRANULE;
        (self.fast.cursor, self.fast.limit) = (start, start);
        self.hole_end = block.address + end * GRANULE;
        true
    }
}
