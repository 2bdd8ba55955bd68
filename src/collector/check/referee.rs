//! The referee of a heap: were all stores of references followed by their barriers?
//!
//! It keeps, from one check to the next, a copy of the heap, the set of pages that scans have found
//! written, and the set of objects that were alive. No such object is swept before the next check
//! has been made, so its slots then are its own, and what was not alive was allocated since.
//!
//! A check runs in the last stop of a cycle, when no block is owned and before anything is swept.

mod check;
mod report;

use std::sync::{Arc, PoisonError};

pub use report::{BarrierCheck, BarrierReport, BarrierTarget, SlotChange};

use crate::dirty::{CardTable, PageSet, Snapshot, TrackError, require_sight};
use crate::heap::geometry::GRANULE;
use crate::heap::{Bitmap, Memory};
use crate::os::PageRange;
use crate::sync::atomic::Ordering::Relaxed;
use crate::sync::process::Mutex;

/// Compares cards and pages of one heap.
#[derive(Debug)]
pub(crate) struct Referee {
    cards: CardTable,
    target: BarrierTarget,
    snapshot: Snapshot,
    /// Pages that scans have found written since the last check.
    written: Arc<PageSet>,
    /// Objects that were alive at the last check.
    known: Bitmap,
    report: Mutex<BarrierReport>,
}

impl Referee {
    /// A referee for the heap in `memory`, where nothing has been allocated yet.
    pub(crate) fn new(check: BarrierCheck, memory: &mut Memory) -> Result<Self, TrackError> {
        let tracker = &mut memory.selection.tracker;
        require_sight(tracker)?;
        let cards = CardTable::new(tracker.span(), check.card_bytes)?;
        let written = tracker.watch_barriers(cards.clone());
        let snapshot = Snapshot::new(tracker.span())?;
        let known = Bitmap::new(memory.metadata.geometry.granules())?;
        let report = Mutex::default();
        Ok(Self { cards, target: check.target, snapshot, written, known, report })
    }

    /// The findings so far; the next report begins with none.
    pub(crate) fn take_report(&self) -> BarrierReport {
        std::mem::take(&mut *self.report.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins anew with `range`.
    fn settle(&self, range: PageRange, memory: &Memory, marks: &Bitmap) {
        for pages in self.written.iter_in(range) {
            // SAFETY: memory of the heap that is in use is committed, so it is readable.
            unsafe { self.snapshot.take(pages) };
        }
        self.written.remove(range);
        self.cards.clear(range);
        // Blocks begin at whole words of bitmaps. Where none is in use, no object was alive.
        let granule = |address| memory.metadata.geometry.granule(address);
        let words = granule(range.start()) / 64..(granule(range.end() - GRANULE) + 1) / 64;
        let alive = &marks.words()[words.clone()];
        for (known, alive) in self.known.words()[words].iter().zip(alive) {
            known.store(alive.load(Relaxed), Relaxed);
        }
    }
}
