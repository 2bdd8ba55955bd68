use std::sync::Arc;

use strandline::{Clearing, Mutator, ObjectRef, StackScan, WeakOptions};

use crate::both;
use crate::graph::{get, heap, node, set};

fn number(object: ObjectRef) -> usize {
    // SAFETY: every object of these tests has one slot and then a number.
    unsafe { object.as_ptr::<usize>().add(2).read() }
}

fn numbered(mutator: &mut Mutator, number: usize) -> ObjectRef {
    let object = node(mutator, 1, 1);
    // SAFETY: the object has room for it.
    unsafe { object.as_ptr::<usize>().add(2).write(number) };
    object
}

#[test]
fn what_nothing_keeps_is_handed_over_with_everything_it_refers_to() {
    for options in both() {
        let heap = heap(options);
        let guardian = heap.references().guardian();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        // A list, of which every element is guarded; all of them at once, and nothing cut.
        let mut next = None;
        for index in 0..100 {
            let object = numbered(&mut mutator, index);
            set(object, 0, next);
            guardian.register(object);
            next = Some(object);
        }
        let root = mutator.root(next.unwrap());
        mutator.collect();
        assert_eq!(guardian.take(&mutator), None);
        drop(root);
        mutator.collect();
        assert_eq!(guardian.pending(), 100);
        mutator.collect();
        let mut seen = Vec::new();
        while let Some(object) = guardian.take(&mutator) {
            let below = get(object, 0).map(number);
            assert_eq!(below, number(object).checked_sub(1));
            seen.push(number(object));
        }
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(0..100));
        mutator.collect();
        assert_eq!(heap.stats().live_objects, 0);
        assert_eq!(heap.references().count(), 0);
    }
}

#[test]
fn an_object_may_come_back_and_be_guarded_again() {
    for options in both() {
        let heap = heap(options);
        let guardian = heap.references().guardian();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let object = numbered(&mut mutator, 7);
        guardian.register(object);
        guardian.register(object);
        for _ in 0..5 {
            mutator.collect();
            let object = guardian.take(&mutator).unwrap();
            assert_eq!(
                guardian.take(&mutator),
                Some(object),
                "registered twice, handed over twice"
            );
            assert_eq!(guardian.take(&mutator), None);
            let root = mutator.root(object);
            mutator.collect();
            assert_eq!(number(root.get()), 7);
            assert_eq!(guardian.take(&mutator), None, "it is not watched any more");
            guardian.register(root.get());
            guardian.register(root.get());
        }
    }
}

#[test]
fn weak_references_are_cleared_before_or_after() {
    for options in both() {
        let heap = heap(options);
        let references = heap.references();
        let guardian = references.guardian();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let object = numbered(&mut mutator, 1);
        let inner = numbered(&mut mutator, 2);
        set(object, 0, Some(inner));
        let when_gone = WeakOptions { clearing: Clearing::WhenGone, ..Default::default() };
        let early = [object, inner].map(|object| references.weak(object));
        let late = [object, inner].map(|object| references.weak_with(object, when_gone));
        let value = numbered(&mut mutator, 3);
        let ephemeron = references.ephemeron(inner, value);
        guardian.register(object);
        mutator.collect();
        assert!(early.iter().all(|weak| weak.get(&mutator).is_none()));
        assert!(late.iter().all(|weak| weak.get(&mutator).is_some()));
        assert_eq!(ephemeron.value(&mutator).map(number), Some(3));
        mutator.collect();
        assert_eq!(guardian.take(&mutator), late[0].get(&mutator));
        mutator.collect();
        assert!(late.iter().all(|weak| weak.get(&mutator).is_none()));
        assert_eq!(ephemeron.value(&mutator), None);
    }
}

/// A value that only the revival of its key keeps alive is itself guarded.
#[test]
fn revival_reaches_through_ephemerons() {
    for options in both() {
        let heap = heap(options);
        let references = heap.references();
        let guardian = references.guardian();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let key = numbered(&mut mutator, 1);
        let value = numbered(&mut mutator, 2);
        let ephemeron = references.ephemeron(key, value);
        guardian.register(key);
        guardian.register(value);
        mutator.collect();
        let mut taken: Vec<_> =
            std::iter::from_fn(|| guardian.take(&mutator).map(number)).collect();
        taken.sort_unstable();
        assert_eq!(taken, [1, 2], "neither was reachable");
        drop(ephemeron);
    }
}

#[test]
fn a_guardian_that_is_an_object_goes_with_it() {
    for options in both() {
        for handed_over in [false, true] {
            let heap = heap(options);
            let references = heap.references();
            let mut mutator = heap.attach(StackScan::None).unwrap();
            let holder = numbered(&mut mutator, 0);
            let holder = mutator.root(holder);
            let guardian = references.guardian_of(holder.get());
            let object = numbered(&mut mutator, 1);
            set(object, 0, Some(holder.get()));
            let keep = mutator.root(object);
            guardian.register(object);
            if handed_over {
                drop(keep);
                mutator.collect();
                assert_eq!(guardian.pending(), 1);
            } else {
                drop(keep);
            }
            drop(holder);
            mutator.collect();
            assert_eq!(guardian.take(&mutator), None);
            mutator.collect();
            assert_eq!(heap.stats().live_objects, 0, "the cycle through the guardian is garbage");
        }
    }
}

#[test]
fn a_dropped_guardian_lets_go() {
    let heap = heap(both()[0]);
    let references = heap.references();
    let guardian = references.guardian();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    for index in 0..10 {
        let object = numbered(&mut mutator, index);
        guardian.register(object);
        if index == 5 {
            mutator.collect();
        }
    }
    assert_eq!((guardian.pending(), references.count()), (6, 10));
    drop(guardian);
    assert_eq!(references.count(), 0);
    mutator.collect();
    assert_eq!(heap.stats().live_objects, 0);
}

#[test]
fn at_the_end_the_program_may_have_everything() {
    for options in both() {
        let heap = heap(options);
        let guardian = heap.references().guardian();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let object = numbered(&mut mutator, 1);
        let root = mutator.root(object);
        guardian.register(object);
        assert_eq!(guardian.hand_over_all(&mutator), 1);
        drop(root);
        mutator.collect();
        assert_eq!(guardian.take(&mutator).map(number), Some(1));
        assert_eq!(guardian.hand_over_all(&mutator), 0);
    }
}

/// A thread of its own finalizes, and ends when the guardian is closed.
#[test]
fn a_thread_waits_for_objects() {
    for options in both() {
        let heap = heap(options);
        let guardian = Arc::new(heap.references().guardian());
        std::thread::scope(|scope| {
            let finalizer = scope.spawn(|| {
                let mut mutator = heap.attach(StackScan::None).unwrap();
                let mut sum = 0;
                while guardian.wait(&mut mutator) {
                    while let Some(object) = guardian.take(&mutator) {
                        sum += number(object);
                    }
                }
                sum
            });
            let mut mutator = heap.attach(StackScan::None).unwrap();
            for index in 0..1000 {
                let object = numbered(&mut mutator, index);
                guardian.register(object);
                if index % 100 == 99 {
                    mutator.collect();
                }
            }
            guardian.close();
            assert_eq!(mutator.blocking(|| finalizer.join().unwrap()), 999 * 1000 / 2);
        });
    }
}
