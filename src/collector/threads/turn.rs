//! A lock that is held for the whole of a collection, and that a forked child finds free.
//!
//! A fork does not wait for a collection to end, so in the child nobody would ever unlock a plain
//! mutex around what collections share. Whoever has the turn works on a copy, which counts when the
//! turn ends: a turn that was cut off by a fork leaves in the child what there was before it.

use std::ops::{Deref, DerefMut};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A value that one thread at a time may change.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    state: Mutex<State<T>>,
    ended: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    taken: bool,
    panicked: bool,
}

/// A thread panicked in its turn.
#[derive(Debug)]
pub(crate) struct Panicked;

impl<T: Clone> Turn<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = State { value, taken: false, panicked: false };
        Self { state: Mutex::new(state), ended: Condvar::new() }
    }

    /// Waits for the turn.
    pub(crate) fn lock(&self) -> Result<Taken<'_, T>, Panicked> {
        let mut state = self.state();
        while state.taken {
            state = self.ended.wait(state).expect("no panic under the lock of a turn");
        }
        self.take(state)
    }

    /// The turn, if nobody has it. `None` also after a panic.
    pub(crate) fn try_lock(&self) -> Option<Taken<'_, T>> {
        let state = self.state();
        if state.taken { None } else { self.take(state).ok() }
    }

    fn take(&self, mut state: MutexGuard<'_, State<T>>) -> Result<Taken<'_, T>, Panicked> {
        if state.panicked {
            return Err(Panicked);
        }
        state.taken = true;
        Ok(Taken { turn: self, value: state.value.clone() })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no panic under the lock of a turn")
    }

    /// Keeps the turn from beginning or ending, for a fork.
    pub(crate) fn hold(&self) -> HeldTurn<'_, T> {
        HeldTurn(self.state())
    }
}

/// The turn; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Taken<'a, T: Clone> {
    turn: &'a Turn<T>,
    value: T,
}

impl<T: Clone> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Clone> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Clone> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut state = self.turn.state();
        state.taken = false;
        state.panicked |= std::thread::panicking();
        state.value.clone_from(&self.value);
        drop(state);
        self.turn.ended.notify_all();
    }
}

/// Nobody's turn begins or ends.
#[derive(Debug)]
pub(crate) struct HeldTurn<'a, T>(MutexGuard<'a, State<T>>);

impl<T> HeldTurn<'_, T> {
    /// In a forked child: whoever had the turn is not here. Returns whether anybody had it.
    pub(crate) fn cut_off(&mut self) -> bool {
        std::mem::take(&mut self.0.taken)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_lost() {
        let turn = Turn::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| *turn.lock().unwrap() += 1));
            }
        });
        assert_eq!(*turn.lock().unwrap(), 4000);
    }

    #[test]
    fn a_turn_that_was_cut_off_has_changed_nothing() {
        let turn = Turn::new(1);
        let mut taken = turn.lock().unwrap();
        *taken = 2;
        assert!(turn.try_lock().is_none());
        assert!(turn.hold().cut_off());
        std::mem::forget(taken);
        assert_eq!(*turn.lock().unwrap(), 1);
        assert!(!turn.hold().cut_off());
    }

    #[test]
    fn a_panic_is_not_survived() {
        let turn = Turn::new(0);
        let panic = std::panic::catch_unwind(|| {
            let _taken = turn.lock().unwrap();
            panic!("on purpose");
        });
        assert!(panic.is_err());
        assert!(turn.lock().is_err() && turn.try_lock().is_none());
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
