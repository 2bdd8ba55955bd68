//! Nothing of what is owed, or should be, falls between two pieces of work.

use std::sync::Mutex;

use super::*;
use crate::os::{OsError, page_size};

/// A ledger of so many pages.
fn ledger(pages: usize) -> (Ledger, PageRange) {
    let span = PageRange::new(1 << 30, (1 << 30) + pages * page_size()).unwrap();
    (Ledger::new(span), span)
}

/// A run of pages that takes longer than a stop may last was owed again as a whole, for ever.
#[test]
fn what_was_looked_at_before_the_time_was_up_is_not_owed_again() {
    let page = page_size();
    let (ledger, span) = ledger(1024);
    let rules = Rules::default();
    ledger.owed().insert(span.subrange(64, 64));
    ledger.owed().insert(span.subrange(200, 1));
    for round in 1..=4 {
        let look = |pages: PageRange, _| Looked::Until(pages.start() + 16 * page);
        ledger.slices().take(true, &rules, look);
        assert_eq!(ledger.owed().len(), 65 - 16 * round);
    }
    ledger.slices().take(true, &rules, |_, _| Looked::AtAll);
    assert!(ledger.is_empty());
}

/// Every owed page is in one slice, also at the borders of slices, whoever takes them.
#[test]
fn slices_leave_out_no_page_and_have_none_twice() {
    const PAGES: usize = 3 * (SLICE / 4096) + 77;
    let (ledger, span) = ledger(PAGES);
    let rules = Rules::default();
    for hurried in [true, false] {
        // Not from the first page on, so that slices do not begin where they would by themselves.
        let owed = span.subrange(5, PAGES - 9);
        ledger.owed().insert(owed);
        let (slices, looked) = (ledger.slices(), Mutex::new(Vec::new()));
        let look = |pages, _| {
            looked.lock().unwrap().push(pages);
            Looked::AtAll
        };
        std::thread::scope(|scope| {
            (0..2).for_each(|_| drop(scope.spawn(|| slices.take(hurried, &rules, look))));
        });
        assert!(ledger.is_empty());
        let mut looked = looked.into_inner().unwrap();
        looked.sort_unstable_by_key(|pages| pages.start());
        assert!(looked.len() > 2, "there was one slice, and no border");
        let mut next = owed.start();
        for pages in looked {
            assert_eq!(pages.start(), next, "pages are left out, or come twice");
            next = pages.end();
        }
        assert_eq!(next, owed.end());
    }
}

/// Slices of a part take nothing that lies outside of it.
#[test]
fn slices_of_a_part_leave_the_rest_owed() {
    let (ledger, span) = ledger(100);
    ledger.owed().insert(span);
    let part = span.subrange(10, 20);
    let mut looked = Vec::new();
    ledger.slices_in(part).take(true, &Rules::default(), |pages, _| {
        looked.push(pages);
        Looked::AtAll
    });
    assert_eq!(looked, [part]);
    assert_eq!(
        ledger.owed().iter().collect::<Vec<_>>(),
        [span.subrange(0, 10), span.subrange(30, 70)]
    );
}

/// What follows in the slice, too, and each page is owed once.
#[test]
fn what_comes_after_the_time_is_up_is_owed_again() {
    let (ledger, span) = ledger(100);
    let places = [3, 40, 50].map(|first| span.subrange(first, 4));
    places.iter().for_each(|&pages| ledger.owed().insert(pages));
    let mut looks = Vec::new();
    ledger.slices().take(true, &Rules::default(), |pages, next| {
        looks.push((pages, next));
        if pages == places[1] { Looked::Until(pages.start()) } else { Looked::AtAll }
    });
    assert_eq!(looks, [(places[0], Some(places[1])), (places[1], Some(places[2]))]);
    assert_eq!(ledger.owed().iter().collect::<Vec<_>>(), places[1..]);
}

/// Whatever the tracker does with its set: nothing is clean that was not asked for in vain.
#[test]
fn a_refused_scan_finds_all_of_its_range() {
    let (ledger, span) = ledger(100);
    let range = span.subrange(7, 30);
    let refused = |_| {
        let reason = "the test wants it so";
        Err(TrackError::from(OsError::Refused { call: "a scan", reason }))
    };
    assert_eq!(ledger.dirty_in(range, &refused), 30, "a stop takes them for work");
    assert_eq!(ledger.owed().iter().collect::<Vec<_>>(), [range]);
}

/// Memory of two gaps, with pages of both that mutators own.
fn some_watched(span: PageRange) -> Watched {
    Watched {
        quiet: vec![span.subrange(0, 2500), span.subrange(2600, 400)],
        unarmed: vec![span.subrange(3100, 8)],
        left_out: vec![span.subrange(2500, 50), span.subrange(3050, 50)],
        ..Watched::default()
    }
}

/// A piece after the other, each scan ends after the first dirty page that it finds, and the next one
/// begins where it has ended.
#[test]
fn portion_after_portion_comes_to_the_same_as_all_at_once() {
    let (ledger, span) = ledger(4096);
    let (rules, scanned) = (Rules::default(), Mutex::new(Vec::new()));
    let scan = |range: PageRange| {
        scanned.lock().unwrap().push(range);
        ledger.owed().insert(range);
        Ok(Scan { pages: range.pages(), ..Scan::default() })
    };
    let (mut from, mut portions) = (0, 0);
    loop {
        let mut watched = some_watched(span);
        watched.skip_until(from);
        let portion = Portion { from, deadline: None, pages: 1 };
        let progress = ledger.scan(watched, &rules, None, portion, scan);
        portions += 1;
        let Some(rest) = progress.rest else { break };
        assert!(rest > from, "it does not get on");
        from = rest;
    }
    assert!(portions > 2, "{portions} portions have no border");
    let (together, expected) = (ledger.owed(), PageSet::new(span));
    let Watched { quiet, unarmed, left_out, .. } = some_watched(span);
    for range in [&quiet, &unarmed, &left_out].into_iter().flatten() {
        expected.insert(*range);
    }
    assert_eq!(together.iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    let pages: usize = scanned.into_inner().unwrap().iter().map(|range| range.pages()).sum();
    assert_eq!(pages, 2900, "a page is scanned once");
}

/// It has been looked at by a stop that ended because of its work, not for want of time.
#[test]
fn a_portion_ends_when_it_has_found_enough() {
    let (ledger, span) = ledger(4096);
    let rules = Rules::default();
    let watched = || Watched { quiet: vec![span], ..Watched::default() };
    let scan = |range: PageRange| Ok(Scan { pages: range.pages(), ..Scan::default() });
    let portion = |pages| Portion { from: 0, deadline: None, pages };
    let one_piece = SMALL_PIECE / page_size();
    let progress = ledger.scan(watched(), &rules, None, portion(one_piece), scan);
    assert_eq!((progress.dirty, progress.rest), (one_piece, Some(span.start() + SMALL_PIECE)));
    let progress = ledger.scan(watched(), &rules, None, portion(one_piece + 1), scan);
    assert_eq!(progress.dirty, 2 * one_piece);
    let late = Portion { deadline: Some(Instant::now()), ..portion(usize::MAX) };
    let progress = ledger.scan(watched(), &rules, None, late, scan);
    assert_eq!((progress.dirty, progress.rest), (0, Some(span.start())));
    let progress = ledger.scan(watched(), &rules, None, Portion::ALL, scan);
    assert_eq!((progress.dirty, progress.rest), (span.pages(), None));
}
