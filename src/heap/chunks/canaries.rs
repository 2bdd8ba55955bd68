//! Where a heap has its canaries ([`Tracker::place_canary`]).
//!
//! One in each region: whoever clears the write marks of a whole region, and so of the whole heap, takes
//! one. It has a block of a chunk of small objects, which nobody is handed and nothing is
//! found in; so it does not stand in the way of large objects, and stays where it is while the chunk
//! is idle. Regions that have nothing but large objects have none.
//!
//! As scans leave the block out, its chunk is no huge page for long.

use super::Chunks;
use crate::dirty::{BackendKind, Tracker};
use crate::heap::chunk::{Use, Watch};
use crate::heap::geometry::BLOCK;
use crate::os::{PageRange, page_size};

/// Chunks of a region, 128 MiB. A canary costs a block, and 0.8 us in each last stop: 25 us for 4 GiB.
const REGION: usize = 64;

impl Chunks {
    /// A chunk begins to be used: sees to it that its region has a canary, and none where it would be in
    /// the way.
    pub(super) fn care_for_canaries(&mut self, chunk: usize, tracker: &Tracker) {
        let is_wanted = self.chunks[chunk].state == Use::Blocks(Watch::Watched);
        if !is_wanted && self.chunks[chunk].canary != 0 {
            // In a child that cannot take hold of its memory nothing is clean.
            let _ = tracker.remove_canary(self.canary_page(chunk));
            self.chunks[chunk].free |= std::mem::take(&mut self.chunks[chunk].canary);
        }
        let first = chunk / REGION * REGION;
        let region = first..self.chunks.len().min(first + REGION);
        let has_one = self.chunks[region].iter().any(|chunk| chunk.canary != 0);
        if is_wanted && !has_one && tracker.kind() == BackendKind::Uffd {
            self.place_canary(chunk, tracker);
        }
    }

    /// Takes the first block of a chunk that has nothing else yet.
    fn place_canary(&mut self, chunk: usize, tracker: &Tracker) {
        // SAFETY: the page is the heap's own and registered; nobody is handed the block until the canary is
        // removed.
        let placed = unsafe { tracker.place_canary(self.canary_page(chunk)) };
        if placed.is_ok() {
            self.chunks[chunk].canary = 1;
            self.chunks[chunk].free &= !1;
        }
    }

    /// The last page of the first block: a chunk is touched at its first page.
    fn canary_page(&self, chunk: usize) -> PageRange {
        let end = self.range(chunk).start() + BLOCK;
        PageRange::new(end - page_size(), end).expect("blocks are whole pages")
    }
}
