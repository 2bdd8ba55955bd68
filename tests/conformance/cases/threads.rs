//! Threads that store, scan and change what is watched, all at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use strandline::dirty::{PageSet, Tracker, Window};
use strandline::os::PageRange;

use super::Case;
use crate::harness::{Mapping, Rig, Variant, Verdict};

pub(super) const CASES: &[Case] = &[
    ("writers_against_a_scanner", writers_against_a_scanner),
    ("writers_of_one_page", writers_of_one_page),
    ("writers_against_protect", writers_against_protect),
    ("several_scanners", several_scanners),
    ("writers_against_everything", writers_against_everything),
    ("faults_outlive_their_registration", faults_outlive_their_registration),
];

const PAGES: usize = 96;
const WRITERS: usize = 2;
const STORES: u64 = 4000;

/// Pseudo-random pages, the same in every run (the constants are Knuth's MMIX generator).
fn pages(seed: usize, below: usize) -> impl FnMut() -> usize {
    let mut state = seed as u64 + 1;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

/// What visits of reported pages have seen of each writer's word on each page.
struct Visited(Vec<[u64; WRITERS]>);

impl Visited {
    fn new() -> Self {
        Self(vec![[0; WRITERS]; PAGES])
    }

    /// Visits the pages of `owed`. Call it after the scan has returned.
    fn visit(&mut self, rig: &Rig, owed: &PageSet) {
        for page in rig.indices(owed) {
            self.0[page] = std::array::from_fn(|writer| rig.load_word(page, writer));
        }
    }

    /// Every last store was visited.
    fn check(&self, rig: &Rig) {
        for (page, words) in self.0.iter().enumerate() {
            let now = std::array::from_fn(|writer| rig.load_word(page, writer));
            assert_eq!(*words, now, "page {page} was written after its last visit");
        }
    }
}

/// Writers store rising numbers to pages below `spread` while `scan` runs until they are done.
fn race(
    variant: Variant,
    spread: usize,
    mut scan: impl FnMut(&Rig, &mut Visited),
) -> (Rig, Visited) {
    let rig = Rig::settled(variant, PAGES);
    let (mut visited, running) = (Visited::new(), AtomicUsize::new(WRITERS));
    let (writing, left) = (&rig, &running);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let mut next = pages(writer, spread);
                for number in 1..=STORES {
                    writing.store_word(writer, next(), writer, number);
                }
                left.fetch_sub(1, Ordering::Release);
            });
        }
        let owed = rig.set();
        while running.load(Ordering::Acquire) > 0 {
            owed.clear();
            rig.tracker.consume(rig.range(), &owed).unwrap();
            visited.visit(&rig, &owed);
            scan(&rig, &mut visited);
            std::thread::yield_now();
        }
    });
    (rig, visited)
}

/// The last scan and the last visits, and nothing may be missing.
fn finish(rig: &Rig, visited: &mut Visited) {
    let owed = rig.set();
    rig.tracker.consume(rig.range(), &owed).unwrap();
    visited.visit(rig, &owed);
    // Word 0 was written by `settle` as well, before there were visits.
    let untouched = (0..PAGES).filter(|&page| visited.0[page] == [0; WRITERS]);
    for page in untouched.collect::<Vec<_>>() {
        visited.0[page][0] = 1;
    }
    visited.check(rig);
}

fn writers_against_a_scanner(variant: Variant) -> Verdict {
    let (rig, mut visited) = race(variant, PAGES, |_, _| {});
    finish(&rig, &mut visited);
    rig.expect(&[]);
    Verdict::Passed
}

/// Both writers fault on the same page at the same time.
fn writers_of_one_page(variant: Variant) -> Verdict {
    let (rig, mut visited) = race(variant, 1, |_, _| {});
    finish(&rig, &mut visited);
    rig.expect(&[]);
    Verdict::Passed
}

/// Whoever protects without asking looks at everything afterwards.
fn writers_against_protect(variant: Variant) -> Verdict {
    let mut part = pages(5, PAGES - 8);
    let (rig, mut visited) = race(variant, PAGES, |rig, visited| {
        let range = rig.range().subrange(part(), 8);
        rig.tracker.protect(range).unwrap();
        let whole = rig.set();
        whole.insert(range);
        visited.visit(rig, &whole);
    });
    finish(&rig, &mut visited);
    rig.expect(&[]);
    Verdict::Passed
}

/// Two threads consume the same range: what one of them takes, nobody else has to.
fn several_scanners(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, PAGES);
    for round in 0..40 {
        let written: Vec<_> = (0..PAGES).filter(|page| page % 7 == round % 7).collect();
        rig.store_all(written.iter().copied());
        let found = std::thread::scope(|scope| {
            let scanners = [(); 2].map(|()| scope.spawn(|| rig.consume()));
            scanners.map(|scanner| scanner.join().unwrap()).concat()
        });
        assert!(written.iter().all(|page| found.contains(page)), "{written:?} in {found:?}");
        rig.expect(&[]);
    }
    Verdict::Passed
}

fn writers_against_everything(variant: Variant) -> Verdict {
    let mut step = pages(77, PAGES - 8);
    let (rig, mut visited) = race(variant, PAGES, |rig, _| {
        let part = rig.range().subrange(step(), 1 + step() % 8);
        match step() % 4 {
            0 => rig.tracker.unprotect(part).unwrap(),
            1 => drop(Window::open(&rig.tracker, part).unwrap()),
            2 => {
                rig.tracker.unregister(part).unwrap();
                rig.register(part).unwrap();
            }
            _ => drop(rig.peek()),
        }
    });
    finish(&rig, &mut visited);
    rig.expect(&[]);
    Verdict::Passed
}

/// A store faults on a protected page, and until somebody looks at the fault nobody watches the
/// page any more. It must simply take effect.
fn faults_outlive_their_registration(variant: Variant) -> Verdict {
    const ROUNDS: usize = 400;
    let mapping = Mapping::anonymous(1);
    let range = mapping.range();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // SAFETY: a word of the case's own memory for each writer.
                    unsafe { range.as_ptr().cast::<u64>().add(writer).write_volatile(1) };
                }
            });
        }
        let owed = PageSet::new(range);
        let mut tracker = open(variant, range);
        for round in 0..ROUNDS {
            tracker.consume(range, &owed).unwrap();
            if round % 2 == 0 {
                tracker.unregister(range).unwrap();
                // SAFETY: the mapping is ours and outlives the tracker.
                unsafe { tracker.register(range) }.unwrap();
            } else {
                drop(tracker);
                tracker = open(variant, range);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    Verdict::Passed
}

/// A tracker that watches `range`.
fn open(variant: Variant, range: PageRange) -> Tracker {
    let (backend, _stores) = variant.open(range).unwrap();
    let tracker = Tracker::new(range, backend);
    // SAFETY: the callers' mappings outlive their trackers.
    unsafe { tracker.register(range) }.unwrap();
    tracker
}
