//! Queues from the collector to the program.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A queue that the collector fills in a stop and any thread drains.
///
/// The lock is held for a push or a pop and never across a safepoint, so the collector does not wait
/// for a parked thread.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T: 'static> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State { items: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no panic under a queue's lock")
    }

    /// Keeps anything from being added or taken, for a fork.
    pub(super) fn hold(self: &Arc<Self>) -> HeldQueue<T> {
        let guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: only the lifetime changes. What an `Arc` refers to does not move, and the guard is
        // dropped before the `Arc`.
        let guard: MutexGuard<'static, State<T>> = unsafe { std::mem::transmute(guard) };
        HeldQueue { _guard: guard, _queue: Arc::clone(self) }
    }

    pub(super) fn push(&self, item: T) {
        self.lock().items.push_back(item);
        self.changed.notify_one();
    }

    pub(super) fn pop(&self) -> Option<T> {
        self.lock().items.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().items.len()
    }

    pub(super) fn drain(&self) -> VecDeque<T> {
        std::mem::take(&mut self.lock().items)
    }

    /// Waits until there is something. False when there is nothing and the queue is closed.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.lock();
        while state.items.is_empty() && !state.closed {
            state = self.changed.wait(state).expect("no panic under a queue's lock");
        }
        !state.items.is_empty()
    }

    /// Lets everybody go who waits, now and later.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

/// A queue in which nothing changes.
pub(super) struct HeldQueue<T: 'static> {
    _guard: MutexGuard<'static, State<T>>,
    /// What the guard borrows from; dropped last.
    _queue: Arc<Queue<T>>,
}

#[cfg(all(test, loom))]
#[path = "loom_tests.rs"]
mod loom_tests;
