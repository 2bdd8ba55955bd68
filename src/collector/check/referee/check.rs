//! What the referee does in the last stop of a cycle: it looks at what was written, and at what was told.

use std::ops::Range;
use std::sync::PoisonError;

use super::{BarrierReport, BarrierTarget, Referee, SlotChange};
use crate::collector::shared::Shared;
use crate::heap::{Bitmap, Content, LargeObject, Where, Which, is_large};
use crate::mutator::{Local, Stopped};
use crate::object::{Kind, ObjectModel, ObjectRef, Slot, SlotVisitor};
use crate::os::{PageRange, page_size, say};

/// Findings of one check that are written to the log.
const LOGGED: usize = 10;

impl Referee {
    /// Checks the objects that were alive at the last check. `marks` are those that are alive now;
    /// nothing has been swept since they were found.
    pub(crate) fn check<M: ObjectModel>(
        &self,
        shared: &Shared<M>,
        _world: &Stopped<'_, Local>,
        marks: &Bitmap,
    ) {
        let mut check = Check {
            referee: self,
            shared,
            found: BarrierReport { checks: 1, ..Default::default() },
        };
        for range in self.scan(shared) {
            for page in range.pieces(page_size()) {
                check.page(page);
            }
            self.settle(range, &shared.memory, marks);
        }
        let found = check.found;
        if shared.options.log {
            log(&found);
        }
        self.report.lock().unwrap_or_else(PoisonError::into_inner).add(found);
    }

    /// Completes the set of written pages. Returns the ranges that it tells of.
    fn scan<M: ObjectModel>(&self, shared: &Shared<M>) -> Vec<PageRange> {
        let (memory, tracker) = (&shared.memory, shared.memory.tracker());
        // Concurrent cycles consume through their ledger. Otherwise nobody else does.
        let consume = !shared.concurrent;
        let which = if consume { Which::All } else { Which::AllAsItIs };
        let ranges = memory.pool().watched(which, Where::Everywhere, &memory.metadata).quiet;
        for &range in &ranges {
            let scan = match consume {
                true => tracker.consume(range, &self.written),
                false => tracker.peek(range, &self.written),
            };
            if let Err(error) = scan {
                debug_assert!(!error.refused_arguments(), "{error}");
                // All of it counts as written: slow, and nothing is missed.
                self.written.insert(range);
            }
        }
        ranges
    }
}

fn log(found: &BarrierReport) {
    let mut shown = found.clone();
    shown.missed.truncate(LOGGED);
    shown.unseen.truncate(LOGGED);
    say(format_args!("{shown}"));
}

/// One check in progress.
struct Check<'a, M> {
    referee: &'a Referee,
    shared: &'a Shared<M>,
    found: BarrierReport,
}

impl<M: ObjectModel> Check<'_, M> {
    fn page(&mut self, page: PageRange) {
        let cards = &self.referee.cards;
        let written = self.referee.written.contains(page.start());
        if written {
            self.found.written_pages += 1;
        } else {
            let addresses = page.addresses().step_by(cards.card_bytes());
            let idle = addresses.filter(|&card| cards.is_marked(card)).count();
            if idle == 0 {
                return;
            }
            self.found.idle_cards += idle as u64;
        }
        let metadata = &self.shared.memory.metadata;
        match metadata.content(metadata.geometry.block(page.start())) {
            Content::Small(kind) => self.small_objects(kind, page, written),
            Content::Large => self.large_objects(page, written),
            Content::Unused => {}
        }
    }

    fn small_objects(&mut self, kind: Kind, page: PageRange, written: bool) {
        let (metadata, known) = (&self.shared.memory.metadata, &self.referee.known);
        let geometry = metadata.geometry;
        if let Some(address) = metadata.spanning_into(page.start(), known) {
            self.object(kind, address..address + metadata.small_size(address), page, written);
        }
        let (mut next, end) =
            (geometry.granule(page.start()), geometry.granule(page.end() - 1) + 1);
        while let Some(start) = known.first_set(next, end) {
            let address = geometry.granule_address(start);
            self.object(kind, address..address + metadata.small_size(address), page, written);
            next = start + 1;
        }
    }

    fn large_objects(&mut self, page: PageRange, written: bool) {
        for LargeObject { start, bytes, kind } in self.shared.memory.large_objects_in(page) {
            let granule = self.shared.memory.metadata.geometry.granule(start);
            if self.referee.known.get(granule) {
                self.object(kind, start..start + bytes, page, written);
            }
        }
    }

    /// Looks at the slots of an object on one page.
    fn object(&mut self, kind: Kind, extent: Range<usize>, page: PageRange, written: bool) {
        let object = ObjectRef::at(extent.start);
        let part = extent.start.max(page.start())..extent.end.min(page.end());
        let shared = self.shared;
        let mut slots = Slots { check: self, object, part: part.clone(), kind, written };
        match kind {
            Kind::Leaf | Kind::External => {}
            Kind::Conservative => {
                for address in part.step_by(size_of::<usize>()) {
                    // SAFETY: a word of an object of this heap.
                    slots.visit(unsafe { Slot::at_address(address) });
                }
            }
            Kind::Precise if is_large(extent.len()) => {
                let part = part.start - extent.start..part.end - extent.start;
                // SAFETY: an object of this heap with slots, initialised and not swept.
                unsafe { shared.model.trace_part(object, part, &mut slots) };
            }
            // SAFETY: as above.
            Kind::Precise => unsafe { shared.model.trace(object, &mut slots) },
        }
    }
}

/// Compares the slots of an object that lie at some addresses.
struct Slots<'c, 'a, M> {
    check: &'c mut Check<'a, M>,
    object: ObjectRef,
    part: Range<usize>,
    kind: Kind,
    written: bool,
}

impl<M: ObjectModel> SlotVisitor for Slots<'_, '_, M> {
    fn visit(&mut self, slot: Slot) {
        let (address, new) = (slot.address(), slot.load());
        if !self.part.contains(&address) {
            return;
        }
        let Referee { cards, target, snapshot, .. } = self.check.referee;
        let old = snapshot.word(address);
        let marked = || {
            cards.is_marked(match target {
                BarrierTarget::Slot => address,
                BarrierTarget::Object => self.object.address(),
            })
        };
        if old == new || self.written && marked() {
            return;
        }
        let shared = self.check.shared;
        let referent = match self.kind {
            Kind::Conservative => shared.memory.resolve(new),
            _ => shared.referent(slot),
        };
        let Some(referent) = referent else { return };
        let change = SlotChange { object: self.object, slot: address, old, new, referent };
        if self.written {
            self.check.found.add_missed(change);
        } else {
            self.check.found.add_unseen(change);
        }
    }

    fn visit_checked(&mut self, slot: Slot) {
        self.visit(slot);
    }
}
