//! Looking again at the marked objects of dirty pages.

use super::mark::Marker;
use super::rules::Rule;
use crate::heap::Content;
use crate::heap::geometry::BLOCK;
use crate::object::ObjectModel;
use crate::os::PageRange;

impl<M: ObjectModel> Marker<'_, '_, M> {
    /// Traces every marked object that has a part in `pages`. False if time was up; then not all
    /// may have been traced.
    ///
    /// Pages without marked objects cost a look at their mark bits: four words for 4 KiB.
    pub(super) fn rescan(&mut self, pages: PageRange) -> bool {
        let metadata = &self.marking().memory.metadata;
        for piece in pages.pieces(BLOCK) {
            match metadata.content(metadata.geometry.block(piece.start())) {
                Content::Small(kind) if kind.has_slots() => self.rescan_small(piece),
                Content::Large => self.rescan_large(piece),
                Content::Small(_) | Content::Unused => {}
            }
            if !self.drain() {
                return false;
            }
        }
        true
    }

    fn rescan_small(&mut self, pages: PageRange) {
        let marking = self.marking();
        let (metadata, marks) = (&marking.memory.metadata, marking.marks);
        let geometry = metadata.geometry;
        let (first, end) = (geometry.granule(pages.start()), geometry.granule(pages.end() - 1) + 1);
        if marking.rules.holds(Rule::LookInFull)
            && let Some(spanning) = metadata.spanning_into(pages.start(), marks)
        {
            self.trace_soon(spanning);
        }
        let mut next = first;
        while let Some(start) = marks.first_set(next, end) {
            self.trace_soon(geometry.granule_address(start));
            next = start + 1;
        }
    }

    fn rescan_large(&mut self, pages: PageRange) {
        let marking = self.marking();
        let objects = marking.memory.large_objects_in(pages);
        for object in objects {
            let granule = marking.memory.metadata.geometry.granule(object.start);
            if !object.kind.has_slots() || !marking.marks.get(granule) {
                continue;
            }
            if object.start < pages.start() && !marking.rules.holds(Rule::LookInFull) {
                continue;
            }
            let from = pages.start().max(object.start) - object.start;
            let to = pages.end().min(object.start + object.bytes) - object.start;
            self.trace_large(object, from..to);
        }
    }
}
