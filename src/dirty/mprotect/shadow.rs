//! The protocol between the fault handler and the scanner.
//!
//! Invariant, whenever the fault lock is free: **a registered page that is writable in the page
//! table is in `writable`.** The set may hold more than that, which costs a report.
//!
//! Why a lock. Two threads fault on a page. The first notes it and makes it writable; a scanner
//! takes the note and protects the page; then the second thread, which has noted it before the
//! scanner came, makes it writable: writable and not in the set, and its stores are lost. Noting
//! and un-protecting must therefore be one step, and so must taking and protecting.

use super::super::backend::Scan;
use super::super::page_set::PageSet;
use crate::os::PageRange;

/// Who can change the access to pages, and flushes the TLBs when it takes some away.
pub(super) trait PageTable {
    type Error;

    /// Makes every page of `range` writable or read-only. After an error each page may be either.
    fn set_writable(&self, range: PageRange, writable: bool) -> Result<(), Self::Error>;
}

/// What the process knows of its page table.
#[derive(Debug)]
pub(super) struct Shadow {
    registered: PageSet,
    writable: PageSet,
}

/// All methods but [`peek`](Self::peek) want the fault lock held.
impl Shadow {
    pub(super) fn new(span: PageRange) -> Self {
        Self { registered: PageSet::new(span), writable: PageSet::new(span) }
    }

    /// Whether a page of `range` is registered here.
    pub(super) fn watches(&self, range: PageRange) -> bool {
        let common = range.intersection(self.registered.span());
        common.is_some_and(|common| self.registered.iter_in(common).next().is_some())
    }

    pub(super) fn register(&self, range: PageRange) {
        self.writable.insert(range);
        self.registered.insert(range);
    }

    pub(super) fn unregister(&self, range: PageRange) {
        self.registered.remove(range);
        self.writable.remove(range);
    }

    /// Makes `page` writable after a store to it faulted. `None` if it is not registered here.
    ///
    /// A page that is in the set already may be protected even so (a protection that failed
    /// half-way), and another thread may just have made it writable; both are mended by the same
    /// call.
    pub(super) fn resolve_fault<T: PageTable>(
        &self,
        page: PageRange,
        table: &T,
    ) -> Option<Result<(), T::Error>> {
        self.registered.contains(page.start()).then(|| self.unprotect(page, table))
    }

    /// `range` and every run of registered pages that overlaps or touches it.
    pub(super) fn widen(&self, range: PageRange) -> PageRange {
        let near = |run: &PageRange| run.start() <= range.end() && range.start() <= run.end();
        self.registered.iter().filter(near).fold(range, |all, run| {
            let (start, end) = (all.start().min(run.start()), all.end().max(run.end()));
            PageRange::new(start, end).expect("two ranges of whole pages")
        })
    }

    /// Notes that the registered pages of `range` are about to become writable.
    pub(super) fn note_writable(&self, range: PageRange) {
        if let Some(common) = range.intersection(self.registered.span()) {
            for run in self.registered.iter_in(common) {
                self.writable.insert(run);
            }
        }
    }

    /// Protects the writable pages of `range` and takes them into `owed`, in this order: whoever
    /// shares the set may visit a page as soon as it is there.
    ///
    /// One call protects from the first writable page to the last: those between are read-only
    /// already, and one mapping is left where there may have been thousands.
    pub(super) fn consume(&self, range: PageRange, owed: &PageSet, table: &impl PageTable) -> Scan {
        let mut scan = Scan::default();
        let mut runs = self.writable.iter_in(range);
        let Some(first) = runs.next() else { return scan };
        let last = runs.last().unwrap_or(first);
        let reach = PageRange::new(first.start(), last.end()).expect("the runs are in order");
        let protected = scan.in_kernel(|| table.set_writable(reach, false)).is_ok();
        scan += self.peek(range, owed);
        if protected {
            self.writable.remove(reach);
        } else {
            // Some may be protected now; they stay in the set and are reported again.
            scan.unarmed_pages = scan.pages;
        }
        scan
    }

    /// Protects every page of `range`. After an error those that were writable count as such.
    pub(super) fn protect<T: PageTable>(
        &self,
        range: PageRange,
        table: &T,
    ) -> Result<(), T::Error> {
        table.set_writable(range, false)?;
        self.writable.remove(range);
        Ok(())
    }

    /// Inserts the writable pages of `range` into `found`.
    pub(super) fn peek(&self, range: PageRange, found: &PageSet) -> Scan {
        let mut scan = Scan::default();
        let mut batch = found.batch();
        for run in self.writable.iter_in(range) {
            batch.insert(run);
            scan += Scan::found(run);
        }
        scan
    }

    /// Makes every page of `range` writable.
    pub(super) fn unprotect<T: PageTable>(
        &self,
        range: PageRange,
        table: &T,
    ) -> Result<(), T::Error> {
        self.writable.insert(range);
        table.set_writable(range, true)
    }
}

#[cfg(all(test, loom))]
#[path = "loom_tests.rs"]
mod loom_tests;
