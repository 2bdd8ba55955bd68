//! Controls for weak references, ephemerons and guardians: see the parent module.
//!
//! What a test makes in the side tables lives as long as the program: [`Kept`] beside it.

use std::cell::RefCell;

use super::program::{Program, Until, set};
use super::{control, nothing};
use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};
use crate::references::{Ephemeron, Guardian, Weak, WeakOptions};
use crate::{Clearing, ObjectRef};

/// The handles of the test that this thread runs.
#[derive(Default)]
struct Kept {
    weak: Vec<Weak>,
    ephemeron: Option<Ephemeron>,
    guardian: Option<Guardian>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

fn kept<R>(use_it: impl FnOnce(&mut Kept) -> R) -> R {
    KEPT.with_borrow_mut(use_it)
}

/// A reference that is cleared when its object is gone for good.
fn late_weak(program: &Program, object: ObjectRef) -> Weak {
    let options = WeakOptions { clearing: Clearing::WhenGone, ..WeakOptions::default() };
    program.heap.references().weak_with(object, options)
}

/// An ephemeron whose key is an old object that stays.
fn add_ephemeron(program: &mut Program) {
    let value = program.fresh();
    let ephemeron = program.heap.references().ephemeron(program.last, value);
    kept(|kept| kept.ephemeron = Some(ephemeron));
}

fn set_value(value: ObjectRef) {
    kept(|kept| assert!(kept.ephemeron.as_ref().expect("it was made").set_value(value)));
}

#[test]
fn control_what_changed_in_the_side_tables_is_looked_at_in_the_last_stop() {
    control(Rule::SettleAgain, add_ephemeron, |program, progress| {
        if progress.is_first_remark() {
            set_value(program.fresh());
        }
        Until::Parked
    });
}

#[test]
fn control_references_to_the_dead_are_cleared() {
    control(Rule::ClearDead, nothing, |program, progress| {
        if progress.is_first_preclean() {
            let object = program.fresh();
            let weak = program.heap.references().weak(object);
            let late = late_weak(program, object);
            kept(|kept| kept.weak = vec![weak, late]);
        }
        Until::Parked
    });
}

/// An object is in a register all the while that nothing else refers to it.
#[test]
fn control_nothing_is_cleared_before_marking_is_complete() {
    control(Rule::DecideLast, nothing, |program, progress| {
        if progress.is_first_preclean() {
            let object = program.fresh();
            let weak = late_weak(program, object);
            kept(|kept| kept.weak = vec![weak]);
        }
        if progress.is_first_remark() {
            program.root.set(program.made.expect("made before"));
        }
        Until::Parked
    });
}

#[test]
fn control_what_was_handed_over_is_alive() {
    let add_guardian = |program: &mut Program| {
        let guardian = program.heap.references().guardian();
        kept(|kept| kept.guardian = Some(guardian));
    };
    control(Rule::KeepHanded, add_guardian, |program, progress| {
        if progress.is_first_preclean() {
            let object = program.fresh();
            kept(|kept| kept.guardian.as_ref().expect("made before").register(object));
        }
        Until::Parked
    });
}

#[test]
fn control_a_value_in_an_owned_block_is_left_alone() {
    control(Rule::RetiredValues, add_ephemeron, |program, progress| {
        if progress.is_first_preclean() {
            let object = program.unmade(64);
            set_value(object);
            program.made = Some(object);
            return Until::Running;
        }
        if progress.moment == Moment::Traced && progress.traced == 2 {
            program.make(program.made.expect("made before"));
        }
        Until::Parked
    });
}

/// What is read while the collector marks, and kept only where it cannot have looked since.
#[test]
fn an_upgrade_during_marking_keeps_the_object() {
    for scope in [Scope::Minor, Scope::Full] {
        let mut program = Program::new();
        let result = program.cycle(scope, |program, progress| {
            if progress.is_first_preclean() {
                let object = program.fresh();
                let weak = program.heap.references().weak(object);
                kept(|kept| kept.weak = vec![weak]);
            }
            if progress.is_first_remark() {
                let object = kept(|kept| kept.weak[0].get(program.mutator()));
                set(program.last, 1, object.expect("no stop has decided yet"));
            }
            Until::Parked
        });
        assert_eq!(result, Ok(()), "{scope:?}");
        let object = kept(|kept| kept.weak[0].get(program.mutator()));
        assert_eq!(object, program.made, "{scope:?}");
    }
}

/// A guarded list that is too long for a stop of 50 microseconds. The stop that hands it over gives
/// up, the program takes it while the cycle goes on, and nothing of it is lost.
#[test]
fn what_is_handed_over_by_a_stop_that_gives_up_is_whole() {
    const LENGTH: usize = 50_000;
    let mut program = Program::new();
    let references = program.heap.references();
    let guardian = references.guardian();
    let (mut first, mut taken, mut short) = (None, false, None);
    let result = program.cycle(Scope::Full, |program, progress| {
        if progress.is_first_preclean() {
            for _ in 0..LENGTH {
                let object = program.fresh();
                if let Some(next) = first {
                    set(object, 1, next);
                }
                first = Some(object);
            }
            let object = first.expect("the list is not empty");
            guardian.register(object);
            short = Some(references.weak(object));
        }
        if let Some(object) = guardian.take(program.mutator()) {
            taken = true;
            assert_eq!(Some(object), first);
            let weak = short.as_ref().expect("it was made");
            assert_eq!(weak.get(program.mutator()), None, "cleared when it was handed over");
            program.root.set(object);
        }
        Until::Parked
    });
    assert_eq!(result, Ok(()));
    assert!(taken, "the stop did not give up");
    let mut length = 0;
    let mut next = first;
    while let Some(object) = next {
        assert_eq!(program.heap.find_object(object.address()), Some(object));
        length += 1;
        // SAFETY: the only slot of an object of this list, which refers to the next one.
        next = unsafe { ObjectRef::from_address(object.slot(1).load()) };
    }
    assert_eq!(length, LENGTH);
}

/// A pass has looked at the cell when the program has its object handed over, to which nothing refers.
#[test]
fn what_the_program_has_handed_over_while_the_collector_marks_is_alive() {
    for scope in [Scope::Minor, Scope::Full] {
        let mut program = Program::new();
        let [guardian, other] = [0, 1].map(|_| program.heap.references().guardian());
        let last = program.last;
        other.register(last);
        let result = program.cycle(scope, |program, progress| {
            if progress.is_first_preclean() {
                guardian.register(program.fresh());
            }
            if progress.is_first_remark() {
                assert_eq!(guardian.hand_over_all(program.mutator()), 1);
            }
            Until::Parked
        });
        assert_eq!(result, Ok(()), "{scope:?}");
        assert_eq!(guardian.take(program.mutator()), program.made, "{scope:?}");
        drop(guardian);
        assert_eq!(other.pending(), 0, "what another guardian watches is alive");
        assert_eq!(other.hand_over_all(program.mutator()), 1);
        assert_eq!(other.take(program.mutator()), Some(last));
    }
}
