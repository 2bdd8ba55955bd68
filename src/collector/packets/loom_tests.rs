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
        let pool = Arc::new(PacketPool::new(2));
        pool.give(2);
        let other = loom::thread::spawn({
            let pool = Arc::clone(&pool);
            move || mark(&pool)
        });
        let had = mark(&pool);
        assert_eq!(had + other.join().unwrap(), 3);
    });
}
