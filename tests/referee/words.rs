//! The referee over plain memory, which knows words and no objects.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};

use memmap2::MmapMut;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use strandline::dirty::{
    BackendKind, ChangedWord, Contract, PageSet, Referee, RefereeOptions, Scan, Selection, Sight,
    TrackError, Tracker, TrackerBackend, TrackerOptions,
};
use strandline::os::{OsError, PageRange, page_size};

const PAGES: usize = 16;
const TRACKERS: [BackendKind; 3] =
    [BackendKind::Uffd, BackendKind::Mprotect, BackendKind::AllDirty];

fn tracker(kind: BackendKind, range: PageRange) -> Tracker {
    let options = TrackerOptions { backend: Some(kind), barriers: true, ..Default::default() };
    Selection::open_exactly(range, &options).unwrap().tracker
}

/// Memory with a referee over it.
struct Rig {
    /// Dropped before the memory.
    referee: Referee,
    range: PageRange,
    _memory: MmapMut,
}

impl Rig {
    fn new(open: impl FnOnce(PageRange) -> Tracker, options: RefereeOptions) -> Self {
        let memory = MmapMut::map_anon(PAGES * page_size()).unwrap();
        let range = PageRange::of_slice(&memory).unwrap();
        memory.as_ptr().expose_provenance();
        let referee = Referee::new(open(range), options).unwrap();
        // SAFETY: the memory is ours, readable and writable, and is dropped after the referee.
        unsafe { referee.register(range) }.unwrap();
        Self { referee, range, _memory: memory }
    }

    fn address(&self, word: usize) -> usize {
        self.range.start() + 8 * (word % (PAGES * page_size() / 8))
    }

    fn store(&self, address: usize, value: usize) {
        // SAFETY: a word of the rig's memory.
        unsafe { std::ptr::with_exposed_provenance_mut::<usize>(address).write_volatile(value) };
    }

    fn mark(&self, address: usize) {
        self.referee.cards().mark(address);
    }
}

/// A store of a small value, so that some change nothing; some are followed by no barrier.
#[derive(Debug, Clone, Copy)]
struct Store {
    word: usize,
    value: usize,
    barrier: bool,
}

fn store(barrier: impl Strategy<Value = bool>) -> impl Strategy<Value = Store> {
    // Few pages, and few words on each, so that stores meet on cards.
    (0..PAGES, 0..40_usize, 0..3_usize, barrier).prop_map(|(page, word, value, barrier)| Store {
        word: page * page_size() / 8 + 5 * word,
        value,
        barrier,
    })
}

/// What a comparison must find.
#[derive(Default)]
struct Expected {
    before: BTreeMap<usize, usize>,
    now: BTreeMap<usize, usize>,
    marked: HashSet<usize>,
}

impl Expected {
    fn missed(&self, card_bytes: usize) -> Vec<ChangedWord> {
        let words = self.now.iter().map(|(&address, &new)| {
            let old = self.before.get(&address).copied().unwrap_or(0);
            ChangedWord { address, old, new }
        });
        let changed = words.filter(|word| word.old != word.new);
        changed.filter(|word| !self.marked.contains(&(word.address / card_bytes))).collect()
    }
}

fn check(strategy: impl Strategy<Value = Vec<Vec<Store>>>, test: impl Fn(Vec<Vec<Store>>)) {
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |program| {
            test(program);
            Ok(())
        })
        .unwrap();
}

fn programs(barrier: BoxedStrategy<bool>) -> impl Strategy<Value = Vec<Vec<Store>>> {
    prop::collection::vec(prop::collection::vec(store(barrier), 0..60), 1..5)
}

