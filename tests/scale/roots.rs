//! Millions of handles.

use std::time::Instant;

use strandline::{HeapOptions, StackScan};

use crate::graph::{heap, node};
use crate::measure::{GIB, alone, collect_and_report, scale};

#[test]
fn every_one_of_millions_of_handles_keeps_its_object() {
    let _alone = alone();
    let count = scale(10_000_000, 200_000);
    let heap = heap(HeapOptions { limit: GIB, ..HeapOptions::default() });
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let start = Instant::now();
    let mut handles: Vec<_> = (0..count)
        .map(|index| {
            let object = node(&mut mutator, 0, 1);
            // SAFETY: a word of payload follows the header.
            unsafe { object.as_ptr::<usize>().add(1).write(index) };
            mutator.root(object)
        })
        .collect();
    collect_and_report("handles", &heap, &mut mutator, start.elapsed());
    assert_eq!(heap.stats().live_objects, count);
    for (index, handle) in handles.iter().enumerate() {
        // SAFETY: as above.
        assert_eq!(unsafe { handle.get().as_ptr::<usize>().add(1).read() }, index);
    }
    let mut index = 0;
    handles.retain(|_| {
        index += 1;
        index % 3 == 0
    });
    mutator.collect();
    assert_eq!(heap.stats().live_objects, handles.len());
}
