//! After any history of allocations and collections what is marked is there and nothing else.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::dirty::Tracker;
use crate::heap::Metadata;
use crate::heap::geometry::{BLOCK, BLOCKS_PER_CHUNK, GRANULE};
use crate::heap::metadata::{Age, Content};
use crate::heap::pool::fixture::some_chunks;
use crate::heap::pool::{Pool, Room};
use crate::mutator::Buffer;
use crate::object::Kind;
use crate::os::page_size;

/// Sizes of small objects that fit into a block together.
const SIZES: [usize; 4] = [16, 4096, 48, 8192];

/// A pool and what is in it, by address.
struct History {
    pool: Pool,
    metadata: Metadata,
    tracker: Tracker,
    objects: BTreeMap<usize, Object>,
}

struct Object {
    kind: Kind,
    bytes: usize,
    old: bool,
}

#[derive(Debug, Clone)]
enum Step {
    /// So many blocks' worth of small objects, and so many large ones.
    Allocate(Kind, usize, usize),
    /// Of what may die, one object in so many lives. A full collection, or not.
    Collect(usize, bool),
    /// Some blocks.
    Sweep(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![Just(Kind::Precise), Just(Kind::Leaf), Just(Kind::External)];
    let lives = prop_oneof![3 => 1..12_usize, 1 => Just(usize::MAX)];
    let step = prop_oneof![
        (kind, 0..70_usize, 0..3_usize)
            .prop_map(|(kind, small, large)| { Step::Allocate(kind, small, large) }),
        (lives, any::<bool>()).prop_map(|(lives, full)| Step::Collect(lives, full)),
        (1..60_usize).prop_map(Step::Sweep),
    ];
    proptest::collection::vec(step, 1..16)
}

impl History {
    fn allocate(&mut self, kind: Kind, small: usize, large: usize) {
        let Self { pool, metadata, tracker, objects } = self;
        let mut add = |address: usize, bytes: usize| {
            let reaches = objects.range(..address + bytes).next_back();
            assert!(reaches.is_none_or(|(start, object)| start + object.bytes <= address));
            objects.insert(address, Object { kind, bytes, old: false });
        };
        for number in 0..small {
            let first = SIZES[number % SIZES.len()];
            let granules = first / GRANULE;
            let Ok(grant) = pool.take(kind, granules, Room::Limit, metadata, tracker) else {
                return;
            };
            // The whole block, or a hole.
            let sizes = if grant.occupied.is_none() { &SIZES[..] } else { &[first] };
            let mut buffer = Buffer::on(grant, metadata);
            sizes.iter().for_each(|&bytes| add(buffer.allocate(bytes), bytes));
            buffer.retire(metadata);
        }
        for number in 0..large {
            let bytes = BLOCK * (1 + number * 40) + page_size() + 16;
            let room = pool.reserve_large(kind, bytes, Room::Limit, metadata, tracker);
            let Ok((object, _)) = room else { return };
            pool.hand_out_large(object, metadata);
            add(object.start, bytes);
        }
    }

    fn collect(&mut self, lives: usize, full: bool) {
        let Self { pool, metadata, objects, .. } = self;
        while !pool.sweep_some(3, metadata) {}
        check(pool, metadata, objects);
        pool.retire(metadata);
        let marks = if full { metadata.next_marks() } else { metadata.current_marks() };
        let mut number = 0;
        objects.retain(|_, object| {
            number += 1;
            (object.old && !full) || number % lives == 0
        });
        for (&address, object) in objects.iter_mut() {
            marks.set_owned(metadata.geometry.granule(address));
            marks.reach(metadata.geometry.block(address));
            object.old = true;
        }
        if full {
            metadata.flip_marks();
        }
        pool.begin_sweep(full, metadata);
        let blocks = 0..metadata.geometry.blocks();
        assert!(blocks.into_iter().all(|block| metadata.age(block) == Age::Old));
    }
}

/// When everything is swept.
fn check(pool: &Pool, metadata: &Metadata, objects: &BTreeMap<usize, Object>) {
    let geometry = metadata.geometry;
    let next = metadata.next_marks();
    assert!((0..geometry.blocks()).all(|block| !next.is_reached(block)));
    assert!(next.is_clear(0..next.words().len()), "the next marks are not clear");
    let mut starts: Vec<_> = metadata.starts.ones(0..metadata.starts.words().len()).collect();
    starts.iter_mut().for_each(|granule| *granule = geometry.granule_address(*granule));
    assert!(starts.iter().eq(objects.keys()), "what is there is not what was marked");
    let in_use: Vec<_> = pool.chunks.in_use().map(|(chunk, _)| chunk).collect();
    for block in 0..geometry.blocks() {
        let used = in_use.contains(&(block / BLOCKS_PER_CHUNK));
        assert!(used || metadata.content(block) == Content::Unused, "nobody's memory has contents");
    }
    let mut blocks = vec![Content::Unused; geometry.blocks()];
    let mut live = 0;
    for (&address, object) in objects {
        let block = geometry.block(address);
        if object.bytes > BLOCK {
            live += object.bytes.next_multiple_of(page_size());
            assert_eq!(metadata.content(block), Content::Large);
            blocks[block] = Content::Large;
            continue;
        }
        blocks[block] = Content::Small(object.kind);
        assert_eq!(metadata.small_size(address), object.bytes);
        assert_eq!(metadata.resolve_small(address + object.bytes - 1), Some(address));
        let external = pool.external_blocks().any(|external| external == block);
        assert_eq!(external, object.kind == Kind::External);
        if object.old {
            assert!(metadata.current_marks().is_reached(block));
            live += object.bytes;
        }
    }
    // Blocks that were not collected yet are not counted by the sweep.
    if objects.values().all(|object| object.old) {
        assert_eq!(pool.live_bytes(), live);
        for (block, &content) in blocks.iter().enumerate() {
            let found = metadata.content(block);
            if content != Content::Large && found != Content::Large {
                assert_eq!(found, content, "a block with nothing alive, or the other way round");
                assert!(content != Content::Unused || !metadata.current_marks().is_reached(block));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_marked_is_there_and_nothing_else(chunks in 1..6_usize, steps in steps()) {
        let (pool, metadata, tracker, _memory) = some_chunks(chunks, false);
        let mut history = History { pool, metadata, tracker, objects: BTreeMap::new() };
        for step in steps {
            match step {
                Step::Allocate(kind, small, large) => history.allocate(kind, small, large),
                Step::Collect(lives, full) => history.collect(lives, full),
                Step::Sweep(count) => {
                    if history.pool.sweep_some(count, &history.metadata) {
                        check(&history.pool, &history.metadata, &history.objects);
                    }
                }
            }
        }
        // Everything dies, and no chunk is in use.
        history.collect(usize::MAX, true);
        prop_assert!(history.objects.is_empty());
        history.pool.sweep_all(&history.metadata);
        prop_assert_eq!(history.pool.live_bytes(), 0);
        prop_assert_eq!(history.pool.chunks.in_use().count(), 0);
    }
}
