use strandline::{Clearing, Kind, StackScan, WeakField, WeakOptions};

use crate::both;
use crate::graph::{get, heap, node, set};

#[test]
fn a_weak_reference_gives_its_object_until_nothing_else_does() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let object = node(&mut mutator, 1, 0);
        let (root, weak) = (mutator.root(object), heap.references().weak(object));
        for _ in 0..3 {
            mutator.collect();
            assert_eq!(weak.get(&mutator), Some(root.get()));
        }
        drop(root);
        mutator.collect();
        assert_eq!(weak.get(&mutator), None);
        let other = node(&mut mutator, 1, 0);
        weak.set(other);
        assert_eq!(weak.get(&mutator), Some(other));
        mutator.collect();
        assert_eq!(weak.get(&mutator), None, "it is still weak");
    }
}

#[test]
fn what_was_read_is_kept_by_the_stack() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::Conservative).unwrap();
        let weak = heap.references().weak(node(&mut mutator, 1, 0));
        let object = weak.get(&mutator).expect("nothing was collected yet");
        mutator.collect();
        assert_eq!(weak.get(&mutator), Some(std::hint::black_box(object)));
    }
}

/// A weak pair: a count of slots (none), the name of the field, and the rest of the list.
#[test]
fn fields_belong_to_their_holders() {
    for options in both() {
        let heap = heap(options);
        let references = heap.references();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let pair = node(&mut mutator, 1, 1);
        let pair = mutator.root(pair);
        let target = node(&mut mutator, 0, 4);
        let target = mutator.root(target);
        let field = references.weak_field(pair.get(), target.get(), WeakOptions::default());
        // SAFETY: the pair has two words after its header, and the second is no slot.
        unsafe { pair.get().as_ptr::<u64>().add(2).write(field.to_bits()) };
        mutator.collect();
        // SAFETY: as above.
        let read = || unsafe { pair.get().as_ptr::<u64>().add(2).read() };
        let field = WeakField::from_bits(read()).unwrap();
        assert_eq!(references.get(&mutator, field), Some(target.get()));
        drop(target);
        mutator.collect();
        assert_eq!(references.get(&mutator, field), None);
        assert_eq!(references.count(), 1, "an empty field is still one");
        assert!(references.set(field, pair.get()), "and can be filled again");
        assert_eq!(references.get(&mutator, field), Some(pair.get()));
        drop(pair);
        mutator.collect();
        assert_eq!(references.count(), 0, "the field has ended with its holder");
        assert_eq!(references.get(&mutator, field), None);
        assert!(!references.release(field));
    }
}

#[test]
fn the_name_of_a_field_that_has_ended_finds_no_other() {
    let heap = heap(both()[0]);
    let references = heap.references();
    let mut mutator = heap.attach(StackScan::Conservative).unwrap();
    let object = node(&mut mutator, 0, 0);
    let first = references.weak_field(object, object, WeakOptions::default());
    assert!(references.release(first));
    let second = references.weak_field(object, object, WeakOptions::default());
    assert_ne!(first, second);
    assert_eq!(references.get(&mutator, first), None);
    assert_eq!(references.get(&mutator, second), Some(object));
    assert!(!references.set(first, object) && !references.release(first));
    assert_eq!(WeakField::from_bits(0), None);
    let nonsense = WeakField::from_bits(u64::MAX).unwrap();
    assert_eq!(references.get(&mutator, nonsense), None);
    mutator.safepoint();
}

#[test]
fn deaths_are_told_once_each() {
    for options in both() {
        let heap = heap(options);
        let references = heap.references();
        let queue = references.death_queue();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let keep = node(&mut mutator, 0, 1);
        let keep = mutator.root(keep);
        let notify = |token| WeakOptions { notify: Some((&queue, token)), ..Default::default() };
        let _kept = references.weak_with(keep.get(), notify(1000));
        let weak: Vec<_> = (0..100)
            .map(|token| {
                let object = mutator.allocate(Kind::Leaf, 64).unwrap();
                references.weak_with(object, notify(token))
            })
            .collect();
        mutator.collect();
        mutator.collect();
        let mut told = queue.drain();
        told.sort_unstable();
        assert_eq!(told, Vec::from_iter(0..100));
        assert!(weak.iter().all(|weak| weak.get(&mutator).is_none()));
        drop(keep);
        mutator.collect();
        assert!(queue.wait());
        assert_eq!((queue.take(), queue.take()), (Some(1000), None));
        queue.close();
        assert!(!queue.wait());
    }
}

#[test]
fn a_dropped_handle_is_not_told_of() {
    let heap = heap(both()[0]);
    let references = heap.references();
    let queue = references.death_queue();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let object = node(&mut mutator, 0, 0);
    let options = WeakOptions { notify: Some((&queue, 1)), clearing: Clearing::WhenGone };
    drop(references.weak_with(object, options));
    mutator.collect();
    assert_eq!(queue.take(), None);
    assert_eq!(references.count(), 0);
}

#[test]
fn weak_references_outlive_their_heap() {
    let (weak, field, references);
    {
        let heap = heap(both()[0]);
        references = heap.references();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let object = node(&mut mutator, 0, 0);
        weak = references.weak(object);
        field = references.weak_field(object, object, WeakOptions::default());
    }
    let heap = heap(both()[0]);
    let mutator = heap.attach(StackScan::None).unwrap();
    let read = std::panic::AssertUnwindSafe(|| weak.get(&mutator));
    let panic = std::panic::catch_unwind(read).unwrap_err();
    let message = panic.downcast_ref::<&str>().unwrap();
    assert!(message.contains("another heap"), "{message}");
    assert!(references.release(field));
    drop(weak);
    assert_eq!(references.count(), 0);
}

/// Weak references to large objects, to leaves, from objects of every age.
#[test]
fn every_kind_and_size_of_referent() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let holder = node(&mut mutator, 64, 0);
        let holder = mutator.root(holder);
        let mut weak = Vec::new();
        for (slot, bytes) in [16, 64, 8192, 10_000, 1 << 20].into_iter().enumerate() {
            for (index, kind) in [Kind::Leaf, Kind::Conservative].into_iter().enumerate() {
                let kept = mutator.allocate(kind, bytes).unwrap();
                set(holder.get(), 2 * slot + index, Some(kept));
                weak.push((heap.references().weak(kept), Some(kept)));
                let lost = mutator.allocate(kind, bytes).unwrap();
                weak.push((heap.references().weak(lost), None));
                if slot % 2 == 0 {
                    mutator.collect();
                }
            }
        }
        mutator.collect();
        for (weak, expected) in &weak {
            assert_eq!(weak.get(&mutator), *expected);
        }
        assert!(get(holder.get(), 0).is_some());
    }
}
