//! Limits, memory outside the heap, and what happens when there is too little.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use strandline::{Cause, Heap, HeapOptions, Kind, Mode, Mutator, Root, Sizing, StackScan};

use crate::both;
use crate::graph::{Graph, heap, node};

const MIB: usize = 1 << 20;

/// Allocates so many bytes of garbage.
fn churn(mutator: &mut Mutator, bytes: usize) {
    for _ in 0..bytes / 1024 {
        mutator.allocate(Kind::Leaf, 1024).unwrap();
    }
}

#[test]
fn the_soft_limit_is_kept_as_long_as_what_is_alive_fits() {
    let sizings = [Sizing::Balanced, Sizing::Fixed];
    for (sizing, options) in sizings.into_iter().flat_map(|s| both().map(|options| (s, options))) {
        let soft = 24 * MIB;
        let options = HeapOptions { limit: 128 * MIB, soft_limit: Some(soft), sizing, ..options };
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let kept = mutator.allocate(Kind::Leaf, 10 * MIB).unwrap();
        let kept = mutator.root(kept);
        churn(&mut mutator, 200 * MIB);
        let stats = heap.stats();
        assert!(stats.peak_bytes <= soft, "{sizing:?}: {stats}");
        // And is exceeded when it does not.
        let more = mutator.allocate(Kind::Leaf, 40 * MIB).unwrap();
        let more = mutator.root(more);
        churn(&mut mutator, 20 * MIB);
        let stats = heap.stats();
        assert!((50 * MIB..80 * MIB).contains(&stats.committed_bytes), "{sizing:?}: {stats}");
        drop((kept, more));
    }
}

#[test]
fn external_memory_counts_until_its_owner_is_gone() {
    for options in both() {
        let heap = heap(options);
        let references = heap.references();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let owner = node(&mut mutator, 0, 0);
        // A charge may bring about a cycle.
        let first = mutator.root(owner);
        heap.charge_external(&mut mutator, first.get(), 20 * MIB).unwrap();
        let owner = mutator.allocate(Kind::Leaf, 16).unwrap();
        let root = mutator.root(owner);
        heap.charge_external(&mut mutator, root.get(), 5 * MIB).unwrap();
        let charge = heap.charge_external(&mut mutator, root.get(), MIB).unwrap();
        assert_eq!(heap.stats().external_bytes, 26 * MIB);
        drop(first);
        mutator.collect();
        assert_eq!(references.external_bytes(), 6 * MIB, "the first owner is gone");
        assert!(references.release_charge(charge));
        assert!(!references.release_charge(charge));
        assert_eq!(references.external_bytes(), 5 * MIB);
        drop(root);
        mutator.collect();
        assert_eq!((references.external_bytes(), references.count()), (0, 0));
    }
}

/// Buffers that nobody frees but the collector: there is never more than the limit of them.
#[test]
fn external_memory_brings_collections_nearer() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        for _ in 0..200 {
            let owner = node(&mut mutator, 0, 0);
            heap.charge_external(&mut mutator, owner, 4 * MIB).unwrap();
            assert!(heap.references().external_bytes() <= options.limit);
        }
        let collections = heap.stats().collections;
        assert!(collections > 10, "800 MiB of buffers, {collections} collections");
    }
}

#[test]
fn external_memory_and_the_heap_share_the_limit() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let owner = node(&mut mutator, 0, 0);
        let owner = mutator.root(owner);
        heap.charge_external(&mut mutator, owner.get(), 40 * MIB).unwrap();
        let error = heap.charge_external(&mut mutator, owner.get(), 30 * MIB).unwrap_err();
        assert_eq!((error.bytes, error.external), (30 * MIB, 40 * MIB));
        assert!(error.to_string().contains("41943040 charged for memory outside"), "{error}");
        assert!(mutator.allocate(Kind::Leaf, 30 * MIB).is_err());
        let held = mutator.allocate(Kind::Leaf, 15 * MIB).unwrap();
        let held = mutator.root(held);
        assert!(heap.charge_external(&mut mutator, owner.get(), 10 * MIB).is_err());
        drop(held);
        // The garbage goes to make room.
        heap.charge_external(&mut mutator, owner.get(), 15 * MIB).unwrap();
        assert!(heap.charge_external(&mut mutator, owner.get(), usize::MAX).is_err());
        drop(owner);
        mutator.allocate(Kind::Leaf, 50 * MIB).unwrap();
    }
}

