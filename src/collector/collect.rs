//! A full collection with the world stopped.

use std::time::Instant;

use super::heap::{Cycle, Shared};
use super::mark::Marking;
use super::verify::verify;
use crate::mutator::{Cause, CollectOnDemand, Local, Stopped, words};
use crate::object::{ObjectModel, ObjectRef, Slot, SlotVisitor};
use crate::sync::process::atomic::Ordering;

impl<M: ObjectModel> CollectOnDemand for Shared<M> {
    fn collect(&self, cause: Cause, seen: u64) {
        let mut cycle = self.cycle.lock().expect("no panic in a collection");
        if self.collections() != seen {
            return;
        }
        // Everything is swept before the marks are replaced. That also tells how large the heap
        // should be, which may be larger than was thought when the collection was asked for.
        self.finish_sweep(&mut cycle);
        if cause == Cause::Allocation && !self.is_time() {
            return;
        }
        self.collect_now(&mut cycle, cause);
    }

    fn collections(&self) -> u64 {
        self.collections.load(Ordering::Acquire)
    }

    fn charge(&self, bytes: usize) -> bool {
        self.allocated.fetch_add(bytes, Ordering::Relaxed);
        self.is_time()
    }

    fn stress(&self) -> Option<bool> {
        let interval = self.options.stress?;
        Some(self.stress_count.fetch_add(1, Ordering::Relaxed).is_multiple_of(interval))
    }
}

impl<M: ObjectModel> Shared<M> {
    fn is_time(&self) -> bool {
        self.allocated.load(Ordering::Relaxed) > self.trigger.load(Ordering::Relaxed)
    }

    fn collect_now(&self, cycle: &mut Cycle, cause: Cause) {
        let start = Instant::now();
        let stopped = self.world.stop();
        for thread in &stopped.threads {
            // SAFETY: the thread is parked until `stopped` is dropped.
            unsafe { thread.local.retire() };
        }
        let live_objects = self.mark(&stopped);
        self.memory.metadata.flip_marks();
        self.begin_sweep();
        let stop = stopped.time_to_safepoint.clone();
        // Before any thread goes on: one that asks for a collection then must not be content with
        // this one, which has not seen what that thread does in between.
        self.collections.fetch_add(1, Ordering::AcqRel);
        drop(stopped);
        let pause = start.elapsed();

        let allocated = self.allocated.swap(0, Ordering::Relaxed);
        cycle.unobserved = Some((allocated, start - cycle.ended, pause));
        cycle.ended = Instant::now();
        self.lock_recorder().paused(pause, stop, live_objects);
        if self.options.log {
            eprintln!(
                "strandline: cycle {}: {cause:?}, {live_objects} objects alive, pause {:.3} ms",
                self.collections(),
                pause.as_secs_f64() * 1e3
            );
        }
        self.sweeping.begin();
    }

    /// Marks into the next marks. Returns the number of objects.
    fn mark(&self, stopped: &Stopped<'_, Local>) -> usize {
        let marks = self.memory.metadata.next_marks();
        let marking = Marking::new(&self.memory, &self.model, marks, self.options.markers);
        let live = marking.run(|marker| self.find_roots(stopped, &mut |root| marker.push(root)));
        if self.options.verify {
            verify(self, stopped, marks);
        }
        live
    }

    fn begin_sweep(&self) {
        let mut pool = self.memory.pool();
        pool.begin_sweep(&self.memory.metadata);
        if let Err(error) = pool.chunks.age(self.memory.tracker()) {
            // The memory stays with the heap, which is all that is lost.
            eprintln!("strandline: idle memory could not be given back: {error}");
        }
    }

    /// Passes every object that a root refers to to `visit`.
    pub(super) fn find_roots(
        &self,
        stopped: &Stopped<'_, Local>,
        visit: &mut dyn FnMut(ObjectRef),
    ) {
        self.roots.handles(&mut *visit);
        self.roots.sources(&mut RootSlots { shared: self, visit });
        let mut visit_word = |word| {
            if let Some(object) = self.memory.resolve(word) {
                visit(object);
            }
        };
        self.roots.ranges(&mut visit_word);
        for stack in stopped.threads.iter().filter_map(|thread| thread.local.stack()) {
            // SAFETY: the frames of a thread that is parked.
            unsafe { words(stack, &mut visit_word) };
        }
    }
}

/// Decodes the slots of root sources.
struct RootSlots<'a, M> {
    shared: &'a Shared<M>,
    visit: &'a mut dyn FnMut(ObjectRef),
}

impl<M: ObjectModel> SlotVisitor for RootSlots<'_, M> {
    fn visit(&mut self, slot: Slot) {
        if let Some(object) = self.shared.model.decode(slot.load())
            && self.shared.memory.metadata.geometry.contains(object.address())
        {
            (self.visit)(object);
        }
    }
}
