//! Blocks that are found when there is hardly any room.

use super::fixture::one_chunk;
use super::*;
use crate::heap::geometry::BLOCK;
use crate::mutator::Buffer;

/// The sweeper has begun. Of a chunk full of blocks, each with one object, the last that is looked at is
/// free: it was swept in search of a hole, and there was none.
#[test]
fn a_free_block_is_found_that_was_swept_in_search_of_a_hole() {
    let (mut pool, metadata, tracker, _memory) = one_chunk();
    let geometry = metadata.geometry;
    let take = |pool: &mut Pool| {
        let grant =
            pool.take(Kind::Precise, GRANULES_PER_BLOCK, Room::Limit, &metadata, &tracker)?;
        let mut buffer = Buffer::on(grant, &metadata);
        let object = buffer.allocate(BLOCK);
        buffer.retire(&metadata);
        Ok::<_, NoChunk>(object)
    };
    let objects: Vec<_> = (0..BLOCKS_PER_CHUNK).map(|_| take(&mut pool).unwrap()).collect();
    assert!(take(&mut pool).is_err(), "the chunk is full");
    pool.retire(&metadata);
    let marks = metadata.next_marks();
    for &object in &objects[1..] {
        marks.set_owned(geometry.granule(object));
        marks.reach(geometry.block(object));
    }
    metadata.flip_marks();
    pool.begin_sweep(true, &metadata);
    // Blocks are swept from the last one on.
    assert!(!pool.sweep_some(1, &metadata));
    assert_eq!(take(&mut pool).ok(), Some(objects[0]));
}
