use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::os::page_size;

/// A span that starts and ends inside a word of the summary and has several summary words.
const FIRST: usize = 5;
const PAGES: usize = 3 * BITS * BITS + 17;

fn span() -> PageRange {
    pages(0, PAGES)
}

fn pages(first: usize, count: usize) -> PageRange {
    PageRange::new((FIRST + first) * page_size(), (FIRST + first + count) * page_size()).unwrap()
}

fn indices(runs: impl Iterator<Item = PageRange>) -> Vec<usize> {
    runs.flat_map(|run| (run.start()..run.end()).step_by(page_size()))
        .map(|address| address / page_size() - FIRST)
        .collect()
}

#[test]
fn runs_are_maximal_across_words_and_summary_words() {
    let set = PageSet::new(span());
    let long = pages(60, BITS * BITS);
    for range in [long, pages(10, 1), pages(PAGES - 1, 1)] {
        set.insert(range);
    }
    let runs: Vec<_> = set.iter().collect();
    assert_eq!(runs, [pages(10, 1), long, pages(PAGES - 1, 1)]);
    assert_eq!(set.iter_in(pages(0, 61)).collect::<Vec<_>>(), [pages(10, 1), pages(60, 1)]);
}

#[test]
fn pages_count_once_however_often_they_are_inserted() {
    let set = PageSet::new(span());
    set.insert(pages(0, 100));
    set.insert(pages(50, 100));
    assert_eq!(set.len(), 150);
    assert_eq!(set.remove(pages(140, 100)), 10);
    assert_eq!(set.len(), 140);
    set.clear();
    assert!(set.is_empty());
    assert_eq!(set.iter().next(), None);
}

#[test]
#[should_panic(expected = "outside the page set's span")]
fn pages_outside_the_span_are_a_bug() {
    PageSet::new(span()).insert(pages(PAGES - 1, 2));
}

#[test]
fn taking_from_several_threads_gives_each_page_to_one() {
    let set = PageSet::new(span());
    set.insert(span());
    let taken: usize = std::thread::scope(|scope| {
        let takers = [(); 4].map(|()| {
            scope.spawn(|| {
                let mut count = 0;
                set.take_in(span(), |run| count += run.pages());
                count
            })
        });
        takers.map(|taker| taker.join().unwrap()).iter().sum()
    });
    assert_eq!(taken, PAGES);
    assert!(set.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Insert(usize, usize),
    InsertBatch(Vec<(usize, usize)>),
    Remove(usize, usize),
    Take(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let range = || (0..PAGES).prop_flat_map(|first| (Just(first), 1..=(PAGES - first).min(300)));
    let step = prop_oneof![
        range().prop_map(|(first, count)| Step::Insert(first, count)),
        prop::collection::vec(range(), 1..8).prop_map(Step::InsertBatch),
        range().prop_map(|(first, count)| Step::Remove(first, count)),
        range().prop_map(|(first, count)| Step::Take(first, count)),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #[test]
    fn behaves_as_a_set_of_page_numbers(steps in steps()) {
        let (set, mut reference) = (PageSet::new(span()), BTreeSet::new());
        for step in steps {
            match step {
                Step::Insert(first, count) => {
                    reference.extend(first..first + count);
                    set.insert(pages(first, count));
                }
                Step::InsertBatch(ranges) => {
                    let mut batch = set.batch();
                    for (first, count) in ranges {
                        batch.insert(pages(first, count));
                        reference.extend(first..first + count);
                    }
                }
                Step::Remove(first, count) => {
                    let gone = (first..first + count).filter(|page| reference.remove(page)).count();
                    prop_assert_eq!(set.remove(pages(first, count)), gone);
                }
                Step::Take(first, count) => {
                    let mut taken = Vec::new();
                    set.take_in(pages(first, count), |run| taken.push(run));
                    let expected: Vec<_> =
                        (first..first + count).filter(|page| reference.remove(page)).collect();
                    prop_assert_eq!(indices(taken.into_iter()), expected);
                }
            }
            prop_assert_eq!(set.len(), reference.len());
            prop_assert_eq!(set.is_empty(), reference.is_empty());
        }
        prop_assert_eq!(indices(set.iter()), reference.iter().copied().collect::<Vec<_>>());
        for page in 0..PAGES {
            let address = pages(page, 1).start() + 7;
            prop_assert_eq!(set.contains(address), reference.contains(&page));
        }
    }
}

#[test]
fn the_hull_has_every_page_and_little_else() {
    let set = PageSet::new(pages(0, 1 << 20));
    assert_eq!(set.hull(), None);
    for page in [70_000, 300_000] {
        set.insert(pages(page, 1));
    }
    let hull = set.hull().unwrap();
    assert_eq!(set.count_in(hull), 2);
    assert!(hull.pages() < 300_000 - 70_000 + 2 * 4096, "{hull}");
    set.clear();
    assert_eq!(set.hull(), None);
    set.insert(pages(70_000, 2));
    set.take_in(set.span(), |_| {});
    assert_eq!(set.hull(), None, "what was taken from is empty, and says so");
}

#[test]
fn all_of_another_set_is_inserted_beside_what_is_there() {
    let (set, other) = (PageSet::new(span()), PageSet::new(pages(100, 200)));
    set.insert(pages(7, 1));
    for range in [pages(100, 70), pages(299, 1)] {
        other.insert(range);
    }
    set.insert_all(&other);
    assert_eq!(set.iter().collect::<Vec<_>>(), [pages(7, 1), pages(100, 70), pages(299, 1)]);
}

#[test]
fn the_page_behind_a_range_is_not_in_it() {
    for behind in [10, BITS, BITS + 1, BITS * BITS] {
        let set = PageSet::new(span());
        set.insert(pages(behind, 1));
        let range = pages(3, behind - 3);
        assert_eq!((set.iter_in(range).next(), set.count_in(range)), (None, 0), "{behind}");
        set.take_in(range, |run| panic!("{run} was taken"));
        assert_eq!(set.remove(range), 0);
        assert_eq!(set.iter().collect::<Vec<_>>(), [pages(behind, 1)]);
    }
}
