//! Reading a reference against clearing it, and a queue against those who wait for it.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::*};

use super::Queue;
use crate::mutator::World;

/// One object, a weak reference to it and a handle. The object's memory is what loom watches: using
/// it while the collector uses it again is reported.
struct Heap {
    world: World<()>,
    object: UnsafeCell<usize>,
    weak: AtomicUsize,
    handle: AtomicUsize,
}

// SAFETY: the protocol under test is what keeps the accesses to the object apart; loom checks that.
unsafe impl Sync for Heap {}
// SAFETY: as above.
unsafe impl Send for Heap {}

impl Heap {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            world: World::new(),
            object: UnsafeCell::new(7),
            weak: AtomicUsize::new(1),
            handle: AtomicUsize::new(0),
        })
    }

    fn use_object(&self) {
        // SAFETY: the program found the object alive.
        self.object.with(|value| assert_eq!(unsafe { *value }, 7, "used after it was freed"));
    }

    /// Reads the reference, uses the object, and keeps it by the handle over a safepoint.
    fn program(&self) {
        let thread = self.world.attach("mutator".into(), ());
        if self.weak.load(Acquire) != 0 {
            self.use_object();
            self.handle.store(1, Release);
            if thread.should_park() {
                self.world.park(&thread);
                self.world.unpark(&thread);
            }
            self.use_object();
            assert_ne!(self.weak.load(Acquire), 0, "cleared, and the object is held");
        }
        self.world.detach(&thread);
    }

    /// Clears the reference and uses the memory again, unless a root refers to the object.
    fn collect(&self) {
        if self.handle.load(Acquire) == 0 {
            self.weak.store(0, Release);
            // SAFETY: nothing refers to the object.
            self.object.with_mut(|value| unsafe { *value = 0 });
        }
    }
}

fn against(collect: fn(&Heap)) {
    loom::model(move || {
        let heap = Heap::new();
        let program = loom::thread::spawn({
            let heap = Arc::clone(&heap);
            move || heap.program()
        });
        collect(&heap);
        program.join().unwrap();
    });
}

#[test]
fn loom_an_upgrade_gives_the_object_or_nothing() {
    against(|heap| {
        let stopped = heap.world.stop();
        heap.collect();
        drop(stopped);
    });
}

#[test]
fn loom_control_clearing_while_the_program_runs_is_refuted() {
    let refuted = std::panic::catch_unwind(|| against(Heap::collect));
    assert!(refuted.is_err(), "loom accepts a collector that stops nobody");
}

#[test]
fn loom_who_waits_for_a_queue_gets_everything_and_the_end() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let waiting = loom::thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                let mut sum = 0;
                while queue.wait() {
                    sum += queue.pop().unwrap_or(0);
                }
                sum
            }
        });
        queue.push(1);
        queue.push(2);
        queue.close();
        assert_eq!(waiting.join().unwrap(), 3);
    });
}
