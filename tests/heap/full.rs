//! Full heaps: always an error value, never while there is room, and usable afterwards.

use std::sync::Barrier;

use strandline::dirty::TrackerOptions;
use strandline::{
    Heap, HeapError, HeapOptions, Kind, Mutator, ObjectRef, OptionError, OutOfMemory, Root, Sizing,
    StackScan,
};

use crate::graph::{Graph, heap};

fn options(limit: usize, sizing: Sizing) -> HeapOptions {
    HeapOptions { limit, sizing, verify: true, ..HeapOptions::default() }
}

/// Sizes of every allocation path: small, just small, medium, the largest small, large.
const SIZES: [usize; 5] = [240, 1000, 8192, 20_000, 3 << 20];

/// Allocates until the heap is full; every object is rooted.
fn fill(
    mutator: &mut Mutator,
    mut allocate: impl FnMut(&mut Mutator) -> Result<ObjectRef, OutOfMemory>,
) -> (Vec<Root>, OutOfMemory) {
    let mut roots = Vec::new();
    loop {
        match allocate(mutator) {
            Ok(object) => roots.push(mutator.root(object)),
            Err(error) => return (roots, error),
        }
    }
}

#[test]
fn every_path_ends_in_an_error_and_the_heap_is_usable_afterwards() {
    let mutator = |heap: &Heap<Graph>, scan| heap.attach(scan).unwrap();
    for sizing in [Sizing::Fixed, Sizing::Balanced] {
        for scan in [StackScan::None, StackScan::Conservative] {
            let heap = heap(HeapOptions { verify: false, ..options(16 << 20, sizing) });
            let mut mutator = mutator(&heap, scan);
            for (kind, bytes) in Kind::ALL.into_iter().flat_map(|kind| SIZES.map(|b| (kind, b))) {
                for alignment in [16, 4096] {
                    let bytes = bytes.max(if alignment > 16 { 1000 } else { 0 });
                    let (roots, error) = fill(&mut mutator, |mutator| {
                        mutator.allocate_aligned(kind, bytes, alignment)
                    });
                    assert_eq!((error.bytes, error.limit >> 20), (bytes, 14));
                    // Aligned objects waste up to a page each, objects of 3 MiB a chunk each.
                    let held = roots.len() * bytes.next_multiple_of(alignment);
                    assert!(held > 5 << 20, "{kind:?}, {bytes} bytes: {} held", held >> 20);
                    assert!(roots.iter().all(|root| {
                        mutator.kind_of(root.get()) == kind && mutator.size_of(root.get()) >= bytes
                    }));
                }
            }
            mutator.collect();
            if scan == StackScan::None {
                assert_eq!(heap.stats().live_objects, 0);
            }
        }
    }
}

#[test]
fn sizes_near_the_end_of_the_address_space_are_refused() {
    let heap = heap(options(8 << 20, Sizing::Balanced));
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let sizes = [1, 16, 31, 32, 4095, 4096, 1 << 21, 1 << 22].map(|less| usize::MAX - less);
    for bytes in sizes.into_iter().chain([1 << 63, 1 << 47, 8 << 20]) {
        for kind in Kind::ALL {
            assert_eq!(mutator.allocate(kind, bytes).unwrap_err().bytes, bytes);
            assert_eq!(mutator.allocate_aligned(kind, bytes, 4096).unwrap_err().bytes, bytes);
        }
    }
    assert_eq!(heap.stats().collections, 0, "what can never fit needs no collection to tell");
    mutator.allocate(Kind::Leaf, 4 << 20).unwrap();
}

#[test]
fn an_object_larger_than_the_first_room_grows_the_heap() {
    let heap = heap(HeapOptions { verify: false, ..options(512 << 20, Sizing::Balanced) });
    let mut mutator = heap.attach(StackScan::None).unwrap();
    for _ in 0..10 {
        let first = mutator.allocate(Kind::Leaf, 150 << 20).unwrap();
        let _root = mutator.root(first);
        mutator.allocate(Kind::Precise, 300 << 20).unwrap();
    }
}

/// Fills the heap with garbage of one sort, then asks for another.
#[test]
fn garbage_of_one_sort_makes_room_for_any_other() {
    for sizing in [Sizing::Fixed, Sizing::Balanced] {
        let heap = heap(HeapOptions { verify: false, ..options(14 << 20, sizing) });
        let mut mutator = heap.attach(StackScan::None).unwrap();
        for round in 0..150 {
            let sorts = Kind::ALL.len() * SIZES.len();
            let (from, to) = (round % sorts, (round * 7 + round / sorts) % sorts);
            let sort = |index: usize| (Kind::ALL[index / SIZES.len()], SIZES[index % SIZES.len()]);
            let (kind, bytes) = sort(from);
            drop(fill(&mut mutator, |mutator| mutator.allocate(kind, bytes)));
            let (next, bytes) = sort(to);
            let result = mutator.allocate(next, bytes);
            assert!(result.is_ok(), "{next:?} of {bytes} after {:?}: {result:?}", sort(from));
        }
    }
}

#[test]
fn empty_chunks_anywhere_make_room_for_a_run() {
    for (garbage, wanted) in [(Kind::Leaf, Kind::Precise), (Kind::Precise, Kind::Leaf)] {
        for size in [100, 100_000] {
            let heap = heap(options(32 << 20, Sizing::Fixed));
            let mut mutator = heap.attach(StackScan::None).unwrap();
            drop(fill(&mut mutator, |mutator| mutator.allocate(garbage, size)));
            // All but one of the fifteen chunks.
            mutator.allocate(wanted, 28 << 20).unwrap();
        }
    }
}

