//! Memory goes back to the system, and comes back as zeros.

use strandline::{HeapOptions, Kind, Sizing, StackScan};

use crate::chains::Chains;
use crate::graph::heap;
use crate::measure::{GIB, MIB, alone, mib, resident, scale};

/// Collections after which idle memory must have gone.
const COLLECTIONS: usize = 8;

#[test]
fn idle_memory_goes_back_and_comes_back_as_zeros() {
    let _alone = alone();
    let before = resident();
    let live = scale(GIB, 64 * MIB);
    let limit = live / 4 * 5 + 16 * MIB;
    let options = HeapOptions { limit, sizing: Sizing::Fixed, ..HeapOptions::default() };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let mut chains = Chains::new(&mut mutator, 100);
    let mut fill = |mutator: &mut strandline::Mutator, large: bool| {
        let bytes = if large { MIB } else { 208 };
        for _ in 0..live / bytes {
            let object = chains.add(mutator, bytes).unwrap();
            // SAFETY: the object's words behind its header, slot and stamp.
            let words = unsafe {
                std::slice::from_raw_parts_mut(object.as_ptr::<u64>().add(3), bytes / 8 - 3)
            };
            assert!(words.iter().all(|&word| word == 0), "{object:?} is not zero");
            words.fill(!0);
        }
        let full = resident() - before;
        chains.clear();
        full
    };
    for round in 0..4 {
        let full = fill(&mut mutator, round % 2 == 1);
        for _ in 0..COLLECTIONS {
            mutator.collect();
        }
        let (empty, stats) = (resident() - before, heap.stats());
        println!(
            "round {round}: {:.1} MiB resident with {:.0} MiB alive, {:.1} MiB when idle, {:.1} MiB committed",
            mib(full),
            mib(live),
            mib(empty),
            mib(stats.committed_bytes)
        );
        assert_eq!(stats.live_objects, 1, "the table");
        assert!(full > live, "{full}");
        assert!(stats.committed_bytes <= 8 * MIB, "{stats}");
        assert!(empty <= 12 * MIB, "{} MiB", mib(empty));
    }
    let leaf = mutator.allocate(Kind::Leaf, live).unwrap();
    // SAFETY: the object has that many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(leaf.as_ptr::<u64>(), live / 8) };
    assert!(bytes.iter().all(|&word| word == 0));
}
