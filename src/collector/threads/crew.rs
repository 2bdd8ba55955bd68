//! The crew: threads that help with a collector's work, and mutators that lend a hand.
//!
//! One thread leads: it runs a job, and whoever else is there runs it, too, until the leader's part
//! is done. Helpers are threads of the heap's own, which sleep in between. A mutator that would
//! otherwise wait can assist for a while. The leader goes on when everybody has left the job, so a
//! job may borrow from the leader's stack.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Who takes part in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A thread of the heap's own.
    Helper,
    /// A mutator, which wants to go on at that time.
    Assistant(Instant),
}

type Work<'a> = dyn Fn(Role) + Sync + 'a;

/// A job of a leader that waits for everybody to leave it.
#[derive(Clone, Copy)]
struct Job(*const Work<'static>);

// SAFETY: what it points to is Sync.
unsafe impl Send for Job {}

/// The crew of one heap.
#[derive(Default)]
pub(crate) struct Crew {
    state: Mutex<State>,
    /// Signalled when there is a job for helpers, or when they are to end.
    called: Condvar,
    /// Signalled when there is a job where assistance is welcome, and when there will be none.
    welcome: Condvar,
    /// Signalled when somebody leaves a job.
    left: Condvar,
    /// Whether there is a job where assistance is welcome: a hint, for threads that spin.
    open: AtomicBool,
    /// Whether there will be one soon: whoever spins goes on.
    expected: AtomicBool,
}

/// Which job it was. When an assistant comes back from one before its time is up, there is nothing left
/// to do in it, though its leader may not have ended it yet: it does not ask for that one again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct JobNumber(pub(crate) u64);

#[derive(Default)]
struct State {
    job: Option<Job>,
    number: JobNumber,
    /// Helpers that the job still wants.
    openings: usize,
    inside: usize,
    assistance: bool,
    panic: Option<Box<dyn Any + Send>>,
    shut_down: bool,
}

impl State {
    /// The job that is open to an assistant who was in `last`.
    fn open_to(&self, last: JobNumber) -> Option<Job> {
        self.job.filter(|_| self.assistance && self.number != last)
    }
}

impl Crew {
    /// Runs `lead` on the calling thread, and beside it `work` on up to `helpers` others, and on
    /// mutators that [assist](Self::assist) if `assistance` is welcome. Returns when all are done.
    ///
    /// A job must end by itself when the leader's part does.
    ///
    /// # Panics
    /// With the panic of a helper, when all are done.
    pub(crate) fn run<R>(
        &self,
        helpers: usize,
        assistance: bool,
        work: &Work<'_>,
        lead: impl FnOnce() -> R,
    ) -> R {
        let work = std::ptr::from_ref(work);
        // SAFETY: only the lifetime changes. `Ending` waits until nobody has the job any more,
        // before this function returns or unwinds, so the borrow lives longer than its use.
        let job =
            Job(unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) });
        let mut state = self.lock();
        debug_assert!(state.job.is_none(), "a crew has one job at a time");
        (state.job, state.openings, state.assistance) = (Some(job), helpers, assistance);
        state.number.0 += 1;
        self.open.store(assistance, Ordering::Relaxed);
        drop(state);
        for _ in 0..helpers {
            self.called.notify_one();
        }
        if assistance {
            self.welcome.notify_all();
        }
        let ending = Ending(self);
        let result = lead();
        drop(ending);
        let panic = self.lock().panic.take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        result
    }

    /// Takes part in the job that is going on, if assistance is welcome there and it is not the `last`
    /// one, which is done, until `deadline`. Returns whether it did.
    pub(crate) fn assist(&self, deadline: Instant, last: &mut JobNumber) -> bool {
        let mut state = self.lock();
        let Some(job) = state.open_to(*last) else { return false };
        state.inside += 1;
        let number = state.number;
        drop(state);
        self.take_part(job, Role::Assistant(deadline));
        if Instant::now() < deadline {
            *last = number;
        }
        true
    }

    /// As [`assist`](Self::assist), for a thread that spins until the end of a stop: without a look at the
    /// lock where there is no job. Whether it had better go on spinning, as a job is to come.
    #[inline]
    pub(crate) fn assist_spinning(&self, time: Duration, last: &mut JobNumber) -> bool {
        if self.open.load(Ordering::Relaxed) {
            self.assist(Instant::now() + time, last);
        }
        self.expected.load(Ordering::Relaxed)
    }

    /// Says that a job where assistance is welcome will come soon, or has come.
    pub(crate) fn expect_job(&self, expected: bool) {
        self.expected.store(expected, Ordering::Relaxed);
    }

    /// Waits until assistance is welcome in another job than the `last`, or until `deadline`; not if no
    /// job `is_expected`. When that changes, [`send_away`](Self::send_away) is to be called.
    pub(crate) fn await_job(
        &self,
        deadline: Instant,
        last: JobNumber,
        is_expected: impl FnOnce() -> bool,
    ) {
        let state = self.lock();
        let time = deadline.saturating_duration_since(Instant::now());
        if state.open_to(last).is_none() && !time.is_zero() && is_expected() {
            drop(self.welcome.wait_timeout(state, time).expect("no panic under the crew's lock"));
        }
    }

    /// Ends the waiting of those who await a job: none is expected any more.
    pub(crate) fn send_away(&self) {
        // Who has found before that one is expected waits by now.
        drop(self.lock());
        self.welcome.notify_all();
    }

    /// The life of a helper.
    pub(crate) fn help(&self) {
        let mut state = self.lock();
        while !state.shut_down {
            match state.job {
                Some(job) if state.openings > 0 => {
                    state.openings -= 1;
                    state.inside += 1;
                    drop(state);
                    self.take_part(job, Role::Helper);
                    state = self.lock();
                }
                _ => state = self.called.wait(state).expect("no panic under the crew's lock"),
            }
        }
    }

    /// Has the helpers end.
    pub(crate) fn shut_down(&self) {
        self.lock().shut_down = true;
        self.called.notify_all();
    }

    /// Keeps jobs from beginning and ending, for a fork.
    pub(crate) fn hold(&self) -> HeldCrew<'_> {
        HeldCrew(self.lock())
    }

    fn take_part(&self, job: Job, role: Role) {
        // SAFETY: the caller is counted as inside, so the leader has not returned.
        let work = unsafe { &*job.0 };
        let result = catch_unwind(AssertUnwindSafe(|| work(role)));
        let mut state = self.lock();
        state.inside -= 1;
        state.panic = result.err().or(state.panic.take());
        drop(state);
        self.left.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the crew's lock")
    }
}

/// No job begins or ends, and nobody joins or leaves one.
pub(crate) struct HeldCrew<'a>(MutexGuard<'a, State>);

impl HeldCrew<'_> {
    /// In a forked child: neither the leader of a job nor anybody in it is here.
    pub(crate) fn cut_off(&mut self) {
        (self.0.job, self.0.openings, self.0.inside) = (None, 0, 0);
    }
}

/// Ends a job, also when its leader panics.
struct Ending<'a>(&'a Crew);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        (state.job, state.openings) = (None, 0);
        self.0.open.store(false, Ordering::Relaxed);
        while state.inside > 0 {
            state = self.0.left.wait(state).expect("no panic under the crew's lock");
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
