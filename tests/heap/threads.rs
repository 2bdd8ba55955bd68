//! Several threads, and roots that only their stacks hold.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use strandline::{
    Heap, HeapOptions, Kind, Mode, Mutator, ObjectRef, Root, RootSource, SlotVisitor, StackScan,
};

use crate::graph::{Graph, get, heap, node, set, store};

pub(crate) fn options() -> HeapOptions {
    HeapOptions { limit: 32 << 20, verify: true, markers: 2, ..HeapOptions::default() }
}

pub(crate) fn set_payload(object: ObjectRef, slots: usize, word: usize) {
    // SAFETY: every node of this file has a payload word behind its slots.
    unsafe { object.as_ptr::<usize>().add(1 + slots).write(word) };
}

pub(crate) fn payload(object: ObjectRef, slots: usize) -> usize {
    // SAFETY: as above.
    unsafe { object.as_ptr::<usize>().add(1 + slots).read() }
}

pub(crate) const SLOTS: usize = 4;

/// A list of `length` nodes that carry `tag`.
pub(crate) fn list(
    heap: &Heap<Graph>,
    mutator: &mut Mutator,
    length: usize,
    tag: usize,
) -> ObjectRef {
    let head = node(mutator, SLOTS, 1);
    set_payload(head, SLOTS, tag);
    let root = mutator.root(head);
    for _ in 1..length {
        let next = node(mutator, SLOTS, 1 + length);
        set_payload(next, SLOTS, tag);
        set(next, 0, get(root.get(), 0));
        store(heap, root.get(), 0, Some(next));
    }
    root.get()
}

/// Checks a list; returns its length.
pub(crate) fn check_list(head: ObjectRef, tag: usize) -> usize {
    let (mut length, mut next) = (0, Some(head));
    while let Some(object) = next {
        assert_eq!(payload(object, SLOTS), tag);
        length += 1;
        next = get(object, 0);
    }
    length
}

/// Counts collections, from inside.
#[derive(Default)]
struct Visits(AtomicU64);

impl RootSource for Visits {
    fn visit_roots(&self, _: &mut dyn SlotVisitor) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_requested_collection_is_never_one_that_marked_before_the_request() {
    let heap = heap(HeapOptions { verify: false, ..options() });
    let visits = Arc::new(Visits::default());
    let _registration = heap.add_root_source(Arc::clone(&visits) as _);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut mutator = heap.attach(StackScan::None).unwrap();
                for _ in 0..1000 {
                    // This thread runs, so nobody is marking.
                    let before = visits.0.load(SeqCst);
                    mutator.collect();
                    assert!(visits.0.load(SeqCst) > before, "nothing was marked since");
                }
            });
        }
    });
}

#[test]
fn looking_up_addresses_while_they_are_made_and_swept_is_no_panic() {
    let heap = heap(HeapOptions { verify: false, ..options() });
    let (done, address) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut mutator = heap.attach(StackScan::None).unwrap();
            for round in 0..300_000 {
                let object = mutator.allocate(Kind::Leaf, 16 + round % 3000).unwrap();
                address.store(object.address(), SeqCst);
                if round % 5000 == 0 {
                    mutator.collect();
                }
            }
            done.store(true, SeqCst);
        });
        while !done.load(SeqCst) {
            let at = address.load(SeqCst);
            for inside in (0..8192).step_by(48) {
                if let Some(found) = heap.find_object(at + inside) {
                    assert!(found.address() <= at + inside);
                }
            }
        }
    });
}

/// The only reference is in a local variable (a register, more likely), across many allocations.
#[inline(never)]
fn sum_of_a_list_in_locals(mutator: &mut Mutator) -> usize {
    let mut head = None;
    for value in 0..200 {
        let next = node(mutator, SLOTS, 1);
        set_payload(next, SLOTS, value);
        set(next, 0, head);
        head = Some(next);
    }
    let mut sum = 0;
    while let Some(object) = head {
        sum += payload(object, SLOTS);
        head = get(object, 0);
        node(mutator, 0, 20);
    }
    sum
}

