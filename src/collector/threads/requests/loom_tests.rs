//! The driver against mutators that ask: nobody waits for ever, and nobody goes on too early.

use loom::sync::Arc;

use super::*;
use crate::sync::model::{check, refute};

fn drive(requests: &Requests) {
    while requests.begin().is_some() {
        requests.end();
    }
}

/// Asks for a collection; if it was waited for, a cycle has ended that began afterwards.
fn collect(requests: &Requests, cause: Cause) {
    let before = requests.lock().begun;
    let wish = requests.ask(cause);
    let answer = loop {
        match requests.answer(wish) {
            Some(answer) => break answer,
            // Under loom the time is never up: only a notification ends this.
            None => requests.wait(wish, Duration::MAX),
        }
    };
    if answer == Answer::Served {
        assert!(requests.lock().ended > before, "the cycle began before it was asked for");
    }
}

fn spawn(
    requests: &Arc<Requests>,
    body: impl FnOnce(&Requests) + 'static,
) -> loom::thread::JoinHandle<()> {
    let requests = Arc::clone(requests);
    loom::thread::spawn(move || body(&requests))
}

/// A driver and two mutators that ask; all of them come to an end.
fn two_ask(cause: Cause) {
    let requests = Arc::new(Requests::default());
    let driver = spawn(&requests, drive);
    let other = spawn(&requests, move |requests| collect(requests, cause));
    collect(&requests, cause);
    other.join().unwrap();
    requests.shut_down();
    driver.join().unwrap();
}

#[test]
fn loom_a_request_waits_for_a_cycle_that_began_after_it() {
    check(Some(2), || two_ask(Cause::Request));
}

#[test]
fn loom_control_who_is_content_with_the_running_cycle_is_refuted() {
    refute("the cycle began before it was asked for", Some(2), || two_ask(Cause::Exhaustion));
}

/// The driver goes away, in some way, while two mutators ask.
fn the_end(end: fn(&Requests)) {
    let requests = Arc::new(Requests::default());
    let threads = [
        spawn(&requests, drive),
        spawn(&requests, |requests| collect(requests, Cause::Request)),
        spawn(&requests, |requests| collect(requests, Cause::Request)),
    ];
    end(&requests);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn loom_a_shut_down_lets_everybody_go() {
    check(Some(2), || the_end(Requests::shut_down));
}

#[test]
fn loom_control_a_shut_down_that_tells_nobody_is_refuted() {
    refute("deadlock", Some(2), || the_end(|requests| requests.lock().shut_down = true));
}

/// A mutator that nobody has told of a request, and a driver that has not looked.
#[test]
fn loom_control_a_request_that_wakes_nobody() {
    refute("deadlock", Some(2), || {
        let requests = Arc::new(Requests::default());
        let driver = spawn(&requests, |requests| assert!(requests.begin().is_some()));
        requests.lock().want(Scope::Full, Cause::Request);
        driver.join().unwrap();
    });
}

/// A driver that panics tells whoever waits.
#[test]
fn loom_a_driver_that_fails_lets_everybody_go() {
    check(Some(2), || {
        let requests = Arc::new(Requests::default());
        let driver = spawn(&requests, |requests| {
            if requests.begin().is_some() {
                requests.fail("on purpose".into());
            }
        });
        let other = spawn(&requests, |requests| collect(requests, Cause::Request));
        collect(&requests, Cause::Request);
        other.join().unwrap();
        driver.join().unwrap();
    });
}

/// The parent's driver vanishes at the fork, in the middle of a cycle or not; the child starts
/// another one.
fn fork(cut_off: fn(&mut HeldRequests<'_>)) {
    let requests = Arc::new(Requests::default());
    requests.ask(Cause::Request);
    let parents = spawn(&requests, |requests| {
        requests.begin();
    });
    let mut held = requests.hold();
    cut_off(&mut held);
    let (begun, ended) = (held.0.begun, held.0.ended);
    drop(held);
    if begun == 0 {
        // It would begin after the fork, and it is not there.
        return parents.join().unwrap();
    }
    parents.join().unwrap();
    let childs = spawn(&requests, drive);
    // The cycle that is going on in the parent: here it is over, or nobody will ever end it.
    let wish = requests.ask(Cause::Exhaustion);
    assert!(begun == ended, "waits for a cycle of the parent");
    while requests.answer(wish).is_none() {
        requests.wait(wish, Duration::MAX);
    }
    requests.shut_down();
    childs.join().unwrap();
}

#[test]
fn loom_a_child_waits_for_no_cycle_of_its_parent() {
    check(None, || fork(|held| held.cut_off()));
}

#[test]
fn loom_control_a_child_waits_for_the_parents_cycle() {
    refute("waits for a cycle of the parent", None, || fork(|_| ()));
}
