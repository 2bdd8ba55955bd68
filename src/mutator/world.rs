//! Safepoints: how the collector stops the threads of the program, and lets them go on.
//!
//! One word for each thread holds the whole protocol:
//!
//! ```text
//!            stop requested                     park
//!  RUNNING ─────────────────▶ RUNNING|STOP ───────────▶ PARKED|STOP
//!     │ ▲                                                  │  ▲
//!     │ └───────────── unpark ──────────── PARKED ◀────────┘  │
//!     └───────────────── park ────────────▶  │  stop requested │
//!                                            └────────────────┘
//! ```
//!
//! A thread that is parked touches no object and no allocation buffer, whether it waits at a
//! safepoint or is in a blocking region. It may leave that state only while no stop is requested.
//! Because request and state are bits of one word, a thread cannot leave a blocking region and a
//! collector believe it parked at the same time; no fence is needed for that.
//!
//! Who is to run again and finds the world stopped waits without sleeping at first (a third bit, LINGERS)
//! where there is a processor for that: most stops are shorter than being woken takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::os::limits::processors;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, spin_loop};

const STOP: usize = 1;
const PARKED: usize = 2;
/// Of a thread that is parked: it waits for the end of the stop without sleeping.
const LINGERS: usize = 4;

/// How long a collector waits for safepoints without sleeping: most threads need less.
const SPIN: Duration = Duration::from_micros(40);

/// How long a mutator waits for the end of a stop without sleeping: most stops are over by then.
const LINGER: Duration = Duration::from_micros(100);

/// A thread's part of the protocol, with `T`: what else the collector has to know of the thread.
#[derive(Debug)]
pub(crate) struct Thread<T> {
    word: AtomicUsize,
    /// Shared, so that no memory is asked for under a lock.
    name: Arc<str>,
    pub(crate) local: T,
}

impl<T> Thread<T> {
    /// The name that it attached with.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the thread should park: one load and a branch.
    #[inline]
    pub(crate) fn should_park(&self) -> bool {
        self.word.load(Ordering::Relaxed) & STOP != 0
    }

    fn is_parked(&self) -> bool {
        self.word.load(Ordering::Acquire) & PARKED != 0
    }

    fn lingers(&self) -> bool {
        self.word.load(Ordering::Relaxed) & LINGERS != 0
    }

    fn exchange(&self, before: usize, after: usize) -> bool {
        self.word.compare_exchange(before, after, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Waits for a short time without sleeping for the end of the stop, and calls `help` meanwhile again and
    /// again; for longer while that says so. Whether the thread runs.
    fn linger(&self, mut help: impl FnMut() -> bool) -> bool {
        if !self.exchange(PARKED | STOP, PARKED | STOP | LINGERS) {
            return false;
        }
        let start = Instant::now();
        loop {
            if self.exchange(PARKED | LINGERS, 0) {
                return true;
            }
            let is_wanted = help();
            if cfg!(loom) || !is_wanted && start.elapsed() > LINGER {
                self.word.fetch_and(!LINGERS, Ordering::Relaxed);
                return false;
            }
            spin_loop();
        }
    }
}

/// Waits for a short time without sleeping until all of `threads` are parked: who sleeps may run late
/// itself, and the world stands for longer. Returns the one that was last, and when it was seen.
fn spin_until_parked<T>(threads: &[Arc<Thread<T>>]) -> Option<(Arc<str>, Instant)> {
    let (start, mut slowest) = (Instant::now(), None);
    while let Some(running) = threads.iter().find(|thread| !thread.is_parked()) {
        slowest = Some(running);
        // It may need this processor.
        if start.elapsed() > SPIN {
            return None;
        }
        spin_loop();
    }
    slowest.map(|thread| (Arc::clone(&thread.name), Instant::now()))
}

/// The threads of a heap.
#[derive(Debug)]
pub(crate) struct World<T> {
    state: Mutex<State<T>>,
    /// Signalled when a thread parks that was asked to, and when the last of those that waited runs
    /// again.
    parked: Condvar,
    /// Signalled when the world is resumed: to one thread, which wakes the next when it runs. Had they
    /// all been woken at once, the scheduler would have put them on the processors that were idle before
    /// the first one ran: two on one, and nobody on the collector's, until the next tick.
    resumed: Condvar,
    /// Whether there is a processor for each thread, as a hint: a thread that
    /// waits without sleeping keeps nobody from running.
    has_processors: AtomicBool,
    processors: usize,
}

#[derive(Debug)]
struct State<T> {
    threads: Vec<Arc<Thread<T>>>,
    stopped: bool,
    /// The thread that parked last, on request, and when; and when the first one did.
    last: Option<(Arc<str>, Instant)>,
    first: Option<Instant>,
    /// Threads that are asleep until the end of the stop; those of them that are mutators, and when the
    /// last of these ran again.
    asleep: usize,
    waiting: usize,
    back: Option<Instant>,
}

/// How long the threads took to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeToSafepoint {
    /// From the request until the last thread was parked.
    pub time: Duration,
    /// The name of the thread that was last; `None` when all were parked already.
    pub slowest: Option<String>,
}

impl<T> World<T> {
    pub(crate) fn new() -> Self {
        let state = State {
            threads: Vec::new(),
            stopped: false,
            last: None,
            first: None,
            asleep: 0,
            waiting: 0,
            back: None,
        };
        Self {
            state: Mutex::new(state),
            parked: Condvar::new(),
            resumed: Condvar::new(),
            has_processors: AtomicBool::new(false),
            processors: if cfg!(loom) { usize::MAX } else { processors() },
        }
    }

