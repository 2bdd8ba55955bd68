//! Another process takes write marks away, between two scans of a cycle.

#[path = "../../../../tests/common/thief.rs"]
#[allow(dead_code, reason = "other tests have it take all the time")]
mod process;

use std::cell::RefCell;
use std::ops::Range;

use process::Thief;

use super::program::{Program, Progress, Until};
use super::{control, nothing, store_before_the_stop};
use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};
use crate::heap::geometry::CHUNK;
use crate::os::PageRange;

thread_local! {
    static THIEF: RefCell<Option<Thief>> = const { RefCell::new(None) };
}

/// Starts a thief, before there is a heap.
fn can_steal() -> bool {
    THIEF.set(Thief::start());
    THIEF.with_borrow(Option::is_some)
}

fn take(range: Range<usize>) {
    THIEF.with_borrow_mut(|thief| assert!(thief.as_mut().unwrap().take(range) > 0));
}

fn whole_heap(program: &Program) -> Range<usize> {
    program.heap.shared.memory.tracker().span().addresses()
}

/// The chunks of the old objects, which is what there is to take.
fn old_chunks(program: &Program) -> Range<usize> {
    let addresses = program.some_old().into_iter().map(|object| object.address());
    let (first, last) = (addresses.clone().min().unwrap(), addresses.max().unwrap());
    first / CHUNK * CHUNK..last / CHUNK * CHUNK + CHUNK
}

/// Takes the only store of a reference, right before the stop that would find it.
fn steal_before_the_stop(program: &mut Program, progress: Progress) -> Until {
    let until = store_before_the_stop(program, progress);
    if progress.is_first_remark() {
        take(old_chunks(program));
    }
    until
}

#[test]
fn control_everything_is_owed_if_another_process_has_cleared_marks() {
    if can_steal() {
        let rule = Rule::HeedCanaries;
        control(rule, nothing, steal_before_the_stop);
    }
}

/// Takes it before the cycle begins.
fn steal_between_cycles(program: &mut Program, progress: Progress) -> Until {
    if progress.moment == Moment::Starting {
        let object = program.fresh();
        super::set(program.last, 1, object);
        take(whole_heap(program));
    }
    Until::Parked
}

/// Only minor cycles have marks from before.
#[test]
fn control_what_was_cleared_before_the_cycle_is_found_out_at_its_end() {
    if can_steal() {
        let scope = Scope::Minor;
        super::control_in(scope, Program::new, Rule::HeedCanaries, nothing, steal_between_cycles);
    }
}

/// The cycle ends, and says what has happened.
#[test]
fn a_thief_at_every_moment_does_not_keep_a_cycle_from_ending() {
    if !can_steal() {
        return;
    }
    for scope in [Scope::Minor, Scope::Full] {
        let mut program = Program::new();
        assert_eq!(cleared(&program), 0);
        for cycle in 1..=3 {
            let result = program.cycle(scope, |program, progress| {
                let until = store_before_the_stop(program, progress);
                THIEF.with_borrow_mut(|thief| thief.as_mut().unwrap().take(whole_heap(program)));
                until
            });
            assert_eq!(result, Ok(()));
            assert_eq!(cleared(&program), cycle);
        }
        let report = program.heap.cycles().pop().unwrap();
        assert!(report.cleared_elsewhere > 0);
        let text = report.to_string();
        assert!(text.contains("another process clears write marks"), "{text}");
        let tracker = program.heap.shared.memory.tracker();
        assert!(tracker.stats().cleared_elsewhere >= 3);
        // One more is not trusted; then all is as it was.
        assert_eq!(program.cycle(scope, store_before_the_stop), Ok(()));
        let before = cleared(&program);
        assert_eq!(program.cycle(scope, store_before_the_stop), Ok(()));
        assert_eq!(cleared(&program), before);
    }
}

fn cleared(program: &Program) -> u64 {
    program.heap.stats().cleared_elsewhere
}

/// A canary that is given up, because its chunk is unregistered, is not forgotten.
#[test]
fn what_was_taken_from_a_canary_is_known_when_that_is_gone() {
    if !can_steal() {
        return;
    }
    let program = Program::new();
    take(whole_heap(&program));
    let tracker = program.heap.shared.memory.tracker();
    let pages = old_chunks(&program);
    tracker.remove_canary(PageRange::new(pages.start - CHUNK, pages.end).unwrap()).unwrap();
    assert!(tracker.check_canaries().unwrap());
    assert!(!tracker.check_canaries().unwrap());
}
