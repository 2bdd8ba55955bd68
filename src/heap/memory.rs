//! A heap's memory as one thing: reservation, metadata, tracker and pool.

use std::ops::Range;
use std::sync::Arc;

use crate::dirty::{SelectError, Selection, TrackError, Tracker, TrackerOptions};
use crate::object::{Kind, ObjectRef};
use crate::os::memory::Reservation;
use crate::os::{OsError, PageRange};
use crate::sync::MutexGuard;
use crate::sync::process::atomic::{AtomicUsize, Ordering::Relaxed};

use super::chunks::{Chunks, NoChunk};
use super::fair_mutex::FairMutex;
use super::geometry::{BLOCK, CHUNK, Geometry, LARGEST_SMALL};
use super::large::LargeObject;
use super::metadata::{Content, Metadata, chunks_for, chunks_within};
use super::pool::{Grant, Pool, Room, Taken};
use super::unready::Unready;

/// What a heap's memory is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemoryOptions {
    /// Bytes that the heap may commit, metadata included.
    pub(crate) limit: usize,
    /// Bytes that it may commit before the first collection.
    pub(crate) initial: usize,
    /// Bytes that it may commit while that is going on.
    pub(crate) ceiling: usize,
    pub(crate) huge_pages: bool,
    pub(crate) tracker: TrackerOptions,
}

/// Why a heap's memory cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error(transparent)]
    Os(#[from] OsError),
    #[error(transparent)]
    Tracker(#[from] SelectError),
}

/// Address space that is reserved for each byte that may be committed, so that runs of chunks for
/// large objects can be found.
const RESERVED_PER_COMMITTED: usize = 3;

/// The memory of one heap.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) metadata: Metadata,
    /// Dropped before the reservation that it watches.
    pub(crate) selection: Selection,
    pool: FairMutex<Pool>,
    /// Bytes that all chunks have together: no object can be larger.
    capacity: usize,
    /// Bytes outside the heap that objects keep, and that count towards the limit.
    external: Arc<AtomicUsize>,
    _reservation: Reservation,
}

impl Memory {
    pub(crate) fn new(options: &MemoryOptions) -> Result<Self, MemoryError> {
        let limit = chunks_within(options.limit).max(2);
        let chunks = limit.checked_mul(RESERVED_PER_COMMITTED).and_then(|n| n.checked_add(8));
        let reserved = chunks.and_then(|chunks| chunks.checked_mul(CHUNK));
        let reserved = reserved.ok_or(OsError::Refused {
            call: "mmap (reserve)",
            reason: "the heap limit exceeds the address space",
        })?;
        let reservation = Reservation::new(reserved, CHUNK)?;
        let geometry = Geometry::new(reservation.range());
        let selection = Selection::open(reservation.range(), &options.tracker)?;
        let chunks = Chunks::new(geometry, options.huge_pages);
        let [target, ceiling] =
            [options.initial, options.ceiling].map(|bytes| chunks_within(bytes).clamp(2, limit));
        let external = Arc::new(AtomicUsize::new(0));
        let pool =
            Pool::new(chunks, geometry.blocks(), [target, ceiling, limit], Arc::clone(&external));
        Ok(Self {
            metadata: Metadata::new(geometry)?,
            selection,
            pool: FairMutex::new(pool),
            capacity: limit * CHUNK,
            external,
            _reservation: reservation,
        })
    }

    pub(crate) fn tracker(&self) -> &Tracker {
        &self.selection.tracker
    }

