//! What the referee of a heap reports.

use std::fmt;

use crate::object::ObjectRef;

/// What a runtime's write barrier marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BarrierTarget {
    /// The card of the slot that was stored to.
    #[default]
    Slot,
    /// The card of the first byte of the object that the slot is in.
    Object,
}

/// Has a heap check the write barriers of a runtime that has some: [`HeapOptions::referee`].
///
/// The runtime's barrier marks a card of [`Tracker::cards`] (`heap.tracker().tracker.cards()`), after
/// the store and before the next safepoint. No scan looks at these cards; the heap goes by the pages
/// that the MMU saw written, so it is sound whatever barriers are missing. In the last stop of every
/// cycle the two are compared: a slot that has come to refer to an object, with no card marked over
/// it, is a missed barrier.
///
/// What needs no barrier is not reported: stores into objects that were allocated since the last
/// check, stores of anything but a reference to an object of the heap, slots of objects of kind
/// [`External`](crate::Kind::External) (which may lie outside the heap). Neither is a slot that is
/// again what it was at the last check.
///
/// A tool for development: it keeps a copy of the heap, and compares in stops.
///
/// [`HeapOptions::referee`]: crate::HeapOptions::referee
/// [`Tracker::cards`]: crate::dirty::Tracker::cards
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierCheck {
    /// Bytes of a card: a power of two from 8 to a page. 512 by default. With 8, a store with its
    /// barrier never hides one without.
    pub card_bytes: usize,
    /// What the barrier marks.
    pub target: BarrierTarget,
}

impl Default for BarrierCheck {
    fn default() -> Self {
        Self { card_bytes: 512, target: BarrierTarget::default() }
    }
}

/// A slot that changed since the check before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotChange {
    /// The object that the slot is in. It need not be reachable any more: look at it only when it is
    /// known to be.
    pub object: ObjectRef,
    /// The address of the slot.
    pub slot: usize,
    /// The word that was in it.
    pub old: usize,
    /// The word that is in it.
    pub new: usize,
    /// The object that it refers to now.
    pub referent: ObjectRef,
}

impl SlotChange {
    /// Bytes from the start of the object to the slot.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.slot - self.object.address()
    }
}

/// What the checks of a heap found since the last report was taken.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BarrierReport {
    /// Checks, one for each cycle.
    pub checks: u64,
    /// Pages that were written, added up over the checks.
    pub written_pages: u64,
    /// Stores without their barrier, in the order of the checks; the first 4096.
    pub missed: Vec<SlotChange>,
    /// How many there are.
    pub missed_barriers: u64,
    /// Marked cards on pages that were not written: barriers without a store. Allowed.
    pub idle_cards: u64,
    /// Slots with a marked card that changed although their page counts as not written: the tracker
    /// or the kernel has lost a write. The first 4096.
    pub unseen: Vec<SlotChange>,
    /// How many there are.
    pub unseen_stores: u64,
}

/// Findings that are listed one by one; beyond that they are counted.
const LISTED: usize = 4096;

impl BarrierReport {
    /// Whether no barrier was missed and no write lost.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missed_barriers == 0 && self.unseen_stores == 0
    }

    /// Adds what a later check found.
    pub(crate) fn add(&mut self, check: Self) {
        self.checks += check.checks;
        self.written_pages += check.written_pages;
        self.missed_barriers += check.missed_barriers;
        self.idle_cards += check.idle_cards;
        self.unseen_stores += check.unseen_stores;
        for (all, new) in [(&mut self.missed, check.missed), (&mut self.unseen, check.unseen)] {
            all.extend(new.into_iter().take(LISTED - all.len()));
        }
    }

    pub(crate) fn add_missed(&mut self, change: SlotChange) {
        list(&mut self.missed, &mut self.missed_barriers, change);
    }

    pub(crate) fn add_unseen(&mut self, change: SlotChange) {
        list(&mut self.unseen, &mut self.unseen_stores, change);
    }
}

fn list(changes: &mut Vec<SlotChange>, count: &mut u64, change: SlotChange) {
    *count += 1;
    if changes.len() < LISTED {
        changes.push(change);
    }
}

impl fmt::Display for SlotChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (object, offset) = (self.object.address(), self.offset());
        write!(
            f,
            "object {object:#x}, slot {:#x} (offset {offset}) was {:#x} and is {:#x}, which refers \
             to object {:#x}",
            self.slot,
            self.old,
            self.new,
            self.referent.address(),
        )
    }
}

impl fmt::Display for BarrierReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "referee: {} checks, {} pages written, {} barriers missed, {} idle cards, {} writes lost",
            self.checks,
            self.written_pages,
            self.missed_barriers,
            self.idle_cards,
            self.unseen_stores,
        )?;
        for change in &self.missed {
            write!(f, "\n  missed barrier: {change}")?;
        }
        for change in &self.unseen {
            write!(f, "\n  lost write: {change}; the tracker or the kernel did not see it")?;
        }
        Ok(())
    }
}
