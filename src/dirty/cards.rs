//! The software baseline: a card table that the program marks after every pointer store.
//!
//! One byte for each card, which is a page for the tracker and may be finer for a
//! [`Referee`](super::Referee). The barrier is what compilers emit for such tables: a shift and a byte
//! store, no test of the old value. It works on every system, costs on every store, and sees nothing
//! that does not call it.

use std::sync::Arc;

use super::backend::{BackendKind, Contract, Scan, Sight, TrackerBackend};
use super::error::TrackError;
use super::page_set::PageSet;
use crate::os::{OsError, PageRange, page_size};
use crate::sync::process::atomic::{AtomicU8, Ordering};
use crate::sync::process::zeroed_bytes;

const CLEAN: u8 = 0;
const DIRTY: u8 = 1;

/// The card table of a span of memory; a cheap handle to it.
///
/// # Threads
/// Any thread may mark at any time.
#[derive(Debug, Clone)]
pub struct CardTable {
    span: PageRange,
    shift: u32,
    cards: Arc<Box<[AtomicU8]>>,
}

impl CardTable {
    /// A table for `span` with cards of `card_bytes` bytes, none of them marked.
    ///
    /// # Errors
    /// [`TrackError::CardSize`] unless the size is a power of two from 8 to a page.
    pub fn new(span: PageRange, card_bytes: usize) -> Result<Self, TrackError> {
        if !card_bytes.is_power_of_two() || !(8..=page_size()).contains(&card_bytes) {
            return Err(TrackError::CardSize { bytes: card_bytes });
        }
        let cards = Arc::new(zeroed_bytes(span.bytes() / card_bytes));
        Ok(Self { span, shift: card_bytes.trailing_zeros(), cards })
    }

    fn of_pages(span: PageRange) -> Self {
        Self::new(span, page_size()).expect("a page is a power of two")
    }

    /// How many bytes a card stands for.
    #[must_use]
    pub fn card_bytes(&self) -> usize {
        1 << self.shift
    }

    /// The write barrier: marks the card of `address` after a store there.
    ///
    /// Addresses outside the span are ignored, so stores to stacks and globals need no test.
    #[inline]
    pub fn mark(&self, address: usize) {
        if let Some(card) = self.cards.get(address.wrapping_sub(self.span.start()) >> self.shift) {
            // Release: who takes the mark sees the store that it stands for.
            card.store(DIRTY, Ordering::Release);
        }
    }

    /// Marks every card of `range`.
    ///
    /// # Panics
    /// When a part of `range` lies outside the span.
    pub fn mark_all(&self, range: PageRange) {
        for card in self.of(range) {
            card.store(DIRTY, Ordering::Release);
        }
    }

    /// Whether the card of `address` is marked; addresses outside the span have no card.
    #[must_use]
    pub fn is_marked(&self, address: usize) -> bool {
        let index = address.wrapping_sub(self.span.start()) >> self.shift;
        self.cards.get(index).is_some_and(|card| card.load(Ordering::Acquire) != CLEAN)
    }

    /// Removes the mark of every card of `range`.
    ///
    /// # Panics
    /// When a part of `range` lies outside the span.
    pub fn clear(&self, range: PageRange) {
        for card in self.of(range) {
            card.store(CLEAN, Ordering::Relaxed);
        }
    }

    fn of(&self, range: PageRange) -> &[AtomicU8] {
        assert!(self.span.covers(range), "{range} is outside the card table's span {}", self.span);
        let first = (range.start() - self.span.start()) >> self.shift;
        &self.cards[first..first + (range.bytes() >> self.shift)]
    }

    /// Inserts the pages of `range` whose card, of a whole page, `is_dirty` says so.
    fn collect(
        &self,
        range: PageRange,
        into: &PageSet,
        is_dirty: impl Fn(&AtomicU8) -> bool,
    ) -> Scan {
        let (mut scan, mut last) = (Scan::default(), None);
        let mut batch = into.batch();
        for (page, card) in self.of(range).iter().enumerate() {
            if card.load(Ordering::Relaxed) != CLEAN && is_dirty(card) {
                batch.insert(range.subrange(page, 1));
                scan.pages += 1;
                scan.runs += usize::from(last.replace(page) != page.checked_sub(1) || page == 0);
            }
        }
        scan
    }
}

/// The back-end on explicit write barriers.
#[derive(Debug)]
pub struct Cards {
    table: CardTable,
}

impl Cards {
    /// A card table for `span`, one byte a page.
    #[must_use]
    pub fn new(span: PageRange) -> Self {
        Self { table: CardTable::of_pages(span) }
    }
}

// SAFETY: cards start dirty and are set by `unprotect` (clause 1). Taking a card is one atomic
// swap, so a mark is either taken here and reported or survives for the next scan (clauses 2, 3);
// it acquires what the marking thread stored before. Stores without a barrier are declared unseen.
unsafe impl TrackerBackend for Cards {
    fn kind(&self) -> BackendKind {
        BackendKind::Cards
    }

    fn contract(&self) -> Contract {
        const NO_BARRIER: &str = "only CardTable::mark makes a page dirty, and nobody called it";
        Contract {
            stores: Sight::Unseen(NO_BARRIER),
            kernel_writes: Sight::Unseen(NO_BARRIER),
            device_writes: Sight::Unseen(NO_BARRIER),
            discards: Sight::Unseen(NO_BARRIER),
            aliases: Sight::Unseen(NO_BARRIER),
            cleared_elsewhere: Sight::Seen,
            precise: true,
        }
    }

    unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        self.table.mark_all(range);
        Ok(())
    }

    fn unregister(&self, _range: PageRange) -> Result<(), OsError> {
        Ok(())
    }

    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError> {
        Ok(self.table.collect(range, owed, |card| card.swap(CLEAN, Ordering::AcqRel) != CLEAN))
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        Ok(self.table.collect(range, found, |card| card.load(Ordering::Acquire) != CLEAN))
    }

    fn protect(&self, range: PageRange) -> Result<(), OsError> {
        // Not `clear`: who reads the memory after this is to see the stores whose marks it took.
        for card in self.table.of(range) {
            card.swap(CLEAN, Ordering::AcqRel);
        }
        Ok(())
    }

    fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        self.table.mark_all(range);
        Ok(())
    }

    /// The table is ordinary memory, so the child has its own copy of it. But another thread of the
    /// parent may have stored and not marked yet, and there is nobody in the child who ever will.
    fn adopt(&mut self, registered: &[PageRange]) -> Result<(), TrackError> {
        registered.iter().for_each(|&range| self.table.mark_all(range));
        Ok(())
    }

    fn cards(&self) -> Option<&CardTable> {
        Some(&self.table)
    }
}
