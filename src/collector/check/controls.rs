//! Negative controls: each rule of a cycle is broken in its turn, and the verifier must complain.
//!
//! Every program here does, at the one moment where it matters, what the rule is there for. With
//! all rules in force the same program must get through, cycle after cycle.

mod arrays;
mod forks;
mod huge_pages;
mod hunted;
mod late;
mod program;
mod references;
mod thief;
mod two_words;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;

use program::{Program, Progress, Until, get, set};

use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};
use crate::collector::cycle::slices::PATIENCE;
use crate::heap::geometry::{BLOCK, CHUNK};
use crate::mutator::StackScan;
use crate::{Heap, HeapOptions, Mode};

type Act = fn(&mut Program, Progress) -> Until;

/// Cycles that must pass.
const CYCLES: usize = 4;

/// Cycles within which a broken rule must be noticed. Not each of them has the block left
/// out that a test is about.
const NOTICED_WITHIN: usize = 16;

/// Stops that are interrupted: in the first ones the page may still be dirty.
const STOPS: u32 = 3;

/// Runs `act` in cycles of both scopes: with all rules, and without `rule`.
fn control(rule: Rule, prepare: fn(&mut Program), act: Act) {
    control_of(Program::new, rule, prepare, act);
}

fn control_of(make: fn() -> Program, rule: Rule, prepare: fn(&mut Program), act: Act) {
    for scope in [Scope::Minor, Scope::Full] {
        control_in(scope, make, rule, prepare, act);
    }
}

fn control_in(
    scope: Scope,
    make: fn() -> Program,
    rule: Rule,
    prepare: fn(&mut Program),
    act: Act,
) {
    let mut program = make();
    prepare(&mut program);
    for cycle in 1..=CYCLES {
        let result = program.cycle(scope, act);
        assert_eq!(result, Ok(()), "{scope:?} cycle {cycle} with all rules");
    }
    let mut program = make().without(rule);
    prepare(&mut program);
    let complaint = (1..=NOTICED_WITHIN)
        .find_map(|cycle| program.cycle(scope, act).err().map(|complaint| (cycle, complaint)));
    let (cycle, complaint) = complaint.unwrap_or_else(|| {
        panic!("{NOTICED_WITHIN} {scope:?} cycles without {rule:?} went unnoticed")
    });
    println!("{scope:?}, without {rule:?}: cycle {cycle}: {complaint}");
    let expected = match rule {
        Rule::RetiredOnly | Rule::RetiredValues => "traced before it was initialised",
        Rule::ClearDead => "which is not marked",
        Rule::DecideLast => "was cleared, and it is marked",
        _ => "is reachable and not marked",
    };
    assert!(complaint.contains(expected), "{complaint}");
}

fn nothing(_: &mut Program) {}

/// A young object that is traced early, and gets the only reference to a new one after that.
fn store_into_a_young_object(program: &mut Program, progress: Progress) -> Until {
    match (progress.moment, progress.traced) {
        (Moment::Starting, _) => {
            let young = program.fresh();
            set(program.last, 1, young);
        }
        (Moment::Traced, 1) => {
            let young = program.made.expect("it was made when the cycle began");
            let newer = program.fresh();
            set(young, 1, newer);
        }
        _ => {}
    }
    Until::Parked
}

#[test]
fn control_pages_are_forgiven_only_where_nothing_was_marked() {
    control(Rule::ForgiveNew, nothing, store_into_a_young_object);
}

#[test]
fn control_a_scan_is_about_new_blocks_with_something_marked() {
    control(Rule::ScanMarked, nothing, store_into_a_young_object);
}

fn nothing_happens(_: &mut Program, _: Progress) -> Until {
    Until::Parked
}

/// A new object's only reference goes to an old object that was looked at already.
fn store_after_the_trace(program: &mut Program, progress: Progress) -> Until {
    if progress.moment == Moment::Traced && progress.traced == 1 {
        let object = program.fresh();
        set(program.last, 1, object);
    }
    Until::Parked
}

