//! Room for large objects: runs of pages, in chunks of their own.

use super::arming::{blocks_of, set_ages};
use super::{Pool, Room, watch};
use crate::dirty::Tracker;
use crate::heap::chunk::{Use, Watch};
use crate::heap::chunks::{NoChunk, Untouched};
use crate::heap::geometry::{BLOCKS_PER_CHUNK, CHUNK};
use crate::heap::large::LargeObject;
use crate::heap::metadata::{Age, Content, Metadata};
use crate::object::Kind;
use crate::os::{PageRange, page_size};

impl Pool {
    /// The memory that the heap is about to grow by for a large object, if it is to be touched first:
    /// all of it, as what was used before is zeroed as a whole, too.
    pub(crate) fn untouched_for_large(
        &mut self,
        kind: Kind,
        bytes: usize,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Option<Untouched> {
        let (watch, pages) = (watch(kind), bytes.next_multiple_of(page_size()));
        self.sweep_large(metadata);
        if self.large.has_room(watch, pages) {
            return None;
        }
        self.begin_touching(pages.div_ceil(CHUNK), watch, room, tracker)
    }

    /// Room for a large object, which is nobody's before it is [handed out](Self::hand_out_large), and
    /// whether it is known to be zero.
    pub(crate) fn reserve_large(
        &mut self,
        kind: Kind,
        bytes: usize,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<(LargeObject, bool), NoChunk> {
        let (watch, pages) = (watch(kind), bytes.next_multiple_of(page_size()));
        self.sweep_large(metadata);
        let object = match self.large.reserve(watch, kind, bytes, pages) {
            Some(object) => object,
            None => {
                let mut added = self.add_large_room(watch, pages, room, metadata, tracker);
                // Blocks of small objects may be free and not known to be.
                if added.is_err() && self.sweep_all(metadata) {
                    added = self.add_large_room(watch, pages, room, metadata, tracker);
                }
                added?;
                let object = self.large.reserve(watch, kind, bytes, pages);
                let object = object.expect("the room was just added");
                // Together with what was free before it, there may have been a chunk too many.
                if let Some(spare) = self.large.spare_chunks(watch, object.start + pages) {
                    self.release_large(spare, metadata);
                }
                object
            }
        };
        if let Err(error) = self.disarm_large(pages_of(&object), metadata, tracker) {
            self.give_back_large(object, metadata);
            return Err(error);
        }
        Ok((object, self.is_zero(&object, metadata)))
    }

    /// The room that was reserved for `object`, and has been cleared, is its own from now on.
    pub(crate) fn hand_out_large(&mut self, object: LargeObject, metadata: &Metadata) {
        // Of a collection that has marked meanwhile, and does not know of this object.
        self.sweep_large(metadata);
        let range = pages_of(&object);
        for block in blocks_of(range, metadata) {
            let chunk = self.chunks.get_mut(block / BLOCKS_PER_CHUNK);
            let bit = 1 << (block % BLOCKS_PER_CHUNK);
            chunk.zero &= !bit;
            chunk.owned |= bit;
        }
        set_ages(range, Age::Owned, metadata);
        self.young_large.push(range);
        self.large.add(object);
        metadata.starts.set_shared(metadata.geometry.granule(object.start));
    }

    /// In a forked child: those who were clearing their room are not here.
    pub(crate) fn release_reserved(&mut self, metadata: &Metadata) {
        for object in self.large.reserved().to_vec() {
            self.give_back_large(object, metadata);
        }
    }

    fn give_back_large(&mut self, object: LargeObject, metadata: &Metadata) {
        let pages = pages_of(&object).bytes();
        if let Some(free) = self.large.give_back(watch(object.kind), object, pages) {
            self.release_large(free, metadata);
        }
    }

    fn add_large_room(
        &mut self,
        watch: Watch,
        pages: usize,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<(), NoChunk> {
        let (count, most) = (pages.div_ceil(CHUNK), self.most(room));
        let chunk = self.take_chunks(count, watch, Use::Large(watch), most, tracker)?;
        for block in chunk * BLOCKS_PER_CHUNK..(chunk + count) * BLOCKS_PER_CHUNK {
            metadata.set_content(block, Content::Large);
        }
        let start = metadata.geometry.chunk_range(chunk, count).start();
        self.large.add_room(watch, start, count * CHUNK);
        Ok(())
    }

    fn is_zero(&self, object: &LargeObject, metadata: &Metadata) -> bool {
        let is_zero = |block: usize| {
            self.chunks.get(block / BLOCKS_PER_CHUNK).zero >> (block % BLOCKS_PER_CHUNK) & 1 == 1
        };
        blocks_of(pages_of(object), metadata).all(is_zero)
    }
}

fn pages_of(object: &LargeObject) -> PageRange {
    PageRange::covering(object.start, object.bytes).expect("it has bytes")
}