#[test]
fn locals_keep_objects_alive_under_stress() {
    let heap = heap(HeapOptions { limit: 8 << 20, stress: Some(1), ..options() });
    let mut mutator = heap.attach(StackScan::Conservative).unwrap();
    assert_eq!(sum_of_a_list_in_locals(&mut mutator), 199 * 200 / 2);
}

#[test]
fn an_interior_pointer_alone_keeps_an_object_alive() {
    let heap = heap(HeapOptions { limit: 16 << 20, ..options() });
    let mut mutator = heap.attach(StackScan::Conservative).unwrap();
    for (bytes, inside) in
        [(16, 15), (4096, 17), (8192, 8191), (100_000, 99_999), (3 << 20, 1 << 20)]
    {
        // Only the address inside is known from here on.
        let interior = black_box(mutator.allocate(Kind::Leaf, bytes).unwrap().address() + inside);
        for _ in 0..3 {
            mutator.collect();
            mutator.allocate(Kind::Leaf, bytes).unwrap();
        }
        let object = heap.find_object(black_box(interior)).expect("it is alive");
        assert_eq!(object.address(), interior - inside);
        assert_eq!(mutator.size_of(object), bytes.next_multiple_of(16));
    }
}

/// Runs `body` on a thread that is attached and conservative, while this thread collects when told.
fn beside_a_collecting_thread(body: impl FnOnce(&Heap<Graph>, &mut Mutator, &Barrier) + Send) {
    let heap = heap(options());
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut mutator = heap.attach(StackScan::Conservative).unwrap();
            body(&heap, &mut mutator, &barrier);
        });
        let mut mutator = heap.attach(StackScan::None).unwrap();
        mutator.blocking(|| barrier.wait());
        for _ in 0..3 {
            mutator.collect();
            // Reuses what was freed.
            (0..2000).for_each(|_| _ = node(&mut mutator, SLOTS, 1));
        }
        mutator.blocking(|| barrier.wait());
    });
}

#[test]
fn the_stack_of_a_blocked_thread_keeps_objects_alive() {
    beside_a_collecting_thread(|_, mutator, barrier| {
        let object = black_box(node(mutator, SLOTS, 1));
        set_payload(object, SLOTS, 77);
        mutator.blocking(|| {
            barrier.wait();
            barrier.wait();
        });
        assert_eq!(payload(black_box(object), SLOTS), 77);
    });
}

/// The reference has moved into the operation: it may be in no frame above the blocking region.
#[inline(never)]
fn carried_through(mutator: &mut Mutator, barrier: &Barrier) -> ObjectRef {
    let object = node(mutator, SLOTS, 1);
    set_payload(object, SLOTS, 78);
    let carried = [object.address(); 1];
    let address = mutator.blocking(move || {
        barrier.wait();
        barrier.wait();
        carried[0]
    });
    // SAFETY: the address of the object from above.
    unsafe { ObjectRef::from_address(address) }.unwrap()
}

#[test]
fn what_a_blocking_operation_carries_is_kept_alive() {
    beside_a_collecting_thread(|_, mutator, barrier| {
        let object = carried_through(mutator, barrier);
        assert_eq!(payload(object, SLOTS), 78);
        assert_eq!(mutator.size_of(object), 48);
    });
}

#[test]
fn the_slowest_thread_is_named() {
    let heap = heap(options());
    let (to_laggard, at_laggard) = mpsc::channel();
    std::thread::scope(|scope| {
        let laggard = std::thread::Builder::new().name("laggard".into());
        let heap = &heap;
        laggard
            .spawn_scoped(scope, move || {
                let mut mutator = heap.attach(StackScan::None).unwrap();
                at_laggard.recv().unwrap();
                // Runs on until a stop is wanted of it: a safepoint is all it ever reaches.
                while heap.stats().collections == 0 {
                    mutator.safepoint();
                }
            })
            .unwrap();
        while heap.attached_threads() == 0 {
            std::thread::yield_now();
        }
        let mut mutator = heap.attach(StackScan::None).unwrap();
        to_laggard.send(()).unwrap();
        mutator.collect();
    });
    let slowest = heap.stats().slowest_safepoint.expect("there was a collection");
    assert_eq!(slowest.slowest.as_deref(), Some("laggard"), "{slowest:?}");
    assert!(heap.stats().to_string().contains("laggard"));
}

