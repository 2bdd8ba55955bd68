//! The tracker: a back-end and the rules that hold for all of them.

use std::fmt;
use std::sync::{Arc, PoisonError};

use super::backend::{BackendKind, Contract, Scan, TrackerBackend};
use super::canary::Canaries;
use super::cards::CardTable;
use super::error::TrackError;
use super::page_set::PageSet;
use super::range_list::RangeList;
use super::stats::{Counters, Stats};
use crate::os::PageRange;
use crate::os::fork::{self, Epoch};
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Watches a span of addresses and tells which pages were written.
///
/// Memory inside the span is watched once it is [registered](Self::register). What a scan means is
/// stated with the trait [`TrackerBackend`]; the tracker adds what is the same for all back-ends:
///
/// - a failed scan owes its whole range;
/// - whatever a scan leaves out (a [`Window`]) is owed;
/// - a range that is not registered is refused before anything is consumed;
/// - in a forked child the tracker takes hold of the child's memory before it is used there.
///
/// Dropping the tracker unregisters everything; the memory must still be mapped then.
///
/// # Threads
/// Any thread may call any method, with the program's stores going on. Scans run in parallel with
/// each other; registration and windows wait for scans, and a fork waits for both.
pub struct Tracker {
    span: PageRange,
    state: RwLock<State>,
    counters: Counters,
    kind: BackendKind,
    contract: Contract,
    cards: Option<CardTable>,
    /// What scans have found, kept for a referee.
    witness: Option<Arc<PageSet>>,
}

struct State {
    backend: Box<dyn TrackerBackend>,
    registered: RangeList,
    /// Open windows, by start; they may overlap.
    windows: Vec<PageRange>,
    canaries: Canaries,
    /// The process that the back-end works for.
    epoch: Epoch,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Consume,
    Peek,
}

impl Tracker {
    /// A tracker for memory inside `span` with the given back-end.
    ///
    /// Most callers want [`Selection::open`](super::Selection::open), which finds the best back-end.
    #[must_use]
    pub fn new(span: PageRange, backend: Box<dyn TrackerBackend>) -> Self {
        let (kind, contract) = (backend.kind(), backend.contract());
        let cards = backend.cards().cloned();
        let state = State {
            backend,
            registered: RangeList::default(),
            windows: Vec::new(),
            canaries: Canaries::default(),
            epoch: fork::epoch(),
        };
        let (state, counters) = (RwLock::new(state), Counters::default());
        Self { span, state, counters, kind, contract, cards, witness: None }
    }

    /// Has the program mark `cards`, which no scan looks at, and returns a set into which every scan
    /// puts what it finds, beside the set that it is given.
    pub(crate) fn watch_barriers(&mut self, cards: CardTable) -> Arc<PageSet> {
        let witness = Arc::new(PageSet::new(self.span));
        (self.cards, self.witness) = (Some(cards), Some(Arc::clone(&witness)));
        witness
    }

    /// The addresses inside which memory can be registered.
    #[must_use]
    pub fn span(&self) -> PageRange {
        self.span
    }

    /// Which back-end it has.
    #[must_use]
    pub fn kind(&self) -> BackendKind {
        self.kind
    }

    /// What the back-end sees and what it does not.
    #[must_use]
    pub fn contract(&self) -> Contract {
        self.contract
    }

    /// The card table that the program must mark after every store, where the back-end needs that
    /// or a referee compares the two.
    #[must_use]
    pub fn cards(&self) -> Option<&CardTable> {
        self.cards.as_ref()
    }

