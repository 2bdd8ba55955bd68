//! Work shared between markers: packets in a pool, and the end of marking.
//!
//! A marker works on a stack of its own and gives a part of it away, as a packet, when another
//! marker waits. References change hands by the hundred, so a lock around the pool costs nothing,
//! and it makes termination plain: marking has ended when all markers wait and the pool is empty,
//! and both are seen under that lock.

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex};

/// A pool of packets for a fixed number of markers.
#[derive(Debug)]
pub(super) struct PacketPool<T> {
    markers: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
    /// How many markers wait; read without the lock as a hint that sharing is worth while.
    waiting: AtomicUsize,
}

#[derive(Debug)]
struct State<T> {
    packets: Vec<T>,
    waiting: usize,
    finished: bool,
}

impl<T> PacketPool<T> {
    pub(super) fn new(markers: usize, packets: Vec<T>) -> Self {
        let state = State { packets, waiting: 0, finished: false };
        let (state, waiting) = (Mutex::new(state), AtomicUsize::new(0));
        Self { markers, state, changed: Condvar::new(), waiting }
    }

    /// Whether a marker has nothing to do.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Has every marker stop: none gets a packet any more.
    pub(super) fn close(&self) {
        self.state.lock().expect("no panic under the packet lock").finished = true;
        self.changed.notify_all();
    }

    /// The packets that nobody has taken.
    pub(super) fn into_packets(self) -> Vec<T> {
        self.state.into_inner().expect("no panic under the packet lock").packets
    }

    /// Gives a packet to whoever comes first.
    pub(super) fn give(&self, packet: T) {
        self.state.lock().expect("no panic under the packet lock").packets.push(packet);
        self.changed.notify_one();
    }

    /// Takes a packet, waiting for one. `None` when there will be no more: every marker waits, or the
    /// pool was closed.
    pub(super) fn take(&self) -> Option<T> {
        let mut state = self.state.lock().expect("no panic under the packet lock");
        loop {
            if state.finished {
                return None;
            }
            if let Some(packet) = state.packets.pop() {
                return Some(packet);
            }
            state.waiting += 1;
            if state.waiting == self.markers {
                state.finished = true;
                self.changed.notify_all();
                return None;
            }
            self.waiting.store(state.waiting, Ordering::Relaxed);
            state = self.changed.wait(state).expect("no panic under the packet lock");
            state.waiting -= usize::from(!state.finished);
            self.waiting.store(state.waiting, Ordering::Relaxed);
        }
    }
}

/// Held by each marker: should it panic, the others end instead of waiting for it for ever.
pub(super) struct Presence<'a, T>(pub(super) &'a PacketPool<T>);

impl<T> Drop for Presence<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

#[cfg(all(test, loom))]
#[path = "packets/loom_tests.rs"]
mod loom_tests;
