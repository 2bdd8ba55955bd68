//! Torture: several mutators on random heaps, every back-end in its turn, for as long as one likes.
//!
//! A round is a heap with the verifier on: with random options and random programs that have a
//! reference model each ([`run_together`]), with random options and threads that share what they
//! store to ([`churn`]), or with threads that change large graphs and little else ([`run_for`]).
//! An ordinary test run has one round of each of the first two for each back-end. Half an hour of
//! all, with a line each half minute and a summary at the end:
//!
//! ```text
//! STRANDLINE_STRESS_SECONDS=1800 cargo test --release --test heap torture
//! ```
//!
//! A round that fails says which it was; `STRANDLINE_STRESS_SEED` with its seed begins with it. (The
//! programs are the same then, and the interleaving is not.)

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use strandline::dirty::BackendKind;
use strandline::{HeapOptions, HeapStats, Mode, Sizing, StackScan};

use crate::churn::churn;
use crate::concurrent::run_for;
use crate::reference::Setup;
use crate::reference::program::Code;
use crate::reference::together::run_together;
use crate::stress::stress_seconds;

const TRACKERS: [BackendKind; 4] =
    [BackendKind::Uffd, BackendKind::Mprotect, BackendKind::Cards, BackendKind::AllDirty];

const SEED_VARIABLE: &str = "STRANDLINE_STRESS_SEED";

/// The time between two lines about how far it has come.
const PROGRESS: Duration = Duration::from_secs(30);

/// A random number generator for a round.
struct Random(TestRng);

impl Random {
    fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.0.next_u32()) * bound as u64) >> 32) as usize
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn program(&mut self) -> Vec<Code> {
        let length = 30 + self.below(120);
        let mut code = || std::array::from_fn(|_| self.below(256) as u8);
        (0..length).map(|_| code()).collect()
    }

    fn setup(&mut self, tracker: BackendKind) -> Setup {
        let interval = 5 + self.below(40) as u32;
        let stress = self.pick(&[None, None, Some(interval)]);
        let limits = if stress.is_some() { [8 << 20; 3] } else { [8 << 20, 13 << 20, 48 << 20] };
        let roomy = self.pick(&[false, true]);
        let setup = Setup {
            limit: self.pick(&limits),
            sizing: self.pick(&[Sizing::Balanced, Sizing::Fixed]),
            mode: self.pick(&[Mode::Concurrent, Mode::Concurrent, Mode::Concurrent, Mode::Stopped]),
            markers: 1 + self.below(3),
            stress,
            tracker,
            scan: self.pick(&[StackScan::None, StackScan::Conservative]),
            garbage: 0,
            referee: self.pick(&[false, false, true]),
        };
        if roomy { setup.roomy() } else { setup }
    }
}

/// What the rounds on one back-end add up to.
#[derive(Default)]
struct Total {
    rounds: u64,
    collections: u64,
    full: u64,
    longest_pause: Duration,
}

impl Total {
    fn add(&mut self, stats: &HeapStats) {
        self.rounds += 1;
        self.collections += stats.collections;
        self.full += stats.full_collections;
        self.longest_pause = self.longest_pause.max(Duration::from_nanos(stats.pauses_ns.max()));
    }
}

/// Runs the round with this seed, on the back-end whose turn it is.
fn round(seed: u64) -> (BackendKind, HeapStats) {
    let mut random = Random::new(seed);
    let tracker = TRACKERS[seed as usize % TRACKERS.len()];
    let (setup, threads) = (random.setup(tracker), 1 + random.below(4));
    let result = catch_unwind(AssertUnwindSafe(|| match seed as usize / TRACKERS.len() % 3 {
        0 => {
            let programs: Vec<_> = (0..threads).map(|_| random.program()).collect();
            run_together(setup, &programs)
        }
        1 => {
            let options = setup.options();
            let limit = options.limit.max(14 << 20);
            churn(HeapOptions { limit, ..options }, threads as u64, 100, Duration::ZERO)
        }
        _ => run_for(tracker, 20, Duration::ZERO),
    }));
    let stats = result.unwrap_or_else(|panic| {
        say(&format!("{SEED_VARIABLE}={seed} failed: {threads} threads, {setup:?}"));
        resume_unwind(panic)
    });
    (tracker, stats)
}

/// Says something that the test harness does not keep to itself.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "torture: {line}");
}

#[test]
fn torture() {
    let seed = std::env::var(SEED_VARIABLE).ok();
    let first: u64 = seed.map_or(0, |text| {
        text.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={text:?}: a number"))
    });
    let time = stress_seconds().map(Duration::from_secs);
    let (start, mut said) = (Instant::now(), Instant::now());
    let mut totals: [Total; TRACKERS.len()] = Default::default();
    let least = first + 2 * TRACKERS.len() as u64;
    let mut seed = first;
    while seed < least || time.is_some_and(|time| start.elapsed() < time) {
        let (tracker, stats) = round(seed);
        seed += 1;
        let index = TRACKERS.iter().position(|&kind| kind == tracker).expect("one of these");
        totals[index].add(&stats);
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            let cycles: u64 = totals.iter().map(|total| total.collections).sum();
            let passed = start.elapsed().as_secs();
            say(&format!("{passed} s, {} rounds, {cycles} collections", seed - first));
        }
    }
    for (tracker, total) in TRACKERS.iter().zip(&totals) {
        assert!(total.collections > 0, "no collection on {tracker}");
        let ms = total.longest_pause.as_secs_f64() * 1e3;
        let Total { rounds, collections, full, .. } = total;
        let line = format!(
            "{tracker}: {rounds} rounds, {collections} collections ({full} full), longest pause \
             {ms:.2} ms, nothing lost"
        );
        if time.is_some() { say(&line) } else { println!("{line}") }
    }
}