    /// What the tracker has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Starts to watch `range`. All of its pages count as dirty until they are consumed.
    ///
    /// # Safety
    /// The range is mapped readable and writable, is the caller's own, and stays so until it is
    /// unregistered or the tracker is dropped: nobody else changes its access or maps something
    /// else there. With the `mprotect` back-end, neither a tracker nor a page set lies in it.
    ///
    /// # Errors
    /// [`TrackError::OutsideSpan`], [`TrackError::AlreadyRegistered`], or the reason why this
    /// back-end cannot watch this memory.
    pub unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        self.check_span(range)?;
        fork::undivided(|| {
            let mut state = self.write()?;
            if let Some(registered) = state.registered.overlapping(range) {
                return Err(TrackError::AlreadyRegistered { range, registered });
            }
            // SAFETY: the caller's promise is the same.
            unsafe { state.backend.register(range) }?;
            state.registered.insert(range);
            Ok(())
        })
    }

    /// Ends the watch over `range`, which may be a part of what was registered or span several.
    ///
    /// # Errors
    /// [`TrackError::NotRegistered`], [`TrackError::WindowOpen`], or the kernel's refusal, after
    /// which the range stays registered.
    pub fn unregister(&self, range: PageRange) -> Result<(), TrackError> {
        fork::undivided(|| {
            let mut state = self.write()?;
            state.check_registered(range)?;
            if let Some(&window) = state.windows.iter().find(|w| w.intersection(range).is_some()) {
                return Err(TrackError::WindowOpen { range, window });
            }
            state.remove_canaries(range);
            state.backend.unregister(range)?;
            state.registered.remove(range);
            Ok(())
        })
    }

    /// Inserts every dirty page of `range` into `owed` and makes it clean (GET + WP).
    ///
    /// The caller now owes each of these pages a visit that begins after this returns.
    ///
    /// Scan memory that has been touched: for never-touched pages the kernel has to build page
    /// tables, and they are lost to huge pages.
    ///
    /// # Errors
    /// When the arguments are refused ([`TrackError::NotRegistered`], [`TrackError::SetTooSmall`])
    /// nothing has changed. After any other error the whole of `range` is in `owed`, so the error
    /// may be ignored at the price of visiting all of it.
    pub fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, TrackError> {
        self.scan(range, owed, Purpose::Consume)
    }

    /// Inserts every dirty page of `range` into `found` and leaves it dirty (GET).
    ///
    /// # Errors
    /// As [`consume`](Self::consume).
    pub fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, TrackError> {
        self.scan(range, found, Purpose::Peek)
    }

    /// Makes every page of `range` clean and does not say which were dirty (WP without GET).
    ///
    /// **The caller owes all of `range` a visit that begins after this returns**, as after a
    /// [`consume`](Self::consume) that found all of it dirty. So it is for memory that is owed as a
    /// whole anyway, such as what is protected for the first time, and for memory where nothing was
    /// stored that is to be looked at, and nothing is being stored now. What is stored after it has
    /// returned makes its page dirty, as ever.
    ///
    /// Pages stay dirty in a [`Window`], and where a back-end leaves out what was never touched.
    ///
    /// # Errors
    /// [`TrackError::NotRegistered`], and nothing has changed; or the kernel's refusal, after which
    /// some pages may be clean: all of `range` is owed then, too.
    pub fn protect(&self, range: PageRange) -> Result<(), TrackError> {
        fork::undivided(|| {
            let state = self.read()?;
            state.check_registered(range)?;
            for part in state.split(range) {
                let Part::Watched(part) = part else { continue };
                match &self.witness {
                    None => state.backend.protect(part)?,
                    // A referee is to hear of it all the same.
                    Some(witness) => {
                        let told = state.backend.consume(part, witness);
                        told.inspect_err(|_| witness.insert(part))?;
                    }
                }
                self.counters.protected(part.pages());
            }
            Ok(())
        })
    }

    /// Makes every page of `range` dirty without a fault for each, as before writing much of it.
    ///
    /// # Errors
    /// [`TrackError::NotRegistered`], or the kernel's refusal, after which the pages are what they
    /// were and fault one by one.
    pub fn unprotect(&self, range: PageRange) -> Result<(), TrackError> {
        fork::undivided(|| {
            let state = self.read()?;
            state.check_registered(range)?;
            state.backend.unprotect(range)?;
            self.counters.unprotected(range.pages());
            Ok(())
        })
    }

    /// Makes `page` a canary, by which [`check_canaries`](Self::check_canaries) notices that another
    /// process clears write marks. No scan reports or protects it any more. Waits for scans that are going
    /// on. With back-ends whose marks no other process can get at, nothing is done.
    ///
    /// One at either end of the memory, and some in between, each costs a call to the kernel for a check
    /// and no fault: what another process has to touch to go unnoticed lies between two of them. Unregistering
    /// the page ends it, too.
    ///
    /// # Safety
    /// Until it is [removed](Self::remove_canary) the page is the tracker's, which overwrites it: nobody
    /// else writes to it.
    ///
    /// # Errors
    /// [`TrackError::NotRegistered`].
    ///
    /// # Panics
    /// When it is more than one page.
    pub unsafe fn place_canary(&self, page: PageRange) -> Result<(), TrackError> {
        assert_eq!(page.pages(), 1, "a canary is one page, not {page}");
        fork::undivided(|| {
            let mut state = self.write()?;
            state.check_registered(page)?;
            // It is written with no scan going on, so none of this tracker protects it afterwards.
            if self.kind == BackendKind::Uffd {
                state.canaries.insert(page);
            }
            Ok(())
        })
    }

    /// Makes `page` memory like any other again. It is dirty.
    ///
    /// # Errors
    /// When a forked child cannot take hold of its memory.
    pub fn remove_canary(&self, page: PageRange) -> Result<(), TrackError> {
        fork::undivided(|| {
            self.write()?.remove_canaries(page);
            Ok(())
        })
    }

    /// Whether another process has cleared write marks: to be called after the scans of a round. If
    /// so, what was written since then may be unknown, and **everything that is watched counts as
    /// dirty**. The check after one that said so says so again, because the other process may have been
    /// half-way.
    ///
    /// Without canaries it is always `false`. [`Uffd`](super::Uffd) says who does such things, and what cannot be found out.
    ///
    /// # Errors
    /// When the kernel cannot be asked: then, too, everything counts as dirty.
    ///
    /// # Threads
    /// Of threads that check at the same time one is told.
    pub fn check_canaries(&self) -> Result<bool, TrackError> {
        fork::undivided(|| {
            let state = self.read()?;
            let cleared = state.canaries.check(&*state.backend);
            if !matches!(cleared, Ok(false)) {
                self.counters.cleared_elsewhere();
                if let Some(witness) = &self.witness {
                    state.registered.runs().for_each(|range| witness.insert(range));
                }
            }
            Ok(cleared?)
        })
    }

    /// Says that `range` was written in a way that the back-end's [`Contract`] does not see, and that
    /// the write is over: the next scan reports all of it.
    ///
    /// For a write to pages that were pinned ([`Contract::device_writes`]), once the call has returned
    /// or the completion was seen. A scan that begins before this returns may still leave the pages out.
    /// A [`Window`] does the same for a write whose end is not known.
    ///
    /// # Errors
    /// As [`unprotect`](Self::unprotect); the write is then still unseen, and this is to be called again.
    pub fn written(&self, range: PageRange) -> Result<(), TrackError> {
        self.unprotect(range)
    }

    fn scan(&self, range: PageRange, into: &PageSet, why: Purpose) -> Result<Scan, TrackError> {
        let Some(witness) = &self.witness else { return self.scan_into(range, into, why) };
        if !into.span().covers(range) || !self.span.covers(range) {
            return self.scan_into(range, into, why);
        }
        let found = PageSet::new(range);
        let result = self.scan_into(range, &found, why);
        witness.insert_all(&found);
        into.insert_all(&found);
        result
    }

    fn scan_into(
        &self,
        range: PageRange,
        into: &PageSet,
        why: Purpose,
    ) -> Result<Scan, TrackError> {
        if !into.span().covers(range) {
            return Err(TrackError::SetTooSmall { range, set: into.span() });
        }
        let result = fork::undivided(|| {
            let state = self.read()?;
            state.check_registered(range)?;
            state.scan(range, into, why)
        });
        match &result {
            Ok(scan) if why == Purpose::Consume => self.counters.consumed(scan),
            Ok(scan) => self.counters.peeked(scan),
            Err(error) if error.refused_arguments() => {}
            Err(_) => {
                // Pages may have been protected and not reported: all of the range is owed.
                into.insert(range);
                self.counters.failed();
            }
        }
        result
    }

    fn check_span(&self, range: PageRange) -> Result<(), TrackError> {
        if self.span.covers(range) {
            Ok(())
        } else {
            Err(TrackError::OutsideSpan { range, span: self.span })
        }
    }

    /// The state for using it, after making it this process's own.
    fn read(&self) -> Result<RwLockReadGuard<'_, State>, TrackError> {
        loop {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if state.epoch == fork::epoch() {
                return Ok(state);
            }
            drop(state);
            drop(self.write()?);
        }
    }

    /// The state for changing it, after making it this process's own.
    fn write(&self) -> Result<RwLockWriteGuard<'_, State>, TrackError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.adopt()?;
        Ok(state)
    }
}

