//! The referee: write barriers checked against what the MMU saw.
//!
//! A program with a write barrier of its own runs as it always does. Beside it a tracker watches the
//! same memory by page protection, which no store escapes. Where the two disagree, one is wrong:
//!
//! | page | card | contents | verdict |
//! |---|---|---|---|
//! | written | not marked | changed | **a missed barrier**: [`Verdict::missed`] |
//! | written | not marked | the same | a store of what was there already, or the kernel's caution: nothing |
//! | clean | marked | the same | a barrier without a store, which is allowed: [`Verdict::idle_cards`] |
//! | clean | marked | changed | **a lost write**, by the tracker or the kernel: [`Verdict::unseen`] |
//!
//! A store with its barrier hides one without it on the same card, so cards are finer than pages; and
//! a copy of the pages since the last comparison tells which words changed. A word that was changed
//! and changed back in between is not found, with or without barrier.

mod snapshot;
mod verdict;

pub(crate) use snapshot::Snapshot;
pub use verdict::{ChangedWord, Verdict};

use super::backend::{BackendKind, Sight};
use super::cards::CardTable;
use super::error::TrackError;
use super::page_set::PageSet;
use super::tracker::Tracker;
use crate::os::{PageRange, page_size};

/// How a [`Referee`] is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefereeOptions {
    /// Bytes of a card of the [referee's own table](Referee::cards): a power of two from 8 to a page.
    /// 512 by default; with 8 a store cannot hide another, at a byte of table for each word.
    pub card_bytes: usize,
    /// Keep a copy of the memory, to find the very words that changed. On by default. Without it a
    /// verdict says only which pages were written with none of their cards marked, and that may also
    /// be stores of the value that was there.
    pub copy: bool,
}

impl Default for RefereeOptions {
    fn default() -> Self {
        Self { card_bytes: 512, copy: true }
    }
}

/// Compares the marks of a program's write barrier with the pages that the MMU saw written.
///
/// ```no_run
/// use strandline::dirty::{Referee, RefereeOptions, Selection, TrackerOptions};
/// use strandline::os::PageRange;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (heap, slot) = (PageRange::covering(0x10000, 0x10000)?, 0x10008_usize);
/// let tracker = Selection::open(heap, &TrackerOptions::default())?.tracker;
/// let referee = Referee::new(tracker, RefereeOptions::default())?;
/// // SAFETY: the memory is readable and writable, ours, and outlives the referee.
/// unsafe { referee.register(heap)? };
/// // ... the program runs; its barrier, after a store to `slot`: ...
/// referee.cards().mark(slot);
/// // ... and stands still, for instance in a collection:
/// let verdict = referee.compare(heap)?;
/// eprintln!("{verdict}");
/// # Ok(())
/// # }
/// ```
///
/// It knows words, not objects, and so cannot tell a reference from a number: a program whose barrier
/// is for references only filters [`Verdict::missed`] by what it knows of its objects. A
/// [`Heap`](crate::Heap) with [`HeapOptions::referee`](crate::HeapOptions::referee) does that.
///
/// # Threads
/// Any thread may mark cards at any time. During [`register`](Self::register) and comparisons nobody
/// writes to the range, and every store has been followed by its barrier.
#[derive(Debug)]
pub struct Referee {
    tracker: Tracker,
    cards: CardTable,
    snapshot: Option<Snapshot>,
    /// Pages that were written and not compared since.
    written: PageSet,
}

impl Referee {
    /// A referee over the span of `tracker`, which nobody else consumes from.
    ///
    /// # Errors
    /// [`TrackError::Blind`] when the tracker does not see plain stores, or sees a store everywhere
    /// and there is to be no copy; [`TrackError::CardSize`]; no memory for the copy.
    pub fn new(tracker: Tracker, options: RefereeOptions) -> Result<Self, TrackError> {
        require_sight(&tracker)?;
        if !tracker.contract().precise && !options.copy {
            let reason = "counts every page as written; keep a copy, or use uffd or mprotect";
            return Err(TrackError::Blind { backend: tracker.kind(), reason });
        }
        let span = tracker.span();
        let cards = CardTable::new(span, options.card_bytes)?;
        let snapshot = options.copy.then(|| Snapshot::new(span)).transpose()?;
        Ok(Self { tracker, cards, snapshot, written: PageSet::new(span) })
    }

    /// The table that the program's barrier marks after each store, unless the program has its own.
    #[must_use]
    pub fn cards(&self) -> &CardTable {
        &self.cards
    }

