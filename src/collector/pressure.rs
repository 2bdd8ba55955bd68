//! What the heap does when memory is short, and when it is not needed.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::heap::{Heap, Shared};
use super::history::Cycle;
use super::options::HeapOptions;
use crate::heap::NoChunk;
use crate::heap::geometry::CHUNK;
use crate::mutator::{Mutator, OutOfMemory};
use crate::object::{ObjectModel, ObjectRef};
use crate::os::pressure::memory_pressure;
use crate::references::Charge;
use crate::sync::process::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::process::{Mutex, MutexGuard};

/// Percent of the time that tasks wait for memory, from which on the heap keeps small.
const HIGH_PRESSURE: f64 = 10.0;

/// The part of its room above the live size that the heap gives up then.
const SAVING: usize = 4;

/// The least room above the live size, in bytes, where the soft limit leaves none.
const SMALLEST_ROOM: usize = 4 << 20;

/// As above, where the limit leaves none.
const NO_ROOM: usize = 1 << 20;

/// What is called when an allocation finds no room; see
/// [`Heap::set_out_of_memory_handler`]. Says whether it has freed anything.
pub type OutOfMemoryHandler = Arc<dyn Fn(&OutOfMemory) -> bool + Send + Sync>;

/// What is known of the shortage of memory.
#[derive(Default)]
pub(super) struct Pressure {
    handler: Mutex<Option<OutOfMemoryHandler>>,
    /// Whether the system was short of memory after the last full collection.
    high: AtomicBool,
    /// What a test wants the system to say.
    #[cfg(test)]
    pub(super) pretended: Mutex<Option<f64>>,
}

impl fmt::Debug for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pressure").field("high", &self.high).finish_non_exhaustive()
    }
}

impl Pressure {
    fn handler(&self) -> MutexGuard<'_, Option<OutOfMemoryHandler>> {
        self.handler.lock().expect("no panic under the handler's lock")
    }

    /// Keeps the handler from being replaced, for a fork.
    pub(super) fn hold(&self) -> HeldPressure<'_> {
        HeldPressure(self.handler.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn measure(&self) {
        let percent = memory_pressure();
        #[cfg(test)]
        let percent = self.pretended.lock().expect("no panic in between").or(percent);
        let high = percent.is_some_and(|percent| percent >= HIGH_PRESSURE);
        self.high.store(high, Relaxed);
    }
}

/// The handler stays what it is.
pub(super) struct HeldPressure<'a>(
    #[expect(dead_code, reason = "held, not read")] MutexGuard<'a, Option<OutOfMemoryHandler>>,
);

/// The size that a heap may grow to: below the soft limit as long as that is possible, and below the
/// limit. What is outside the heap has its part of both.
fn ceiling(options: &HeapOptions, external: usize, live: usize) -> usize {
    let soft = options.soft_limit.unwrap_or(usize::MAX).saturating_sub(external);
    let least = live.saturating_add((live / 8).max(SMALLEST_ROOM));
    soft.max(least).min(options.limit.saturating_sub(external))
}

/// The size that a heap should have, from what its sizing policy wants: below the ceiling, and with
/// less room when the system is short of memory.
fn shaped(options: &HeapOptions, high: bool, external: usize, live: usize, wanted: usize) -> usize {
    let room = wanted.saturating_sub(live);
    let room = if high { room / SAVING } else { room };
    let target = live.saturating_add(room).min(ceiling(options, external, live));
    // With no room at all every allocation would begin a collection.
    target.max(live.saturating_add(NO_ROOM))
}

/// Bytes that may be allocated before a collection in a heap of so many chunks, which hold objects: of its
/// size a part is metadata.
pub(super) fn nursery_in(chunks: usize, live: usize) -> usize {
    (chunks * CHUNK).saturating_sub(live).max(NO_ROOM)
}

/// Bytes that may be allocated at all, for pacing: never so few that cycles would follow each other
/// without a break.
pub(super) fn free_in(chunks: usize, live: usize) -> usize {
    (chunks * CHUNK).saturating_sub(live).max(SMALLEST_ROOM)
}

