//! Waking the sweeper: it misses no call, and it ends.

use loom::sync::Arc;

use super::*;
use crate::sync::model::{check, refute};

/// Work is there and the sweeper is called; then the heap goes away. Whatever was called for before
/// the end is done, or the end came first.
fn wake(begin: fn(&Sweeping), shut_down: fn(&Sweeping)) {
    let sweeping = Arc::new(Sweeping::default());
    let sweeper = loom::thread::spawn({
        let sweeping = Arc::clone(&sweeping);
        move || {
            let mut batches = 0;
            while let Some(Wake::Sweep) = sweeping.wait(None) {
                batches += 1;
            }
            assert!(sweeping.is_shut_down());
            batches
        }
    });
    begin(&sweeping);
    begin(&sweeping);
    shut_down(&sweeping);
    assert!(sweeper.join().unwrap() <= 2, "swept and was not called");
}

/// One call that must be heard: nothing else happens.
fn call(begin: fn(&Sweeping)) {
    let sweeping = Arc::new(Sweeping::default());
    let sweeper = loom::thread::spawn({
        let sweeping = Arc::clone(&sweeping);
        move || assert!(matches!(sweeping.wait(None), Some(Wake::Sweep | Wake::Populate)))
    });
    begin(&sweeping);
    sweeper.join().unwrap();
}

/// Both calls, from two threads: whoever is woken by the one that counts less does not lose the other.
fn two_calls() {
    let sweeping = Arc::new(Sweeping::default());
    let mutator = loom::thread::spawn({
        let sweeping = Arc::clone(&sweeping);
        move || sweeping.populate()
    });
    let sweeper = loom::thread::spawn({
        let sweeping = Arc::clone(&sweeping);
        move || while !matches!(sweeping.wait(None), Some(Wake::Sweep)) {}
    });
    sweeping.begin();
    mutator.join().unwrap();
    sweeper.join().unwrap();
}

#[test]
fn loom_the_sweeper_hears_every_call_and_the_end() {
    check(None, || wake(Sweeping::begin, Sweeping::shut_down));
    check(None, || call(Sweeping::begin));
    check(None, || call(Sweeping::populate));
    check(None, two_calls);
}

#[test]
fn loom_control_the_sweeper_is_called_and_not_woken() {
    refute("deadlock", None, || call(|sweeping| sweeping.lock().sweep = true));
}

#[test]
fn loom_control_the_sweeper_is_told_of_the_end_without_its_lock() {
    refute("deadlock", None, || {
        wake(
            |_| (),
            |sweeping| {
                sweeping.shut_down.store(true, Ordering::Relaxed);
                sweeping.changed.notify_one();
            },
        );
    });
}