/// One full collection is enough, also when nothing was swept since. Often: the sweeper may have been first.
#[test]
fn what_the_last_collection_found_is_room_for_external_memory() {
    for options in both() {
        for _ in 0..16 {
            let heap = heap(options);
            let mut mutator = heap.attach(StackScan::None).unwrap();
            let owner = node(&mut mutator, 0, 0);
            let owner = mutator.root(owner);
            mutator.allocate(Kind::Leaf, 40 * MIB).unwrap();
            mutator.collect();
            let before = heap.cycles().len();
            heap.charge_external(&mut mutator, owner.get(), 40 * MIB).unwrap();
            let causes: Vec<_> = heap.cycles()[before..].iter().map(|cycle| cycle.cause).collect();
            assert!(!causes.contains(&Cause::Exhaustion), "{causes:?}");
        }
    }
}

/// A program with a cache that it empties when there is no room.
#[test]
fn the_program_is_asked_before_an_allocation_fails() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let cache: Arc<Mutex<Vec<Root>>> = Arc::default();
        let calls = Arc::new(AtomicUsize::new(0));
        heap.set_out_of_memory_handler(Some(Arc::new({
            let (cache, calls) = (Arc::clone(&cache), Arc::clone(&calls));
            move |error| {
                calls.fetch_add(1, Relaxed);
                assert!(error.limit >= error.committed, "{error}");
                // Half of it at a time.
                let mut cache = cache.lock().unwrap();
                let left = cache.len() / 2;
                let freed = cache.len() > left;
                cache.truncate(left);
                freed
            }
        })));
        for _ in 0..300 {
            let object = mutator.allocate(Kind::Leaf, MIB).unwrap();
            cache.lock().unwrap().push(mutator.root(object));
        }
        assert!(calls.load(Relaxed) > 3, "{calls:?}");
        let object = mutator.allocate(Kind::Leaf, 50 * MIB).unwrap();
        let _root = mutator.root(object);
        assert!(cache.lock().unwrap().len() < 20);
        // It cannot help any more.
        cache.lock().unwrap().clear();
        assert!(mutator.allocate(Kind::Leaf, 50 * MIB).is_err());
        heap.set_out_of_memory_handler(None);
        let before = calls.load(Relaxed);
        assert!(mutator.allocate(Kind::Leaf, 50 * MIB).is_err());
        assert_eq!(calls.load(Relaxed), before);
    }
}

/// A handler that always says yes does not make an allocation go on for ever.
#[test]
fn appeals_end() {
    let heap = heap(HeapOptions { limit: 8 * MIB, ..both()[0] });
    let mut mutator = heap.attach(StackScan::Conservative).unwrap();
    let held = mutator.allocate(Kind::Leaf, 4 * MIB).unwrap();
    let _root = mutator.root(held);
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    heap.set_out_of_memory_handler(Some(Arc::new(move |_| count.fetch_add(1, Relaxed) < 1000)));
    assert!(mutator.allocate(Kind::Leaf, 4 * MIB).is_err());
    assert_eq!(calls.load(Relaxed), 16);
}

fn committed_after_a_peak(heap: &Heap<Graph>, mutator: &mut Mutator) -> usize {
    let object = mutator.allocate(Kind::Leaf, 40 * MIB).unwrap();
    let root = mutator.root(object);
    let committed = heap.stats().committed_bytes;
    drop(root);
    committed
}

#[test]
fn trim_gives_back_what_is_not_used() {
    for options in both() {
        let heap = heap(HeapOptions { idle_after: None, ..options });
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let kept = mutator.allocate(Kind::Leaf, 4 * MIB).unwrap();
        let _kept = mutator.root(kept);
        let peak = committed_after_a_peak(&heap, &mut mutator);
        let given_back = heap.trim(&mut mutator).unwrap();
        let stats = heap.stats();
        assert!(given_back >= 40 * MIB, "{given_back}");
        assert!(peak > 44 * MIB && stats.committed_bytes < 12 * MIB, "{stats}");
        assert_eq!(heap.trim(&mut mutator).unwrap(), 0);
        churn(&mut mutator, 30 * MIB);
    }
}

#[test]
fn memory_goes_back_when_nothing_happens() {
    let idle_after = Some(Duration::from_millis(20));
    let heap = heap(HeapOptions { idle_after, mode: Mode::Concurrent, ..both()[0] });
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let peak = committed_after_a_peak(&heap, &mut mutator);
    assert!(peak > 40 * MIB);
    mutator.collect();
    let collections = heap.stats().collections;
    // For ever, if it does not happen.
    while heap.stats().committed_bytes > 8 * MIB {
        mutator.blocking(|| std::thread::sleep(Duration::from_millis(1)));
    }
    assert_eq!(heap.stats().collections, collections);
}
