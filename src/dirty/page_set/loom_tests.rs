//! A removal that empties a word against an insertion into the same word: the page must be found
//! once both are done.

use std::sync::atomic::AtomicBool;

use loom::sync::Arc;

use super::*;
use crate::os::page_size;
use crate::sync::model::{check, refute};

/// The negative control: with relaxed summary updates the proof in `clear_summary` has no
/// happens-before to stand on. Set in the process of the control only.
static WEAKENED: AtomicBool = AtomicBool::new(false);

pub(super) fn summary_order() -> Ordering {
    if WEAKENED.load(Ordering::Relaxed) { Ordering::Relaxed } else { Ordering::AcqRel }
}

fn removal_against_insertion() {
    let span = PageRange::new(page_size(), 3 * page_size()).unwrap();
    let (old, new) = (span.subrange(0, 1), span.subrange(1, 1));
    let set = Arc::new(PageSet::new(span));
    set.insert(old);
    let remover = loom::thread::spawn({
        let set = Arc::clone(&set);
        move || assert_eq!(set.remove(old), 1)
    });
    set.insert(new);
    remover.join().unwrap();
    // The word is set for certain; an iteration finds it only through the summary.
    assert!(set.contains(new.start()));
    let found = set.next_word(0, 1);
    assert_eq!(found, Some(0), "the summary bit of a word that has a page is gone");
    assert_eq!(set.len(), 1);
}

#[test]
fn loom_removal_never_hides_a_concurrent_insertion() {
    check(None, removal_against_insertion);
}

#[test]
fn loom_control_relaxed_summary_is_refuted() {
    refute("the summary bit of a word that has a page is gone", None, || {
        WEAKENED.store(true, Ordering::Relaxed);
        removal_against_insertion();
    });
}

/// As above, with pages that are taken to be looked at.
#[test]
fn loom_taking_never_hides_a_concurrent_insertion_and_nothing_is_taken_twice() {
    check(None, || {
        let span = PageRange::new(page_size(), 3 * page_size()).unwrap();
        let set = Arc::new(PageSet::new(span));
        set.insert(span.subrange(0, 1));
        let take = |set: &PageSet| {
            let mut pages = 0;
            set.take_in(set.span(), |range| pages += range.pages());
            pages
        };
        let other = loom::thread::spawn({
            let set = Arc::clone(&set);
            move || take(&set)
        });
        set.insert(span.subrange(1, 1));
        let taken = take(&set) + other.join().unwrap();
        assert_eq!(taken + take(&set), 2);
        assert!(set.is_empty());
    });
}