impl<M> Shared<M> {
    /// The size that the heap should have with `live` bytes alive, from what its sizing policy wants.
    pub(super) fn shaped_target(&self, live: usize, wanted: usize) -> usize {
        shaped(&self.options, self.is_pressed(), self.references.external_bytes(), live, wanted)
    }

    /// The size that the heap may grow to with `live` bytes alive.
    pub(super) fn largest(&self, live: usize) -> usize {
        let ceiling = ceiling(&self.options, self.references.external_bytes(), live);
        ceiling.max(live.saturating_add(SMALLEST_ROOM))
    }

    /// After a full collection: gives back what has been idle for some of them, and asks how short
    /// memory is. Not in the stop: a chunk takes some 50 us.
    pub(super) fn return_idle_memory(&self) {
        let memory = &self.memory;
        if let Err(error) = memory.pool().chunks.age(&memory.metadata, memory.tracker()) {
            report(&error);
        }
        if self.options.heed_pressure {
            self.pressure.measure();
        }
    }

    /// How long the sweeper waits before it gives memory back, if there is any.
    pub(super) fn idle_after(&self) -> Option<Duration> {
        let idle_after =
            if self.is_pressed() { Some(Duration::ZERO) } else { self.options.idle_after };
        idle_after.filter(|_| self.memory.pool().chunks.has_idle())
    }

    /// Whether the system is so short of memory that the heap keeps small.
    pub(super) fn is_pressed(&self) -> bool {
        self.options.heed_pressure && self.pressure.high.load(Relaxed)
    }

    /// Nothing was collected for a while: what is not used goes back.
    pub(super) fn return_memory_when_idle(&self, _between_cycles: &Cycle) {
        if let Err(error) = self.memory.give_back_idle() {
            report(&error);
        }
    }

    /// Asks the program to free something; whether it has.
    pub(super) fn ask_for_memory(&self, error: &OutOfMemory) -> bool {
        // Not under the lock: the handler may want to replace itself.
        let handler = self.pressure.handler().clone();
        handler.is_some_and(|handler| handler(error))
    }
}

/// The memory stays with the heap, which is all that is lost.
fn report(error: &NoChunk) {
    eprintln!("strandline: idle memory could not be given back: {error}");
}

/// Memory was to be given back and could not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("idle memory could not be given back to the system: {reason}; it stays with the heap")]
pub struct TrimError {
    /// What the kernel said.
    pub reason: String,
}

impl<M: ObjectModel> Heap<M> {
    /// Has `handler` called when an allocation finds no room after full collections, before it fails;
    /// `None` for no handler.
    ///
    /// It frees what it can: drops handles, empties caches, releases external memory. If it says true,
    /// the heap is collected and the allocation tried again, up to 16 times for one allocation.
    ///
    /// # Threads
    /// Called by the thread that allocates, which is attached and runs: the handler may touch objects. It
    /// must not allocate from this heap, and waits for other threads as any code of a mutator does: in
    /// no way that keeps this one from its next safepoint for ever.
    pub fn set_out_of_memory_handler(&self, handler: Option<OutOfMemoryHandler>) {
        let before = std::mem::replace(&mut *self.shared.pressure.handler(), handler);
        // Not under the lock: it is the program's.
        drop(before);
    }

    /// Takes note of `bytes` outside the heap that `owner` keeps until it is gone: a buffer, a mapping, a
    /// texture. They count towards the heap's limits and bring the next collection nearer, as if they
    /// had been allocated here. Call it before the memory is allocated.
    ///
    /// The charge ends by itself when the owner is gone for good, after any guardian; or by
    /// [`References::release_charge`](crate::References::release_charge) when the memory is freed before.
    ///
    /// A safepoint.
    ///
    /// # Errors
    /// When the limit leaves no room for so much after a full collection.
    ///
    /// # Panics
    /// When the owner or the mutator is another heap's.
    pub fn charge_external(
        &self,
        mutator: &mut Mutator,
        owner: ObjectRef,
        bytes: usize,
    ) -> Result<Charge, OutOfMemory> {
        let references = self.references();
        references.check(mutator, owner);
        // The caller's reference need not be seen by a collection here.
        let owner = mutator.root(owner);
        mutator.reserve_external(bytes)?;
        Ok(references.charge(owner.get(), bytes))
    }