    /// The tracker that watches.
    #[must_use]
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Begins to watch `range`: what is written from now on wants a barrier.
    ///
    /// # Safety
    /// As [`Tracker::register`].
    ///
    /// # Errors
    /// As [`Tracker::register`] and [`Tracker::consume`]; the range is not registered then.
    pub unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.tracker.register(range) }?;
        if let Err(error) = self.tracker.consume(range, &self.written) {
            self.unregister(range)?;
            return Err(error);
        }
        self.settle(range, [range]);
        self.cards.clear(range);
        Ok(())
    }

    /// Ends the watch over `range`. What was written since the last comparison is forgotten.
    ///
    /// # Errors
    /// As [`Tracker::unregister`].
    pub fn unregister(&self, range: PageRange) -> Result<(), TrackError> {
        self.tracker.unregister(range)?;
        self.written.remove(range);
        Ok(())
    }

    /// Compares what was written in `range` with the [referee's cards](Self::cards), and removes
    /// their marks.
    ///
    /// # Errors
    /// As [`Tracker::consume`]. Nothing is forgotten: the next comparison makes up for it.
    pub fn compare(&self, range: PageRange) -> Result<Verdict, TrackError> {
        let (cards, card_bytes) = (&self.cards, self.cards.card_bytes());
        let verdict = self.compare_with(range, card_bytes, |address| cards.is_marked(address))?;
        cards.clear(range);
        Ok(verdict)
    }

    /// As [`compare`](Self::compare), with the program's own record of its barriers: `is_marked` says
    /// whether the barrier was run for the card of `card_bytes` bytes that `address` lies in, since
    /// the last comparison. Cards begin at multiples of their size. Compare before that record is
    /// cleared.
    ///
    /// # Errors
    /// As [`compare`](Self::compare); [`TrackError::CardSize`] unless `card_bytes` is a power of two
    /// of at least 8.
    pub fn compare_with(
        &self,
        range: PageRange,
        card_bytes: usize,
        mut is_marked: impl FnMut(usize) -> bool,
    ) -> Result<Verdict, TrackError> {
        if !card_bytes.is_power_of_two() || card_bytes < 8 {
            return Err(TrackError::CardSize { bytes: card_bytes });
        }
        self.tracker.consume(range, &self.written)?;
        let mut verdict = Verdict::new(self.snapshot.is_some());
        for page in range.pieces(page_size()) {
            let cards = page.addresses().step_by(card_bytes);
            let marked = cards.filter(|&card| is_marked(card)).count();
            if self.written.contains(page.start()) {
                verdict.written_pages += 1;
                self.compare_written(page, marked, &mut is_marked, &mut verdict);
            } else if marked > 0 {
                verdict.idle_cards += marked;
                self.compare_clean(page, &mut verdict);
            }
        }
        let written: Vec<_> = self.written.iter_in(range).collect();
        self.settle(range, written);
        Ok(verdict)
    }

    fn compare_written(
        &self,
        page: PageRange,
        marked: usize,
        is_marked: &mut impl FnMut(usize) -> bool,
        verdict: &mut Verdict,
    ) {
        let Some(snapshot) = &self.snapshot else {
            if marked == 0 {
                verdict.add_unmarked(page);
            }
            return;
        };
        let mut changed = false;
        // SAFETY: what is registered is readable, as whoever registered it has promised.
        unsafe {
            snapshot.compare(page, |word| {
                changed = true;
                if !is_marked(word.address) {
                    verdict.add_missed(word);
                }
            });
        }
        if changed && marked == 0 {
            verdict.add_unmarked(page);
        }
    }

    fn compare_clean(&self, page: PageRange, verdict: &mut Verdict) {
        if let Some(snapshot) = &self.snapshot {
            // SAFETY: as above.
            unsafe { snapshot.compare(page, |word| verdict.add_unseen(word)) };
        }
    }

    /// Begins anew with `range`, of which `written` has changed.
    fn settle(&self, range: PageRange, written: impl IntoIterator<Item = PageRange>) {
        if let Some(snapshot) = &self.snapshot {
            for pages in written {
                // SAFETY: as above.
                unsafe { snapshot.take(pages) };
            }
        }
        self.written.remove(range);
    }
}

/// Refuses a tracker that knows of no stores but those with a barrier.
pub(crate) fn require_sight(tracker: &Tracker) -> Result<(), TrackError> {
    let blind = |reason| Err(TrackError::Blind { backend: tracker.kind(), reason });
    match (tracker.kind(), tracker.contract().stores) {
        (_, Sight::Seen) => Ok(()),
        (BackendKind::Cards, _) => blind("sees nothing else; use uffd, mprotect or all-dirty"),
        _ => blind("does not see plain stores; use uffd, mprotect or all-dirty"),
    }
}
