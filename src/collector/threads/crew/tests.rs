//! Who may take part in a job, and until when one waits for it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::*;

/// A crew with so many helpers, which are gone when `body` has returned.
fn with_helpers(count: usize, body: impl FnOnce(&Crew)) {
    struct AtEnd<'a>(&'a Crew);
    impl Drop for AtEnd<'_> {
        fn drop(&mut self) {
            self.0.shut_down();
        }
    }
    let crew = Crew::default();
    std::thread::scope(|scope| {
        let end = AtEnd(&crew);
        for _ in 0..count {
            scope.spawn(|| crew.help());
        }
        body(&crew);
        drop(end);
    });
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

/// Takes part in any job.
fn assist(crew: &Crew, deadline: Instant) -> bool {
    crew.assist(deadline, &mut JobNumber::default())
}

#[test]
fn a_job_has_as_many_helpers_as_it_wants_and_no_more() {
    with_helpers(2, |crew| {
        for wanted in [1, 2, 1, 0, 2] {
            let (here, came) = (Barrier::new(wanted + 1), AtomicUsize::new(0));
            let work = |role| {
                assert_eq!(role, Role::Helper);
                came.fetch_add(1, Relaxed);
                here.wait();
            };
            crew.run(wanted, true, &work, || here.wait());
            assert_eq!(came.into_inner(), wanted);
        }
    });
}

#[test]
fn a_mutator_assists_where_it_is_welcome_and_says_until_when() {
    let (crew, time) = (Crew::default(), later());
    let roles = Mutex::new(Vec::new());
    let work = |role| roles.lock().unwrap().push(role);
    assert!(!assist(&crew, time), "there is no job");
    crew.run(0, false, &work, || assert!(!assist(&crew, time), "it is not welcome"));
    crew.run(0, true, &work, || assert!(assist(&crew, time)));
    assert!(!assist(&crew, time), "the job is over");
    assert_eq!(*roles.lock().unwrap(), [Role::Assistant(time)]);
}

#[test]
fn nobody_waits_for_a_job_that_is_there_or_for_none_beyond_the_deadline() {
    let crew = Crew::default();
    crew.await_job(Instant::now(), JobNumber::default(), || true);
    crew.await_job(Instant::now() + Duration::from_millis(1), JobNumber::default(), || true);
    crew.await_job(later(), JobNumber::default(), || false);
    crew.run(0, true, &|_| (), || crew.await_job(later(), JobNumber::default(), || true));
    // One where assistance is not welcome is none.
    crew.run(0, false, &|_| (), || {
        let soon = Instant::now() + Duration::from_millis(1);
        crew.await_job(soon, JobNumber::default(), || true);
    });
}

#[test]
fn an_assistant_does_not_come_back_to_a_job_that_is_done() {
    let (crew, mut last) = (Crew::default(), JobNumber::default());
    crew.run(0, true, &|_| (), || {
        assert!(crew.assist(later(), &mut last));
        assert!(!crew.assist(later(), &mut last));
        crew.await_job(Instant::now() + Duration::from_millis(1), last, || true);
    });
    crew.run(0, true, &|_| (), || assert!(crew.assist(later(), &mut last), "another one"));
    // One that it has left because its time was up is not done.
    crew.run(0, true, &|_| (), || {
        assert!(crew.assist(Instant::now(), &mut last) && crew.assist(later(), &mut last));
    });
}

#[test]
fn a_panic_of_who_takes_part_is_the_leaders_when_all_are_done() {
    with_helpers(1, |crew| {
        let here = Barrier::new(2);
        let work = |_| {
            here.wait();
            panic!("in a helper");
        };
        let lead = || crew.run(1, false, &work, || here.wait());
        let panic = catch_unwind(AssertUnwindSafe(lead)).expect_err("it panics");
        assert_eq!(panic.downcast_ref(), Some(&"in a helper"));
        // The helper is still there.
        crew.run(1, false, &|_| _ = here.wait(), || here.wait());
    });
}

#[test]
fn a_child_has_neither_the_job_nor_who_is_in_it() {
    let crew = Crew::default();
    let work = |_| {
        // Who is in the job is not in the child, nor is its leader.
        crew.hold().cut_off();
        assert!(!assist(&crew, later()), "there is no job");
        assert_eq!(crew.lock().inside, 0);
        // Here it is after all, and will leave.
        crew.lock().inside = 1;
    };
    crew.run(0, true, &work, || assert!(assist(&crew, later())));
    crew.run(0, true, &|_| (), || assert!(assist(&crew, later())));
}

#[test]
fn a_thread_that_spins_takes_part_once_in_each_job_where_assistance_is_welcome() {
    let (crew, mut last, parts) = (Crew::default(), JobNumber::default(), AtomicUsize::new(0));
    let work = |_| _ = parts.fetch_add(1, Relaxed);
    let mut spin =
        || (0..3).for_each(|_| _ = crew.assist_spinning(Duration::from_secs(3600), &mut last));
    spin();
    crew.run(0, false, &work, &mut spin);
    assert_eq!(parts.load(Relaxed), 0, "it was not welcome");
    for jobs in 1..=2 {
        crew.run(0, true, &work, &mut spin);
        assert_eq!(parts.load(Relaxed), jobs);
    }
    spin();
    assert_eq!(parts.load(Relaxed), 2, "the jobs are over");
}

#[test]
fn a_thread_that_spins_is_told_that_a_job_is_to_come() {
    let (crew, mut last) = (Crew::default(), JobNumber::default());
    for expected in [true, false] {
        crew.expect_job(expected);
        assert_eq!(crew.assist_spinning(Duration::ZERO, &mut last), expected);
    }
}
