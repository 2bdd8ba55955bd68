//! Turns against each other, and against a fork that cuts one off.

use loom::sync::Arc;

use super::*;
use crate::sync::model::{check, refute};

#[test]
fn loom_turns_follow_each_other() {
    check(None, || {
        let turn = Arc::new(Turn::new(0));
        let other = loom::thread::spawn({
            let turn = Arc::clone(&turn);
            move || *turn.lock().unwrap() += 1
        });
        *turn.lock().unwrap() += 1;
        if let Some(mut taken) = turn.try_lock() {
            *taken += 1;
        }
        other.join().unwrap();
        assert!((2..=3).contains(&*turn.lock().unwrap()));
    });
}

/// A thread that takes its turn and is not in the child; one that is waits for its own.
fn fork(cut_off: fn(&mut HeldTurn<'_, usize>)) {
    let turn = Arc::new(Turn::new(0));
    let mut parents = turn.lock().unwrap();
    *parents = 1;
    let childs = loom::thread::spawn({
        let turn = Arc::clone(&turn);
        move || assert_eq!(*turn.lock().unwrap(), 0, "half a turn counts")
    });
    cut_off(&mut turn.hold());
    std::mem::forget(parents);
    // In the child nobody is waiting yet when a turn is cut off; here somebody may be.
    turn.ended.notify_all();
    childs.join().unwrap();
}

#[test]
fn loom_a_child_finds_the_turn_free() {
    check(None, || {
        fork(|held| {
            held.cut_off();
        });
    });
}

#[test]
fn loom_control_a_child_waits_for_the_parents_turn() {
    refute("deadlock", None, || fork(|_| ()));
}
