//! Churn: threads that attach, allocate, share, block and detach, with the collector in between.
//!
//! It makes some hundred lists in an ordinary test run. `STRANDLINE_STRESS_SECONDS=300 cargo test
//! --release --test heap churn` runs it for five minutes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use strandline::{Heap, HeapOptions, HeapStats, Kind, Root, StackScan};

use crate::graph::{Graph, get, heap, node, store};
use crate::stress::stress_seconds;
use crate::threads::{SLOTS, check_list, list, options, payload};

/// Slots of the shared table.
const SHARED: usize = 64;

fn churn_time() -> Duration {
    Duration::from_secs(stress_seconds().unwrap_or(0))
}

/// A small generator of numbers (xorshift), one for each thread.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % bound
    }
}

/// What the threads of a churn share: an object with many slots, used under a lock.
struct Shared {
    table: Root,
    lock: Mutex<()>,
    lists: AtomicUsize,
}

/// One attachment of a thread: builds lists of its own, puts some into the shared table and checks
/// those that it finds there.
fn churn_once(heap: &Heap<Graph>, shared: &Shared, random: &mut Random, scan: StackScan) {
    let mut mutator = heap.attach(scan).unwrap();
    for _ in 0..random.below(60) {
        let length = 1 + random.below(40);
        let mine = list(heap, &mut mutator, length, length);
        let root = mutator.root(mine);
        if random.below(4) == 0 {
            let bytes = [10_000, 300_000, 2 << 20][random.below(3)];
            if let Ok(large) = mutator.allocate(Kind::Conservative, bytes) {
                // SAFETY: the object has more than one word.
                let word = unsafe { large.as_ptr::<usize>().add(bytes / 16) };
                // SAFETY: as above; a marker may read it at the same time.
                unsafe { AtomicUsize::from_ptr(word) }.store(root.get().address() + 8, Relaxed);
            }
        }
        match random.below(8) {
            0 => mutator.blocking(std::thread::yield_now),
            1 => mutator.collect(),
            2 => mutator.safepoint(),
            _ => {}
        }
        assert_eq!(check_list(root.get(), length), length);
        // Waiting for the lock holds nobody up; with the lock there is no safepoint.
        let guard = mutator.blocking(|| shared.lock.lock().unwrap());
        let (table, slot) = (shared.table.get(), random.below(SHARED));
        if let Some(other) = get(table, slot) {
            assert_eq!(check_list(other, payload(other, SLOTS)), payload(other, SLOTS));
        }
        store(heap, table, slot, Some(root.get()));
        drop(guard);
        shared.lists.fetch_add(1, SeqCst);
    }
}

/// Runs some threads until they have made so many lists, and for a time at least. What they share they
/// store to under a lock.
pub(crate) fn churn(options: HeapOptions, threads: u64, lists: usize, time: Duration) -> HeapStats {
    let (heap, start) = (heap(options), Instant::now());
    let table = {
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let table = node(&mut mutator, SHARED, 0);
        mutator.root(table)
    };
    let lock = Mutex::new(());
    let shared = Shared { table, lock, lists: AtomicUsize::new(0) };
    std::thread::scope(|scope| {
        for number in 0..threads {
            let (heap, shared) = (&heap, &shared);
            scope.spawn(move || {
                let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ number << 32 | 1);
                while shared.lists.load(SeqCst) < lists || start.elapsed() < time {
                    let scan = [StackScan::None, StackScan::Conservative][random.below(2)];
                    churn_once(heap, shared, &mut random, scan);
                }
            });
        }
    });
    assert_eq!(heap.attached_threads(), 0);
    let stats = heap.stats();
    println!("{threads} threads, {:?} lists; {stats}", shared.lists);
    drop(shared);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    mutator.collect();
    assert_eq!(heap.stats().live_objects, 0);
    if let Some(report) = heap.take_barrier_report() {
        assert!(report.is_clean(), "{report}");
    }
    stats
}

#[test]
fn churn_with_stress_and_verifier() {
    let options = HeapOptions { limit: 14 << 20, stress: Some(20), ..options() };
    churn(options, 3, 150, churn_time());
}

#[test]
fn churn_in_a_small_heap() {
    let options = HeapOptions { limit: 14 << 20, verify: false, ..options() };
    churn(options, 6, 1500, churn_time());
}
