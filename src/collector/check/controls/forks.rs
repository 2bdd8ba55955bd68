//! Forks at every moment of a cycle, and what goes wrong if the child does not hand back what the
//! cycle had consumed.

use std::fs::File;
use std::io::{Read, Write};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe};

use super::program::{Program, Until, set};
use super::{nothing_happens, store_after_the_trace, store_before_the_stop};
use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};
use crate::collector::threads::driver::panic_message;
use crate::dirty::BackendKind;
use crate::references::Weak;

/// Ends a child that hangs, in seconds.
const PATIENCE_S: u32 = 120;

/// Runs `body` in a forked child, and returns what it returns there.
fn in_child(body: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let (reader, writer) = pipe().unwrap();
    let (mut reader, mut writer) = (File::from(reader), File::from(writer));
    // SAFETY: the child uses its own stack, the allocator (which glibc makes usable in it) and the
    // heap, and leaves by `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            drop(reader);
            // SAFETY: alarm only sets a timer, whose signal ends the process.
            unsafe { libc::alarm(PATIENCE_S) };
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            let result = caught.unwrap_or_else(|panic| Err(panic_message(&*panic)));
            let text = result.err().unwrap_or_default();
            let _ = writer.write_all(text.as_bytes());
            // SAFETY: ends the process without the destructors of the parent's state.
            unsafe { libc::_exit(i32::from(!text.is_empty())) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            match waitpid(child, None).unwrap() {
                WaitStatus::Exited(_, 0) => Ok(()),
                WaitStatus::Exited(..) => Err(text),
                ended => panic!("the child ended with {ended:?} {text}"),
            }
        }
    }
}

/// What a child does: cycles of both scopes, first by itself, then by the driver.
fn cycles_in_the_child(program: &mut Program) -> Result<(), String> {
    for scope in [Scope::Minor, Scope::Full, Scope::Minor] {
        program
            .cycle(scope, store_before_the_stop)
            .map_err(|error| format!("{scope:?}: {error}"))?;
    }
    let before = program.heap.stats().full_collections;
    program.mutator.collect();
    let full = program.heap.stats().full_collections - before;
    if full == 1 { Ok(()) } else { Err(format!("{full} full cycles by the driver")) }
}

/// Forks at every moment of two cycles.
fn forks_at_every_moment(backend: BackendKind, scope: Scope) {
    let mut program = Program::with_tracker(Some(backend));
    let (mut forks, mut moments) = (0, Vec::new());
    for _ in 0..2 {
        let result = program.cycle(scope, |program, progress| {
            moments.push(progress.moment);
            forks += 1;
            let result = in_child(|| cycles_in_the_child(program));
            assert_eq!(result, Ok(()), "{scope:?}, at {progress:?}");
            store_before_the_stop(program, progress)
        });
        assert_eq!(result, Ok(()), "the parent's {scope:?} cycle");
    }
    for moment in [Moment::Consuming, Moment::Traced, Moment::Remarking] {
        assert!(moments.contains(&moment), "no fork at {moment:?}");
    }
    println!("{backend}, {scope:?}: {forks} forks");
}

#[test]
fn a_fork_at_any_moment_of_a_minor_cycle() {
    forks_at_every_moment(BackendKind::Uffd, Scope::Minor);
    forks_at_every_moment(BackendKind::Mprotect, Scope::Minor);
}

#[test]
fn a_fork_at_any_moment_of_a_full_cycle() {
    forks_at_every_moment(BackendKind::Uffd, Scope::Full);
    forks_at_every_moment(BackendKind::Mprotect, Scope::Full);
}

/// A full cycle consumes the page with the only reference to a new object, marks that object, and is
/// cut off by a fork. Runs `child` there.
fn after_a_full_cycle_was_cut_off(
    broken: Option<Rule>,
    child: fn(&mut Program) -> Result<(), String>,
) -> Result<(), String> {
    let mut program = Program::with_tracker(Some(BackendKind::Mprotect));
    *program.heap.shared.rules.broken.lock().unwrap() = broken;
    let mut result = None;
    let parent = program.cycle(Scope::Full, |program, progress| {
        if progress.moment == Moment::Traced && progress.traced == 2 {
            result = Some(in_child(|| child(program)));
        }
        store_after_the_trace(program, progress)
    });
    assert_eq!(parent, Ok(()), "the parent's cycle");
    result.expect("every full cycle is precleaned once")
}

#[test]
fn control_what_a_cycle_consumed_that_was_cut_off_is_owed() {
    // With `mprotect` that page is clean in the child, too, and the marks were thrown away.
    let child = |program: &mut Program| program.cycle(Scope::Minor, nothing_happens);
    assert_eq!(after_a_full_cycle_was_cut_off(None, child), Ok(()));
    let complaint = after_a_full_cycle_was_cut_off(Some(Rule::OweCutOff), child).unwrap_err();
    println!("without {:?}: {complaint}", Rule::OweCutOff);
    assert!(complaint.contains("is reachable and not marked"), "{complaint}");
}

#[test]
fn control_marks_of_a_cycle_that_was_cut_off_are_cleared() {
    let child = |program: &mut Program| {
        // The object that the cycle has marked is garbage now. Without a driver, as when the handle
        // was dropped, the heap is collected with the world stopped.
        set(program.last, 1, program.last);
        program.heap.shared.requests.shut_down();
        program.mutator.collect();
        Ok(())
    };
    assert_eq!(after_a_full_cycle_was_cut_off(None, child), Ok(()));
    let complaint = after_a_full_cycle_was_cut_off(Some(Rule::ClearCutOff), child).unwrap_err();
    println!("without {:?}: {complaint}", Rule::ClearCutOff);
    assert!(complaint.contains("is marked and not reachable"), "{complaint}");
}

/// An object with nothing but a weak reference to it, which a cycle has looked at that is cut off. The
/// next one, which looks at new cells only, must clear it.
fn a_weak_reference_in_the_child(broken: Option<Rule>) -> Result<(), String> {
    let mut program = Program::with_tracker(Some(BackendKind::Mprotect));
    *program.heap.shared.rules.broken.lock().unwrap() = broken;
    let (mut weak, mut result): (Option<Weak>, _) = (None, None);
    let parent = program.cycle(Scope::Minor, |program, progress| {
        if progress.is_first_preclean() {
            let object = program.fresh();
            weak = Some(program.heap.references().weak(object));
        }
        if progress.moment == Moment::Traced && progress.traced == 2 {
            let weak = weak.as_ref().expect("made before");
            result = Some(in_child(|| {
                program.cycle(Scope::Minor, nothing_happens)?;
                let cleared = weak.get(&program.mutator).is_none();
                if cleared { Ok(()) } else { Err("the reference was not cleared".to_owned()) }
            }));
        }
        Until::Parked
    });
    assert_eq!(parent, Ok(()), "the parent's cycle");
    assert_eq!(weak.expect("made before").get(&program.mutator), None);
    result.expect("every cycle is precleaned once")
}

#[test]
fn control_cells_that_a_cycle_has_looked_at_that_was_cut_off_are_looked_at_again() {
    assert_eq!(a_weak_reference_in_the_child(None), Ok(()));
    let complaint = a_weak_reference_in_the_child(Some(Rule::ListCutOff)).unwrap_err();
    println!("without {:?}: {complaint}", Rule::ListCutOff);
    assert!(complaint.contains("which is not marked"), "{complaint}");
}
