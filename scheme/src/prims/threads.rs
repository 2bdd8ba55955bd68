//! Threads and condition variables: what the prelude makes SRFI 18 of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mutexes::unlock;
use super::{Definition, predicate};
use crate::object::Type;
use crate::threads::{DONE, DOOMED, FAILED, NEW, RESULT, RUNNING, STATE, end, is_first};
use crate::value::Value;
use crate::vm::{Outcome, Register, Vm};

/// Slots of a condition variable: name, specific, how many wait, and how many of them may go on.
const WAITING: usize = 2;
const SIGNALS: usize = 3;

pub(super) const TABLE: &[Definition] = &[
    ("thread?", 1, 1, predicate!(|value| value.is(Type::Thread))),
    ("condition-variable?", 1, 1, predicate!(|value| value.is(Type::ConditionVariable))),
    ("%make-thread", 2, 2, |vm, a| {
        if !a[0].is_closure() {
            return Err(vm.wrong_type("make-thread", "procedure made by lambda", a[0]));
        }
        vm.thread_object(a[0], a[1], NEW)
    }),
    ("current-thread", 0, 0, current_thread),
    ("%name", 1, 1, |_, a| Ok(a[0].slot(name_slot(a[0])))),
    ("%specific", 1, 1, |_, a| Ok(a[0].slot(name_slot(a[0]) + 1))),
    ("%set-specific!", 2, 2, |_, a| {
        a[0].set_slot(name_slot(a[0]) + 1, a[1]);
        Ok(Value::UNSPECIFIED)
    }),
    ("thread-start!", 1, 1, |vm, a| {
        vm.expect("thread-start!", Type::Thread, a[0])?;
        vm.start_thread(a[0])?;
        Ok(a[0])
    }),
    ("thread-yield!", 0, 0, |vm, _| {
        vm.mutator.blocking(std::thread::yield_now);
        Ok(Value::UNSPECIFIED)
    }),
    ("%thread-sleep!", 1, 1, |vm, a| {
        let deadline = deadline(vm, a[0])?;
        vm.wait_until(deadline, |_| false).map(|_| Value::UNSPECIFIED)
    }),
    ("thread-terminate!", 1, 1, terminate),
    // (%thread-wait thread seconds): whether it is done in time
    ("%thread-wait", 2, 2, |vm, a| {
        vm.expect("thread-join!", Type::Thread, a[0])?;
        let (thread, deadline) = (a[0], deadline(vm, a[1])?);
        vm.wait_until(deadline, |_| thread.slot(STATE) == DONE).map(Value::boolean)
    }),
    ("%thread-failed?", 1, 1, |_, a| Ok(a[0].slot(FAILED))),
    ("%thread-result", 1, 1, |_, a| Ok(a[0].slot(RESULT))),
    // (%mutex-unlock-and-wait! mutex condition seconds): whether it was signalled in time
    ("%mutex-unlock-and-wait!", 3, 3, unlock_and_wait),
    ("%make-condition-variable", 1, 1, |vm, a| {
        let slots = [a[0], Value::FALSE, Value::ZERO, Value::ZERO];
        vm.object_with(Type::ConditionVariable, &slots)
    }),
    ("condition-variable-signal!", 1, 1, |vm, a| signal(vm, a[0], 1)),
    ("condition-variable-broadcast!", 1, 1, |vm, a| signal(vm, a[0], i64::MAX)),
];

fn name_slot(value: Value) -> usize {
    usize::from(value.is(Type::Thread))
}

fn current_thread(vm: &mut Vm, _: &[Value]) -> Outcome {
    if vm.machine.get(Register::Thread).is_nil() {
        // The first thread gets its object when somebody asks.
        let name = vm.symbol("primordial")?;
        let thread = vm.thread_object(Value::FALSE, name, RUNNING)?;
        vm.machine.set(Register::Thread, thread);
        // From now on others can terminate it.
        let (shared, machine) = (Arc::clone(&vm.shared), Arc::clone(&vm.machine));
        vm.lock(&shared.threads.lock).insert(thread.address(), machine);
    }
    Ok(vm.machine.get(Register::Thread))
}

/// The time that is so many seconds away; `#f` is never.
pub(super) fn deadline(vm: &mut Vm, seconds: Value) -> Outcome<Option<Instant>> {
    if !seconds.is_true() {
        return Ok(None);
    }
    let seconds = vm.flonum_in("timeout", seconds)?.clamp(0.0, 1e9);
    Ok(Some(Instant::now() + Duration::from_secs_f64(seconds)))
}

fn unlock_and_wait(vm: &mut Vm, a: &[Value]) -> Outcome {
    vm.expect("mutex-unlock!", Type::Mutex, a[0])?;
    vm.expect("mutex-unlock!", Type::ConditionVariable, a[1])?;
    let (mutex, condition, deadline) = (a[0], a[1], deadline(vm, a[2])?);
    let shared = Arc::clone(&vm.shared);
    let mut begun = false;
    let add = |slot: usize, count: i64| {
        condition.set_slot(slot, Value::fixnum(condition.slot(slot).as_fixnum() + count));
    };
    let result = vm.wait_until(deadline, |vm| {
        if !begun {
            begun = true;
            unlock(mutex);
            vm.shared.threads.notify();
            add(WAITING, 1);
        }
        let signalled = condition.slot(SIGNALS).as_fixnum() > 0;
        if signalled {
            add(SIGNALS, -1);
            add(WAITING, -1);
        }
        signalled
    });
    if !matches!(result, Ok(true)) {
        // It waits no longer; a signal meant for it goes to nobody else by mistake.
        let _guard = vm.lock(&shared.threads.lock);
        add(WAITING, -1);
        let most = condition.slot(WAITING).as_fixnum().min(condition.slot(SIGNALS).as_fixnum());
        condition.set_slot(SIGNALS, Value::fixnum(most));
    }
    result.map(Value::boolean)
}

/// Lets at most `count` of those who wait go on.
fn signal(vm: &mut Vm, condition: Value, count: i64) -> Outcome {
    vm.expect("condition-variable-signal!", Type::ConditionVariable, condition)?;
    let shared = Arc::clone(&vm.shared);
    let guard = vm.lock(&shared.threads.lock);
    let signals = condition.slot(SIGNALS).as_fixnum().saturating_add(count);
    let signals = signals.min(condition.slot(WAITING).as_fixnum());
    condition.set_slot(SIGNALS, Value::fixnum(signals));
    drop(guard);
    shared.threads.notify();
    Ok(Value::UNSPECIFIED)
}

/// Ends another thread, and waits until it has ended.
fn terminate(vm: &mut Vm, a: &[Value]) -> Outcome {
    vm.expect("thread-terminate!", Type::Thread, a[0])?;
    let thread = a[0];
    if thread == vm.machine.get(Register::Thread) {
        return Err(vm.interruption());
    }
    let shared = Arc::clone(&vm.shared);
    let machines = vm.lock(&shared.threads.lock);
    match machines.get(&thread.address()) {
        Some(machine) => machine.interrupt(),
        None if thread.slot(STATE) == NEW => end(thread, Value::FALSE, true),
        None if thread.slot(STATE) != DONE => thread.set_slot(STATE, DOOMED),
        None => {}
    }
    drop(machines);
    shared.threads.notify();
    // The first thread ends with the process, or goes on at the prompt.
    let first = is_first(thread);
    vm.wait_until(None, |_| first || thread.slot(STATE) == DONE).map(|_| Value::UNSPECIFIED)
}
