//! A removal that empties a word against an insertion into the same word: the page must be found
//! once both are done. And who finds a page sees what was done before it was inserted.

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use super::*;
use crate::os::page_size;
use crate::sync::model::{check, check_all, refute};

const UNORDERED: &str = "Causality violation";

/// A span of so many words of pages.
fn span(words: usize) -> PageRange {
    PageRange::new(page_size(), (1 + words * BITS) * page_size()).unwrap()
}

fn removal_against_insertion(insert: fn(&PageSet, PageRange)) {
    let span = span(1);
    let (old, new) = (span.subrange(0, 1), span.subrange(1, 1));
    let set = Arc::new(PageSet::new(span));
    set.insert(old);
    let remover = loom::thread::spawn({
        let set = Arc::clone(&set);
        move || assert_eq!(set.remove(old), 1)
    });
    insert(&set, new);
    remover.join().unwrap();
    // The word is set for certain; an iteration finds it only through the summary.
    assert!(set.contains(new.start()));
    let found = set.next_word(0, 1);
    assert_eq!(found, Some(0), "the summary bit of a word that has a page is gone");
    assert!(set.len() > 0);
}

/// All pages of the word.
fn fill(set: &PageSet, _: PageRange) {
    set.batch().fill(0..1);
}

#[test]
fn loom_removal_never_hides_a_concurrent_insertion() {
    check_all(
        None,
        [PageSet::insert, fill].map(|insert| move || removal_against_insertion(insert)),
    );
}

/// With relaxed summary updates the proof in `clear_summary` has no happens-before to stand on.
#[test]
fn loom_control_relaxed_summary_is_refuted() {
    refute("the summary bit of a word that has a page is gone", None, || {
        removal_against_insertion(|set, _| {
            set.words[0].fetch_or(1 << 1, Ordering::Release);
            set.summary[0].fetch_or(1, Ordering::Relaxed);
        });
    });
}

fn take(set: &PageSet) -> usize {
    let mut pages = 0;
    set.take_in(set.span(), |range| pages += range.pages());
    pages
}

/// As above, with pages that are taken to be looked at.
#[test]
fn loom_taking_never_hides_a_concurrent_insertion_and_nothing_is_taken_twice() {
    check(None, || {
        let set = Arc::new(PageSet::new(span(1)));
        set.insert(set.span().subrange(0, 1));
        let other = loom::thread::spawn({
            let set = Arc::clone(&set);
            move || take(&set)
        });
        set.insert(set.span().subrange(1, 1));
        let taken = take(&set) + other.join().unwrap();
        assert_eq!(taken + take(&set), 2);
        assert!(set.is_empty());
    });
}

/// The first two pages of a word, and what is done before each of them is inserted.
struct Pages {
    set: PageSet,
    first: usize,
    done: [UnsafeCell<bool>; 2],
}

// SAFETY: the set is what keeps the accesses apart; loom checks that.
unsafe impl Sync for Pages {}
// SAFETY: as above.
unsafe impl Send for Pages {}

impl Pages {
    fn page(&self, page: usize) -> PageRange {
        self.set.span().subrange(self.first + page, 1)
    }

    fn prepare(&self, page: usize) {
        // SAFETY: nobody looks before the page is inserted.
        self.done[page].with_mut(|done| unsafe { *done = true });
    }

    fn insert_one_by_one(&self) {
        for page in 0..2 {
            self.prepare(page);
            self.set.insert(self.page(page));
        }
    }

    fn fill(&self) {
        (0..2).for_each(|page| self.prepare(page));
        self.set.batch().fill(0..1);
    }

    fn look(&self, range: PageRange) {
        for page in (0..2).filter(|&page| range.covers(self.page(page))) {
            // SAFETY: the page was found in the set.
            self.done[page].with(|done| assert!(unsafe { *done }));
        }
    }
}

/// How pages are found.
type Find = fn(&Arc<Pages>);

/// One inserts two pages of that word, another finds them.
fn found(word: usize, insert: fn(&Pages), find: Find) {
    let done = [UnsafeCell::new(false), UnsafeCell::new(false)];
    let pages = Arc::new(Pages { set: PageSet::new(span(word + 1)), first: word * BITS, done });
    let inserter = loom::thread::spawn({
        let pages = Arc::clone(&pages);
        move || insert(&pages)
    });
    find(&pages);
    inserter.join().unwrap();
}

fn ask(pages: &Arc<Pages>) {
    let page = pages.page(0);
    if pages.set.contains(page.start()) {
        pages.look(page);
    }
}

fn remove(pages: &Arc<Pages>) {
    let page = pages.page(0);
    if pages.set.remove(page) == 1 {
        pages.look(page);
    }
}

fn take_and_look(pages: &Arc<Pages>) {
    pages.set.take_in(pages.set.span(), |range| pages.look(range));
}

fn iterate(pages: &Arc<Pages>) {
    pages.set.iter().for_each(|range| pages.look(range));
}

/// A third takes the page away in the middle of the iteration.
fn iterate_against_removal(pages: &Arc<Pages>) {
    let remover = loom::thread::spawn({
        let pages = Arc::clone(pages);
        move || pages.set.remove(pages.page(0))
    });
    iterate(pages);
    remover.join().unwrap();
}

#[test]
fn loom_who_finds_a_page_sees_what_was_done_before() {
    let near: [Find; 5] = [ask, remove, take_and_look, iterate, iterate_against_removal];
    let far: [Find; 2] = [take_and_look, iterate];
    let all = near.map(|find| (0, find)).into_iter().chain(far.map(|find| (1, find)));
    let one_by_one: fn(&Pages) = Pages::insert_one_by_one;
    let all =
        all.map(|(word, find)| (word, one_by_one, find)).chain([(0, Pages::fill as _, ask as _)]);
    check_all(Some(3), all.map(|(word, insert, find)| move || found(word, insert, find)));
}

#[test]
fn loom_control_a_page_is_found_by_a_relaxed_read() {
    refute(UNORDERED, None, || {
        found(0, Pages::insert_one_by_one, |pages| {
            if pages.set.next_set(0, 1).is_some() {
                pages.look(pages.page(0));
            }
        });
    });
}

/// A page is inserted alone, and together with all others of its word, and taken at the same time.
/// Whatever was done before is seen by who has the page last.
fn inserted_twice(fill: fn(&PageSet)) {
    let shared = Arc::new((PageSet::new(span(1)), AtomicU64::new(0)));
    let page = shared.0.span().subrange(0, 1);
    let inserter = loom::thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            shared.1.store(1, Ordering::Relaxed);
            shared.0.insert(page);
        }
    });
    let filler = loom::thread::spawn({
        let shared = Arc::clone(&shared);
        move || fill(&shared.0)
    });
    let mut seen = 0;
    let mut take = || shared.0.take_in(page, |_| seen = shared.1.load(Ordering::Relaxed));
    take();
    inserter.join().unwrap();
    filler.join().unwrap();
    take();
    assert_eq!(seen, 1, "what was done before is not seen");
}

#[test]
fn loom_who_inserts_a_word_of_pages_hides_nobody_elses_insertion() {
    check(Some(3), || inserted_twice(|set| set.batch().fill(0..1)));
}

/// As it was.
#[test]
fn loom_control_a_word_of_pages_is_inserted_by_a_plain_store() {
    refute("what was done before is not seen", None, || {
        inserted_twice(|set| {
            set.words[0].store(!0, Ordering::Release);
            set.summary[0].fetch_or(1, Ordering::Release);
        });
    });
}
