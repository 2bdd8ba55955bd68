//! The driver against mutators that ask: nobody waits for ever, and nobody goes on too early.

use std::sync::atomic::{AtomicBool, AtomicU64};

use loom::sync::Arc;

use super::*;

/// Cycles that have begun. Not a part of the model: only its order under the request lock matters.
type Begun = Arc<AtomicU64>;

const ORDER: std::sync::atomic::Ordering = std::sync::atomic::Ordering::SeqCst;

fn drive(requests: &Requests, begun: &AtomicU64) {
    while requests.begin().is_some() {
        begun.fetch_add(1, ORDER);
        requests.end();
    }
}

/// Asks for a collection; whether a cycle that began afterwards has ended.
fn collect(requests: &Requests, begun: &AtomicU64) -> bool {
    let before = begun.load(ORDER);
    match requests.ask(Cause::Request, false) {
        Answer::Waited(_) => {
            assert!(begun.load(ORDER) > before, "the cycle began before it was asked for");
            true
        }
        _ => false,
    }
}

fn spawn(
    requests: &Arc<Requests>,
    begun: &Begun,
    body: fn(&Requests, &AtomicU64),
) -> loom::thread::JoinHandle<()> {
    let (requests, begun) = (Arc::clone(requests), Arc::clone(begun));
    loom::thread::spawn(move || body(&requests, &begun))
}

#[test]
fn loom_a_request_waits_for_a_cycle_that_began_after_it() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (requests, begun) = (Arc::new(Requests::default()), Begun::default());
        let driver = spawn(&requests, &begun, drive);
        let other = spawn(&requests, &begun, |requests, begun| {
            assert!(collect(requests, begun));
        });
        assert!(collect(&requests, &begun));
        other.join().unwrap();
        requests.shut_down();
        driver.join().unwrap();
    });
}

/// The negative control: whoever shuts the driver down tells nobody.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Both models read `SILENT`.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn shut_down_in_the_middle() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (requests, begun) = (Arc::new(Requests::default()), Begun::default());
        let driver = spawn(&requests, &begun, drive);
        let other = spawn(&requests, &begun, |requests, begun| {
            collect(requests, begun);
        });
        if SILENT.load(ORDER) {
            requests.lock().shut_down = true;
        } else {
            requests.shut_down();
        }
        other.join().unwrap();
        driver.join().unwrap();
    });
}

#[test]
fn loom_a_shut_down_lets_everybody_go() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    SILENT.store(false, ORDER);
    shut_down_in_the_middle();
}

#[test]
fn loom_control_a_shut_down_that_tells_nobody_is_refuted() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    SILENT.store(true, ORDER);
    let refuted = std::panic::catch_unwind(shut_down_in_the_middle);
    SILENT.store(false, ORDER);
    assert!(refuted.is_err(), "loom accepts a thread that waits for ever");
}
