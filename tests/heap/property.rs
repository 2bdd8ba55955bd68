//! Random programs against the reference model, in every setting that a heap can have.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use strandline::dirty::BackendKind;
use strandline::{Mode, Sizing, StackScan};

use crate::reference::{Setup, run, run_bytes};

fn setups(tracker: BackendKind, scan: StackScan) -> impl Strategy<Value = Setup> {
    let limit = prop_oneof![Just(8 << 20), Just(13 << 20), Just(48 << 20)];
    let sizing = prop_oneof![Just(Sizing::Balanced), Just(Sizing::Fixed)];
    let (markers, referee) = (1_usize..=2, prop::bool::weighted(0.2));
    (limit, sizing, markers, referee).prop_map(move |(limit, sizing, markers, referee)| Setup {
        limit,
        sizing,
        mode: Mode::Stopped,
        markers,
        stress: None,
        tracker,
        scan,
        garbage: 0,
        referee,
    })
}

fn check(setups: impl Strategy<Value = Setup>, cases: u32, longest: usize) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let programs = prop::collection::vec(any::<[u8; 8]>(), 0..longest);
    TestRunner::new_with_rng(config, rng)
        .run(&(setups, programs), |(setup, program)| {
            run(setup, &program);
            Ok(())
        })
        .unwrap();
}

const TRACKERS: [BackendKind; 4] =
    [BackendKind::Uffd, BackendKind::Mprotect, BackendKind::Cards, BackendKind::AllDirty];

#[test]
fn precise_programs_keep_exactly_what_they_reach() {
    for tracker in TRACKERS {
        check(setups(tracker, StackScan::None), 8, 300);
    }
}

#[test]
fn conservative_programs_keep_what_they_reach() {
    for tracker in TRACKERS {
        check(setups(tracker, StackScan::Conservative), 4, 300);
    }
}

#[test]
fn concurrent_cycles_keep_exactly_what_is_reached() {
    for tracker in TRACKERS {
        for scan in [StackScan::None, StackScan::Conservative] {
            let concurrent = |setup| Setup { mode: Mode::Concurrent, ..setup };
            check(setups(tracker, scan).prop_map(concurrent), 5, 300);
            check(setups(tracker, scan).prop_map(concurrent).prop_map(Setup::roomy), 2, 150);
        }
    }
}

#[test]
fn programs_under_stress_keep_what_they_reach() {
    for tracker in TRACKERS {
        for (mode, scan) in [
            (Mode::Stopped, StackScan::None),
            (Mode::Stopped, StackScan::Conservative),
            (Mode::Concurrent, StackScan::None),
            (Mode::Concurrent, StackScan::Conservative),
        ] {
            let stressed = (setups(tracker, scan), 1_u32..4).prop_map(move |(setup, interval)| {
                Setup { limit: 8 << 20, stress: Some(interval), mode, ..setup }
            });
            check(stressed, 3, 120);
        }
    }
}

/// What the fuzz target runs, on bytes that nobody chose.
#[test]
fn any_bytes_are_a_program() {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    for _ in 0..200 {
        let mut bytes = vec![0; (rng.next_u32() % 160) as usize];
        rng.fill_bytes(&mut bytes);
        run_bytes(&bytes);
    }
}
