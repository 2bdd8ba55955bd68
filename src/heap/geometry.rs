//! Sizes, and the arithmetic between addresses and indices.
//!
//! ```text
//! heap    one reserved range
//!  chunk  2 MiB, aligned: what is committed, watched, and one huge page
//!   block 64 KiB: has one kind of objects, one owner at a time, a record
//!    granule 16 bytes: the unit of allocation, one bit in each side bitmap
//! ```
//!
//! Under loom a block is two pages, of 64 granules, so that a model has few atomics.

use crate::os::PageRange;

/// Bytes of a granule; every object starts at a multiple and occupies a multiple.
pub(crate) const GRANULE: usize = if cfg!(loom) { 128 } else { 16 };
/// Bytes of a block.
pub(crate) const BLOCK: usize = if cfg!(loom) { 8 << 10 } else { 64 << 10 };
/// Bytes of a chunk.
pub(crate) const CHUNK: usize = 32 * BLOCK;
/// The largest object that lives in a block; larger ones are in the large-object space.
pub(crate) const LARGEST_SMALL: usize = BLOCK / 8;

pub(crate) const BLOCKS_PER_CHUNK: usize = CHUNK / BLOCK;
pub(crate) const GRANULES_PER_BLOCK: usize = BLOCK / GRANULE;

/// Words of 64 granules in a block's part of a side bitmap.
pub(crate) const WORDS_PER_BLOCK: usize = GRANULES_PER_BLOCK / 64;

/// Where the heap is; turns addresses into indices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    base: usize,
    bytes: usize,
}

impl Geometry {
    /// A heap at `range`, which is whole chunks.
    pub(crate) fn new(range: PageRange) -> Self {
        assert!(range.start().is_multiple_of(CHUNK) && range.bytes().is_multiple_of(CHUNK));
        Self { base: range.start(), bytes: range.bytes() }
    }

    #[inline]
    pub(crate) fn base(self) -> usize {
        self.base
    }

    pub(crate) fn chunks(self) -> usize {
        self.bytes / CHUNK
    }

    pub(crate) fn blocks(self) -> usize {
        self.bytes / BLOCK
    }

    pub(crate) fn granules(self) -> usize {
        self.bytes / GRANULE
    }

    /// Whether `address` lies in the heap's range.
    #[inline]
    pub(crate) fn contains(self, address: usize) -> bool {
        address.wrapping_sub(self.base) < self.bytes
    }

    #[inline]
    pub(crate) fn granule(self, address: usize) -> usize {
        (address - self.base) / GRANULE
    }

    #[inline]
    pub(crate) fn block(self, address: usize) -> usize {
        (address - self.base) / BLOCK
    }

    #[inline]
    pub(crate) fn chunk(self, address: usize) -> usize {
        (address - self.base) / CHUNK
    }

    #[inline]
    pub(crate) fn granule_address(self, granule: usize) -> usize {
        self.base + granule * GRANULE
    }

    #[inline]
    pub(crate) fn block_address(self, block: usize) -> usize {
        self.base + block * BLOCK
    }

    /// The addresses of `count` chunks from `chunk` on.
    pub(crate) fn chunk_range(self, chunk: usize, count: usize) -> PageRange {
        let start = self.base + chunk * CHUNK;
        PageRange::new(start, start + count * CHUNK).expect("chunks are whole pages")
    }
}
