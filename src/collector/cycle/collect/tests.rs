//! Collections while a mutator makes memory ready that it is about to take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::*;
use crate::collector::options::HeapOptions;
use crate::heap::is_large;
use crate::mutator::{Cause, CollectOnDemand, MoreRoom, OutOfMemory};
use crate::{Heap, Kind, Mode, Mutator, ObjectRef, SlotVisitor, StackScan};

/// No precise objects.
struct Leaves;

// SAFETY: the tests allocate nothing that it is asked about.
unsafe impl ObjectModel for Leaves {
    unsafe fn trace<V: SlotVisitor>(&self, _: ObjectRef, _: &mut V) {}
}

/// A collector that collects whenever a mutator is to make memory ready, before it does and after that.
struct CollectsMeanwhile {
    shared: Arc<Shared<Leaves>>,
    touched: AtomicUsize,
    cleared: AtomicUsize,
}

impl CollectOnDemand for CollectsMeanwhile {
    fn prepare(&self, memory: &Unready) {
        let running = self.shared.world.running_threads(|_| true);
        assert!(running.is_empty(), "a stop would wait for who makes memory ready");
        self.shared.collect(Cause::Request, self.shared.collections());
        match memory {
            Unready::Untouched(_) => &self.touched,
            Unready::Uncleared(_) => &self.cleared,
        }
        .fetch_add(1, Relaxed);
        self.shared.prepare(memory);
        self.shared.collect(Cause::Request, self.shared.collections());
    }

    fn collect(&self, cause: Cause, seen: u64) {
        self.shared.collect(cause, seen);
    }

    fn collections(&self) -> u64 {
        self.shared.collections()
    }

    fn charge(&self, bytes: usize) -> MoreRoom {
        self.shared.charge(bytes)
    }

    fn grown(&self) {}

    fn assist(&self, time: Duration) {
        self.shared.assist(time);
    }

    fn assist_stop(&self, last: &mut u64) -> bool {
        self.shared.assist_stop(last)
    }

    fn is_marking(&self) -> bool {
        self.shared.is_marking()
    }

    fn precede(&self) {
        self.shared.precede();
    }

    fn fall_in(&self) {
        self.shared.fall_in();
    }

    fn is_preceded(&self) -> bool {
        self.shared.is_preceded()
    }

    fn let_precede(&self) {
        self.shared.let_precede();
    }

    fn out_of_memory(&self, error: &OutOfMemory) -> bool {
        CollectOnDemand::out_of_memory(&*self.shared, error)
    }

    fn stress(&self) -> Option<bool> {
        self.shared.stress()
    }
}

/// Each object of `bytes` is where no other one is, and zero, although the heap was collected while its
/// memory was being made ready.
fn a_stop_is_granted(mode: Mode, kind: Kind, bytes: usize) {
    const TIMES: usize = 8;
    const PAGE: usize = 4096;
    let options = HeapOptions { mode, limit: 256 << 20, verify: true, ..HeapOptions::default() };
    let heap = Heap::new(Leaves, options).unwrap();
    let shared = &heap.shared;
    let [touched, cleared] = [0, 0].map(AtomicUsize::new);
    let collector = Arc::new(CollectsMeanwhile { shared: shared.clone(), touched, cleared });
    let mut mutator = Mutator::attach(
        Arc::clone(&shared.world),
        Arc::clone(&shared.memory),
        Arc::clone(&collector) as _,
        Arc::clone(&shared.roots),
        StackScan::None,
    )
    .unwrap();
    let often = |counter: &AtomicUsize| counter.load(Relaxed) >= TIMES;
    // Room for large ones is cleared, where others have been.
    let is_done = || often(&collector.touched) && (!is_large(bytes) || often(&collector.cleared));
    let mut kept = Vec::new();
    for number in (0..).take_while(|_| !is_done()) {
        let object = mutator.allocate(kind, bytes).unwrap();
        // SAFETY: the object was allocated just now and has so many bytes.
        let contents = unsafe { std::slice::from_raw_parts_mut(object.as_ptr::<u8>(), bytes) };
        assert!(contents.chunks(PAGE).all(|page| page == [0; PAGE]));
        contents.fill(1);
        if number % 4 != 0 {
            kept.push(mutator.root(object));
        }
    }
    assert!(heap.stats().collections >= TIMES as u64);
}

#[test]
fn a_stop_does_not_wait_for_who_touches_blocks() {
    a_stop_is_granted(Mode::Stopped, Kind::Leaf, 4096);
    a_stop_is_granted(Mode::Concurrent, Kind::Leaf, 4096);
}

#[test]
fn a_stop_does_not_wait_for_who_touches_or_clears_a_large_object() {
    for kind in [Kind::Leaf, Kind::Conservative] {
        a_stop_is_granted(Mode::Stopped, kind, 3 << 20);
        a_stop_is_granted(Mode::Concurrent, kind, 3 << 20);
    }
}

/// A source of one root.
struct Source(AtomicUsize);

impl crate::RootSource for Source {
    fn visit_roots(&self, visitor: &mut dyn SlotVisitor) {
        // SAFETY: the word is the source's own and lives as long.
        visitor.visit(unsafe { Slot::at_address((&raw const self.0).addr()) });
    }
}

/// Nothing else refers to them, and another object, to which nothing refers, is gone.
#[test]
fn what_sources_and_ranges_refer_to_is_alive() {
    for mode in [Mode::Stopped, Mode::Concurrent] {
        let options = HeapOptions { mode, verify: true, ..HeapOptions::default() };
        let heap = Heap::new(Leaves, options).unwrap();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        // Not in one block's hole: each has a page of its own.
        let [first, second, dead] =
            [(); 3].map(|()| mutator.allocate(Kind::Leaf, 3 << 12).unwrap().address());
        let _source = heap.add_root_source(Arc::new(Source(AtomicUsize::new(first))));
        // A place in the object will do.
        let range = [0, second + 100].map(AtomicUsize::new);
        let addresses = range.as_ptr_range();
        // SAFETY: the words outlive the registration, and nobody writes them.
        let registration =
            unsafe { heap.add_root_range(addresses.start.addr()..addresses.end.addr()) };
        (0..2).for_each(|_| mutator.collect());
        heap.shared.finish_sweep(&mut heap.shared.cycle.lock().unwrap());
        let is_there = |address| heap.find_object(address).is_some();
        assert_eq!([first, second, dead].map(is_there), [true, true, false], "{mode:?}");
        drop(registration);
    }
}
