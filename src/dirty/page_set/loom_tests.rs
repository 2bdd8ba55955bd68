//! A removal that empties a word against an insertion into the same word: the page must be found
//! once both are done.

use std::sync::atomic::AtomicBool;

use loom::sync::Arc;

use super::*;
use crate::os::page_size;

/// The negative control: with relaxed summary updates the proof in `clear_summary` has no
/// happens-before to stand on.
static WEAKENED: AtomicBool = AtomicBool::new(false);

/// Both models read `WEAKENED`.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

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
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    WEAKENED.store(false, Ordering::Relaxed);
    loom::model(removal_against_insertion);
}

#[test]
fn loom_control_relaxed_summary_is_refuted() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    WEAKENED.store(true, Ordering::Relaxed);
    let refuted = std::panic::catch_unwind(|| loom::model(removal_against_insertion)).is_err();
    WEAKENED.store(false, Ordering::Relaxed);
    assert!(refuted, "loom accepts relaxed summary updates: the model checks nothing");
}
