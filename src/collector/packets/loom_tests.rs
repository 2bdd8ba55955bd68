//! Two markers: none stops while there is work, and both stop when there is none.

use loom::sync::Arc;

use super::*;

/// A packet of `n` makes one of `n - 1`. Returns how many packets this marker had.
fn mark(pool: &PacketPool<usize>) -> usize {
    let mut had = 0;
    while let Some(packet) = pool.take() {
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
        let pool = Arc::new(PacketPool::new(2, vec![2]));
        let other = loom::thread::spawn({
            let pool = Arc::clone(&pool);
            move || mark(&pool)
        });
        let had = mark(&pool);
        assert_eq!(had + other.join().unwrap(), 3);
    });
}

#[test]
fn loom_a_closed_pool_stops_every_marker_and_loses_no_packet() {
    loom::model(|| {
        let pool = Arc::new(PacketPool::new(2, vec![1]));
        let other = loom::thread::spawn({
            let pool = Arc::clone(&pool);
            move || mark(&pool)
        });
        pool.close();
        let had = other.join().unwrap();
        let pool = Arc::try_unwrap(pool).ok().expect("the other marker has gone");
        let left = pool.into_packets().len();
        assert!(had + left >= 1 && had <= 2, "had {had}, left {left}");
    });
}
