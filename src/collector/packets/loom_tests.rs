//! Two markers: none stops while there is work, and both stop when there is none.

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use super::*;

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

#[test]
fn loom_markers_stop_when_all_work_is_done_and_not_before() {
    loom::model(|| {
        let pool = Arc::new(PacketPool::new(vec![2], true));
        let other = loom::thread::spawn({
            let pool = Arc::clone(&pool);
            move || if pool.join(None) { mark(&pool) } else { 0 }
        });
        let had = mark(&pool);
        assert_eq!(had + other.join().unwrap(), 3);
    });
}

#[test]
fn loom_a_marker_that_leaves_early_leaves_its_work_to_the_others() {
    loom::model(|| {
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
    loom::model(|| {
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
    loom::model(move || {
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
    });
}

#[test]
fn loom_the_first_marker_is_alone_until_it_opens_the_door() {
    door(false);
}

#[test]
#[should_panic = "Causality violation"]
fn loom_control_a_first_marker_that_goes_on_as_if_alone() {
    door(true);
}
