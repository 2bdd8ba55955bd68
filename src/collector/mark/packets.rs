//! Work shared between markers: packets in a pool, and the end of marking.
//!
//! A marker works on a stack of its own and gives a part of it away, as a packet, when another
//! marker waits. References change hands by the hundred, so a lock around the pool costs nothing,
//! and it makes termination plain: marking has ended when all markers wait and the pool is empty,
//! and both are seen under that lock.
//!
//! Markers come and go: a helper that wakes late, a mutator that assists for a while. The first
//! one marks alone until somebody comes, and what it writes meanwhile needs no atomic operation.
//! Whoever comes waits at the door until the first marker has looked there.

use std::time::Instant;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// A pool of packets, for one run of any number of markers.
#[derive(Debug)]
pub(crate) struct PacketPool<T> {
    state: Mutex<State<T>>,
    /// Signalled when there is a packet, or the end.
    changed: Condvar,
    /// Signalled when the door opens, or at the end.
    opened: Condvar,
    /// How many markers wait for which there is no packet; read without the lock as a hint that sharing is
    /// worth while.
    wanting: AtomicUsize,
    /// Whether somebody is at the door while it is closed; read without the lock as a hint.
    knocking: AtomicBool,
}

#[derive(Debug)]
struct State<T> {
    packets: Vec<T>,
    markers: usize,
    waiting: usize,
    /// Whether others may mark beside the first.
    open: bool,
    finished: bool,
}

/// What a marker gets that asks for a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    Packet(T),
    /// The caller's time was up first. It is still one of the markers.
    TimeUp,
    /// There will be no more: every marker waits, or the pool was closed.
    Finished,
}

impl<T> PacketPool<T> {
    /// A pool with one marker, the first, and with the door open if it reckons with others.
    pub(crate) fn new(packets: Vec<T>, open: bool) -> Self {
        let state = State { packets, markers: 1, waiting: 0, open, finished: false };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            opened: Condvar::new(),
            wanting: AtomicUsize::new(0),
            knocking: AtomicBool::new(false),
        }
    }

    /// Adds the caller to the markers; waits for the first marker if need be. False when all is done,
    /// or when it is `until` and nobody has opened.
    pub(crate) fn join(&self, until: Option<Instant>) -> bool {
        let mut state = self.lock();
        while !state.open && !state.finished {
            if is_past(until) {
                return false;
            }
            self.knocking.store(true, Ordering::Relaxed);
            state = wait(&self.opened, state, until);
        }
        state.markers += usize::from(!state.finished);
        !state.finished
    }

    /// Takes the caller from the markers; it has given away what it had.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        state.markers -= 1;
        self.look_for_the_end(&mut state);
    }

    /// Whether somebody waits at the door. The first marker asks now and then.
    #[inline]
    pub(crate) fn is_knocked_at(&self) -> bool {
        self.knocking.load(Ordering::Relaxed)
    }

    /// The first marker's: from now on it reckons with others.
    pub(crate) fn open(&self) {
        self.lock().open = true;
        self.opened.notify_all();
    }

    /// Whether a marker has nothing to do and nothing to take.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanting.load(Ordering::Relaxed) > 0
    }

    /// Has every marker stop: none gets a packet any more.
    pub(crate) fn close(&self) {
        self.finish(&mut self.lock());
    }

    /// The packets that nobody has taken.
    pub(crate) fn into_packets(self) -> Vec<T> {
        self.state.into_inner().expect("no panic under the packet lock").packets
    }

    /// Gives a packet to whoever comes first.
    pub(crate) fn give(&self, packet: T) {
        let mut state = self.lock();
        state.packets.push(packet);
        self.update_hint(&state);
        drop(state);
        self.changed.notify_one();
    }

    /// Takes a packet if there is one.
    pub(crate) fn try_take(&self) -> Option<T> {
        self.lock().packets.pop()
    }

    /// Takes a packet; waits for one, at most until the given time.
    pub(crate) fn take(&self, until: Option<Instant>) -> Taken<T> {
        let mut state = self.lock();
        loop {
            if state.finished {
                return Taken::Finished;
            }
            if let Some(packet) = state.packets.pop() {
                return Taken::Packet(packet);
            }
            if is_past(until) {
                return Taken::TimeUp;
            }
            state.waiting += 1;
            self.look_for_the_end(&mut state);
            if state.finished {
                return Taken::Finished;
            }
            self.update_hint(&state);
            state = wait(&self.changed, state, until);
            state.waiting -= 1;
            self.update_hint(&state);
        }
    }

    /// Who waits and has not woken up yet is not to be given packet after packet.
    fn update_hint(&self, state: &State<T>) {
        let wanting = state.waiting.saturating_sub(state.packets.len());
        self.wanting.store(wanting, Ordering::Relaxed);
    }

    fn look_for_the_end(&self, state: &mut State<T>) {
        if state.waiting == state.markers && state.packets.is_empty() {
            self.finish(state);
        }
    }

    fn finish(&self, state: &mut State<T>) {
        state.finished = true;
        self.changed.notify_all();
        self.opened.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no panic under the packet lock")
    }
}