    /// Collects the whole heap and gives all memory that is not used then back to the system. Returns
    /// how many bytes that were, metadata included.
    ///
    /// # Errors
    /// When the kernel refuses.
    ///
    /// # Panics
    /// When the mutator is another heap's.
    pub fn trim(&self, mutator: &mut Mutator) -> Result<usize, TrimError> {
        self.check_mutator(mutator);
        mutator.collect();
        let shared = &*self.shared;
        mutator.blocking(|| {
            let mut cycle = shared.cycle.lock().expect("no panic in a collection");
            shared.finish_sweep(&mut cycle);
            let error = |error: NoChunk| TrimError { reason: error.to_string() };
            shared.memory.give_back_idle().map_err(error)
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn target(soft: Option<usize>, high: bool, external: usize, live: usize) -> usize {
        let options = HeapOptions { limit: 100 * MIB, soft_limit: soft, ..HeapOptions::default() };
        shaped(&options, high, external * MIB, live * MIB, 2 * live * MIB) / MIB
    }

    #[test]
    fn the_policy_has_its_way_where_there_is_enough() {
        assert_eq!(target(None, false, 0, 30), 60);
        assert_eq!(target(None, false, 0, 80), 100);
    }

    #[test]
    fn there_is_room_for_objects_where_no_metadata_is() {
        assert_eq!((nursery_in(20, 30 * MIB), free_in(20, 30 * MIB)), (10 * MIB, 10 * MIB));
        assert_eq!((nursery_in(20, 40 * MIB), free_in(20, 40 * MIB)), (NO_ROOM, SMALLEST_ROOM));
    }

    #[test]
    fn the_soft_limit_is_kept_while_something_fits_below_it() {
        assert_eq!(target(Some(50 * MIB), false, 0, 30), 50);
        assert_eq!(target(Some(50 * MIB), false, 0, 48), 54);
        assert_eq!(target(Some(50 * MIB), false, 0, 10), 20);
    }

    #[test]
    fn external_memory_takes_its_part_of_both_limits() {
        assert_eq!(target(None, false, 60, 30), 40);
        assert_eq!(target(Some(50 * MIB), false, 15, 20), 35);
        assert_eq!(target(Some(50 * MIB), false, 100, 20), 21);
    }

    /// Objects without slots.
    struct Leaves;

    // SAFETY: the tests allocate leaves only.
    unsafe impl ObjectModel for Leaves {
        unsafe fn trace<V: crate::SlotVisitor>(&self, _: ObjectRef, _: &mut V) {}
    }

    /// For ever, if memory does not go back.
    #[test]
    fn memory_goes_back_at_once_when_the_system_is_short_of_it() {
        let options = HeapOptions { limit: 64 * MIB, idle_after: None, ..HeapOptions::default() };
        let heap = Heap::new(Leaves, options).unwrap();
        *heap.shared.pressure.pretended.lock().unwrap() = Some(50.0);
        let mut mutator = heap.attach(crate::StackScan::None).unwrap();
        mutator.allocate(crate::Kind::Leaf, 40 * MIB).unwrap();
        assert!(heap.stats().committed_bytes > 40 * MIB);
        mutator.collect();
        while heap.stats().committed_bytes > 8 * MIB {
            mutator.blocking(std::thread::yield_now);
        }
        *heap.shared.pressure.pretended.lock().unwrap() = Some(0.0);
        mutator.allocate(crate::Kind::Leaf, 40 * MIB).unwrap();
        mutator.collect();
        assert_eq!(heap.shared.idle_after(), None);
    }

    #[test]
    fn high_pressure_takes_three_quarters_of_the_room() {
        assert_eq!(target(None, true, 0, 40), 50);
    }
}