    /// There are more threads, or fewer.
    fn compare_with_processors(&self, state: &State<T>) {
        self.has_processors.store(state.threads.len() <= self.processors, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no panic under the world's lock")
    }

    /// Waits until the world is not stopped.
    fn running(&self) -> MutexGuard<'_, State<T>> {
        self.sleep(self.lock())
    }

    /// Waits while the world is stopped, and then wakes the next one that does.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        state.asleep += 1;
        while state.stopped {
            state = self.resumed.wait(state).expect("no panic under the world's lock");
        }
        state.asleep -= 1;
        if state.asleep > 0 {
            self.resumed.notify_one();
        }
        state
    }

    /// Adds the calling thread, running. Waits while the world is stopped.
    pub(crate) fn attach(&self, name: String, local: T) -> Arc<Thread<T>> {
        let thread = Arc::new(Thread { word: AtomicUsize::new(0), name: name.into(), local });
        let mut state = self.running();
        state.threads.push(Arc::clone(&thread));
        self.compare_with_processors(&state);
        drop(state);
        thread
    }

    /// Removes the calling thread. Waits while the world is stopped.
    pub(crate) fn detach(&self, thread: &Arc<Thread<T>>) {
        self.park(thread);
        let mut state = self.running();
        state.threads.retain(|other| !Arc::ptr_eq(other, thread));
        self.compare_with_processors(&state);
    }

    /// The names of the attached threads.
    pub(crate) fn names(&self) -> Vec<String> {
        let threads = self.lock().threads.clone();
        threads.iter().map(|thread| thread.name.to_string()).collect()
    }

    /// The number of attached threads.
    pub(crate) fn attached(&self) -> usize {
        self.lock().threads.len()
    }

    /// Makes the calling thread parked. Everything that it did before is visible to the collector.
    pub(crate) fn park(&self, thread: &Thread<T>) {
        if thread.word.fetch_or(PARKED, Ordering::Release) & STOP != 0 {
            let (mut state, now) = (self.lock(), Instant::now());
            state.last = Some((Arc::clone(&thread.name), now));
            state.first.get_or_insert(now);
            self.parked.notify_all();
        }
    }

    /// Makes the calling thread run again, after the end of a stop if there is one. While it waits for that
    /// without sleeping, it calls `help` again and again, and goes on waiting so while that is true.
    pub(crate) fn unpark(&self, thread: &Thread<T>, help: impl FnMut() -> bool) {
        let running = || thread.exchange(PARKED, 0);
        if running() || self.has_processors.load(Ordering::Relaxed) && thread.linger(help) {
            return;
        }
        while !running() {
            let mut state = self.lock();
            state.waiting += 1;
            state = self.sleep(state);
            state.waiting -= 1;
            if state.waiting == 0 {
                state.back = Some(Instant::now());
                self.parked.notify_all();
            }
        }
    }

