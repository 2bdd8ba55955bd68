//! Everything that the heap knows about its memory, in memory of its own.
//!
//! Found by shift and add. Density decides speed: a marker's random accesses go to the mark bits,
//! which are 1/128 of the objects and stay in cache where marks in headers would not.

use super::bitmap::Bitmap;
use super::extents::Occupied;
use super::geometry::{
    BLOCKS_PER_CHUNK, CHUNK, GRANULE, GRANULES_PER_BLOCK, Geometry, LARGEST_SMALL, WORDS_PER_BLOCK,
};
use super::marks::{Marks, words_of};
use crate::object::Kind;
use crate::os::OsError;
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use crate::sync::zeroed_bytes;

/// What is in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing.
    Unused,
    /// Small objects of one kind.
    Small(Kind),
    /// A part of the large-object space, for objects with or without slots.
    Large,
}

/// When objects were last allocated in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Age {
    /// Before the last collection: every object in it is marked.
    Old = 0,
    /// Since the last collection.
    Young = 1,
    /// A mutator owns the block and may be allocating in it at this moment: what it has allocated
    /// since it took the block may not be initialised.
    Owned = 2,
}

/// The side metadata of one heap.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) geometry: Geometry,
    /// A bit for the first granule of every object.
    pub(crate) starts: Bitmap,
    /// A bit for the last granule of every small object.
    pub(crate) ends: Bitmap,
    /// Two, so that a full collection builds the new set beside the old.
    marks: [Marks; 2],
    /// Which of them the last collection filled (the objects that it found). Read and changed relaxed:
    /// it changes in a stop, and what sweeps takes the pool's lock after who stopped the world.
    second_is_current: AtomicBool,
    /// For each block, its [`Content`].
    contents: Box<[AtomicU8]>,
    /// For each block, its [`Age`]. In a table of its own, one byte for 64 KiB, so that asking stays
    /// in the first-level cache.
    ages: Box<[AtomicU8]>,
}

const UNUSED: u8 = 0;
const LARGE: u8 = u8::MAX;

impl Metadata {
    pub(crate) fn new(geometry: Geometry) -> Result<Self, OsError> {
        let bitmap = || Bitmap::new(geometry.granules());
        Ok(Self {
            geometry,
            starts: bitmap()?,
            ends: bitmap()?,
            marks: [Marks::new(geometry)?, Marks::new(geometry)?],
            second_is_current: AtomicBool::new(false),
            contents: zeroed_bytes(geometry.blocks()),
            ages: zeroed_bytes(geometry.blocks()),
        })
    }

    /// The marks of the last finished collection.
    pub(crate) fn current_marks(&self) -> &Marks {
        &self.marks[usize::from(self.second_is_current.load(Ordering::Relaxed))]
    }

    /// The marks that a full collection is filling.
    pub(crate) fn next_marks(&self) -> &Marks {
        &self.marks[usize::from(!self.second_is_current.load(Ordering::Relaxed))]
    }

    /// Makes the next marks the current ones. The world is stopped.
    pub(crate) fn flip_marks(&self) {
        self.second_is_current.fetch_xor(true, Ordering::Relaxed);
    }

    /// What is in a block. The age orders this: it is set later, and asked first by who looks at an
    /// object.
    #[inline]
    pub(crate) fn content(&self, block: usize) -> Content {
        match self.contents[block].load(Ordering::Relaxed) {
            UNUSED => Content::Unused,
            LARGE => Content::Large,
            small => Content::Small(Kind::from_index(small - 1)),
        }
    }

    pub(crate) fn set_content(&self, block: usize, content: Content) {
        let byte = match content {
            Content::Unused => UNUSED,
            Content::Large => LARGE,
            Content::Small(kind) => kind as u8 + 1,
        };
        self.contents[block].store(byte, Ordering::Relaxed);
    }

    /// The age of a block.
    ///
    /// Acquires what its last owner wrote: objects in a block that is seen as not owned are
    /// initialised.
    #[inline]
    pub(crate) fn age(&self, block: usize) -> Age {
        match self.ages[block].load(Ordering::Acquire) {
            0 => Age::Old,
            1 => Age::Young,
            _ => Age::Owned,
        }
    }

    /// Whether the age of a block is old; quicker than asking for the age. Nothing in an old block is
    /// looked at for that, and so nothing is acquired.
    #[inline]
    pub(crate) fn is_old(&self, block: usize) -> bool {
        self.ages[block].load(Ordering::Relaxed) == Age::Old as u8
    }