/// As above, so late that only the last stop can see it.
fn store_before_the_stop(program: &mut Program, progress: Progress) -> Until {
    if progress.is_first_remark() {
        let object = program.fresh();
        set(program.last, 1, object);
    }
    Until::Parked
}

/// The scan that consumes the store finds the new object in a block that its thread still owns.
fn store_into_an_owned_block(program: &mut Program, progress: Progress) -> Until {
    if progress.is_first_preclean() {
        let object = program.fresh();
        set(program.last, 1, object);
    }
    Until::Parked
}

/// Objects that nothing refers to: many blocks of them, so that new blocks are not thought worth
/// protecting before they have a mark.
const GARBAGE: usize = 512;

/// A young object gets its mark after the last round has consumed, and then the only reference to a new one.
/// Its page was never protected.
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
fn control_what_was_never_protected_is_owed() {
    // One round, then the remark, however slow the machine is.
    let act = store_into_what_was_not_consumed;
    control_of(Program::patient, Rule::OweUnprotected, nothing, act);
}

/// As the next, but as often as stops give up before the brake consumes what they have found: only
/// then nothing but the ledger knows of it. The time is up when it is the page's turn.
fn keep_stops_busy_until_the_brake(program: &mut Program, progress: Progress) -> Until {
    let last = PATIENCE as usize + 1;
    if progress.moment == Moment::Remarking && progress.remarks <= last {
        program.dirty_all_but_the_last();
        // Nobody is held up who takes no memory.
        let object = program.fresh();
        if progress.remarks == last {
            set(program.last, 1, object);
            program.interrupt_at_the_last(STOPS);
        }
    }
    Until::Parked
}

/// A store so late that only the last stop can see it, which has so many dirty pages to look at before
/// that one that it is late.
fn keep_the_stop_busy(program: &mut Program, progress: Progress) -> Until {
    if progress.is_first_remark() {
        program.dirty_all_but_the_last();
    }
    store_before_the_stop(program, progress)
}

#[test]
fn control_what_a_consuming_scan_reports_is_owed() {
    control(Rule::OweReported, nothing, store_after_the_trace);
}

#[test]
fn control_what_a_scan_leaves_out_is_owed() {
    control(Rule::OweLeftOut, Program::leave_out_the_last, store_before_the_stop);
}

#[test]
fn control_what_was_not_done_in_time_is_owed_again() {
    control(Rule::OweUnfinished, nothing, keep_stops_busy_until_the_brake);
}

#[test]
fn control_marking_ends_after_a_last_scan_in_the_stop() {
    control(Rule::LastScan, nothing, store_before_the_stop);
}

/// A thread that is not attached writes to the page first: the reference is stored without a fault.
#[test]
fn control_what_another_thread_made_writable_is_found_by_the_last_scan() {
    control(Rule::LastScan, nothing, |program, progress| {
        if progress.is_first_remark() {
            program.write_to_the_last_elsewhere();
        }
        store_before_the_stop(program, progress)
    });
}

#[test]
fn control_marking_ends_when_nothing_is_left() {
    control(Rule::NothingLeft, nothing, keep_the_stop_busy);
}

#[test]
fn control_a_slot_that_refers_to_an_owned_block_is_owed() {
    control(Rule::OweSkipped, nothing, store_into_an_owned_block);
}

#[test]
fn control_roots_are_found_again_in_the_last_stop() {
    control(Rule::RootsAgain, nothing, |program, progress| {
        if progress.is_first_remark() {
            let object = program.fresh();
            program.root.set(object);
        }
        Until::Parked
    });
}

#[test]
fn control_external_objects_are_looked_at_in_the_last_stop() {
    control(Rule::LookAtExternal, nothing, |program, progress| {
        if progress.is_first_remark() {
            let object = program.fresh();
            program.outside.store(object.address(), Ordering::Relaxed);
        }
        Until::Parked
    });
}

