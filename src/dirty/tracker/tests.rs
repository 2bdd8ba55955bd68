//! What a scan that the kernel refuses owes.

mod witness;

use super::*;
use crate::dirty::AllDirty;
use crate::os::{OsError, page_size};

/// A back-end whose scans protect half of a range, report nothing of it, and fail.
#[derive(Debug)]
struct Refusing;

// SAFETY: a scan that fails counts the whole range as dirty, so every clause holds.
unsafe impl TrackerBackend for Refusing {
    fn kind(&self) -> BackendKind {
        AllDirty.kind()
    }

    fn contract(&self) -> Contract {
        AllDirty.contract()
    }

    unsafe fn register(&self, _: PageRange) -> Result<(), TrackError> {
        Ok(())
    }

    fn unregister(&self, _: PageRange) -> Result<(), OsError> {
        Ok(())
    }

    fn protect(&self, _: PageRange) -> Result<(), OsError> {
        Ok(())
    }

    fn consume(&self, _: PageRange, _: &PageSet) -> Result<Scan, OsError> {
        Err(OsError::Refused { call: "a scan", reason: "the test wants it so" })
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        self.consume(range, found)
    }

    fn unprotect(&self, _: PageRange) -> Result<(), OsError> {
        Ok(())
    }

    fn adopt(&mut self, _: &[PageRange]) -> Result<(), TrackError> {
        Ok(())
    }
}

/// Otherwise what it has protected before it failed would be taken for clean.
#[test]
fn a_scan_that_fails_owes_all_of_its_range_and_no_more() {
    let span = PageRange::new(1 << 30, (1 << 30) + 64 * page_size()).unwrap();
    let (first, second) = (span.subrange(3, 20), span.subrange(30, 7));
    let tracker = Tracker::new(span, Box::new(Refusing));
    // SAFETY: this back-end looks at no memory.
    unsafe { tracker.register(span) }.unwrap();
    let owed = PageSet::new(span);
    assert!(tracker.consume(first, &owed).is_err());
    assert_eq!(owed.iter().collect::<Vec<_>>(), [first]);
    assert!(tracker.peek(second, &owed).is_err());
    assert_eq!(owed.iter().collect::<Vec<_>>(), [first, second]);
    assert_eq!(tracker.stats().failures, 2);
}

/// What is refused for its arguments has changed nothing, so nothing is owed for it.
#[test]
fn a_scan_of_what_is_not_registered_owes_nothing() {
    let span = PageRange::new(1 << 30, (1 << 30) + 64 * page_size()).unwrap();
    let tracker = Tracker::new(span, Box::new(Refusing));
    let owed = PageSet::new(span);
    let error = tracker.consume(span, &owed).unwrap_err();
    assert!(error.refused_arguments() && owed.is_empty(), "{error}");
}
