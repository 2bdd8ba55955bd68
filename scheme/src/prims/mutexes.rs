//! Mutexes (SRFI 18). All of this happens with the lock of the threads held.

use std::sync::Arc;

use super::threads::deadline;
use super::{Definition, predicate};
use crate::object::Type;
use crate::threads::{DONE, MUTEXES, STATE};
use crate::value::Value;

/// Slots of a mutex, after its name and what the program keeps there: whether it is locked, by which
/// thread if by one, the next mutex of that thread, and whether its thread ended while it was locked.
const LOCKED: usize = 2;
const OWNER: usize = 3;
const NEXT: usize = 4;
const ABANDONED: usize = 5;

pub(super) const TABLE: &[Definition] = &[
    ("mutex?", 1, 1, predicate!(|value| value.is(Type::Mutex))),
    ("%make-mutex", 1, 1, |vm, a| {
        let no = Value::FALSE;
        vm.object_with(Type::Mutex, &[a[0], no, no, no, no, no])
    }),
    // (%mutex-state mutex): the owner, #t if it is locked by none, #f if not locked, 0 if abandoned
    ("%mutex-state", 1, 1, |vm, a| {
        vm.expect("mutex-state", Type::Mutex, a[0])?;
        let shared = Arc::clone(&vm.shared);
        let _guard = vm.lock(&shared.threads.lock);
        Ok(match a[0].slot(OWNER) {
            _ if a[0].slot(ABANDONED).is_true() => Value::ZERO,
            Value::FALSE => a[0].slot(LOCKED),
            owner => owner,
        })
    }),
    // (%mutex-lock! mutex seconds owner): whether it was in time; 0 if it was abandoned before
    ("%mutex-lock!", 3, 3, |vm, a| {
        vm.expect("mutex-lock!", Type::Mutex, a[0])?;
        if a[2].is_true() {
            vm.expect("mutex-lock!", Type::Thread, a[2])?;
        }
        let (mutex, owner, deadline) = (a[0], a[2], deadline(vm, a[1])?);
        let mut abandoned = false;
        let locked = vm.wait_until(deadline, |_| {
            let free = !mutex.slot(LOCKED).is_true();
            if free {
                abandoned = mutex.slot(ABANDONED).is_true();
                lock(mutex, owner);
            }
            free
        })?;
        Ok(if abandoned { Value::ZERO } else { Value::boolean(locked) })
    }),
    ("%mutex-unlock!", 1, 1, |vm, a| {
        vm.expect("mutex-unlock!", Type::Mutex, a[0])?;
        let shared = Arc::clone(&vm.shared);
        let guard = vm.lock(&shared.threads.lock);
        unlock(a[0]);
        drop(guard);
        shared.threads.notify();
        Ok(Value::UNSPECIFIED)
    }),
];

/// Locks a mutex that is free, for a thread or for none (`#f`). With a thread that has ended it is
/// abandoned at once.
fn lock(mutex: Value, owner: Value) {
    let ended = owner.is_true() && owner.slot(STATE) == DONE;
    mutex.set_slot(ABANDONED, Value::boolean(ended));
    mutex.set_slot(LOCKED, Value::boolean(!ended));
    if owner.is_true() && !ended {
        mutex.set_slot(OWNER, owner);
        mutex.set_slot(NEXT, owner.slot(MUTEXES));
        owner.set_slot(MUTEXES, mutex);
    }
}

/// Unlocks a mutex, whoever has locked it.
pub(super) fn unlock(mutex: Value) {
    let owner = mutex.slot(OWNER);
    if owner.is_true() {
        let next = mutex.slot(NEXT);
        if owner.slot(MUTEXES) == mutex {
            owner.set_slot(MUTEXES, next);
        } else {
            let mut before = owner.slot(MUTEXES);
            while before.slot(NEXT) != mutex {
                before = before.slot(NEXT);
            }
            before.set_slot(NEXT, next);
        }
    }
    for slot in [LOCKED, OWNER, NEXT, ABANDONED] {
        mutex.set_slot(slot, Value::FALSE);
    }
}

/// Unlocks what a thread that has ended leaves locked. Who locks it next is told.
pub(crate) fn abandon_mutexes(thread: Value) {
    while thread.slot(MUTEXES).is_true() {
        let mutex = thread.slot(MUTEXES);
        unlock(mutex);
        mutex.set_slot(ABANDONED, Value::TRUE);
    }
}