impl State {
    /// In a forked child: hands the child's memory to the back-end.
    fn adopt(&mut self) -> Result<(), TrackError> {
        let epoch = fork::epoch();
        if self.epoch != epoch {
            self.backend.adopt(self.registered.as_slice())?;
            self.epoch = epoch;
        }
        Ok(())
    }

    fn remove_canaries(&mut self, range: PageRange) {
        self.canaries.remove_in(range, &*self.backend);
    }

    fn check_registered(&self, range: PageRange) -> Result<(), TrackError> {
        if self.registered.covers(range) {
            Ok(())
        } else {
            Err(TrackError::NotRegistered { range })
        }
    }

    fn scan(&self, range: PageRange, into: &PageSet, why: Purpose) -> Result<Scan, TrackError> {
        let mut total = Scan::default();
        for part in self.split(range) {
            match part {
                Part::Watched(part) => {
                    total += match why {
                        Purpose::Consume => self.backend.consume(part, into),
                        Purpose::Peek => self.backend.peek(part, into),
                    }?;
                }
                Part::Window(part) => {
                    into.insert(part);
                    total += Scan { unarmed_pages: part.pages(), ..Scan::found(part) };
                }
            }
        }
        Ok(total)
    }

    /// `range` without its canaries, cut at the borders of open windows.
    fn split(&self, range: PageRange) -> impl Iterator<Item = Part> {
        self.canaries.between(range).flat_map(|range| self.split_at_windows(range))
    }