    /// Sets the age of a block: to owned before the first object in it can be published, to young
    /// by the owner or in a stop, to old in a stop.
    pub(crate) fn set_age(&self, block: usize, age: Age) {
        self.ages[block].store(age as u8, Ordering::Release);
        if age == Age::Owned {
            // Whoever sees a reference to an object in the block sees that it is owned.
            fence(Ordering::Release);
        }
    }

    /// Removes the unmarked objects of a block of small objects.
    pub(crate) fn sweep(&self, block: usize) -> Occupied {
        let first_word = block * WORDS_PER_BLOCK;
        Occupied::sweep(first_word, &self.starts, &self.ends, self.current_marks())
    }

    /// The granules that the objects of a block of small objects occupy.
    pub(crate) fn occupied(&self, block: usize) -> Occupied {
        Occupied::read(block * WORDS_PER_BLOCK, &self.starts, &self.ends)
    }

    /// The size in bytes of the small object at `address`, rounded up to granules.
    #[inline]
    pub(crate) fn small_size(&self, address: usize) -> usize {
        self.find_small_size(address).expect("every small object has an end")
    }

    fn find_small_size(&self, address: usize) -> Option<usize> {
        let first = self.geometry.granule(address);
        let block_end = (first / (WORDS_PER_BLOCK * 64) + 1) * WORDS_PER_BLOCK * 64;
        let last = self.ends.first_set(first, block_end)?;
        Some((last - first + 1) * GRANULE)
    }

    /// The small object out of `marks` that begins before `address`, which is inside the heap, in the
    /// same block, and reaches to it or beyond. The caller sees what was seen of it by who marked it.
    pub(crate) fn spanning_into(&self, address: usize, marks: &Bitmap) -> Option<usize> {
        let granule = self.geometry.granule(address);
        let block_start = granule - granule % GRANULES_PER_BLOCK;
        // It begins at most its size before.
        let nearest = granule.saturating_sub(LARGEST_SMALL / GRANULE).max(block_start);
        let start = marks.last_set(nearest, granule.checked_sub(1).filter(|&g| g >= nearest)?)?;
        // Another marker may have marked it just now, and knows where it ends.
        fence(Ordering::Acquire);
        let start = self.geometry.granule_address(start);
        (start + self.small_size(start) > address).then_some(start)
    }

    /// The start of the small object that `address` points into. An object that is being allocated
    /// or swept at this moment may be found or not.
    pub(crate) fn resolve_small(&self, address: usize) -> Option<usize> {
        let granule = self.geometry.granule(address);
        let block_start = granule - granule % (WORDS_PER_BLOCK * 64);
        let start = self.starts.last_set(block_start, granule)?;
        // Without an end the object is just being made, or just being swept, by another thread.
        let last = self.ends.first_set(start, block_start + WORDS_PER_BLOCK * 64)?;
        (granule <= last).then(|| self.geometry.granule_address(start))
    }

    /// Whether an object begins at `address`, which is inside the heap and may be no multiple of a granule.
    /// An object that is being allocated at this moment may be found or not.
    #[inline]
    pub(crate) fn begins_at(&self, address: usize) -> bool {
        address.is_multiple_of(GRANULE) && self.starts.get(self.geometry.granule(address))
    }

    /// Gives back the memory for what is known of the granules of a chunk that nobody uses.
    pub(crate) fn discard(&self, chunk: usize) -> Result<(), OsError> {
        let bitmaps = [&self.starts, &self.ends, &*self.marks[0], &*self.marks[1]];
        bitmaps.into_iter().try_for_each(|bitmap| bitmap.discard_words(words_of(chunk)))
    }

    /// Bytes of side metadata for each chunk of heap that is in use.
    pub(crate) const fn bytes_per_chunk() -> usize {
        4 * CHUNK / GRANULE / 8 + 2 * BLOCKS_PER_CHUNK
    }
}

/// The number of chunks that, with their metadata, take up to `bytes`.
pub(crate) fn chunks_within(bytes: usize) -> usize {
    bytes / (CHUNK + Metadata::bytes_per_chunk())
}

/// The number of chunks that, with their metadata, take at least `bytes`.
pub(super) fn chunks_for(bytes: usize) -> usize {
    bytes.div_ceil(CHUNK + Metadata::bytes_per_chunk())
}

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests;
