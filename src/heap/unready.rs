//! Memory that a mutator makes ready before it takes it, parked: no stop waits for that.

use super::chunks::Untouched;
use super::geometry::GRANULE;
use super::large::LargeObject;
use super::memory::Memory;

/// Memory that is nobody's before it is [prepared](Memory::prepare).
pub(crate) enum Unready {
    /// Chunks to be touched for the first time, which takes the kernel a while.
    Untouched(Untouched),
    /// Room reserved for a large object, with what was there before.
    Uncleared(LargeObject),
}

impl Memory {
    /// Makes memory ready for the mutator that is about to take it, without the pool's lock.
    pub(crate) fn prepare(&self, memory: &Unready) {
        match memory {
            Unready::Untouched(chunks) => {
                chunks.touch();
                self.pool().chunks.touched(chunks);
            }
            // SAFETY: the room is reserved by the caller; until it is handed out nobody looks at it.
            Unready::Uncleared(object) => unsafe { zero_bytes(object.start, object.bytes) },
        }
    }
}

/// Clears memory of the heap.
///
/// # Safety
/// The bytes are committed, in whole granules, and the caller's own.
pub(crate) unsafe fn zero_bytes(address: usize, bytes: usize) {
    debug_assert!(address.is_multiple_of(GRANULE) && bytes.is_multiple_of(GRANULE));
    let pointer = std::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: the caller owns these bytes.
    unsafe { pointer.write_bytes(0, bytes) };
}
