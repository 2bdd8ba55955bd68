//! Collections while a mutator touches what the heap grows by.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::*;
use crate::collector::options::HeapOptions;
use crate::mutator::{Cause, CollectOnDemand, MoreRoom, OutOfMemory};
use crate::{Heap, Kind, Mode, Mutator, ObjectRef, SlotVisitor, StackScan};

/// Objects without slots.
struct Leaves;

// SAFETY: the tests allocate leaves only.
unsafe impl ObjectModel for Leaves {
    unsafe fn trace<V: SlotVisitor>(&self, _: ObjectRef, _: &mut V) {}
}

/// A collector that collects whenever a mutator is to touch memory, before it does.
struct CollectsMeanwhile {
    shared: Arc<Shared<Leaves>>,
    times: AtomicUsize,
}

impl CollectOnDemand for CollectsMeanwhile {
    fn touch(&self, memory: &Untouched) {
        let running = self.shared.world.running_threads(|_| true);
        assert!(running.is_empty(), "a stop would wait for who touches memory");
        self.shared.collect(Cause::Request, self.shared.collections());
        self.times.fetch_add(1, Relaxed);
        self.shared.touch(memory);
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
/// memory was being touched.
fn a_stop_is_granted(mode: Mode, bytes: usize) {
    const TIMES: usize = 8;
    let options = HeapOptions { mode, limit: 256 << 20, verify: true, ..HeapOptions::default() };
    let heap = Heap::new(Leaves, options).unwrap();
    let shared = &heap.shared;
    let collector = Arc::new(CollectsMeanwhile { shared: shared.clone(), times: 0.into() });
    let mut mutator = Mutator::attach(
        Arc::clone(&shared.world),
        Arc::clone(&shared.memory),
        Arc::clone(&collector) as _,
        Arc::clone(&shared.roots),
        StackScan::None,
    )
    .unwrap();
    let mut kept = Vec::new();
    while collector.times.load(Relaxed) < TIMES {
        let object = mutator.allocate(Kind::Leaf, bytes).unwrap();
        // SAFETY: the object was allocated just now and has so many bytes.
        let contents = unsafe { std::slice::from_raw_parts_mut(object.as_ptr::<u8>(), bytes) };
        assert!(contents.iter().all(|&byte| byte == 0));
        contents.fill(1);
        kept.push(mutator.root(object));
    }
    assert!(heap.stats().collections >= TIMES as u64);
}

#[test]
fn a_stop_does_not_wait_for_who_touches_blocks() {
    a_stop_is_granted(Mode::Stopped, 4096);
    a_stop_is_granted(Mode::Concurrent, 4096);
}

#[test]
fn a_stop_does_not_wait_for_who_touches_a_large_object() {
    a_stop_is_granted(Mode::Stopped, 3 << 20);
    a_stop_is_granted(Mode::Concurrent, 3 << 20);
}
