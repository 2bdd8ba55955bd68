//! What stopping and concurrent collections have in common, and the former.

use std::time::{Duration, Instant};

use super::heap::{Cycle, Shared, Unobserved};
use super::mark::{Marking, Scope, When};
use super::references::References;
use super::requests::Answer;
use super::verify::verify;
use crate::mutator::{Cause, CollectOnDemand, Local, OutOfMemory, Stopped, words};
use crate::object::{ObjectModel, ObjectRef, Slot, SlotVisitor};
use crate::sync::process::atomic::Ordering;

/// The stopped world, and since when.
pub(super) struct Stop<'a> {
    pub(super) world: Stopped<'a, Local>,
    start: Instant,
}

impl<M: ObjectModel> CollectOnDemand for Shared<M> {
    fn collect(&self, cause: Cause, seen: u64) {
        if self.concurrent {
            match self.requests.ask(cause, self.is_late()) {
                Answer::Waited(waited) => return self.record_stall(cause, waited),
                Answer::Failed(message) => panic!("the collector has stopped: {message}"),
                Answer::ShutDown => {}
            }
        }
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
        self.collect_stopped(&mut cycle, cause);
    }

    fn collections(&self) -> u64 {
        self.collections.load(Ordering::Acquire)
    }

    fn charge(&self, bytes: usize) -> bool {
        self.allocated.fetch_add(bytes, Ordering::Relaxed);
        self.is_time()
    }

    fn out_of_memory(&self, error: &OutOfMemory) -> bool {
        self.ask_for_memory(error)
    }

    fn stress(&self) -> Option<bool> {
        let interval = self.options.stress?;
        Some(self.stress_count.fetch_add(1, Ordering::Relaxed).is_multiple_of(interval))
    }
}

impl<M: ObjectModel> Shared<M> {
    fn record_stall(&self, cause: Cause, waited: Duration) {
        let stall = matches!(cause, Cause::Allocation | Cause::Exhaustion | Cause::LastResort);
        if stall && !waited.is_zero() {
            self.lock_recorder().stalled(waited);
        }
    }

    /// Whether so much was allocated during a cycle that mutators have to wait for its end.
    fn is_late(&self) -> bool {
        self.allocated.load(Ordering::Relaxed) / 2 > self.trigger.load(Ordering::Relaxed)
    }

    pub(super) fn is_time(&self) -> bool {
        self.allocated.load(Ordering::Relaxed) > self.trigger.load(Ordering::Relaxed)
    }

    /// Collects the whole heap in one stop.
    pub(super) fn collect_stopped(&self, cycle: &mut Cycle, cause: Cause) {
        let start = Instant::now();
        let stop = self.stop();
        let marks = self.memory.metadata.next_marks();
        let marking = Marking::new(self, Scope::Full, marks);
        let live = marking.run(self.options.markers, When::Stopped(None), |marker| {
            self.find_roots(&stop, &mut |root| marker.push(root));
        });
        let mut references = References::new(Scope::Full, self.options.verify);
        let settled =
            references.settle_stopped(&marking, self.options.markers, When::Stopped(None));
        let live = live + settled.marked;
        if self.options.verify {
            verify(self, &stop, marks, true);
        }
        self.memory.metadata.flip_marks();
        self.begin_sweep(Scope::Full);
        self.end_collection();
        self.resume(stop);
        self.record_cycle(cycle, Scope::Full, cause, live, start.elapsed());
    }

    /// Counts the collection, before any thread goes on: one that asks for a collection then must
    /// not be content with this one, which has not seen what that thread does in between.
    pub(super) fn end_collection(&self) {
        self.collections.fetch_add(1, Ordering::AcqRel);
    }

    /// Stops the world and retires every allocation buffer.
    pub(super) fn stop(&self) -> Stop<'_> {
        let start = Instant::now();
        let world = self.world.stop();
        for thread in &world.threads {
            // SAFETY: the thread is parked until the world is resumed.
            unsafe { thread.local.retire(&self.memory.metadata) };
        }
        self.memory.pool().retire(&self.memory.metadata);
        Stop { world, start }
    }

    /// Lets the world go on, and takes note of how long it stood.
    pub(super) fn resume(&self, stop: Stop<'_>) {
        let time_to_safepoint = stop.world.time_to_safepoint.clone();
        drop(stop.world);
        self.lock_recorder().paused(stop.start.elapsed(), time_to_safepoint);
    }

    pub(super) fn record_cycle(
        &self,
        cycle: &mut Cycle,
        scope: Scope,
        cause: Cause,
        marked: usize,
        time: Duration,
    ) {
        let allocated = self.allocated.swap(0, Ordering::Relaxed);
        let since = cycle.ended.elapsed();
        cycle.unobserved = Some(Unobserved { scope, allocated, since, collecting: time });
        cycle.ended = Instant::now();
        self.lock_recorder().collected(scope == Scope::Full, marked);
        if self.options.log {
            let stats = self.stats();
            eprintln!(
                "strandline: cycle {}, {scope:?} for {cause:?}: {marked} objects marked in {:.3} ms, \
                 last pause {:.3} ms, {} of {} MiB committed",
                self.collections(),
                time.as_secs_f64() * 1e3,
                stats.last_pause.as_secs_f64() * 1e3,
                stats.committed_bytes >> 20,
                stats.limit_bytes >> 20,
            );
        }
        if scope == Scope::Full {
            self.return_idle_memory();
        }
        self.sweeping.begin();
    }

    pub(super) fn begin_sweep(&self, scope: Scope) {
        let full = scope == Scope::Full;
        self.memory.pool().begin_sweep(full, &self.memory.metadata);
    }

    /// The object of this heap that a slot refers to, if any.
    pub(super) fn referent(&self, slot: Slot) -> Option<ObjectRef> {
        let object = self.model.decode(slot.load())?;
        self.memory.metadata.geometry.contains(object.address()).then_some(object)
    }

    /// Passes every object that a root refers to to `visit`.
    pub(super) fn find_roots(&self, stop: &Stop<'_>, visit: &mut dyn FnMut(ObjectRef)) {
        self.roots.handles(&mut *visit);
        self.roots.sources(&mut RootSlots { shared: self, visit });
        let mut visit_word = |word| {
            if let Some(object) = self.memory.resolve(word) {
                visit(object);
            }
        };
        self.roots.ranges(&mut visit_word);
        for stack in stop.world.threads.iter().filter_map(|thread| thread.local.stack()) {
            // SAFETY: the frames of a thread that is parked.
            unsafe { words(stack, &mut visit_word) };
        }
    }
}

/// Decodes the slots of root sources.
pub(super) struct RootSlots<'a, M> {
    pub(super) shared: &'a Shared<M>,
    pub(super) visit: &'a mut dyn FnMut(ObjectRef),
}

impl<M: ObjectModel> SlotVisitor for RootSlots<'_, M> {
    fn visit(&mut self, slot: Slot) {
        if let Some(object) = self.shared.referent(slot) {
            (self.visit)(object);
        }
    }
}
