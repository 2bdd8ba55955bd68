//! What is known of a chunk, and masks of its blocks.

use std::ops::Range;

use super::geometry::BLOCKS_PER_CHUNK;

/// What the objects of a chunk want of the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Watch {
    /// They have slots: writes to them must be seen.
    Watched = 0,
    /// They have none: watching them would cost faults for nothing.
    Unwatched = 1,
}

/// What a chunk is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nothing; it has no memory.
    Uncommitted,
    /// Nothing; it has memory, for how many collections already.
    Idle(u8),
    /// Nothing yet; a mutator touches its memory.
    Touching,
    /// Blocks of small objects.
    Blocks(Watch),
    /// Large objects.
    Large(Watch),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    pub(crate) state: Use,
    /// Blocks that are free (where the chunk has blocks), one bit each.
    pub(crate) free: u32,
    /// Blocks that are free and have given their memory back, for what could not use it where it was.
    pub(crate) purged: u32,
    /// The first block, if a canary has it.
    pub(crate) canary: u32,
    /// Blocks whose memory is known to be zero.
    pub(crate) zero: u32,
    /// Blocks that may have protected pages.
    pub(crate) armed: u32,
    /// Blocks that were handed out since the last stop.
    pub(crate) owned: u32,
    /// Blocks that were retired since the last scan.
    pub(crate) new: u32,
    /// Blocks that are to be swept and are not listed as such yet.
    pub(crate) unswept: u32,
    pub(crate) heat: Heat,
    pub(super) watched: bool,
}

impl Chunk {
    /// Blocks without objects that nobody has.
    pub(crate) fn unused(&self) -> u32 {
        self.free | self.purged | self.canary
    }

    pub(super) const UNCOMMITTED: Self = Self {
        state: Use::Uncommitted,
        free: 0,
        purged: 0,
        canary: 0,
        zero: 0,
        armed: 0,
        owned: 0,
        new: 0,
        unswept: 0,
        heat: Heat::NONE,
        watched: false,
    };
}

pub(super) const ALL_BLOCKS: u32 = !0;
const _: () = assert!(BLOCKS_PER_CHUNK == u32::BITS as usize);

/// What dirty pages tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// What was written since the last cycle.
    Cycle,
    /// What was written since this cycle has consumed everything: so short a time says nothing of chunks
    /// that were not written.
    Again,
}

/// What was seen of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heat {
    /// Warm readings without a cooler cycle between them.
    pub(super) warm: u8,
    /// Whether it is unprotected on purpose.
    pub(super) unprotected: bool,
    /// Cycles in which all of it was protected and nothing written, one after the other.
    pub(super) calm: u8,
}

impl Heat {
    pub(crate) const NONE: Self = Self { warm: 0, unprotected: false, calm: 0 };
}

/// Minor cycles that have found nothing written in a chunk. To restore it costs about as much as some
/// hundred scans of its base pages; who has not written for so long is not likely to in the next few.
pub(super) const CALM: u8 = 16;

/// The places of the bits that are set.
pub(super) fn bits(mut mask: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = (mask != 0).then(|| mask.trailing_zeros());
        mask &= mask.wrapping_sub(1);
        place
    })
}

/// The runs of bits that are set.
pub(super) fn runs(mask: u32) -> impl Iterator<Item = Range<usize>> {
    let mut rest = u64::from(mask);
    std::iter::from_fn(move || {
        let start = rest.trailing_zeros();
        let length = (rest != 0).then(|| (rest >> start).trailing_ones())?;
        rest &= !(((1 << length) - 1) << start);
        Some(start as usize..(start + length) as usize)
    })
}

/// A mask of the lowest `count` bits.
pub(super) fn ones(count: usize) -> u32 {
    if count >= u32::BITS as usize { !0 } else { (1 << count) - 1 }
}