    /// Stops the world: returns when every attached thread is parked.
    ///
    /// The caller is no running thread of this world, or waits for itself. Two collectors take
    /// turns.
    pub(crate) fn stop(&self) -> Stopped<'_, T> {
        let start = Instant::now();
        let mut state = self.running();
        state.stopped = true;
        (state.last, state.first) = (None, None);
        for thread in &state.threads {
            // The thread acts upon it under the lock, and is seen parked by an acquire.
            thread.word.fetch_or(STOP, Ordering::Relaxed);
        }
        if cfg!(not(loom)) && !state.threads.iter().all(|thread| thread.is_parked()) {
            let threads = state.threads.clone();
            drop(state);
            let slowest = spin_until_parked(&threads);
            state = self.lock();
            state.last = state.last.take().or(slowest);
        }
        while !state.threads.iter().all(|thread| thread.is_parked()) {
            state = self.parked.wait(state).expect("no panic under the world's lock");
        }
        let (slowest, at) = state.last.take().unzip();
        let time = at.map_or(Duration::ZERO, |at| at.saturating_duration_since(start));
        let first = state.first.take().or(at).unwrap_or(start);
        let threads = state.threads.clone();
        drop(state);
        let slowest = slowest.map(|name| name.to_string());
        let time_to_safepoint = TimeToSafepoint { time, slowest };
        Stopped { world: self, threads, time_to_safepoint, first, ended: false }
    }
}

impl<T> World<T> {
    /// The attached threads that `is_wanted` picks and that are not parked. For threads that are not
    /// the caller's own the answer may be out of date.
    pub(crate) fn running_threads(&self, is_wanted: impl Fn(&T) -> bool) -> Vec<Arc<Thread<T>>> {
        let is_running = |thread: &Thread<T>| thread.word.load(Ordering::Relaxed) & PARKED == 0;
        let threads = self.lock().threads.clone();
        threads
            .into_iter()
            .filter(|thread| is_wanted(&thread.local) && is_running(thread))
            .collect()
    }

    /// Keeps threads from attaching, detaching, and stopping or resuming the world, for a fork.
    pub(crate) fn hold(&self) -> HeldWorld<'_, T> {
        HeldWorld(self.lock())
    }
}

/// The world with nothing in it changing.
#[derive(Debug)]
pub(crate) struct HeldWorld<'a, T>(MutexGuard<'a, State<T>>);

impl<T> HeldWorld<'_, T> {
    /// In a forked child: removes the threads that are not there, which is all but those that
    /// `is_here` picks.
    pub(crate) fn keep_only(&mut self, is_here: impl Fn(&T) -> bool) {
        self.0.threads.retain(|thread| is_here(&thread.local));
        (self.0.asleep, self.0.waiting) = (0, 0);
    }
}

/// The stopped world; resumes it when dropped.
#[derive(Debug)]
pub(crate) struct Stopped<'a, T> {
    world: &'a World<T>,
    /// All attached threads, every one parked.
    pub(crate) threads: Vec<Arc<Thread<T>>>,
    pub(crate) time_to_safepoint: TimeToSafepoint,
    /// When the first of those that were running was: from then on somebody waits.
    pub(crate) first: Instant,
    ended: bool,
}

impl<T> Stopped<'_, T> {
    /// How many of the threads wait without sleeping.
    pub(crate) fn lingering(&self) -> usize {
        self.threads.iter().filter(|thread| thread.lingers()).count()
    }

    /// Lets the threads go on, and waits until all that waited for this do. Returns when the last one
    /// did; that is now if none waited, or if the world is stopped again.
    pub(crate) fn resume(mut self) -> Instant {
        self.end();
        let lingered = self.await_lingering();
        let mut state = self.world.lock();
        while state.waiting > 0 && !state.stopped {
            state = self.world.parked.wait(state).expect("no panic under the world's lock");
        }
        state.back.take().max(lingered).unwrap_or_else(Instant::now)
    }

    fn end(&mut self) {
        let mut state = self.world.lock();
        state.stopped = false;
        state.back = None;
        for thread in &self.threads {
            thread.word.fetch_and(!STOP, Ordering::Release);
        }
        self.world.resumed.notify_one();
        self.ended = true;
    }

    /// Waits until those threads run that did not sleep, if there are any, and returns when they did.
    /// They tell nobody. Most do at once; one that has lost its processor does when it has one again.
    fn await_lingering(&self) -> Option<Instant> {
        let (start, mut back) = (Instant::now(), None);
        while self.threads.iter().any(|thread| thread.lingers()) {
            if cfg!(not(loom)) && start.elapsed() > SPIN {
                std::thread::sleep(SPIN);
            }
            spin_loop();
            back = Some(Instant::now());
        }
        back
    }
}

impl<T> Drop for Stopped<'_, T> {
    fn drop(&mut self) {
        if !self.ended {
            self.end();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
