//! What a referee is told.

use super::super::*;
use crate::dirty::Cards;
use crate::os::page_size;

const PAGES: usize = 8;

fn span() -> PageRange {
    PageRange::new(page_size(), (1 + PAGES) * page_size()).unwrap()
}

/// A tracker of which all is clean, what its referee hears, and the barrier that makes dirty.
fn watched() -> (Tracker, Arc<PageSet>, CardTable) {
    let backend = Cards::new(span());
    let barrier = backend.cards().unwrap().clone();
    let mut tracker = Tracker::new(span(), Box::new(backend));
    let witness = tracker.watch_barriers(CardTable::new(span(), page_size()).unwrap());
    // SAFETY: cards never touch the memory, and nobody does here.
    unsafe { tracker.register(span()) }.unwrap();
    tracker.consume(span(), &PageSet::new(span())).unwrap();
    witness.clear();
    (tracker, witness, barrier)
}

fn runs(set: &PageSet) -> Vec<PageRange> {
    set.iter().collect()
}

/// Nobody else hears of what was written before a range was protected without asking.
#[test]
fn a_referee_is_told_what_protect_forgets() {
    let (tracker, witness, barrier) = watched();
    barrier.mark(3 * page_size());
    tracker.protect(span()).unwrap();
    assert_eq!(runs(&witness), [span().subrange(2, 1)]);
    let found = PageSet::new(span());
    assert_eq!(tracker.peek(span(), &found).unwrap().pages, 0, "it is clean all the same");
}

#[test]
fn a_referee_is_told_what_scans_find_and_so_is_the_caller() {
    let (tracker, witness, barrier) = watched();
    let owed = PageSet::new(span());
    for scan in [Tracker::peek, Tracker::consume] {
        barrier.mark(5 * page_size());
        scan(&tracker, span(), &owed).unwrap();
        assert_eq!((runs(&owed), runs(&witness)), (runs(&witness), vec![span().subrange(4, 1)]));
        owed.clear();
        witness.clear();
    }
}

/// It must not be the referee's own set that refuses, by a panic.
#[test]
fn with_a_referee_arguments_are_refused_as_without() {
    let (tracker, witness, _) = watched();
    let (small, wide) = (PageSet::new(span().subrange(0, 4)), span().end() + page_size());
    let error = tracker.consume(span(), &small).unwrap_err();
    assert!(matches!(error, TrackError::SetTooSmall { .. }), "{error}");
    let wide = PageRange::new(span().start(), wide).unwrap();
    let error = tracker.consume(wide, &PageSet::new(wide)).unwrap_err();
    assert!(matches!(error, TrackError::NotRegistered { .. }), "{error}");
    assert_eq!((runs(&small), runs(&witness)), (vec![], vec![]));
    assert_eq!(tracker.stats().failures, 0, "refused, not failed");
}