fn is_past(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

fn wait<'a, S>(
    condition: &Condvar,
    guard: MutexGuard<'a, S>,
    until: Option<Instant>,
) -> MutexGuard<'a, S> {
    let poisoned = "no panic under the packet lock";
    let Some(until) = until else { return condition.wait(guard).expect(poisoned) };
    let time = until.saturating_duration_since(Instant::now());
    condition.wait_timeout(guard, time).expect(poisoned).0
}

/// Held by each marker: should it panic, the others end instead of waiting for it for ever.
pub(crate) struct Presence<'a, T>(pub(crate) &'a PacketPool<T>);

impl<T> Drop for Presence<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_has_been_given_a_packet_is_not_given_another_before_it_wakes() {
        let pool = PacketPool::new(Vec::new(), true);
        assert!(pool.join(None));
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(pool.take(None), Taken::Packet(7)));
            while !pool.is_wanted() {
                std::thread::yield_now();
            }
            pool.give(7);
            assert!(!pool.is_wanted());
        });
    }

    fn past() -> Option<Instant> {
        Some(Instant::now())
    }

    #[test]
    fn nobody_joins_before_the_door_is_open_nor_after_the_end() {
        let pool = PacketPool::<u32>::new(Vec::new(), false);
        assert!(!pool.is_knocked_at() && !pool.join(past()) && !pool.is_knocked_at(), "too late");
        let later = Some(Instant::now() + std::time::Duration::from_micros(1));
        assert!(!pool.join(later));
        pool.open();
        assert!(pool.join(past()));
        pool.close();
        assert!(!pool.join(None));
    }

    #[test]
    fn marking_ends_when_all_wait_and_there_is_no_packet() {
        let pool = PacketPool::new(vec![1, 2], true);
        assert!(pool.join(None));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut taken = Vec::new();
                while let Taken::Packet(packet) = pool.take(None) {
                    taken.push(packet);
                }
                taken
            });
            // The other one waits for the first, who has something left to give.
            while !pool.is_wanted() {
                std::thread::yield_now();
            }
            pool.give(3);
            pool.leave();
            assert_eq!(other.join().unwrap(), [2, 1, 3]);
        });
        assert_eq!(pool.take(None), Taken::Finished);
        assert!(pool.into_packets().is_empty());
    }

    #[test]
    fn who_comes_late_takes_what_is_there_and_waits_for_nothing() {
        let pool = PacketPool::new(vec![5], true);
        assert_eq!(pool.take(past()), Taken::Packet(5));
        assert_eq!(pool.take(past()), Taken::TimeUp);
        pool.give(6);
        assert_eq!(pool.try_take(), Some(6));
        pool.give(7);
        pool.close();
        assert_eq!(pool.take(None), Taken::Finished, "nobody gets a packet after the end");
        assert_eq!(pool.into_packets(), [7], "which is left to the next run");
    }

    #[test]
    fn a_marker_that_panics_ends_marking_and_one_that_does_not_leaves_it_alone() {
        let pool = PacketPool::<u32>::new(Vec::new(), true);
        drop(Presence(&pool));
        assert!(pool.join(None), "marking goes on");
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _presence = Presence(&pool);
            panic!("as a model may");
        }));
        assert!(panics.is_err());
        assert_eq!(pool.take(None), Taken::Finished);
    }
}