/// Runs a program with a comparison after each part, which must find exactly what it should; by the
/// referee's cards or by the program's `own` record, which may have cards of any size.
/// Returns how many missed barriers that was.
fn run(kind: BackendKind, card_bytes: usize, own: bool, program: &[Vec<Store>]) -> usize {
    let table = if own { 512 } else { card_bytes };
    let options = RefereeOptions { card_bytes: table, copy: true };
    let rig = Rig::new(|range| tracker(kind, range), options);
    let (mut expected, mut found) = (Expected::default(), 0);
    for part in program {
        for store in part {
            let address = rig.address(store.word);
            rig.store(address, store.value);
            expected.now.insert(address, store.value);
            if store.barrier {
                rig.mark(address);
                expected.marked.insert(address / card_bytes);
            }
        }
        let verdict = if own {
            let marked = |address: usize| expected.marked.contains(&(address / card_bytes));
            rig.referee.compare_with(rig.range, card_bytes, marked).unwrap()
        } else {
            rig.referee.compare(rig.range).unwrap()
        };
        let missed = expected.missed(card_bytes);
        assert_eq!(verdict.missed, missed, "{kind}, cards of {card_bytes}");
        assert_eq!(verdict.missed_words, missed.len() as u64);
        assert_eq!(verdict.unseen, [], "{kind}");
        assert_eq!(verdict.is_clean(), missed.is_empty());
        found += missed.len();
        expected.before = expected.now.clone();
        expected.marked.clear();
    }
    found
}

#[test]
fn correct_barriers_are_never_reported() {
    for kind in TRACKERS {
        for card_bytes in [8, 512, page_size()] {
            check(programs(Just(true).boxed()), |program| {
                assert_eq!(run(kind, card_bytes, false, &program), 0);
            });
        }
    }
}

#[test]
fn exactly_the_changed_words_without_a_marked_card_are_reported() {
    let missed = Cell::new(0);
    for kind in TRACKERS {
        for (card_bytes, own) in [(8, false), (512, false), (512, true), (2 * page_size(), true)] {
            let barriers = prop::bool::weighted(0.9).boxed();
            check(programs(barriers), |program| {
                missed.set(missed.get() + run(kind, card_bytes, own, &program));
            });
        }
    }
    assert!(
        missed.get() > 1000,
        "{missed:?}: these programs miss too few barriers to tell anything"
    );
}

/// One barrier is dropped, of a store that changes its word for good.
#[test]
fn every_single_dropped_barrier_is_reported() {
    for kind in TRACKERS {
        let strategy = programs(Just(true).boxed());
        check(strategy, |mut program| {
            let last = program.last_mut().unwrap();
            let dropped = Store { word: 3, value: 77, barrier: false };
            let at = last.len() / 2;
            last.insert(at, dropped);
            assert_eq!(run(kind, 8, false, &program), 1);
        });
    }
}

#[test]
fn without_a_copy_the_pages_are_named() {
    for kind in [BackendKind::Uffd, BackendKind::Mprotect] {
        let options = RefereeOptions { copy: false, ..RefereeOptions::default() };
        let rig = Rig::new(|range| tracker(kind, range), options);
        let words = page_size() / 8;
        for page in [2, 3, 9] {
            rig.store(rig.address(page * words), 1);
        }
        rig.store(rig.address(5 * words), 1);
        rig.mark(rig.address(5 * words));
        rig.mark(rig.address(12 * words));
        let verdict = rig.referee.compare(rig.range).unwrap();
        // The kernel may report a page too many, never one too few.
        let found = PageSet::new(rig.range);
        verdict.unmarked_pages.iter().for_each(|&run| found.insert(run));
        for page in [2, 3, 9] {
            assert!(found.contains(rig.address(page * words)), "{kind}: {verdict}");
        }
        assert!(!found.contains(rig.address(5 * words)), "{kind}: {verdict}");
        assert_eq!(verdict.idle_cards, 1, "{kind}: {verdict}");
        assert!(!verdict.is_clean() && verdict.to_string().contains("no card of it is marked"));
    }
}

