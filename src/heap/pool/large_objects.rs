//! Room for large objects: runs of pages, in chunks of their own.

use super::arming::set_ages;
use super::{Pool, Room, watch};
use crate::dirty::Tracker;
use crate::heap::chunks::{NoChunk, Untouched, Use, Watch};
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

    /// Room for a large object. `zero` tells whether the memory is known to be zero.
    pub(crate) fn take_large(
        &mut self,
        kind: Kind,
        bytes: usize,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<(LargeObject, bool), NoChunk> {
        let (watch, pages) = (watch(kind), bytes.next_multiple_of(page_size()));
        self.sweep_large(metadata);
        let object = match self.large.allocate(watch, kind, bytes, pages) {
            Some(object) => object,
            None => {
                let mut added = self.add_large_room(watch, pages, room, metadata, tracker);
                // Blocks of small objects may be free and not known to be.
                if added.is_err() && self.sweep_all(metadata) {
                    added = self.add_large_room(watch, pages, room, metadata, tracker);
                }
                added?;
                let object = self.large.allocate(watch, kind, bytes, pages);
                let object = object.expect("the room was just added");
                // Together with what was free before it, there may have been a chunk too many.
                if let Some(spare) = self.large.spare_chunks(watch, object.start + pages) {
                    self.release_large(spare, metadata);
                }
                object
            }
        };
        let last = metadata.geometry.block(object.start + pages - 1);
        let zero = self.hand_out(metadata.geometry.block(object.start), last);
        let range = PageRange::covering(object.start, pages).expect("it has pages");
        self.disarm_large(range, metadata, tracker)?;
        set_ages(range, Age::Owned, metadata);
        self.young_large.push(range);
        metadata.starts.set_shared(metadata.geometry.granule(object.start));
        Ok((object, zero))
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

    /// Hands the blocks from `first` to `last` out. Whether they are known to be zero; they are not
    /// afterwards.
    fn hand_out(&mut self, first: usize, last: usize) -> bool {
        let mut zero = true;
        for block in first..=last {
            let chunk = self.chunks.get_mut(block / BLOCKS_PER_CHUNK);
            let bit = 1 << (block % BLOCKS_PER_CHUNK);
            zero &= chunk.zero & bit != 0;
            chunk.zero &= !bit;
            chunk.owned |= bit;
        }
        zero
    }
}
