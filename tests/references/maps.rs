use strandline::StackScan;

use crate::both;
use crate::graph::{get, heap, node, set};

#[test]
fn entries_go_with_their_keys() {
    const KEYS: usize = 1000;
    for options in both() {
        let heap = heap(options);
        let map = heap.references().weak_map();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let keys = node(&mut mutator, KEYS, 0);
        let keys = mutator.root(keys);
        for index in 0..KEYS {
            let key = node(&mut mutator, 0, 1);
            set(keys.get(), index, Some(key));
            let value = node(&mut mutator, 1, index);
            let key = get(keys.get(), index).unwrap();
            // Every value refers to its key; that alone does not keep it.
            set(value, 0, Some(key));
            assert_eq!(map.insert(&mutator, key, value), None);
        }
        mutator.collect();
        assert_eq!(map.len(&mutator), KEYS);
        for index in (0..KEYS).step_by(2) {
            set(keys.get(), index, None);
        }
        mutator.collect();
        assert_eq!(map.len(&mutator), KEYS / 2);
        for index in (1..KEYS).step_by(2) {
            let key = get(keys.get(), index).unwrap();
            let value = map.get(&mutator, key).unwrap();
            assert_eq!((get(value, 0), mutator.size_of(value)), (Some(key), (index + 3) / 2 * 16));
        }
        let mut entries = 0;
        map.for_each(&mutator, |key, value| {
            assert_eq!(get(value, 0), Some(key));
            entries += 1;
        });
        assert_eq!(entries, KEYS / 2);
        let first = get(keys.get(), 1).unwrap();
        assert!(map.remove(&mutator, first).is_some());
        assert_eq!((map.remove(&mutator, first), map.get(&mutator, first)), (None, None));
        drop(keys);
        mutator.collect();
        assert!(map.is_empty(&mutator));
        assert_eq!(heap.references().count(), 0);
    }
}

#[test]
fn a_value_is_replaced_and_the_old_one_returned() {
    let heap = heap(both()[1]);
    let map = heap.references().weak_map();
    let mut mutator = heap.attach(StackScan::Conservative).unwrap();
    let [key, first, second] = std::array::from_fn(|_| node(&mut mutator, 0, 0));
    assert_eq!(map.insert(&mutator, key, first), None);
    assert_eq!(map.insert(&mutator, key, second), Some(first));
    assert_eq!((map.get(&mutator, key), map.len(&mutator)), (Some(second), 1));
    assert_eq!(key.identity_hash(), key.identity_hash());
    assert_ne!(key.identity_hash(), first.identity_hash());
}

/// Keys that come and go at the same addresses do not see the values of those before.
#[test]
fn a_new_object_at_an_old_address_is_a_new_key() {
    for options in both() {
        let heap = heap(options);
        let map = heap.references().weak_map();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let mut addresses = std::collections::HashSet::new();
        let mut again = 0;
        for _ in 0..30 {
            for _ in 0..50 {
                let key = node(&mut mutator, 0, 0);
                again += usize::from(!addresses.insert(key));
                assert_eq!(map.get(&mutator, key), None);
                assert_eq!(map.insert(&mutator, key, key), None);
            }
            mutator.collect();
        }
        assert!(again > 0, "no address was used again");
        assert!(map.is_empty(&mutator));
    }
}

/// A table of a language: an object that dies although a value in it refers to it.
#[test]
fn a_map_of_an_object_ends_with_it() {
    for options in both() {
        let heap = heap(options);
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let table = node(&mut mutator, 0, 0);
        let table = mutator.root(table);
        let map = heap.references().weak_map_of(table.get());
        let key = node(&mut mutator, 0, 0);
        let key = mutator.root(key);
        let value = node(&mut mutator, 1, 0);
        set(value, 0, Some(table.get()));
        map.insert(&mutator, key.get(), value);
        mutator.collect();
        assert!(map.get(&mutator, key.get()).is_some());
        drop(table);
        mutator.collect();
        assert_eq!(map.get(&mutator, key.get()), None);
        mutator.collect();
        assert_eq!(heap.stats().live_objects, 1);
    }
}
