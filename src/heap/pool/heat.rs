//! Hot chunks: old memory that the program writes to all the time.
//!
//! Protecting such a chunk costs the program a fault for almost every page of it in every cycle,
//! and tells the collector what it could have guessed. So after two cycles in which a good part of
//! the pages was written, the chunk is left unprotected between cycles, and in the next one until
//! the first trace has ended. From then on, when the set of dirty pages must become small, it is
//! protected like any other. Every few cycles it stays so afterwards, to see whether it has cooled
//! down.

use std::ops::Range;

use super::Pool;
use crate::dirty::PageSet;
use crate::heap::chunks::{Use, Watch};
use crate::heap::geometry::{BLOCK, BLOCKS_PER_CHUNK, CHUNK};
use crate::heap::metadata::{Age, Metadata};
use crate::os::{PageRange, page_size};

/// A chunk is warm when one in so many of its old pages was written since the last cycle.
const WARM: usize = 4;

/// Warm cycles, one after the other, that make a chunk hot.
const CYCLES: u8 = 2;

/// One in so many cycles leaves hot chunks protected, as a sample.
const SAMPLE: u64 = 8;

/// What was seen of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heat {
    /// Warm cycles without a cooler one between them.
    warm: u8,
    /// Whether it is unprotected on purpose.
    pub(super) unprotected: bool,
}

impl Heat {
    pub(crate) const NONE: Self = Self { warm: 0, unprotected: false };
}

impl Pool {
    /// Looks how many old pages of protected chunks are in `dirty`, which a scan at the beginning of a
    /// minor cycle has filled.
    pub(crate) fn take_temperature(&mut self, dirty: &PageSet, metadata: &Metadata) {
        let chunks: Vec<_> = self.chunks.in_use().collect();
        for (number, state) in chunks {
            let watched =
                state == Use::Blocks(Watch::Watched) || state == Use::Large(Watch::Watched);
            if !watched || self.chunks.get(number).heat.unprotected {
                continue;
            }
            let (mut old, mut written) = (0, 0);
            for block in number * BLOCKS_PER_CHUNK..(number + 1) * BLOCKS_PER_CHUNK {
                if metadata.age(block) == Age::Old {
                    let start = metadata.geometry.block_address(block);
                    let range =
                        PageRange::new(start, start + BLOCK).expect("blocks are whole pages");
                    old += range.pages();
                    written += dirty.count_in(range);
                }
            }
            let warm = old * page_size() >= CHUNK / 2 && written >= old / WARM;
            let heat = &mut self.chunks.get_mut(number).heat;
            heat.warm = if warm { (heat.warm + 1).min(CYCLES) } else { 0 };
        }
    }

    /// After a cycle, which has protected everything: the hot chunks as address ranges, which are to
    /// be unprotected now. None when it is time for a sample.
    pub(crate) fn heat_up(&mut self, cycle: u64, metadata: &Metadata) -> Vec<PageRange> {
        let sample = cycle.is_multiple_of(SAMPLE);
        let mut hot: Vec<Range<usize>> = Vec::new();
        let chunks: Vec<_> = self.chunks.in_use().map(|(number, _)| number).collect();
        for number in chunks {
            let chunk = self.chunks.get_mut(number);
            chunk.heat.unprotected = !sample && chunk.heat.warm == CYCLES;
            if !chunk.heat.unprotected {
                continue;
            }
            chunk.armed = 0;
            match hot.last_mut() {
                Some(run) if run.end == number => run.end += 1,
                _ => hot.push(number..number + 1),
            }
        }
        hot.into_iter().map(|run| metadata.geometry.chunk_range(run.start, run.len())).collect()
    }
}
