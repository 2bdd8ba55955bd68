//! Trackers that are wrong on purpose: who does not catch them catches nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use strandline::dirty::{
    BackendKind, CardTable, Contract, PageSet, Scan, TrackError, TrackerBackend,
};
use strandline::os::{OsError, PageRange};

/// Wraps a back-end and drops one reported range in a thousand.
#[derive(Debug)]
pub(crate) struct Dropper {
    inner: Box<dyn TrackerBackend>,
    reported: AtomicUsize,
}

const ONE_IN: usize = 1000;

impl Dropper {
    pub(crate) fn new(inner: Box<dyn TrackerBackend>) -> Self {
        Self { inner, reported: AtomicUsize::new(0) }
    }
}

// SAFETY: none. It breaks clause 2, which is its purpose; only the hunter uses it, and the hunter
// frees no memory on its word.
unsafe impl TrackerBackend for Dropper {
    fn kind(&self) -> BackendKind {
        self.inner.kind()
    }

    fn contract(&self) -> Contract {
        self.inner.contract()
    }

    unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.inner.register(range) }
    }

    fn unregister(&self, range: PageRange) -> Result<(), OsError> {
        self.inner.unregister(range)
    }

    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError> {
        let found = PageSet::new(range);
        let scan = self.inner.consume(range, &found)?;
        for run in &found {
            if !(self.reported.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(ONE_IN) {
                owed.insert(run);
            }
        }
        Ok(scan)
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        self.inner.peek(range, found)
    }

    fn protect(&self, range: PageRange) -> Result<(), OsError> {
        self.inner.protect(range)
    }

    fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        self.inner.unprotect(range)
    }

    fn adopt(&mut self, registered: &[PageRange]) -> Result<(), TrackError> {
        self.inner.adopt(registered)
    }

    fn cards(&self) -> Option<&CardTable> {
        self.inner.cards()
    }
}

/// Wraps a back-end and reports only pages that a log of faults has: the writers' own.
#[derive(Debug)]
pub(crate) struct Believer {
    inner: Box<dyn TrackerBackend>,
    log: Arc<PageSet>,
}

impl Believer {
    pub(crate) fn new(inner: Box<dyn TrackerBackend>, log: Arc<PageSet>) -> Self {
        Self { inner, log }
    }
}

// SAFETY: none, as above: what another thread has made writable is in nobody's log.
unsafe impl TrackerBackend for Believer {
    fn kind(&self) -> BackendKind {
        self.inner.kind()
    }

    fn contract(&self) -> Contract {
        self.inner.contract()
    }

    unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        // At first all pages are writable.
        self.log.insert(range);
        // SAFETY: the caller's promise is the same.
        unsafe { self.inner.register(range) }
    }

    fn unregister(&self, range: PageRange) -> Result<(), OsError> {
        self.inner.unregister(range)
    }

    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError> {
        let scan = self.inner.consume(range, &PageSet::new(range))?;
        self.log.take_in(range, |run| owed.insert(run));
        Ok(scan)
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        self.inner.peek(range, found)
    }

    fn protect(&self, range: PageRange) -> Result<(), OsError> {
        self.inner.protect(range)
    }

    fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        self.log.insert(range);
        self.inner.unprotect(range)
    }

    fn adopt(&mut self, registered: &[PageRange]) -> Result<(), TrackError> {
        self.inner.adopt(registered)
    }
}
