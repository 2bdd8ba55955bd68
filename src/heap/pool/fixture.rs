//! What tests of the pool begin with.

use super::Pool;
use crate::dirty::{AllDirty, Tracker};
use crate::heap::chunks::Chunks;
use crate::heap::geometry::{CHUNK, Geometry};
use crate::heap::metadata::Metadata;
use crate::os::memory::Reservation;

/// A pool that may have one chunk. The memory is to be dropped last.
pub(super) fn one_chunk() -> (Pool, Metadata, Tracker, Reservation) {
    some_chunks(1, false)
}

/// As above, with so many, of huge pages or not.
pub(super) fn some_chunks(
    count: usize,
    huge_pages: bool,
) -> (Pool, Metadata, Tracker, Reservation) {
    let memory = Reservation::new(count * CHUNK, CHUNK).unwrap();
    let geometry = Geometry::new(memory.range());
    let chunks = Chunks::new(geometry, huge_pages);
    let pool = Pool::new(chunks, geometry.blocks(), [count; 3], std::sync::Arc::default());
    let metadata = Metadata::new(geometry).unwrap();
    let tracker = Tracker::new(memory.range(), Box::new(AllDirty));
    (pool, metadata, tracker, memory)
}
