//! Weak references, ephemerons and guardians in parent and child: each has its own, and both are right.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use strandline::dirty::BackendKind;
use strandline::{
    Ephemeron, Guardian, Heap, Kind, Mode, Mutator, ObjectRef, Root, StackScan, Weak,
};

use crate::graph::{Graph, heap, node};
use crate::options;
use crate::process::{alone, in_child};

const FORKS: usize = 8;

/// Keys by turns held and not, with everything that refers to a key without keeping it.
const KEYS: usize = 64;

struct Key {
    root: Option<Root>,
    weak: Weak,
    ephemeron: Ephemeron,
}

struct Tables {
    guardian: Guardian,
    keys: Vec<Key>,
}

impl Tables {
    fn new(heap: &Heap<Graph>, mutator: &mut Mutator) -> Self {
        let references = heap.references();
        let guardian = references.guardian();
        let keys = (0..KEYS).map(|index| {
            let (key, value) = (node(mutator, 0, index % 3), 16 + 16 * (index % 5));
            let root = mutator.root(key);
            let value = mutator.allocate(Kind::Leaf, value).unwrap();
            guardian.register(root.get());
            let (weak, ephemeron) =
                (references.weak(root.get()), references.ephemeron(root.get(), value));
            Key { root: Some(root), weak, ephemeron }
        });
        let mut tables = Self { keys: keys.collect(), guardian };
        tables.keys.iter_mut().step_by(2).for_each(|key| key.root = None);
        tables
    }

    /// After two full collections: what is held is there, and the rest was handed over once.
    fn check(&self, mutator: &mut Mutator) {
        mutator.collect();
        for (index, key) in self.keys.iter().enumerate() {
            let held = key.root.as_ref().map(Root::get);
            assert_eq!(key.weak.get(mutator), held, "key {index}");
            if held.is_some() {
                assert_eq!(key.ephemeron.key(mutator), held, "key {index}");
                let value = key.ephemeron.value(mutator).expect("the key is held");
                assert_eq!(mutator.size_of(value), 16 + 16 * (index % 5));
            }
        }
        let taken = std::iter::from_fn(|| self.guardian.take(mutator));
        let mut taken: Vec<_> = taken.map(ObjectRef::address).collect();
        assert_eq!(taken.len(), KEYS / 2, "handed over");
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), KEYS / 2, "handed over once each");
        mutator.collect();
        for key in self.keys.iter().filter(|key| key.root.is_none()) {
            let ended = key.ephemeron.key(mutator).is_none();
            assert!(ended && key.ephemeron.value(mutator).is_none());
        }
    }
}

/// Garbage that makes collections begin.
fn churn(mutator: &mut Mutator, count: usize) {
    for _ in 0..count {
        mutator.allocate(Kind::Leaf, 50_000).unwrap();
    }
}

/// A thread without a mutator makes and drops cells all the while, so that forks find it at that.
fn forks(mode: Mode, backend: BackendKind) {
    alone(|| {
        let heap = heap(options(mode, backend));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // No stack is searched: what was a key must not be found there.
            let mut mutator = heap.attach(StackScan::None).unwrap();
            let object = node(&mut mutator, 0, 0);
            let object = mutator.root(object);
            let (heap, stop) = (&heap, &stop);
            scope.spawn(move || {
                let references = heap.references();
                let (deaths, guardian) = (references.death_queue(), references.guardian());
                while !stop.load(Relaxed) {
                    drop(references.weak(object.get()));
                    heap.set_out_of_memory_handler(None);
                    assert_eq!((deaths.drain().len(), guardian.pending()), (0, 0));
                }
            });
            for round in 0..FORKS {
                let tables = Tables::new(heap, &mut mutator);
                // Some have been looked at by a cycle before the fork, which may be going on.
                churn(&mut mutator, 200 * round);
                let child = in_child(|| {
                    churn(&mut mutator, if round % 2 == 0 { 200 } else { 0 });
                    tables.check(&mut mutator);
                });
                churn(&mut mutator, 50);
                tables.check(&mut mutator);
                mutator.blocking(|| child.wait());
            }
            stop.store(true, Relaxed);
        });
    });
}

#[test]
fn references_with_the_world_stopped() {
    forks(Mode::Stopped, BackendKind::Uffd);
}

#[test]
fn references_of_a_concurrent_heap_with_uffd() {
    forks(Mode::Concurrent, BackendKind::Uffd);
}

#[test]
fn references_of_a_concurrent_heap_with_mprotect() {
    forks(Mode::Concurrent, BackendKind::Mprotect);
}
