//! Hot chunks: old memory that the program writes to all the time.
//!
//! Protecting such a chunk costs the program a fault for almost every page of it in every cycle,
//! and tells the collector what it could have guessed. So when a good part of the pages was written in
//! two cycles, or as soon as one has consumed them, the chunk is left unprotected between cycles, and in the next one until
//! the first trace has ended. From then on, when the set of dirty pages must become small, it is
//! protected like any other. Every few cycles it stays so afterwards, to see whether it has cooled
//! down.

use std::ops::Range;

use super::Pool;
use crate::dirty::PageSet;
use crate::heap::chunk::{CALM, Reading, Use, Watch};
use crate::heap::geometry::{BLOCK, BLOCKS_PER_CHUNK, CHUNK};
use crate::heap::metadata::{Age, Metadata};
use crate::os::{PageRange, page_size};

/// A chunk is warm when one in so many of its old pages was written since the last cycle.
const WARM: usize = 4;

/// Warm readings, without a cooler cycle between them, that make a chunk hot.
const READINGS: u8 = 2;

/// One in so many cycles leaves hot chunks protected, as a sample. It costs a fault for each page, which is
/// about what a chunk that has cooled down costs in each of the others.
const SAMPLE: u64 = 16;

impl Pool {
    /// Looks how many old pages of protected chunks are in `dirty`, which a scan has filled.
    pub(crate) fn take_temperature(
        &mut self,
        reading: Reading,
        dirty: &PageSet,
        metadata: &Metadata,
    ) {
        let chunks: Vec<_> = self.chunks.in_use().collect();
        for (number, state) in chunks {
            let watched =
                state == Use::Blocks(Watch::Watched) || state == Use::Large(Watch::Watched);
            if !watched || self.chunks.get(number).heat.unprotected {
                continue;
            }
            let (mut old, mut written) = (0, 0);
            // Most chunks have nothing written, and then there is nothing to count in their blocks.
            let is_written =
                dirty.iter_in(metadata.geometry.chunk_range(number, 1)).next().is_some();
            for block in number * BLOCKS_PER_CHUNK..(number + 1) * BLOCKS_PER_CHUNK {
                if metadata.age(block) == Age::Old {
                    old += BLOCK / page_size();
                    if is_written {
                        let start = metadata.geometry.block_address(block);
                        let range = PageRange::new(start, start + BLOCK);
                        written += dirty.count_in(range.expect("blocks are whole pages"));
                    }
                }
            }
            let warm = old * page_size() >= CHUNK / 2 && written >= old / WARM;
            let chunk = self.chunks.get_mut(number);
            let (whole, heat) = (old * page_size() == CHUNK && chunk.armed == !0, &mut chunk.heat);
            heat.calm = match reading {
                _ if !whole || written > 0 => 0,
                Reading::Again => heat.calm,
                Reading::Cycle => (heat.calm + 1).min(CALM),
            };
            heat.warm = match reading {
                _ if warm => (heat.warm + 1).min(READINGS),
                Reading::Again => heat.warm,
                Reading::Cycle => 0,
            };
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
            chunk.heat.unprotected = !sample && chunk.heat.warm == READINGS;
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
