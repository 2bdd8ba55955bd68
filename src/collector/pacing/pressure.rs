//! What the heap does when memory is short, and when it is not needed.

use std::fmt;
use std::sync::{Arc, PoisonError};

use crate::collector::options::HeapOptions;
use crate::heap::geometry::CHUNK;
use crate::mutator::OutOfMemory;
use crate::os::pressure::memory_pressure;
use crate::sync::process::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::process::{Mutex, MutexGuard};

/// Percent of the time that tasks wait for memory, from which on the heap keeps small.
const HIGH_PRESSURE: f64 = 10.0;

/// The heap keeps one part in so many of its room above the live size then.
const SAVING: usize = 4;

/// The least room above the live size, in bytes, where the soft limit leaves none.
pub(crate) const SMALLEST_ROOM: usize = 4 << 20;

/// As above, where the limit leaves none.
const NO_ROOM: usize = 1 << 20;

/// What is called when an allocation finds no room; see
/// [`Heap::set_out_of_memory_handler`](crate::Heap::set_out_of_memory_handler). Says whether it has freed anything.
pub type OutOfMemoryHandler = Arc<dyn Fn(&OutOfMemory) -> bool + Send + Sync>;

/// What is known of the shortage of memory.
#[derive(Default)]
pub(crate) struct Pressure {
    handler: Mutex<Option<OutOfMemoryHandler>>,
    /// Whether the system was short of memory after the last full collection.
    pub(crate) high: AtomicBool,
    /// What a test wants the system to say.
    #[cfg(test)]
    pub(crate) pretended: Mutex<Option<f64>>,
}

impl fmt::Debug for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pressure").field("high", &self.high).finish_non_exhaustive()
    }
}

impl Pressure {
    pub(crate) fn handler(&self) -> MutexGuard<'_, Option<OutOfMemoryHandler>> {
        self.handler.lock().expect("no panic under the handler's lock")
    }

    /// Keeps the handler from being replaced, for a fork.
    pub(crate) fn hold(&self) -> HeldPressure<'_> {
        HeldPressure(self.handler.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn measure(&self) {
        let percent = memory_pressure();
        #[cfg(test)]
        let percent = self.pretended.lock().expect("no panic in between").or(percent);
        let high = percent.is_some_and(|percent| percent >= HIGH_PRESSURE);
        self.high.store(high, Relaxed);
    }
}

/// The handler stays what it is.
pub(crate) struct HeldPressure<'a>(
    #[expect(dead_code, reason = "held, not read")] MutexGuard<'a, Option<OutOfMemoryHandler>>,
);

/// The size that a heap may grow to: below the soft limit as long as that is possible, and below the
/// limit. What is outside the heap has its part of both.
pub(crate) fn ceiling(options: &HeapOptions, external: usize, live: usize) -> usize {
    let soft = options.soft_limit.unwrap_or(usize::MAX).saturating_sub(external);
    let least = live.saturating_add((live / 8).max(SMALLEST_ROOM));
    soft.max(least).min(options.limit.saturating_sub(external))
}

/// The size that a heap should have, from what its sizing policy wants: below the ceiling, and with
/// less room when the system is short of memory.
pub(crate) fn shaped(
    options: &HeapOptions,
    high: bool,
    external: usize,
    live: usize,
    wanted: usize,
) -> usize {
    let room = wanted.saturating_sub(live);
    let room = if high { room / SAVING } else { room };
    let target = live.saturating_add(room).min(ceiling(options, external, live));
    // With no room at all every allocation would begin a collection.
    target.max(live.saturating_add(NO_ROOM))
}

/// Bytes that may be allocated before a collection in a heap of so many chunks, which hold objects: of its
/// size a part is metadata.
pub(crate) fn nursery_in(chunks: usize, live: usize) -> usize {
    (chunks * CHUNK).saturating_sub(live).max(NO_ROOM)
}

/// Bytes that may be allocated at all, for pacing: never so few that cycles would follow each other
/// without a break.
pub(crate) fn free_in(chunks: usize, live: usize) -> usize {
    (chunks * CHUNK).saturating_sub(live).max(SMALLEST_ROOM)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Heap, ObjectModel, ObjectRef};

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
