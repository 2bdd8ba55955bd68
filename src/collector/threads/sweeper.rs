//! What the background sweeper waits for.

use std::time::{Duration, Instant};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Wakes the background sweeper.
#[derive(Default)]
pub(crate) struct Sweeping {
    calls: Mutex<Calls>,
    changed: Condvar,
    shut_down: AtomicBool,
}

/// What the sweeper is called for.
#[derive(Default)]
pub(crate) struct Calls {
    sweep: bool,
    populate: bool,
}

/// Why the background sweeper goes on.
pub(crate) enum Wake {
    Sweep,
    /// The heap has grown.
    Populate,
    /// Nothing was collected for a while.
    Idle,
}

impl Sweeping {
    /// Lets the sweeper begin.
    pub(crate) fn begin(&self) {
        self.lock().sweep = true;
        self.changed.notify_one();
    }

    /// Lets it populate memory ahead.
    pub(crate) fn populate(&self) {
        self.lock().populate = true;
        self.changed.notify_one();
    }

    pub(crate) fn shut_down(&self) {
        let _calls = self.lock();
        self.shut_down.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Waits until there is something to do: sweeping, populating, or nothing else for `idle`. `None`
    /// when the heap is going away.
    pub(crate) fn wait(&self, idle: Option<Duration>) -> Option<Wake> {
        let mut calls = self.lock();
        let poisoned = "no panic under the sweeper's lock";
        let until = idle.map(|idle| Instant::now() + idle);
        while !calls.sweep && !calls.populate && !self.shut_down.load(Ordering::Relaxed) {
            let Some(until) = until else {
                calls = self.changed.wait(calls).expect(poisoned);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            calls = self.changed.wait_timeout(calls, left).expect(poisoned).0;
        }
        if self.shut_down.load(Ordering::Relaxed) {
            return None;
        }
        Some(match std::mem::take(&mut *calls) {
            Calls { sweep: true, .. } => Wake::Sweep,
            Calls { populate: true, .. } => Wake::Populate,
            _ => Wake::Idle,
        })
    }

    /// Whether there is something to sweep, or the heap is going away.
    pub(crate) fn is_wanted(&self) -> bool {
        self.lock().sweep || self.is_shut_down()
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Relaxed)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().expect("no panic under the sweeper's lock")
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
