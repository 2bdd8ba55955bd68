//! Blocks that a mutator is handed beside the one that it asks for, so that it asks less often: the pool's
//! lock is what mutators, the sweeper and the collector wait for.
//!
//! They are free ones behind it in its chunk. Those that the mutator has not come to use are taken back
//! in the next stop: a block is missing to nobody who has had the heap collected.

use super::{Grant, Pool, watch};
use crate::heap::geometry::BLOCKS_PER_CHUNK;
use crate::heap::metadata::{Age, Content, Metadata};
use crate::object::Kind;

/// How many there are, at most.
const SPARES: usize = 3;

/// In a heap that may have fewer chunks for now there are none: it would be collected earlier for them.
const SPARING: usize = 32;

impl Pool {
    /// Adds what there is to spare beside `grant` to `spares`, the first one last.
    pub(crate) fn take_spares(
        &mut self,
        grant: &Grant,
        kind: Kind,
        metadata: &Metadata,
        spares: &mut Vec<Grant>,
    ) {
        if grant.occupied.is_some() || self.raised < SPARING {
            return;
        }
        let (watch, number) = (watch(kind), grant.block / BLOCKS_PER_CHUNK);
        while spares.len() < SPARES && self.filling[watch as usize] == Some(number) {
            let chunk = self.chunks.get(number);
            if chunk.armed >> chunk.free.trailing_zeros() & 1 == 1 {
                // It would have to be unprotected by a call of its own.
                break;
            }
            let block =
                self.pop_block(watch).expect("a chunk that is being filled has a free block");
            let spare = self.grant_free(block, kind, metadata);
            spares.push(self.hand_out_block(spare, metadata));
        }
        spares.reverse();
    }

    /// Blocks that were handed out since the last stop, and in which nothing was allocated, are free again.
    pub(crate) fn take_back(&mut self, unused: Vec<Grant>, metadata: &Metadata) {
        if unused.is_empty() {
            return;
        }
        for Grant { block, zero, .. } in unused {
            let Content::Small(kind) = metadata.content(block) else {
                unreachable!("it was handed out for small objects")
            };
            let bit = 1 << (block % BLOCKS_PER_CHUNK);
            let chunk = self.chunks.get_mut(block / BLOCKS_PER_CHUNK);
            chunk.owned &= !bit;
            chunk.zero |= if zero { bit } else { 0 };
            metadata.set_age(block, Age::Old);
            self.release_block(block, watch(kind), metadata);
        }
        let since = self.young.split_off(self.retired.0);
        let used = |block: &usize| metadata.content(*block) != Content::Unused;
        self.young.extend(since.into_iter().filter(used));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::fixture::some_chunks;
    use super::*;
    use crate::heap::Room;

    #[test]
    fn what_is_not_used_is_taken_back() {
        let (mut pool, metadata, tracker, _memory) = some_chunks(SPARING, false);
        let take = |pool: &mut Pool| {
            let grant = pool.take(Kind::Precise, 1, Room::Limit, &metadata, &tracker).unwrap();
            let mut spares = Vec::new();
            pool.take_spares(&grant, Kind::Precise, &metadata, &mut spares);
            (grant.block, spares)
        };
        let (first, mut spares) = take(&mut pool);
        let blocks: Vec<_> = spares.iter().rev().map(|spare| spare.block).collect();
        assert_eq!(blocks, [first + 1, first + 2, first + 3]);
        assert!(spares.iter().all(|spare| spare.zero && metadata.age(spare.block) == Age::Owned));
        spares.pop();
        pool.take_back(spares, &metadata);
        pool.retire(&metadata);
        assert_eq!(pool.young, [first, first + 1]);
        let (next, spares) = take(&mut pool);
        assert_eq!((next, spares.len()), (first + 2, SPARES));
        assert!(spares.iter().all(|spare| spare.zero), "nobody has written to it");
    }

    #[test]
    fn a_small_heap_spares_nothing() {
        let (mut pool, metadata, tracker, _memory) = some_chunks(SPARING - 1, false);
        let grant = pool.take(Kind::Leaf, 1, Room::Limit, &metadata, &tracker).unwrap();
        let mut spares = Vec::new();
        pool.take_spares(&grant, Kind::Leaf, &metadata, &mut spares);
        assert!(spares.is_empty());
    }
}
