//! Walking the heap, and asking why an object is alive.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use strandline::{Because, Kind, ObjectRef, RootPath, RootSource, Slot, SlotVisitor, StackScan};

use crate::both;
use crate::graph::{heap, node, set};

#[test]
fn a_walk_finds_every_object_with_kind_and_size() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let mut roots = Vec::new();
        let mut expected = Vec::new();
        for bytes in [16, 48, 8192, 10_000, 3 << 20] {
            for kind in Kind::ALL {
                for index in 0..3 {
                    let object = mutator.allocate(kind, bytes).unwrap();
                    if index > 0 {
                        roots.push(mutator.root(object));
                        expected.push((object, kind, bytes.next_multiple_of(16)));
                    }
                }
            }
        }
        mutator.collect();
        let mut found = Vec::new();
        heap.walk(&mut mutator, |info| found.push((info.object, info.kind, info.bytes)));
        found.sort_unstable_by_key(|&(object, ..)| object);
        expected.sort_unstable_by_key(|&(object, ..)| object);
        assert_eq!(found, expected);
        // What was allocated just now is found as well.
        let fresh = node(&mut mutator, 2, 0);
        let mut seen = false;
        heap.walk(&mut mutator, |info| seen |= info.object == fresh);
        assert!(seen);
    }
}

#[test]
fn a_visitor_that_panics_does_no_harm() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let object = node(&mut mutator, 0, 0);
        let root = mutator.root(object);
        let walk = catch_unwind(AssertUnwindSafe(|| {
            heap.walk(&mut mutator, |_| panic!("enough"));
        }));
        assert!(walk.is_err());
        mutator.collect();
        let mut count = 0;
        heap.walk(&mut mutator, |_| count += 1);
        assert_eq!((count, root.get()), (1, object));
    }
}

#[test]
fn referrers_are_found() {
    let heap = heap(both()[1]);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let target = node(&mut mutator, 0, 0);
    let large = node(&mut mutator, 5000, 0);
    let small = node(&mut mutator, 2, 0);
    let words = mutator.allocate(Kind::Conservative, 64).unwrap();
    set(large, 4999, Some(target));
    set(small, 0, Some(target));
    set(small, 1, Some(target));
    // SAFETY: the object has 8 words. The reference is to the inside of the object.
    unsafe { words.as_ptr::<usize>().add(5).write(target.address() + 8) };
    let mut referrers = heap.referrers(&mut mutator, target);
    referrers.sort_unstable();
    let mut expected = [large, small, words];
    expected.sort_unstable();
    assert_eq!(referrers, expected);
    assert_eq!(heap.referrers(&mut mutator, small), []);
}

struct Global(usize);

impl RootSource for Global {
    fn visit_roots(&self, visitor: &mut dyn SlotVisitor) {
        // SAFETY: the word lives as long as the source.
        visitor.visit(unsafe { Slot::at(NonNull::from(&self.0)) });
    }
}

fn reasons(path: Option<RootPath>) -> Vec<Because> {
    let path = path.expect("it is reachable");
    println!("{path}");
    path.links.into_iter().map(|link| link.because).collect()
}

#[test]
fn the_path_says_which_root_and_which_slots() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let [first, second, last] = std::array::from_fn(|_| node(&mut mutator, 3, 0));
        set(first, 2, Some(second));
        set(second, 0, Some(last));
        assert_eq!(heap.path_from_root(&mut mutator, last), None);
        let slot =
            |object: ObjectRef, index: usize| Because::Slot(object.address() + 8 + 8 * index);
        let root = mutator.root(first);
        let path = reasons(heap.path_from_root(&mut mutator, last));
        assert_eq!(path, [Because::Handle, slot(first, 2), slot(second, 0)]);
        // A shorter way is preferred.
        let source = heap.add_root_source(Arc::new(Global(second.address())));
        let path = reasons(heap.path_from_root(&mut mutator, last));
        assert_eq!(path, [Because::RootSource(0), slot(second, 0)]);
        drop((root, source));
        let word = Box::new(last.address());
        let address = std::ptr::from_ref(&*word).expose_provenance();
        // SAFETY: the word is alive until after the registration ends, and nobody writes it.
        let range = unsafe { heap.add_root_range(address..address + 8) };
        assert_eq!(reasons(heap.path_from_root(&mut mutator, last)), [Because::RootRange]);
        drop(range);
        let pinned = mutator.pin(last);
        assert_eq!(reasons(heap.path_from_root(&mut mutator, last)), [Because::Handle]);
        assert_eq!((pinned.get(), pinned.as_ptr::<u8>()), (last, last.as_ptr()));
        drop(pinned);
        assert_eq!(heap.path_from_root(&mut mutator, last), None);
    }
}

#[test]
fn the_path_names_the_thread() {
    let heap = heap(both()[0]);
    let thread = std::thread::Builder::new().name("the holder".into());
    std::thread::scope(|scope| {
        let run = || {
            let mut mutator = heap.attach(StackScan::Conservative).unwrap();
            let object = node(&mut mutator, 0, 0);
            let path = reasons(heap.path_from_root(&mut mutator, object));
            assert_eq!(path, [Because::Stack("the holder".into())]);
            let other = node(&mut mutator, 1, 0);
            set(other, 0, Some(object));
            let _root = mutator.root(other);
            let path = reasons(heap.path_from_root(&mut mutator, object));
            assert_eq!(
                path[0],
                Because::Handle,
                "the reason that is not on this stack comes first"
            );
            std::hint::black_box(object);
        };
        thread.spawn_scoped(scope, run).unwrap();
    });
}

#[test]
fn the_path_goes_through_ephemerons_and_guardians() {
    for options in both() {
        let heap = heap(options);
        let references = heap.references();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let [key, value, last] = std::array::from_fn(|_| node(&mut mutator, 1, 0));
        set(value, 0, Some(last));
        let _ephemeron = references.ephemeron(key, value);
        let root = mutator.root(key);
        let path = heap.path_from_root(&mut mutator, last).unwrap();
        let objects: Vec<_> = path.links.iter().map(|link| link.object).collect();
        assert_eq!(objects, [key, value, last]);
        assert_eq!(reasons(Some(path))[..2], [Because::Handle, Because::Ephemeron]);
        let guardian = references.guardian();
        guardian.register(key);
        drop(root);
        assert_eq!(heap.path_from_root(&mut mutator, last), None);
        mutator.collect();
        let path = reasons(heap.path_from_root(&mut mutator, last));
        assert_eq!(path[..2], [Because::Guardian, Because::Ephemeron]);
        assert_eq!(guardian.take(&mutator), Some(key));
        assert_eq!(heap.path_from_root(&mut mutator, last), None);
    }
}
