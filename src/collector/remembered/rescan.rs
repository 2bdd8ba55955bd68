//! Looking again at the marked objects of dirty pages.
//!
//! Pages come in address order, and so do the objects of one. The processor sees that by itself,
//! but not what the next page is: that is asked for in advance.

use crate::collector::check::rules::Rule;
use crate::collector::mark::Marker;
use crate::collector::mark::ring::prefetch;
use crate::collector::remembered::ledger::{Looked, Slices};
use crate::heap::Content;
use crate::heap::geometry::{BLOCK, GRANULE};
use crate::object::{Kind, ObjectModel};
use crate::os::PageRange;

/// Cache lines of the next page that are asked for; the processor follows from there.
const AHEAD: usize = 8;

/// What finding the objects of a page is, as a number of objects: the clock is to be looked at in time
/// where there are few.
const PAGE_WORK: u32 = 16;

/// Bytes of a slot.
const WORD: usize = size_of::<usize>();

/// Bytes of a cache line.
const LINE: usize = 64;

impl<M: ObjectModel> Marker<'_, '_, M> {
    /// Takes owed pages and looks at them, for as long as there is time.
    pub(crate) fn rescan_owed(&mut self, slices: &Slices<'_>) {
        let (hurried, rules) = (self.is_hurried(), self.marking().rules);
        // What is found is not to pile up while there is only time to look for more.
        if !hurried || self.work_off_leftovers() {
            slices.take(hurried, rules, |pages, next| self.rescan(pages, next));
        }
    }

    /// Traces every marked object that has a part in `pages`, or has it traced next. When time is up
    /// before, returns where what is left begins; a part is always done, however little time there
    /// is. `next` is likely to come after these pages.
    ///
    /// Pages without marked objects cost a look at their mark bits: four words for 4 KiB.
    fn rescan(&mut self, pages: PageRange, next: Option<PageRange>) -> Looked {
        self.ask_for(next);
        if self.is_hurried() && self.marking().rules.is_interrupted(pages) {
            return Looked::Until(pages.start());
        }
        let metadata = &self.marking().memory.metadata;
        for piece in pages.pieces(BLOCK) {
            let objects = match metadata.content(metadata.geometry.block(piece.start())) {
                Content::Small(kind) if kind.has_slots() => self.rescan_small(piece, kind),
                Content::Large => self.rescan_large(piece),
                Content::Small(_) | Content::Unused => 0,
            };
            let tally = self.tally();
            tally.rescanned += piece.pages();
            tally.barren += if objects == 0 { piece.pages() } else { 0 };
            // What the objects refer to is on the stack, if it is not marked yet: it is not lost.
            if !self.tick(objects + PAGE_WORK * piece.pages() as u32) || !self.drain_some() {
                return Looked::Until(piece.end());
            }
        }
        Looked::AtAll
    }

    #[inline]
    fn ask_for(&self, next: Option<PageRange>) {
        let Some(next) = next else { return };
        let marking = self.marking();
        let granule = marking.memory.metadata.geometry.granule(next.start());
        prefetch((&raw const marking.marks.words()[granule / 64]).addr());
        (0..AHEAD).for_each(|line| prefetch(next.start() + line * LINE));
    }

    /// Returns how many objects there are.
    fn rescan_small(&mut self, pages: PageRange, kind: Kind) -> u32 {
        let marking = self.marking();
        let geometry = marking.memory.metadata.geometry;
        let (first, end) = (geometry.granule(pages.start()), geometry.granule(pages.end() - 1) + 1);
        let mut objects = 0;
        if marking.rules.holds(Rule::LookInFull)
            && let Some(address) =
                marking.memory.metadata.spanning_into(pages.start(), marking.marks)
        {
            self.trace_small_of(kind, address);
            objects += 1;
        }
        marking.marks.for_each_set(first, end, |granule| {
            self.trace_small_of(kind, geometry.granule_address(granule));
            objects += 1;
        });
        objects
    }

    /// Returns a measure of the work.
    fn rescan_large(&mut self, pages: PageRange) -> u32 {
        let (marking, mut work) = (self.marking(), 0);
        let objects = marking.memory.large_objects_in(pages);
        for object in objects {
            let granule = marking.memory.metadata.geometry.granule(object.start);
            if !object.kind.has_slots() || !marking.marks.finds(granule) {
                continue;
            }
            if object.start < pages.start() && !marking.rules.holds(Rule::LookInFull) {
                continue;
            }
            // The tag of a value of two words may be on this page, and the payload beside it.
            let beside = if marking.rules.holds(Rule::LookBeside) { WORD } else { 0 };
            let from = (pages.start() - beside).max(object.start) - object.start;
            let to = (pages.end() + beside).min(object.start + object.bytes) - object.start;
            work += ((to - from) / GRANULE) as u32;
            self.trace_large(object, from..to);
        }
        work
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
