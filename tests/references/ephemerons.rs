use strandline::{Heap, HeapOptions, Mode, Mutator, Root, StackScan, WeakField};

use crate::both;
use crate::graph::{Graph, get, heap, node, set};

#[test]
fn a_value_lives_as_long_as_its_key_even_if_it_refers_to_it() {
    for options in both() {
        let heap = heap(options);
        let references = heap.references();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let key = node(&mut mutator, 0, 0);
        let value = node(&mut mutator, 1, 0);
        set(value, 0, Some(key));
        let weak = references.weak(value);
        let (root, ephemeron) = (mutator.root(key), references.ephemeron(key, value));
        for _ in 0..3 {
            mutator.collect();
            assert_eq!(ephemeron.key(&mutator), Some(root.get()));
            assert_eq!(ephemeron.value(&mutator), weak.get(&mutator));
            assert_eq!(get(ephemeron.value(&mutator).unwrap(), 0), Some(root.get()));
        }
        let other = node(&mut mutator, 0, 3);
        assert!(ephemeron.set_value(other));
        mutator.collect();
        assert_eq!(weak.get(&mutator), None, "nobody refers to the old value");
        assert_eq!(mutator.size_of(ephemeron.value(&mutator).unwrap()), 32);
        drop(root);
        mutator.collect();
        assert_eq!((ephemeron.key(&mutator), ephemeron.value(&mutator)), (None, None));
        let other = node(&mut mutator, 0, 0);
        assert!(!ephemeron.set_value(other), "a value without a key would never go");
        assert_eq!(heap.stats().live_objects, 0);
    }
}

/// A field keeps its value as long as holder and key are both alive.
#[test]
fn a_field_needs_its_holder_and_its_key() {
    for options in both() {
        for (drop_holder, drop_key) in [(true, false), (false, true), (false, false)] {
            let heap = heap(options);
            let references = heap.references();
            let mut mutator = heap.attach(StackScan::None).unwrap();
            let objects: [_; 3] = std::array::from_fn(|_| {
                let object = node(&mut mutator, 1, 0);
                mutator.root(object)
            });
            let [holder, key, value] = objects;
            // The value refers to the holder: a cycle through the table.
            set(value.get(), 0, Some(holder.get()));
            let field = references.ephemeron_field(holder.get(), key.get(), value.get());
            let weak = references.weak(value.get());
            drop(value);
            let holder = (!drop_holder).then_some(holder);
            let key = (!drop_key).then_some(key);
            mutator.collect();
            let alive = holder.is_some() && key.is_some();
            assert_eq!(weak.get(&mutator).is_some(), alive);
            assert_eq!(references.value(&mutator, field).is_some(), alive);
            assert_eq!(references.get(&mutator, field).is_some(), alive);
        }
    }
}

/// Links of a chain: each key is held only by the value before.
struct Chain {
    first: Root,
    fields: Vec<WeakField>,
}

/// Makes the ephemerons in an order in which no walk over the table finds one after the other.
fn chain(heap: &Heap<Graph>, mutator: &mut Mutator, length: usize, holder: &Root) -> Chain {
    let keys = node(mutator, length + 1, 0);
    let keys = mutator.root(keys);
    for index in 0..=length {
        let key = node(mutator, 0, 1);
        set(keys.get(), index, Some(key));
    }
    let mut fields = Vec::new();
    for index in (0..length).rev() {
        let value = node(mutator, 1, 0);
        let key = get(keys.get(), index).unwrap();
        set(value, 0, get(keys.get(), index + 1));
        fields.push(heap.references().ephemeron_field(holder.get(), key, value));
    }
    let first = get(keys.get(), 0).unwrap();
    Chain { first: mutator.root(first), fields }
}

#[test]
fn a_chain_lives_and_dies_as_one() {
    for options in both() {
        for markers in [1, 3] {
            let heap = heap(HeapOptions { markers, ..options });
            let references = heap.references();
            let mut mutator = heap.attach(StackScan::None).unwrap();
            let holder = node(&mut mutator, 0, 0);
            let holder = mutator.root(holder);
            let chain = chain(&heap, &mut mutator, 500, &holder);
            for _ in 0..2 {
                mutator.collect();
                for &field in &chain.fields {
                    assert!(references.value(&mutator, field).is_some());
                }
            }
            drop(chain.first);
            mutator.collect();
            for &field in &chain.fields {
                assert_eq!(references.get(&mutator, field), None);
            }
            mutator.collect();
            assert_eq!(heap.stats().live_objects, 1);
        }
    }
}

/// Looks at ephemerons in a full collection with a chain of that length.
fn looks_at(mode: Mode, length: usize) -> usize {
    // One marker: two may miss each other at a link, which costs a look at all.
    let options = HeapOptions { limit: 256 << 20, mode, markers: 1, ..HeapOptions::default() };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let holder = node(&mut mutator, 0, 0);
    let holder = mutator.root(holder);
    let chain = chain(&heap, &mut mutator, length, &holder);
    mutator.collect();
    let last = chain.fields[0];
    assert!(heap.references().value(&mutator, last).is_some());
    heap.cycles().last().expect("there was one").reference_looks
}

/// Linear and not quadratic: each link is looked at a few times, however long the chain is.
#[test]
fn a_long_chain_takes_linear_time() {
    for (mode, length) in [Mode::Stopped, Mode::Concurrent].map(|mode| (mode, 40_000)) {
        let looks = looks_at(mode, length);
        println!("{mode:?}: {looks} looks at {length} links");
        assert!((length..=8 * length).contains(&looks), "{looks} looks at {length} links");
    }
}
