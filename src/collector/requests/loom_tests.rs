//! The driver against mutators that ask: nobody waits for ever, and nobody goes on too early.

use loom::sync::Arc;

use super::*;

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
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        let requests = Arc::new(Requests::default());
        let driver = spawn(&requests, drive);
        let other = spawn(&requests, move |requests| collect(requests, cause));
        collect(&requests, cause);
        other.join().unwrap();
        requests.shut_down();
        driver.join().unwrap();
    });
}

#[test]
fn loom_a_request_waits_for_a_cycle_that_began_after_it() {
    two_ask(Cause::Request);
}

#[test]
fn loom_control_who_is_content_with_the_running_cycle_is_refuted() {
    let refuted = std::panic::catch_unwind(|| two_ask(Cause::Exhaustion));
    assert!(refuted.is_err(), "loom accepts a cycle that began before");
}

/// The driver goes away while two mutators ask. With `silent` nobody is told.
fn shut_down_in_the_middle(silent: bool) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        let requests = Arc::new(Requests::default());
        let threads = [
            spawn(&requests, drive),
            spawn(&requests, |requests| collect(requests, Cause::Request)),
            spawn(&requests, |requests| collect(requests, Cause::Request)),
        ];
        if silent {
            requests.lock().shut_down = true;
        } else {
            requests.shut_down();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn loom_a_shut_down_lets_everybody_go() {
    shut_down_in_the_middle(false);
}

/// A deadlock ends the process that has the model, so this one has it in a child.
#[test]
fn loom_control_a_shut_down_that_tells_nobody_is_refuted() {
    const IN_CHILD: &str = "STRANDLINE_LOOM_CHILD";
    if std::env::var_os(IN_CHILD).is_some() {
        return shut_down_in_the_middle(true);
    }
    let name = std::thread::current().name().expect("a test has its name").to_owned();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", "--nocapture", &name]).env(IN_CHILD, "1").output().unwrap();
    let complaint = String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success(), "loom accepts a thread that waits for ever");
    assert!(complaint.contains("deadlock"), "{complaint}");
}
