//! Whether a back-end does what it promises, here and now: a few stores to a few pages.
//!
//! Versions say little (features are back-ported, filtered and mis-reported), so behaviour is asked.

use super::backend::BackendKind;
use super::error::TrackError;
use super::page_set::PageSet;
use super::tracker::Tracker;
use crate::os::memory::{self, Reservation};
use crate::os::{OsError, PageRange, page_size};

/// How a self-test failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfTestError {
    /// The scratch memory could not be had.
    #[error("no memory for the self-test: {0}")]
    Memory(#[from] OsError),
    /// The back-end refused an operation.
    #[error("self-test: {0}")]
    Refused(#[from] TrackError),
    /// A page was written and not reported. Never use such a back-end.
    #[error("self-test: page {page} was written and not reported: the kernel loses writes")]
    Lost {
        /// Which of the test's pages.
        page: usize,
    },
    /// Pages that nobody wrote are reported again and again.
    #[error("self-test: pages that were not written stay dirty: protection has no effect")]
    Useless,
}

const PAGES: usize = 4;

/// Tries a second time before it calls a back-end useless: the kernel may report a page spuriously.
const ATTEMPTS: usize = 8;

/// Makes a tracker of `kind` for scratch memory with `open` and tests it.
pub(super) fn self_test(
    open: impl FnOnce(PageRange) -> Result<Tracker, TrackError>,
) -> Result<BackendKind, SelfTestError> {
    let memory = Reservation::new(PAGES * page_size(), page_size())?;
    let range = memory.range();
    // SAFETY: the reservation was made just now and is nobody else's.
    unsafe { memory::commit(range) }?;
    let tracker = open(range)?;
    // SAFETY: the range is readable and writable, ours, and outlives the tracker, which is dropped
    // first.
    unsafe { tracker.register(range) }?;
    for _ in 0..ATTEMPTS {
        if attempt(&tracker, range)? || !tracker.contract().precise {
            return Ok(tracker.kind());
        }
    }
    Err(SelfTestError::Useless)
}

/// Checks that every written page is reported. Returns whether no other was.
fn attempt(tracker: &Tracker, range: PageRange) -> Result<bool, SelfTestError> {
    let expect = |written: &[usize]| -> Result<bool, SelfTestError> {
        written.iter().for_each(|&page| write(tracker, range, page));
        let owed = PageSet::new(range);
        tracker.consume(range, &owed)?;
        for &page in written {
            if !owed.contains(range.subrange(page, 1).start()) {
                return Err(SelfTestError::Lost { page });
            }
        }
        Ok(owed.len() == written.len())
    };
    let _ = expect(&[0, 1, 2, 3])?;
    let quiet = expect(&[])?;
    let precise = expect(&[1])?;
    tracker.unprotect(range)?;
    let all = expect(&[0, 3])?;
    debug_assert!(!all, "pages that were unprotected in bulk are dirty");
    Ok(quiet && precise)
}

fn write(tracker: &Tracker, range: PageRange, page: usize) {
    let address = range.subrange(page, 1);
    // SAFETY: the test's own committed memory; volatile, because nobody reads it.
    unsafe { address.as_ptr().write_volatile(1) };
    if let Some(cards) = tracker.cards() {
        cards.mark(address.start());
    }
}