    /// `range` cut at the borders of open windows.
    fn split_at_windows(&self, range: PageRange) -> impl Iterator<Item = Part> {
        let mut rest = Some(range);
        let mut windows = self.windows.iter().filter_map(move |w| w.intersection(range)).peekable();
        std::iter::from_fn(move || {
            let current = rest?;
            // A window that lies behind was covered by one before it.
            while windows.next_if(|window| window.end() <= current.start()).is_some() {}
            let (part, end) = match windows.peek().and_then(|window| window.intersection(current)) {
                Some(window) if window.start() == current.start() => {
                    (Part::Window(window), window.end())
                }
                Some(window) => {
                    let before = PageRange::new(current.start(), window.start());
                    (Part::Watched(before.expect("the window starts behind")), window.start())
                }
                None => (Part::Watched(current), current.end()),
            };
            rest = current.from_address(end);
            Some(part)
        })
    }
}

enum Part {
    Watched(PageRange),
    Window(PageRange),
}

impl Drop for Tracker {
    fn drop(&mut self) {
        fork::undivided(|| {
            // A child that cannot adopt has nothing registered that could be taken back.
            let Ok(state) = self.write() else { return };
            for range in state.registered.runs() {
                if let Err(error) = state.backend.unregister(range) {
                    debug_assert!(false, "dropping a tracker: {error}");
                }
            }
        });
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("backend", &self.kind)
            .field("span", &self.span)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// A part of the memory that is dirty for as long as this exists, whoever writes it and however.
///
/// For what a back-end's [`Contract`] does not see or cannot bear: a buffer that a device writes
/// to by DMA, or, with the `mprotect` back-end, one that a system call is to fill (which would
/// fail with `EFAULT` on a protected page). Scans report the pages every time and leave them
/// unprotected; after the window is dropped the next scan reports them once more.
#[derive(Debug)]
pub struct Window<'a> {
    tracker: &'a Tracker,
    range: PageRange,
}

impl<'a> Window<'a> {
    /// Opens a window over `range`. Waits for scans that are going on.
    ///
    /// # Errors
    /// [`TrackError::NotRegistered`], or the kernel's refusal to unprotect the pages.
    pub fn open(tracker: &'a Tracker, range: PageRange) -> Result<Self, TrackError> {
        fork::undivided(|| {
            let mut state = tracker.write()?;
            state.check_registered(range)?;
            state.backend.unprotect(range)?;
            let at = state.windows.partition_point(|window| window.start() < range.start());
            state.windows.insert(at, range);
            tracker.counters.unprotected(range.pages());
            Ok(Self { tracker, range })
        })
    }

    /// The pages that it holds open.
    #[must_use]
    pub fn range(&self) -> PageRange {
        self.range
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        fork::undivided(|| {
            let mut state = self.tracker.state.write().unwrap_or_else(PoisonError::into_inner);
            let at = state.windows.iter().position(|&window| window == self.range);
            state.windows.remove(at.expect("every open window is in the list"));
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
