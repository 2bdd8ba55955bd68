//! The size of the heap follows what is alive.

use strandline::{HeapOptions, Sizing, StackScan};

use crate::chains::Chains;
use crate::graph::{heap, node};
use crate::measure::{GIB, MIB, alone, mib, scale};

#[test]
fn a_balanced_heap_grows_and_shrinks_with_what_is_alive() {
    let _alone = alone();
    let unit = scale(256 * MIB, 24 * MIB);
    let limit = 4 * GIB;
    let options = HeapOptions { limit, sizing: Sizing::Balanced, ..HeapOptions::default() };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let mut chains = Chains::new(&mut mutator, 100);
    let mut sizes = Vec::new();
    for units in [1, 4, 1] {
        chains.clear();
        for _ in 0..units * unit / 1024 {
            chains.add(&mut mutator, 1024).unwrap();
        }
        // Garbage for as long as it takes the size to settle.
        let full = heap.stats().full_collections;
        while heap.stats().full_collections < full + 8 {
            for _ in 0..1000 {
                node(&mut mutator, 0, 127);
            }
        }
        let stats = heap.stats();
        println!(
            "{:.0} MiB alive: {:.0} MiB committed, {} collections",
            mib(units * unit),
            mib(stats.committed_bytes),
            stats.collections
        );
        assert!(stats.committed_bytes >= units * unit, "{stats}");
        assert!(stats.peak_bytes <= stats.limit_bytes, "{stats}");
        sizes.push(stats.committed_bytes);
    }
    assert!(sizes[1] > sizes[0] + 2 * unit, "it grows: {sizes:?}");
    assert!(sizes[2] < sizes[1] - unit, "it shrinks: {sizes:?}");
}