#[test]
fn heaps_of_one_process_know_nothing_of_each_other() {
    let heaps: Vec<_> = (0..3).map(|_| heap(options())).collect();
    std::thread::scope(|scope| {
        for heap in &heaps {
            let heaps = &heaps;
            scope.spawn(move || {
                // Attached to all, collecting one's own.
                let mut mutators: Vec<_> =
                    heaps.iter().map(|heap| heap.attach(StackScan::None).unwrap()).collect();
                let own = heaps.iter().position(|other| std::ptr::eq(other, heap)).unwrap();
                let kept = list(heap, &mut mutators[own], 50, own);
                let kept = mutators[own].root(kept);
                for other in (0..3).filter(|&other| other != own) {
                    assert_eq!(heaps[other].find_object(kept.get().address()), None);
                }
                let own_mutator = mutators.swap_remove(own);
                drop(mutators);
                let mut mutator = own_mutator;
                for _ in 0..5 {
                    mutator.collect();
                }
                assert_eq!(check_list(kept.get(), own), 50);
            });
        }
    });
}

#[test]
fn a_heap_whose_handle_was_dropped_serves_its_mutators() {
    let visits = Arc::new(Visits::default());
    let heap = heap(options());
    let registration = heap.add_root_source(Arc::clone(&visits) as _);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let kept = list(&heap, &mut mutator, 100, 5);
    let kept = mutator.root(kept);
    mutator.collect();
    drop(heap);
    // The background sweeper has gone; mutators sweep for themselves.
    for round in 0..50_000 {
        mutator.allocate(Kind::Precise, 4000).unwrap();
        if round % 10_000 == 0 {
            mutator.collect();
        }
    }
    let mut large = Vec::new();
    for _ in 0..20 {
        let object = mutator.allocate(Kind::Leaf, 1 << 20).unwrap();
        large.push(mutator.root(object));
    }
    assert_eq!(check_list(kept.get(), 5), 100);
    assert!(visits.0.load(SeqCst) > 5);
    drop(mutator);
    // The memory has gone with the last mutator. What is left are addresses and registrations.
    assert_eq!(Arc::strong_count(&visits), 2);
    drop((kept, large));
    drop(registration);
    assert_eq!(Arc::strong_count(&visits), 1);
}

/// A root source that drops a handle when it is asked for the first time, as a thread without a mutator may at
/// any moment.
struct DropsAHandle(Mutex<Option<Root>>);

impl RootSource for DropsAHandle {
    fn visit_roots(&self, _: &mut dyn SlotVisitor) {
        drop(self.0.lock().unwrap().take());
    }
}

/// The object was marked by then, and the verifier found no root of it.
#[test]
fn a_handle_that_is_dropped_in_the_middle_of_a_collection_is_no_complaint_of_the_verifier() {
    let options = HeapOptions { mode: Mode::Stopped, verify: true, ..HeapOptions::default() };
    let heap = heap(options);
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let object = mutator.allocate(Kind::Leaf, 64).unwrap();
    let source = Arc::new(DropsAHandle(Mutex::new(Some(mutator.root(object)))));
    let registration = heap.add_root_source(Arc::clone(&source) as _);
    mutator.collect();
    assert!(source.0.lock().unwrap().is_none());
    assert_eq!(heap.stats().live_objects, 1, "it was marked before");
    drop(registration);
    mutator.collect();
    assert_eq!(heap.stats().live_objects, 0);
}
