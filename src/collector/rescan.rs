//! Looking again at the marked objects of dirty pages.

use super::mark::Marker;
use crate::heap::Content;
use crate::heap::geometry::{BLOCK, GRANULE, GRANULES_PER_BLOCK, LARGEST_SMALL};
use crate::object::ObjectModel;
use crate::os::PageRange;

impl<M: ObjectModel> Marker<'_, '_, M> {
    /// Traces every marked object that has a part in `pages`, or has it traced next. False if time
    /// was up; then not all may have been traced.
    ///
    /// Pages without marked objects cost a look at their mark bits: four words for 4 KiB.
    pub(super) fn rescan(&mut self, pages: PageRange) -> bool {
        let metadata = &self.marking().memory.metadata;
        for piece in pages.pieces(BLOCK) {
            let objects = match metadata.content(metadata.geometry.block(piece.start())) {
                Content::Small(kind) if kind.has_slots() => self.rescan_small(piece),
                Content::Large => self.rescan_large(piece),
                Content::Small(_) | Content::Unused => 0,
            };
            let tally = self.tally();
            tally.rescanned += piece.pages();
            tally.barren += if objects == 0 { piece.pages() } else { 0 };
            if !self.tick(objects) || !self.drain_some() {
                return false;
            }
        }
        true
    }

    /// Returns how many objects there are.
    fn rescan_small(&mut self, pages: PageRange) -> u32 {
        let marking = self.marking();
        let (metadata, marks) = (&marking.memory.metadata, marking.marks);
        let geometry = metadata.geometry;
        let (first, end) = (geometry.granule(pages.start()), geometry.granule(pages.end() - 1) + 1);
        let (block_start, mut objects) = (first - first % GRANULES_PER_BLOCK, 0);
        if first > block_start {
            // The object that spans into the first page begins at most its size before it.
            let nearest = first.saturating_sub(LARGEST_SMALL / GRANULE).max(block_start);
            if let Some(start) = marks.last_set(nearest, first - 1) {
                let address = geometry.granule_address(start);
                if address + metadata.small_size(address) > pages.start() {
                    self.trace_soon(address);
                    objects += 1;
                }
            }
        }
        let mut next = first;
        while let Some(start) = marks.first_set(next, end) {
            self.trace_soon(geometry.granule_address(start));
            (next, objects) = (start + 1, objects + 1);
        }
        objects
    }

    /// Returns a measure of the work.
    fn rescan_large(&mut self, pages: PageRange) -> u32 {
        let (marking, mut work) = (self.marking(), 0);
        let objects = marking.memory.large_objects_in(pages);
        for object in objects {
            let granule = marking.memory.metadata.geometry.granule(object.start);
            if !object.kind.has_slots() || !marking.marks.get(granule) {
                continue;
            }
            let from = pages.start().max(object.start) - object.start;
            let to = pages.end().min(object.start + object.bytes) - object.start;
            work += ((to - from) / GRANULE) as u32;
            self.trace_large(object, from..to);
        }
        work
    }
}
