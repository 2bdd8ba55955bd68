//! As much alive as the machine has room for.

use std::time::Instant;

use strandline::{HeapOptions, Sizing, StackScan};

use crate::chains::Chains;
use crate::graph::heap;
use crate::measure::{GIB, MIB, alone, collect_and_report, peak_resident, resident, scale};

/// Sizes from a few words to large objects; the mean is about 370 bytes.
const SIZES: [usize; 16] =
    [32, 48, 64, 64, 64, 96, 128, 128, 160, 192, 256, 320, 512, 1024, 2032, 800];

#[test]
fn everything_that_is_alive_is_found_again() {
    let _alone = alone();
    let before = resident();
    let wanted = scale(16 * GIB, 48 * MIB);
    let limit = wanted / 100 * 108 + 16 * MIB;
    let options = HeapOptions { limit, sizing: Sizing::Fixed, ..HeapOptions::default() };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let start = Instant::now();
    let mut chains = Chains::new(&mut mutator, 1000);
    let (mut bytes, mut index) = (0, 0);
    while bytes < wanted {
        // Now and then a large object, and one that fits behind it.
        let size = match index % 40_000 {
            39_998 => 3 * MIB,
            39_999 => MIB,
            _ => SIZES[index % SIZES.len()],
        };
        chains.add(&mut mutator, size).unwrap();
        bytes += size;
        index += 1;
    }
    collect_and_report("all alive", &heap, &mut mutator, start.elapsed());
    let stats = heap.stats();
    assert_eq!(stats.live_objects, chains.len() + 1);
    assert!(stats.live_bytes >= wanted, "{stats}");
    let mut visited = 0;
    chains.check(|object| {
        visited += 1;
        if visited % 997 == 0 {
            assert_eq!(heap.find_object(object.address() + 23), Some(object));
        }
    });
    let used = peak_resident() - before;
    assert!(used <= limit / 100 * 105 + 16 * MIB, "{used} bytes resident, limit {limit}");
}
