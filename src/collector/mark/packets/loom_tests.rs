//! Two markers: none stops while there is work, and both stop when there is none.

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use super::*;
use crate::sync::model::{check, refute};

/// A packet of `n` makes one of `n - 1`. Returns how many packets this marker had.
fn mark(pool: &PacketPool<usize>) -> usize {
    let mut had = 0;
    while let Taken::Packet(packet) = pool.take(None) {
        had += 1;
        if packet > 0 {
            pool.give(packet - 1);
        }
    }
    had
}

/// Two markers; the second counts itself among them by `join`.
fn all_is_done(join: fn(&PacketPool<usize>) -> bool) {
    let pool = Arc::new(PacketPool::new(vec![2], true));
    let other = loom::thread::spawn({
        let pool = Arc::clone(&pool);
        move || if join(&pool) { mark(&pool) } else { 0 }
    });
    let had = mark(&pool);
    assert_eq!(had + other.join().unwrap(), 3, "packets were marked");
}

#[test]
fn loom_markers_stop_when_all_work_is_done_and_not_before() {
    check(None, || all_is_done(|pool| pool.join(None)));
}

#[test]
fn loom_control_a_marker_that_is_not_counted() {
    refute("packets were marked", None, || all_is_done(|_| true));
}

#[test]
fn loom_control_a_packet_that_nobody_is_told_of() {
    refute("deadlock", None, || {
        let pool = Arc::new(PacketPool::new(vec![], true));
        let other = loom::thread::spawn({
            let pool = Arc::clone(&pool);
            move || if pool.join(None) { mark(&pool) } else { 0 }
        });
        pool.lock().packets.push(0);
        pool.leave();
        other.join().unwrap();
    });
}

#[test]
fn loom_a_marker_that_leaves_early_leaves_its_work_to_the_others() {
    check(None, || {
        let pool = Arc::new(PacketPool::new(vec![1], true));
        let other = loom::thread::spawn({
            let pool = Arc::clone(&pool);
            move || {
                if !pool.join(None) {
                    return;
                }
                if let Taken::Packet(packet) = pool.take(None) {
                    pool.give(packet);
                    pool.leave();
                }
            }
        });
        assert_eq!(mark(&pool), 2);
        other.join().unwrap();
    });
}

#[test]
fn loom_a_closed_pool_stops_every_marker_and_loses_no_packet() {
    check(None, || {
        let pool = Arc::new(PacketPool::new(vec![1], true));
        let other = loom::thread::spawn({
            let pool = Arc::clone(&pool);
            move || if pool.join(None) { mark(&pool) } else { 0 }
        });
        pool.close();
        let had = other.join().unwrap();
        let pool = Arc::try_unwrap(pool).ok().expect("the other marker has gone");
        let left = pool.into_packets().len();
        assert!(had + left >= 1 && had <= 2, "had {had}, left {left}");
    });
}

/// Marks that are written without atomic operations while there is one marker.
struct Marks(UnsafeCell<usize>);

// SAFETY: the door is what keeps two markers from writing at once; loom checks that.
unsafe impl Sync for Marks {}

impl Marks {
    fn mark(&self) {
        // SAFETY: nobody else writes at this time.
        self.0.with_mut(|marks| unsafe { *marks += 1 });
    }
}

/// The first marker writes plainly until it has opened the door, the second one after it came in.
fn door(open_before_the_last_write: bool) {
    let pool = Arc::new(PacketPool::new(vec![0], false));
    let marks = Arc::new(Marks(UnsafeCell::new(0)));
    let other = loom::thread::spawn({
        let (pool, marks) = (Arc::clone(&pool), Arc::clone(&marks));
        move || {
            if pool.join(None) {
                marks.mark();
                mark(&pool);
            }
        }
    });
    marks.mark();
    if pool.is_knocked_at() || open_before_the_last_write {
        pool.open();
    }
    if open_before_the_last_write {
        marks.mark();
    }
    mark(&pool);
    other.join().unwrap();
}

#[test]
fn loom_the_first_marker_is_alone_until_it_opens_the_door() {
    check(None, || door(false));
}

#[test]
fn loom_control_a_first_marker_that_goes_on_as_if_alone() {
    refute("Causality violation", None, || door(true));
}