/// No chunk is empty, and there are free blocks in all of them.
#[test]
fn free_blocks_anywhere_make_room_for_a_run() {
    const BLOCK: usize = 64 << 10;
    for (garbage, wanted) in [(Kind::Leaf, Kind::Precise), (Kind::Precise, Kind::Leaf)] {
        let heap = heap(options(32 << 20, Sizing::Fixed));
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let (mut roots, _) = fill(&mut mutator, |mutator| mutator.allocate(garbage, 8192));
        let mut index = 0;
        roots.retain(|_| {
            index += 1;
            index % (4 * BLOCK / 8192) == 0
        });
        let large = mutator.allocate(wanted, 16 << 20).unwrap();
        let large = mutator.root(large);
        let error = mutator.allocate(wanted, 12 << 20).unwrap_err();
        assert!(error.committed <= error.limit, "{error}");
        // What gave its memory back can be used again.
        drop(large);
        let (more, _) = fill(&mut mutator, |mutator| mutator.allocate(garbage, 8192));
        assert!(more.len() * 8192 > 18 << 20, "{} KiB", more.len() * 8);
        drop((roots, more));
        mutator.allocate(wanted, 28 << 20).unwrap();
    }
}

#[test]
fn holes_of_one_granule_are_room_for_objects_of_one() {
    let heap = heap(HeapOptions { verify: false, ..options(8 << 20, Sizing::Fixed) });
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let (mut roots, _) = fill(&mut mutator, |mutator| mutator.allocate(Kind::Leaf, 16));
    let all = roots.len();
    let mut index = 0;
    roots.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    let (more, _) = fill(&mut mutator, |mutator| mutator.allocate(Kind::Leaf, 16));
    assert!(more.len() > all / 3, "{} of {} holes were found", more.len(), all / 2);
}

#[test]
fn threads_that_make_only_garbage_never_run_out() {
    for sizing in [Sizing::Fixed, Sizing::Balanced] {
        let heap = heap(HeapOptions { verify: false, ..options(8 << 20, sizing) });
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let heap = &heap;
                scope.spawn(move || {
                    let mut mutator = heap.attach(StackScan::None).unwrap();
                    for round in 0..40_000 {
                        let bytes = 16 + (round * 37 + thread) % 8000;
                        mutator.allocate(Kind::Precise, bytes).unwrap();
                    }
                });
            }
        });
        println!("{}", heap.stats());
    }
}

#[test]
fn one_thread_fills_the_heap_while_another_waits() {
    let heap = heap(options(16 << 20, Sizing::Balanced));
    let full = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut mutator = heap.attach(StackScan::Conservative).unwrap();
            let mine = mutator.allocate(Kind::Leaf, 100).unwrap();
            mutator.blocking(|| full.wait());
            mutator.blocking(|| full.wait());
            assert_eq!(mutator.size_of(std::hint::black_box(mine)), 112);
            // The other thread's objects are gone: there is room again.
            mutator.blocking(|| full.wait());
            mutator.allocate(Kind::Precise, 8 << 20).unwrap();
        });
        let mut mutator = heap.attach(StackScan::None).unwrap();
        mutator.blocking(|| full.wait());
        let (roots, _) = fill(&mut mutator, |mutator| mutator.allocate(Kind::Leaf, 5000));
        mutator.blocking(|| full.wait());
        drop(roots);
        mutator.blocking(|| full.wait());
    });
}

#[test]
fn wrong_options_are_refused_with_the_reason() {
    let refused = |options| Heap::new(Graph, options).expect_err("refused");
    let default = HeapOptions::default();
    let error = refused(HeapOptions { limit: 1 << 20, ..default });
    assert!(matches!(error, HeapError::Option(OptionError::Limit(_))), "{error}");
    for markers in [0, 65] {
        let error = refused(HeapOptions { markers, ..default });
        assert!(error.to_string().contains("1 to 64"), "{error}");
    }
    let error = refused(HeapOptions { stress: Some(0), ..default });
    assert!(error.to_string().contains("stress interval"), "{error}");
    for limit in [usize::MAX, usize::MAX / 3, 1 << 62, 1 << 56, 1 << 47] {
        let error = refused(HeapOptions { limit, ..default });
        println!("{limit:#x}: {error}");
    }
    let cards = TrackerOptions {
        backend: Some(strandline::dirty::BackendKind::Cards),
        barriers: false,
        ..TrackerOptions::default()
    };
    let error = refused(HeapOptions { tracker: cards, ..default });
    assert!(matches!(error, HeapError::Tracker(_)), "{error}");
    assert!(error.to_string().contains("barrier"), "{error}");
}

/// Room for large objects that is next to room that was there before can be a chunk too many.
#[test]
fn a_large_object_leaves_no_whole_chunk_behind() {
    const CHUNK: usize = 2 << 20;
    let heap = heap(options(8 << 20, Sizing::Fixed));
    let mut mutator = heap.attach(StackScan::None).unwrap();
    // A tenth of the first chunk; then a little more than a chunk, for which two are committed.
    let first = mutator.allocate(Kind::Precise, CHUNK / 10).unwrap();
    let second = mutator.allocate(Kind::Precise, CHUNK + CHUNK / 20).unwrap();
    let _roots = [mutator.root(first), mutator.root(second)];
    mutator.allocate(Kind::Leaf, 100).unwrap();
}
