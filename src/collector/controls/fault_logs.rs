//! Logs of page faults in place of the last scan: what they lack is found all the same.

use std::io::IoSlice;

use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::getpid;

use super::program::{Program, Progress, Until, get, set};
use super::{control_in, control_with, nothing, store_before_the_stop};
use crate::FaultLogging;
use crate::collector::mark::Scope;
use crate::collector::rules::{Moment, Rule};
use crate::object::ObjectRef;
use crate::os::{PageRange, can_log_faults};

/// Stores a reference as the kernel does that copies for a system call: by no access of the thread's own.
fn copy_into(object: ObjectRef, slot: usize, value: ObjectRef) {
    let word = value.address().to_ne_bytes();
    let to = RemoteIoVec { base: object.address() + 8 * slot, len: word.len() };
    let copied = process_vm_writev(getpid(), &[IoSlice::new(&word)], &[to]);
    assert_eq!(copied, Ok(word.len()));
}

/// Says so where this machine forbids logs.
fn are_possible() -> bool {
    can_log_faults().inspect_err(|error| println!("nothing was tested: {error}")).is_ok()
}

#[test]
fn control_a_log_takes_the_place_of_the_last_scan_only_if_it_is_complete() {
    if !are_possible() {
        return;
    }
    control_with(FaultLogging::Always, Rule::CompleteLog, nothing, |program, progress| {
        if progress.is_first_remark() {
            let object = program.fresh();
            copy_into(program.last, 1, object);
        }
        Until::Parked
    });
}

/// In a minor cycle the first round consumes before the trace, and the next one goes by logs.
#[test]
fn control_a_round_goes_by_logs_only_if_they_are_complete() {
    if !are_possible() {
        return;
    }
    let (scope, rule) = (Scope::Minor, Rule::CompleteLog);
    control_in(scope, FaultLogging::Always, rule, nothing, |program, progress| {
        if progress.moment == Moment::Traced && progress.traced == 1 {
            let object = program.fresh();
            copy_into(program.last, 1, object);
        }
        Until::Parked
    });
}

/// What a thread that is not attached has made writable takes no fault when a reference is stored there.
fn store_beside_another_writer(program: &mut Program) {
    program.write_to_the_last_elsewhere();
    program.pinned = None;
    let object = program.fresh();
    set(program.last, 1, object);
}

#[test]
fn control_there_is_no_log_of_what_is_written_while_an_object_is_pinned() {
    if !are_possible() {
        return;
    }
    control_with(FaultLogging::Always, Rule::LogUnpinned, nothing, |program, progress| {
        if progress.moment == Moment::Starting {
            program.pin_the_last();
        } else if progress.is_first_remark() {
            store_beside_another_writer(program);
        }
        Until::Parked
    });
}

#[test]
fn control_a_log_does_not_count_if_an_object_was_pinned_meanwhile() {
    if !are_possible() {
        return;
    }
    control_with(FaultLogging::Always, Rule::LogUnpinned, nothing, |program, progress| {
        if progress.is_first_remark() {
            program.pin_the_last();
            store_beside_another_writer(program);
        }
        Until::Parked
    });
}

/// Objects that nothing refers to: many blocks of them, so that new blocks are not thought worth
/// protecting before they have a mark.
const GARBAGE: usize = 512;

/// A young object gets its mark after the round that begins the logs has consumed, and then the only
/// reference to a new one, without a fault.
fn store_into_what_was_not_consumed(program: &mut Program, progress: Progress) -> Until {
    let slot = |round| 1 + round % 8;
    if matches!(progress.moment, Moment::Starting | Moment::Traced) {
        for _ in 0..GARBAGE {
            program.unmade(4000);
        }
    }
    if progress.moment == Moment::Traced {
        // The next round retires its block, consumes without it, and marks it.
        let young = program.fresh();
        set(program.last, slot(progress.traced), young);
    } else if progress.is_first_remark() {
        let young = get(program.last, slot(progress.traced - 1));
        let newer = program.fresh();
        set(young, 1, newer);
    }
    Until::Parked
}

#[test]
fn control_what_a_log_does_not_cover_is_scanned() {
    if !are_possible() {
        return;
    }
    control_with(
        FaultLogging::Always,
        Rule::ScanUnlogged,
        nothing,
        store_into_what_was_not_consumed,
    );
}

/// Without this, the other tests here would be about scans.
#[test]
fn cycles_have_logs_in_place_of_last_scans() {
    if !are_possible() {
        return;
    }
    for scope in [Scope::Minor, Scope::Full] {
        let mut program = Program::with(None, FaultLogging::Always);
        // Where nothing is tracked a pinned object is no obstacle.
        program.pin_a_leaf();
        let before = program.heap.stats().logged_collections;
        for _ in 0..10 {
            assert_eq!(program.cycle(scope, store_before_the_stop), Ok(()));
        }
        let logged = program.heap.stats().logged_collections - before;
        assert!(logged >= 5, "{scope:?}: {logged} of 10");
    }
}

/// Without a last scan nobody reads the logs, as nobody does that could not begin again in a later round.
#[test]
fn what_was_unprotected_is_kept_for_no_longer_than_a_cycle() {
    if !are_possible() {
        return;
    }
    let mut program = Program::with(None, FaultLogging::Always).without(Rule::LastScan);
    let result = program.cycle(Scope::Minor, |program, progress| {
        if progress.is_first_remark() {
            assert!(program.heap.shared.lock_fault_logs().have_begun());
        }
        Until::Parked
    });
    assert_eq!(result, Ok(()));
    let tracker = program.heap.shared.memory.tracker();
    tracker.unprotect(PageRange::covering(program.last.address(), 1).unwrap()).unwrap();
    assert_eq!(tracker.take_unprotected(), []);
}
