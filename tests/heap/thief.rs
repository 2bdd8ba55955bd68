//! Another process clears the write marks of a heap, pass after pass, while the program stores. Nothing is
//! lost, and it is said.

#[path = "../common/thief.rs"]
#[allow(dead_code, reason = "other tests have it take once, at a moment of theirs")]
mod process;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use process::Thief;
use strandline::dirty::BackendKind;
use strandline::{HeapOptions, ObjectRef, StackScan};

use crate::graph::{get, heap, node, node_bytes, set};

/// Payload words of the old nodes, of which there are two on a page.
const PAYLOAD: usize = 250;

/// Stores between two looks at how many cycles there have been.
const STORES: usize = 1000;

const CHUNK: usize = 2 << 20;

/// A word behind the slots of a node.
fn payload(object: ObjectRef, slots: usize) -> &'static AtomicUsize {
    // SAFETY: the caller's node has a payload, and outlives the use of it.
    unsafe { &*object.as_ptr::<AtomicUsize>().add(1 + slots) }
}

/// Pseudo-random, the same each time.
fn next(state: &mut usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 20
}

/// Has `nodes` old nodes refer to new ones that nothing else refers to, for so many cycles.
fn nothing_is_lost(nodes: usize, limit: usize, cycles: u64) {
    let Some(mut thief) = Thief::start() else { return };
    let heap = heap(HeapOptions { limit, ..HeapOptions::default() });
    if heap.tracker().tracker.kind() != BackendKind::Uffd {
        println!("nothing was tested: {}", heap.tracker());
        return;
    }
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let directory = node(&mut mutator, nodes, 0);
    let directory = mutator.root(directory);
    for index in 0..nodes {
        let old = node(&mut mutator, 1, PAYLOAD);
        set(directory.get(), index, Some(old));
    }
    mutator.collect();
    let old: Vec<_> = (0..nodes).map(|index| get(directory.get(), index).unwrap()).collect();
    let (first, last) = (old.iter().min().unwrap(), old.iter().max().unwrap());
    thief.keep_taking(first.address() / CHUNK * CHUNK..last.address() / CHUNK * CHUNK + CHUNK);

    let (mut expected, mut random, mut stores) = (vec![0; nodes], 88_172_645_463_325_252, 0);
    let before = heap.stats();
    while heap.stats().collections < before.collections + cycles {
        for _ in 0..STORES {
            stores += 1;
            let young = node(&mut mutator, 0, 12);
            payload(young, 0).store(stores, Relaxed);
            let index = next(&mut random) % nodes;
            set(old[index], 0, Some(young));
            expected[index] = stores;
        }
        let index = next(&mut random) % nodes;
        check(old[index], expected[index]);
    }
    for (&node, &expected) in old.iter().zip(&expected) {
        check(node, expected);
    }
    let after = heap.stats();
    println!("{} MiB: {stores} stores, {after}", (nodes * node_bytes(1, PAYLOAD)) >> 20);
    assert!(after.cleared_elsewhere > 0, "nobody has noticed anything");
    assert!(heap.tracker().tracker.stats().cleared_elsewhere > 0);
}

fn check(node: ObjectRef, expected: usize) {
    let found = get(node, 0).map_or(0, |young| payload(young, 0).load(Relaxed));
    assert_eq!(found, expected, "what {node:?} refers to was lost");
}

#[test]
fn a_small_heap_loses_nothing_to_a_thief() {
    nothing_is_lost(4_000, 32 << 20, 12);
}

#[test]
fn a_heap_of_300_mib_loses_nothing_to_a_thief() {
    nothing_is_lost(160_000, 640 << 20, 2);
}
