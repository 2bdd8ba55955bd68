//! One array of references that is most of the heap.

use std::time::Instant;

use strandline::{HeapOptions, Sizing, StackScan};

use crate::graph::{heap, node, node_bytes, set};
use crate::measure::{GIB, MIB, alone, collect_and_report, scale};

#[test]
fn one_array_is_marked_in_parts_and_found_from_inside() {
    let _alone = alone();
    let bytes = scale(4 * GIB, 32 * MIB);
    let options = HeapOptions {
        limit: bytes + bytes / 4,
        sizing: Sizing::Fixed,
        markers: 2,
        ..HeapOptions::default()
    };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let start = Instant::now();
    let slots = bytes / 8 - 1;
    let array = node(&mut mutator, slots, 0);
    assert_eq!(mutator.size_of(array), node_bytes(slots, 0));
    let root = mutator.root(array);
    // A new object for every so many slots; the slots between refer to it, too.
    let each = 512;
    for first in (0..slots).step_by(each) {
        let object = node(&mut mutator, 1, 0);
        for slot in first..(first + each).min(slots) {
            set(array, slot, Some(object));
        }
    }
    collect_and_report("one array", &heap, &mut mutator, start.elapsed());
    assert_eq!(heap.stats().live_objects, slots.div_ceil(each) + 1);
    for offset in [0, 1, 8191, bytes / 2 + 3, bytes - 1] {
        assert_eq!(heap.find_object(array.address() + offset), Some(array), "offset {offset}");
    }
    assert_ne!(heap.find_object(array.address() + bytes), Some(array));
    drop(root);
    mutator.collect();
    assert_eq!(heap.stats().live_objects, 0);
}
