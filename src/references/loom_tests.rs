//! Reading a reference against clearing it, and a queue against those who wait for it.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::*};

use super::Queue;
use crate::mutator::World;
use crate::sync::model::{check, refute};

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
                self.world.unpark(&thread, || false);
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
    let heap = Heap::new();
    let program = loom::thread::spawn({
        let heap = Arc::clone(&heap);
        move || heap.program()
    });
    collect(&heap);
    program.join().unwrap();
}

#[test]
fn loom_an_upgrade_gives_the_object_or_nothing() {
    check(None, || {
        against(|heap| {
            let stopped = heap.world.stop();
            heap.collect();
            drop(stopped);
        });
    });
}

#[test]
fn loom_control_clearing_while_the_program_runs_is_refuted() {
    refute("Causality violation", None, || against(Heap::collect));
}

/// Two things are handed over, and that is all; somebody waits for them.
fn hand_over(push: fn(&Queue<usize>, usize), close: fn(&Queue<usize>)) {
    let queue = std::sync::Arc::new(Queue::new());
    let waiting = loom::thread::spawn({
        let queue = std::sync::Arc::clone(&queue);
        move || {
            let mut sum = 0;
            while queue.wait() {
                sum += queue.pop().unwrap_or(0);
            }
            sum
        }
    });
    push(&queue, 1);
    push(&queue, 2);
    close(&queue);
    assert_eq!(waiting.join().unwrap(), 3);
}

#[test]
fn loom_who_waits_for_a_queue_gets_everything_and_the_end() {
    check(None, || hand_over(Queue::push, Queue::close));
}

#[test]
fn loom_control_a_queue_that_ends_and_tells_nobody() {
    refute("deadlock", None, || hand_over(Queue::push, |queue| queue.lock().closed = true));
}

/// Two threads drain a queue: each thing goes to one of them, and neither waits for ever.
#[test]
fn loom_what_was_handed_over_is_taken_once() {
    check(Some(2), || {
        let queue = std::sync::Arc::new(Queue::new());
        let waiting = [(); 2].map(|()| {
            let queue = std::sync::Arc::clone(&queue);
            loom::thread::spawn(move || {
                let mut sum = 0;
                while queue.wait() {
                    sum += queue.pop().unwrap_or(0);
                }
                sum
            })
        });
        queue.push(1);
        // A fork comes between.
        drop(queue.hold());
        queue.push(2);
        queue.close();
        let sum: usize = waiting.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(sum, 3);
    });
}
