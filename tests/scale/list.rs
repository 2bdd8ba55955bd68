//! A list too long for anything that recurses.

use std::time::Instant;

use strandline::{HeapOptions, Sizing, StackScan};

use crate::graph::{get, heap, node, set};
use crate::measure::{MIB, alone, collect_and_report, scale};

#[test]
fn a_long_list_overflows_nothing() {
    let _alone = alone();
    let length = scale(100_000_000, 500_000);
    let options = HeapOptions {
        limit: length * 16 / 10 * 11 + 16 * MIB,
        sizing: Sizing::Fixed,
        ..HeapOptions::default()
    };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let start = Instant::now();
    let first = node(&mut mutator, 1, 0);
    let root = mutator.root(first);
    for _ in 1..length {
        let object = node(&mut mutator, 1, 0);
        set(object, 0, Some(root.get()));
        root.set(object);
    }
    collect_and_report("a list", &heap, &mut mutator, start.elapsed());
    assert_eq!(heap.stats().live_objects, length);
    let mut found = 0;
    let mut next = Some(root.get());
    while let Some(object) = next {
        found += 1;
        next = get(object, 0);
    }
    assert_eq!(found, length);
}
