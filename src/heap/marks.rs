//! A mark map: a bit for every granule, and above it a bit for every block that has a marked object.
//!
//! The second level tells which memory has objects that were looked at already. Only there can a
//! dirty page have something to look at again, so a scan in a stop is about nothing else.

use std::ops::{Deref, Range};

use super::bitmap::Bitmap;
use super::geometry::{BLOCKS_PER_CHUNK, Geometry, WORDS_PER_BLOCK};
use crate::os::OsError;
use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The marks of one collection.
///
/// Readable as the bitmap of marked granules, the first one of each object. Whoever sets a bit there
/// also calls [`reach`](Self::reach).
#[derive(Debug)]
pub(crate) struct Marks {
    bits: Bitmap,
    /// For each chunk a bit for each block.
    reached: Box<[AtomicU32]>,
}

const _: () = assert!(BLOCKS_PER_CHUNK == u32::BITS as usize);

impl Marks {
    pub(super) fn new(geometry: Geometry) -> Result<Self, OsError> {
        let chunks = geometry.blocks().div_ceil(BLOCKS_PER_CHUNK);
        let reached = (0..chunks).map(|_| AtomicU32::new(0)).collect();
        Ok(Self { bits: Bitmap::new(geometry.granules())?, reached })
    }

    /// Notes that a block has a marked object.
    #[inline]
    pub(crate) fn reach(&self, block: usize) {
        let (reached, bit) =
            (&self.reached[block / BLOCKS_PER_CHUNK], 1 << (block % BLOCKS_PER_CHUNK));
        // Most of the time it is known.
        if reached.load(Relaxed) & bit == 0 {
            reached.fetch_or(bit, Relaxed);
        }
    }

    /// Whether a block has a marked object, as far as is known to who asks.
    pub(crate) fn is_reached(&self, block: usize) -> bool {
        self.reached(block / BLOCKS_PER_CHUNK) >> (block % BLOCKS_PER_CHUNK) & 1 == 1
    }

    /// The blocks of a chunk with a marked object, one bit each. Exact when nobody marks.
    pub(super) fn reached(&self, chunk: usize) -> u32 {
        self.reached[chunk].load(Relaxed)
    }

    /// The sweep has found no marked object in a block.
    pub(crate) fn leave(&self, block: usize) {
        let bit = 1 << (block % BLOCKS_PER_CHUNK);
        self.reached[block / BLOCKS_PER_CHUNK].fetch_and(!bit, Relaxed);
    }

    /// Removes the marks of a chunk. Nobody marks.
    pub(super) fn clear_chunk(&self, chunk: usize) {
        self.bits.clear_words(words_of(chunk));
        self.reached[chunk].store(0, Relaxed);
    }
}

/// The words of a bitmap that are about a chunk.
pub(super) fn words_of(chunk: usize) -> Range<usize> {
    let words = BLOCKS_PER_CHUNK * WORDS_PER_BLOCK;
    chunk * words..(chunk + 1) * words
}

impl Deref for Marks {
    type Target = Bitmap;

    fn deref(&self) -> &Bitmap {
        &self.bits
    }
}

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::heap::geometry::CHUNK;
    use crate::os::PageRange;

    /// The marks of three chunks, all set, and what of them is left after `change`: the chunks of the
    /// first and the last granules, and the blocks that are reached.
    fn after(change: impl FnOnce(&Marks)) -> ([bool; 6], [u32; 3]) {
        let geometry = Geometry::new(PageRange::new(CHUNK, 4 * CHUNK).unwrap());
        let marks = Marks::new(geometry).unwrap();
        let per_chunk = geometry.granules() / 3;
        let granules =
            [0, per_chunk - 1, per_chunk, 2 * per_chunk - 1, 2 * per_chunk, 3 * per_chunk - 1];
        granules.into_iter().for_each(|granule| marks.set_owned(granule));
        (0..geometry.blocks()).for_each(|block| marks.reach(block));
        change(&marks);
        (granules.map(|granule| marks.get(granule)), [0, 1, 2].map(|chunk| marks.reached(chunk)))
    }

    #[test]
    fn a_chunk_is_cleared_from_its_first_granule_to_its_last_and_no_other_is() {
        let left = after(|marks| marks.clear_chunk(1));
        assert_eq!(left, ([true, true, false, false, true, true], [!0, 0, !0]));
    }

    /// Marks stay: the sweep has found none in that block.
    #[test]
    fn a_block_that_is_left_is_not_reached_and_the_others_are() {
        let left = after(|marks| {
            marks.leave(BLOCKS_PER_CHUNK + 3);
            marks.leave(2 * BLOCKS_PER_CHUNK + 31);
            assert!(
                !marks.is_reached(BLOCKS_PER_CHUNK + 3) && marks.is_reached(BLOCKS_PER_CHUNK + 4)
            );
        });
        assert_eq!(left, ([true; 6], [!0, !(1 << 3), !(1 << 31)]));
    }
}