    /// The pool, locked. A panic of another holder is not survived.
    pub(crate) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock()
    }

    /// The pool and its lock, for who takes it again and again, and for a fork.
    pub(crate) fn pool_lock(&self) -> &FairMutex<Pool> {
        &self.pool
    }

    /// The count of bytes outside the heap that objects keep. Who knows that some were freed takes
    /// them off.
    pub(crate) fn external(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.external)
    }

    /// Counts `bytes` outside the heap, if they fit within the limit; for that, idle memory is given
    /// back to the system.
    pub(crate) fn reserve_external(&self, bytes: usize) -> Result<(), NoChunk> {
        let mut pool = self.pool();
        // Nobody else adds without the lock.
        let external = self.external.load(Relaxed).checked_add(bytes).ok_or(NoChunk::Limit)?;
        let limit = pool.limit.checked_sub(chunks_for(external)).ok_or(NoChunk::Limit)?;
        let mut shrunk = pool.chunks.shrink_to(limit, self.tracker());
        // What the last collection has found may be free and not known to be.
        if shrunk.is_err() && pool.sweep_all(&self.metadata) {
            shrunk = pool.chunks.shrink_to(limit, self.tracker());
        }
        shrunk?;
        self.external.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Gives all memory that is not used back to the system; returns how many bytes, metadata
    /// included.
    pub(crate) fn give_back_idle(&self) -> Result<usize, NoChunk> {
        let (before, _) = self.committed_and_limit();
        self.pool().chunks.give_back_idle(&self.metadata, self.tracker())?;
        Ok(before.saturating_sub(self.committed_and_limit().0))
    }

    /// Whether an object of that size could be had if nothing else were there.
    #[inline]
    pub(crate) fn could_hold(&self, bytes: usize) -> bool {
        bytes <= self.capacity
    }

    /// Whether a good part of the heap is free, once everything is swept.
    pub(crate) fn is_roomy(&self, bytes: usize) -> bool {
        let used = self.pool().live_bytes().saturating_add(self.external.load(Relaxed));
        used.saturating_add(bytes) <= self.capacity / 4 * 3
    }

    /// A block for small objects; and what there is to spare, for the next ones. `prepare` is called with
    /// what the heap grows by, and is to [prepare](Self::prepare) it.
    pub(crate) fn take_block(
        &self,
        kind: Kind,
        granules: usize,
        room: Room,
        spares: &mut Vec<Grant>,
        prepare: impl FnOnce(&Unready),
    ) -> Result<Grant, NoChunk> {
        let (metadata, tracker) = (&self.metadata, self.tracker());
        let mut pool = self.pool();
        let grant = match pool.take_touched(kind, granules, room, metadata, tracker)? {
            Taken::Block(grant) => grant,
            Taken::Untouched(untouched) => {
                drop(pool);
                prepare(&Unready::Untouched(untouched));
                pool = self.pool();
                // Once only: should another thread have taken it meanwhile, this one touches what it gets.
                pool.take(kind, granules, room, metadata, tracker)?
            }
        };
        pool.take_spares(&grant, kind, metadata, spares);
        drop(pool);
        if let Some(protected) = grant.protected {
            // No stop comes before that is done, so nobody protects it meanwhile. Where the kernel refuses,
            // the block is nobody's until it is swept.
            tracker.unprotect(protected)?;
        }
        Ok(grant)
    }

    /// A large object, zeroed. `prepare` as in [`take_block`](Self::take_block), and also for its room.
    pub(crate) fn take_large(
        &self,
        kind: Kind,
        bytes: usize,
        room: Room,
        mut prepare: impl FnMut(&Unready),
    ) -> Result<LargeObject, NoChunk> {
        let (metadata, tracker) = (&self.metadata, self.tracker());
        let mut pool = self.pool();
        if let Some(untouched) = pool.untouched_for_large(kind, bytes, room, metadata, tracker) {
            drop(pool);
            prepare(&Unready::Untouched(untouched));
            pool = self.pool();
        }
        let (object, zero) = pool.reserve_large(kind, bytes, room, metadata, tracker)?;
        if !zero {
            drop(pool);
            prepare(&Unready::Uncleared(object));
            pool = self.pool();
        }
        pool.hand_out_large(object, metadata);
        Ok(object)
    }

    /// Bytes outside the heap that objects keep.
    pub(crate) fn external_bytes(&self) -> usize {
        self.external.load(Relaxed)
    }

    /// Bytes that are committed and that may be, metadata included.
    pub(crate) fn committed_and_limit(&self) -> (usize, usize) {
        let pool = self.pool();
        let bytes = |chunks| chunks * (CHUNK + Metadata::bytes_per_chunk());
        (bytes(pool.chunks.committed()), bytes(pool.limit))
    }

    /// Makes the pages of `addresses` dirty, where writes are watched.
    pub(crate) fn written(&self, addresses: Range<usize>) -> Result<(), TrackError> {
        let Ok(pages) = PageRange::covering(addresses.start, addresses.len()) else {
            return Ok(());
        };
        if !self.tracker().span().covers(pages) {
            return Err(TrackError::OutsideSpan { range: pages, span: self.tracker().span() });
        }
        let watched = |chunk| match self.tracker().written(chunk) {
            // No references are there: leaves, or nothing.
            Err(TrackError::NotRegistered { .. }) => Ok(()),
            result => result,
        };
        pages.pieces(CHUNK).try_for_each(watched)
    }

    /// The object that `address` points to or into, if there is one.
    ///
    /// Exact only when every block is swept: the starts of dead objects are stale until then.
    pub(crate) fn resolve(&self, address: usize) -> Option<ObjectRef> {
        if !self.metadata.geometry.contains(address) {
            return None;
        }
        let start = match self.metadata.content(self.metadata.geometry.block(address)) {
            Content::Unused => None,
            Content::Small(_) => self.metadata.resolve_small(address),
            Content::Large => self.pool().large.find(address).map(|object| object.start),
        };
        start.map(ObjectRef::at)
    }

    /// The most bytes that were committed at any time, metadata included.
    pub(crate) fn peak(&self) -> usize {
        self.pool().chunks.peak() * (CHUNK + Metadata::bytes_per_chunk())
    }

    /// The large object that starts at `address`.
    pub(crate) fn large_object(&self, address: usize) -> LargeObject {
        let object = self.pool().large.find(address);
        object.filter(|o| o.start == address).expect("a reference to the start of a large object")
    }

    /// The large objects that have a part in `pages`.
    pub(crate) fn large_objects_in(&self, pages: PageRange) -> Vec<LargeObject> {
        self.pool().large.in_range(pages).collect()
    }

    /// The memory of objects that own references outside the heap.
    pub(crate) fn external_ranges(&self) -> Vec<PageRange> {
        let pool = self.pool();
        let large = pool.large.objects().filter(|object| object.kind == Kind::External);
        let large = large.map(|object| PageRange::covering(object.start, object.bytes));
        let blocks = pool.external_blocks();
        let start = |block| self.metadata.geometry.block_address(block);
        let range = |block| PageRange::covering(start(block), BLOCK);
        let ranges = blocks.into_iter().map(range).chain(large);
        ranges.map(|range| range.expect("blocks and objects have bytes")).collect()
    }

    /// Kind and size in bytes (in whole granules) of an object.
    pub(crate) fn describe(&self, object: ObjectRef) -> (Kind, usize) {
        let address = object.address();
        match self.metadata.content(self.metadata.geometry.block(address)) {
            Content::Small(kind) => (kind, self.metadata.small_size(address)),
            Content::Large => {
                let object = self.pool().large.find(address).expect("it is an object");
                (object.kind, object.bytes)
            }
            Content::Unused => panic!("{object:?} is not an object of this heap"),
        }
    }
}

/// Whether an object of that size lives in the large-object space.
pub(crate) const fn is_large(bytes: usize) -> bool {
    bytes > LARGEST_SMALL
}