#[test]
fn control_a_word_is_no_reference_into_an_owned_block() {
    control(Rule::RetiredOnly, nothing, |program, progress| {
        if progress.is_first_preclean() {
            let object = program.unmade(64);
            set(program.conservative.get(), 0, object);
            program.made = Some(object);
            return Until::Running;
        }
        if progress.moment == Moment::Traced && progress.traced == 2 {
            let object = program.made.unwrap();
            program.make(object);
        }
        Until::Parked
    });
}

#[test]
fn a_block_that_is_handed_out_while_a_word_is_resolved_is_left_alone() {
    hand_out_while_a_word_is_resolved(|program, word| {
        let words = program.conservative.get().as_ptr::<usize>();
        // SAFETY: the object has 8 words.
        unsafe { words.add(1).write_volatile(word) };
    });
}

/// A word, which `store` stores, happens to be an address in a free block. After the marker has asked for
/// the age of that block, a mutator gets it and allocates there.
fn hand_out_while_a_word_is_resolved(store: fn(&mut Program, usize)) {
    let mut program = Program::new();
    let (mut next, mut handed_out) = (0, false);
    let result = program.cycle(Scope::Full, |program, progress| {
        if progress.is_first_preclean() {
            // Not the last one of a chunk: which is the next chunk is another matter.
            while next % CHUNK == 0 {
                next = program.fresh().address() / BLOCK * BLOCK + BLOCK;
            }
            store(program, next);
            program.resolving.store(true, Ordering::Relaxed);
        } else if progress.moment == Moment::Resolving {
            let mut object = program.unmade(8000);
            while object.address() != next {
                assert_eq!(object.address() / BLOCK * BLOCK + BLOCK, next, "another block is next");
                program.make(object);
                object = program.unmade(8000);
            }
            program.made = Some(object);
            handed_out = true;
            return Until::Running;
        } else if progress.moment == Moment::Traced && progress.traced == 2 {
            program.make(program.made.unwrap());
        }
        Until::Parked
    });
    assert_eq!(result, Ok(()));
    assert!(handed_out, "the moment to be tested was not reached");
}

/// Between two safepoints a program may free what an External object owns, and have it elsewhere.
#[test]
fn what_external_objects_own_is_not_looked_at_while_the_program_moves_it() {
    for scope in [Scope::Minor, Scope::Full] {
        let mut program = Program::new();
        let mut moved = false;
        let result = program.cycle(scope, |program, progress| {
            let external = program.external.get();
            let changes = &program.heap.model().outside_changes;
            if progress.is_first_preclean() {
                changes.store(true, Ordering::Relaxed);
                let words = external.as_ptr::<usize>();
                // SAFETY: the object has two words; its page is dirty now.
                unsafe { words.write_volatile(words.read_volatile()) };
                return Until::Running;
            }
            if progress.moment == Moment::Traced && progress.traced == 2 {
                changes.store(false, Ordering::Relaxed);
                moved = true;
            }
            Until::Parked
        });
        assert_eq!(result, Ok(()), "{scope:?}");
        assert!(moved);
    }
}

/// The cycle wants to stop the very thread that drops the heap.
#[test]
fn dropping_a_heap_in_a_cycle_does_not_wait_for_ever() {
    let options = HeapOptions { mode: Mode::Concurrent, ..HeapOptions::default() };
    let heap = Arc::new(Heap::new(program::Model::default(), options).unwrap());
    let shared = Arc::clone(&heap.shared);
    let mutator = heap.attach(StackScan::Conservative).unwrap();
    let (attached, is_attached) = channel();
    let other = std::thread::spawn({
        let heap = Arc::clone(&heap);
        move || {
            let mut mutator = heap.attach(StackScan::None).unwrap();
            drop(heap);
            attached.send(()).unwrap();
            mutator.collect();
        }
    });
    is_attached.recv().unwrap();
    while !shared.requests.is_running() {
        std::thread::yield_now();
    }
    drop(Arc::into_inner(heap).expect("the only handle"));
    drop(mutator);
    other.join().unwrap();
    assert_eq!(shared.world.attached(), 0);
}