#[test]
fn a_barrier_without_a_store_is_a_note_and_no_error() {
    for kind in [BackendKind::Uffd, BackendKind::Mprotect] {
        let rig = Rig::new(|range| tracker(kind, range), RefereeOptions::default());
        rig.mark(rig.address(700));
        let verdict = rig.referee.compare(rig.range).unwrap();
        assert!(verdict.is_clean() && verdict.idle_cards == 1, "{verdict}");
        assert_eq!(rig.referee.compare(rig.range).unwrap().idle_cards, 0, "marks are removed");
    }
}

/// A tracker that sees no store at all: every page is clean once it was consumed.
#[derive(Debug)]
struct Oblivious(PageSet);

// SAFETY: it breaks the contract on purpose, to be found out; nobody trusts it with memory.
unsafe impl TrackerBackend for Oblivious {
    fn kind(&self) -> BackendKind {
        BackendKind::Uffd
    }

    fn contract(&self) -> Contract {
        let [kernel_writes, device_writes, discards, aliases, cleared_elsewhere] = [Sight::Seen; 5];
        let stores = Sight::Seen;
        Contract {
            stores,
            kernel_writes,
            device_writes,
            discards,
            aliases,
            cleared_elsewhere,
            precise: true,
        }
    }

    unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        self.0.insert(range);
        Ok(())
    }

    fn unregister(&self, _: PageRange) -> Result<(), OsError> {
        Ok(())
    }

    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError> {
        self.0.take_in(range, |pages| owed.insert(pages));
        Ok(Scan::default())
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        self.0.iter_in(range).for_each(|pages| found.insert(pages));
        Ok(Scan::default())
    }

    fn protect(&self, range: PageRange) -> Result<(), OsError> {
        self.0.remove(range);
        Ok(())
    }

    fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        self.0.insert(range);
        Ok(())
    }

    fn adopt(&mut self, _: &[PageRange]) -> Result<(), TrackError> {
        Ok(())
    }
}

/// The control for the other half of the comparison.
#[test]
fn a_tracker_that_loses_a_write_is_found_out_by_the_barrier() {
    let open = |range| Tracker::new(range, Box::new(Oblivious(PageSet::new(range))));
    let rig = Rig::new(open, RefereeOptions::default());
    let address = rig.address(1234);
    rig.store(address, 7);
    rig.mark(address);
    let verdict = rig.referee.compare(rig.range).unwrap();
    assert_eq!(verdict.unseen, [ChangedWord { address, old: 0, new: 7 }]);
    assert!(!verdict.is_clean());
    assert!(verdict.to_string().contains(&format!("lost write: the word at {address:#x}")));
}

#[test]
fn what_cannot_be_compared_is_refused_with_the_reason() {
    let memory = MmapMut::map_anon(PAGES * page_size()).unwrap();
    let range = PageRange::of_slice(&memory).unwrap();
    let refusal = |kind, options| {
        Referee::new(tracker(kind, range), options).map(drop).unwrap_err().to_string()
    };
    let error = refusal(BackendKind::Cards, RefereeOptions::default());
    assert!(error.contains("the cards back-end sees nothing else"), "{error}");
    let no_copy = RefereeOptions { copy: false, ..RefereeOptions::default() };
    let error = refusal(BackendKind::AllDirty, no_copy);
    assert!(error.contains("keep a copy"), "{error}");
    for card_bytes in [0, 4, 100, 2 * page_size()] {
        let options = RefereeOptions { card_bytes, copy: true };
        let error = refusal(BackendKind::Uffd, options);
        assert!(error.contains(&format!("cards of {card_bytes} bytes")), "{error}");
    }
    let rig = Rig::new(|range| tracker(BackendKind::Uffd, range), RefereeOptions::default());
    assert!(rig.referee.compare_with(rig.range, 24, |_| true).is_err());
    rig.referee.unregister(rig.range).unwrap();
    let error = rig.referee.compare(rig.range).unwrap_err();
    assert!(matches!(error, TrackError::NotRegistered { .. }), "{error}");
}
