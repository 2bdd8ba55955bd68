//! The referee of a heap: random programs with and without all of their barriers.

use std::cell::Cell;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use strandline::dirty::BackendKind;
use strandline::{BarrierCheck, BarrierReport, Heap, HeapOptions, Mode};

use crate::program::{
    Holder, NODES, Program, Setting, Slots, Step, TABLE, Value, settings, steps, write,
};

fn check(cases: u32, strategy: impl Strategy<Value = Vec<Step>>, test: impl Fn(Vec<Step>)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |steps| {
            test(steps);
            Ok(())
        })
        .unwrap();
}

/// Runs a program between two collections. Returns how many barriers it missed.
fn run(setting: Setting, steps: &[Step]) -> usize {
    let mut program = Program::new(setting);
    program.collect();
    steps.iter().for_each(|&step| program.step(step));
    program.collect();
    program.missed
}

#[test]
fn programs_with_all_barriers_get_a_clean_report() {
    for setting in settings() {
        check(6, steps(Just(true).boxed()), |steps| assert_eq!(run(setting, &steps), 0));
    }
}

#[test]
fn exactly_the_references_without_a_barrier_are_reported() {
    let missed = Cell::new(0);
    for setting in settings() {
        check(6, steps(prop::bool::weighted(0.8).boxed()), |steps| {
            missed.set(missed.get() + run(setting, &steps));
        });
    }
    assert!(missed.get() > 500, "{missed:?}: these programs miss too few to tell anything");
}

/// All barriers but one, whichever it is, of a store that changes its slot for good.
#[test]
fn every_single_dropped_barrier_is_reported() {
    for setting in settings().filter(|setting| setting.check.card_bytes == 8) {
        let all = (steps(Just(true).boxed()), any::<prop::sample::Index>());
        let all = all.prop_map(|(mut steps, at)| {
            // A slot that no other step stores to.
            let dropped = Step::Store {
                to: Holder::Table,
                slot: TABLE - NODES - 1,
                value: Value::Node(7),
                barrier: false,
            };
            steps.retain(|step| !matches!(step, Step::Store { to: Holder::Table, .. }));
            steps.insert(at.index(steps.len() + 1), dropped);
            steps
        });
        check(6, all, |steps| assert_eq!(run(setting, &steps), 1));
    }
}

/// What the report says, to a reader.
#[test]
fn a_report_names_object_slot_and_words() {
    let setting = settings().next().unwrap();
    let mut program = Program::new(setting);
    program.collect();
    let (holder, value) = (program.node(3), program.node(4));
    write(holder, 2, value.address());
    program.mutator.collect();
    let report = program.heap.take_barrier_report().unwrap();
    let (object, slot, value) = (holder.address(), holder.address() + 16, value.address());
    let text = format!(
        "missed barrier: object {object:#x}, slot {slot:#x} (offset 16) was 0x0 and is {value:#x}, \
         which refers to object {value:#x}"
    );
    assert!(report.to_string().contains(&text), "{report}");
    let again = program.heap.take_barrier_report().unwrap();
    assert!(again.checks == 0 && again.missed.is_empty(), "a report is taken once");
}

#[test]
fn a_heap_without_a_referee_has_no_report() {
    let heap = Heap::new(Slots, HeapOptions::default()).unwrap();
    assert!(heap.take_barrier_report().is_none());
    let cards = heap.tracker().tracker.cards().is_some();
    assert_eq!(cards, heap.tracker().tracker.kind() == BackendKind::Cards);
}

#[test]
fn barriers_that_mark_what_was_not_stored_to_are_idle() {
    for tracker in [BackendKind::Uffd, BackendKind::Mprotect] {
        let setting = Setting { mode: Mode::Stopped, tracker, check: BarrierCheck::default() };
        let mut program = Program::new(setting);
        program.collect();
        program.collect();
        let cards = program.heap.tracker().tracker.cards().unwrap();
        cards.mark(program.table.get().address() + 8 * TABLE);
        program.mutator.collect();
        let report: BarrierReport = program.heap.take_barrier_report().unwrap();
        assert!(report.is_clean() && report.idle_cards == 1, "{report}");
    }
}

/// The control for the other half: a write that the tracker cannot see. `/proc/self/mem` writes to
/// protected memory without a fault that a handler could take.
#[test]
fn a_write_that_the_tracker_does_not_see_is_found_out_by_the_barrier() {
    for mode in [Mode::Stopped, Mode::Concurrent] {
        let check = BarrierCheck::default();
        let mut program = Program::new(Setting { mode, tracker: BackendKind::Mprotect, check });
        // Alive at the first; protected by the next two in either mode.
        (0..3).for_each(|_| program.collect());
        let (holder, value) = (program.node(3), program.node(4).address());
        let slot = holder.address() + 8;
        let memory = std::fs::File::options().write(true).open("/proc/self/mem").unwrap();
        memory.write_all_at(&value.to_ne_bytes(), slot as u64).unwrap();
        program.heap.tracker().tracker.cards().unwrap().mark(slot);
        program.mutator.collect();
        let report = program.heap.take_barrier_report().unwrap();
        assert_eq!(report.unseen_stores, 1, "{mode:?}: {report}");
        assert_eq!((report.unseen[0].object, report.unseen[0].slot), (holder, slot));
        assert!(!report.is_clean() && report.to_string().contains("lost write: object"));
    }
}
