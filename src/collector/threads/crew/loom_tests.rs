//! A leader, a helper and an assistant: the leader goes on when nobody is in the job any more, and
//! has what they did; who waits for a job hears of it.

use std::time::{Duration, Instant};

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::sync::model::{check, refute};

/// One place for each who may take part, written without synchronisation.
struct Places([UnsafeCell<usize>; 2]);

// SAFETY: each place is written by one thread, and read by the leader; loom checks the rest.
unsafe impl Sync for Places {}

fn place(role: Role) -> usize {
    usize::from(role != Role::Helper)
}

/// Runs a job with a leader of either kind; everybody counts in a place of its own.
fn job(run: fn(&Crew, &Work<'_>)) {
    let crew = Arc::new(Crew::default());
    let helper = loom::thread::spawn({
        let crew = Arc::clone(&crew);
        move || crew.help()
    });
    let assistant = loom::thread::spawn({
        let crew = Arc::clone(&crew);
        move || crew.assist(Instant::now(), &mut JobNumber::default())
    });
    let places = Places([UnsafeCell::new(0), UnsafeCell::new(0)]);
    let parts = AtomicUsize::new(0);
    let all = &places;
    let work = |role| {
        // SAFETY: nobody else writes this place.
        all.0[place(role)].with_mut(|place| unsafe { *place += 1 });
        parts.fetch_add(1, Relaxed);
    };
    run(&crew, &work);
    // SAFETY: nobody is in the job any more.
    let done: usize = places.0.iter().map(|p| p.with(|place| unsafe { *place })).sum();
    assert_eq!(done, parts.load(Relaxed));
    crew.shut_down();
    helper.join().unwrap();
    assistant.join().unwrap();
    assert_eq!(done, parts.load(Relaxed), "somebody was in the job after its end");
}

#[test]
fn loom_a_leader_has_what_everybody_did_and_nobody_is_left_in_the_job() {
    check(Some(3), || job(|crew, work| crew.run(1, true, work, || ())));
}

#[test]
fn loom_control_a_leader_that_waits_for_nobody() {
    refute("Causality violation", Some(3), || {
        job(|crew, work| {
            // SAFETY: none; that is the control. The job outlives everybody here all the same.
            let work: *const Work<'static> =
                unsafe { std::mem::transmute(std::ptr::from_ref(work)) };
            let mut state = crew.lock();
            (state.job, state.openings, state.assistance) = (Some(Job(work)), 1, true);
            drop(state);
            crew.called.notify_one();
            let mut state = crew.lock();
            (state.job, state.openings) = (None, 0);
        });
    });
}

/// A job that is over soon, perhaps before the assistant is there, and another one that does not end
/// before it has taken part.
fn awaited_job(
    run: impl Fn(&Crew, &Work<'_>, &dyn Fn()),
    wait: impl Fn(&Crew, Instant, JobNumber) + Send + 'static,
) {
    let crew = Arc::new(Crew::default());
    let helped = Arc::new((Mutex::new(false), Condvar::new()));
    let assistant = loom::thread::spawn({
        let (crew, helped) = (Arc::clone(&crew), Arc::clone(&helped));
        // Time does not pass: only who is told of a job stops waiting.
        let later = Instant::now() + Duration::from_secs(3600);
        move || {
            let mut last = JobNumber::default();
            while !*helped.0.lock().unwrap() {
                if !crew.assist(later, &mut last) {
                    wait(&crew, later, last);
                }
            }
        }
    });
    run(&crew, &|_| (), &|| ());
    let work = |_| {
        *helped.0.lock().unwrap() = true;
        helped.1.notify_one();
    };
    run(&crew, &work, &|| {
        let mut done = helped.0.lock().unwrap();
        while !*done {
            done = helped.1.wait(done).unwrap();
        }
    });
    assistant.join().unwrap();
}

fn expecting(crew: &Crew, later: Instant, last: JobNumber) {
    crew.await_job(later, last, || true);
}

#[test]
fn loom_who_waits_for_a_job_hears_of_it() {
    let run = |crew: &Crew, work: &Work<'_>, lead: &dyn Fn()| crew.run(0, true, work, lead);
    check(None, move || awaited_job(run, expecting));
}

#[test]
fn loom_control_a_job_that_nobody_who_waits_is_told_of() {
    // Assistance is welcome, but only when whoever waits has been told already.
    let silent = |crew: &Crew, work: &Work<'_>, lead: &dyn Fn()| {
        crew.run(0, false, work, || {
            crew.lock().assistance = true;
            lead();
        });
    };
    refute("deadlock", None, move || awaited_job(silent, expecting));
}

#[test]
fn loom_control_waiting_for_a_job_that_has_begun() {
    let blindly = |crew: &Crew, _, _| drop(crew.welcome.wait(crew.lock()).unwrap());
    refute("deadlock", None, move || {
        awaited_job(|crew, work, lead| crew.run(0, true, work, lead), blindly);
    });
}

/// Somebody waits for a job, of which there will be none.
fn no_job(send_away: fn(&Crew)) {
    let (crew, expected) = (Arc::new(Crew::default()), Arc::new(AtomicBool::new(true)));
    let assistant = loom::thread::spawn({
        let (crew, expected) = (Arc::clone(&crew), Arc::clone(&expected));
        let later = Instant::now() + Duration::from_secs(3600);
        move || {
            while expected.load(Relaxed) {
                crew.await_job(later, JobNumber::default(), || expected.load(Relaxed));
            }
        }
    });
    expected.store(false, Relaxed);
    send_away(&crew);
    assistant.join().unwrap();
}

#[test]
fn loom_nobody_waits_for_a_job_that_will_not_be() {
    check(None, || no_job(Crew::send_away));
}

#[test]
fn loom_control_sending_away_who_is_about_to_wait() {
    refute("deadlock", None, || no_job(|crew| crew.welcome.notify_all()));
}
