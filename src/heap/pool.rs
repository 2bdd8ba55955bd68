//! Blocks: which are free, partly free, or still to be swept; and who gets which.
//!
//! The order in which a block is looked for follows page purity: a page with young objects only
//! costs a minor collection nothing, one that mixes young and old costs a fault and a rescan. So
//! whole chunks come first, then free blocks, then the emptiest blocks.
//!
//! ```text
//!               take                    retire                collection
//!   free  ──────────────────▶  owned  ──────────▶  (no list) ───────────▶ unswept
//!    ▲                           ▲                                          │
//!    │ no live object            └────────── partial ◀──────── sweep ───────┤
//!    └──────────────────────────────────────────────────────────────────────┘
//! ```

use std::collections::BTreeSet;
use std::ops::Range;

use super::chunks::{Chunks, NoChunk, Use, Watch};
use super::extents::Occupied;
use super::geometry::{
    BLOCK, BLOCKS_PER_CHUNK, CHUNK, GRANULE, GRANULES_PER_BLOCK, WORDS_PER_BLOCK,
};
use super::large::{LargeObject, LargeSpace};
use super::metadata::{Age, Content, Metadata};
use crate::dirty::Tracker;
use crate::object::Kind;
use crate::os::{PageRange, page_size};

/// A block that was handed to a mutator.
pub(crate) struct Grant {
    pub(crate) block: usize,
    /// What is occupied; `None` when nothing is.
    pub(crate) occupied: Option<Box<Occupied>>,
    /// Whether its free granules are known to be zero.
    pub(crate) zero: bool,
    /// Granules of the smallest hole that is worth using.
    pub(crate) smallest_hole: usize,
}

/// How many chunks may be committed for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// As many as the sizing policy wants for now.
    Target,
    /// As many as there may be at all.
    Limit,
}

/// Holes of fewer granules are not worth the search, as long as there are others.
const SMALL_HOLE: usize = 4;

/// Swept blocks with room, by how full they are: the emptiest first.
type Partial = [Vec<usize>; 4];

/// Blocks to sweep for one that is wanted, before looking elsewhere.
const SWEEPS_PER_TAKE: usize = 16;

/// The memory of a heap that is not owned by a mutator. Lives under one lock.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) chunks: Chunks,
    pub(crate) large: LargeSpace,
    /// For watched and unwatched blocks: the chunk that blocks are being taken from, and the other
    /// chunks that have free ones.
    filling: [Option<usize>; 2],
    open: [BTreeSet<usize>; 2],
    partial: [Partial; Kind::COUNT],
    unswept: [Vec<usize>; Kind::COUNT],
    large_unswept: bool,
    /// Chunks whose marks of the collection before are still to be cleared.
    stale_marks: Vec<usize>,
    /// Chunks that may be committed for now, and at all.
    pub(crate) target: usize,
    pub(crate) limit: usize,
    /// Blocks of small objects that were taken since the last collection, and pages of large ones.
    young: Vec<usize>,
    young_large: Vec<PageRange>,
    /// Granules that survived in each block when it was last swept, and their sum.
    survivors: Vec<u16>,
    live_granules: usize,
}

impl Pool {
    pub(crate) fn new(chunks: Chunks, blocks: usize, target: usize, limit: usize) -> Self {
        Self {
            chunks,
            large: LargeSpace::default(),
            filling: [None; 2],
            open: Default::default(),
            partial: Default::default(),
            unswept: Default::default(),
            large_unswept: false,
            stale_marks: Vec::new(),
            target,
            limit,
            young: Vec::new(),
            young_large: Vec::new(),
            survivors: vec![0; blocks],
            live_granules: 0,
        }
    }

    /// A block with room for objects of `kind`, with a hole of at least `granules`.
    pub(crate) fn take(
        &mut self,
        kind: Kind,
        granules: usize,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<Grant, NoChunk> {
        let mut grant = self.find(kind, granules, room, metadata, tracker);
        // Blocks of other kinds may be free and not known to be.
        if grant.is_err() && self.sweep_all(metadata) {
            grant = self.find(kind, granules, room, metadata, tracker);
        }
        let grant = grant?;
        self.disarm(grant.block, metadata, tracker)?;
        metadata.set_age(grant.block, Age::Owned);
        self.young.push(grant.block);
        Ok(grant)
    }

    fn find(
        &mut self,
        kind: Kind,
        granules: usize,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<Grant, NoChunk> {
        let watch = watch(kind);
        if let Some(block) = self.free_block(watch, metadata, tracker)? {
            return Ok(self.grant_free(block, kind, metadata));
        }
        let most = self.most(room);
        match self.chunks.take_run(1, watch, Use::Blocks(watch), most, tracker) {
            Ok(chunk) => {
                self.filling[watch as usize] = Some(chunk);
                let block = self.pop_block(watch).expect("the chunk is new");
                Ok(self.grant_free(block, kind, metadata))
            }
            Err(error) => self.grant_partial(kind, granules, metadata).ok_or(error),
        }
    }

    /// Chunks that may be committed. A target that turned out too small is given up, until the next
    /// sizing.
    fn most(&mut self, room: Room) -> usize {
        if room == Room::Limit {
            self.target = self.limit;
        }
        self.target.min(self.limit)
    }

    /// Before a block is handed out: makes its pages writable in one call, and with them those of
    /// the free blocks around it, which will be next.
    fn disarm(
        &mut self,
        block: usize,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<(), NoChunk> {
        let (number, index) = (block / BLOCKS_PER_CHUNK, block % BLOCKS_PER_CHUNK);
        let chunk = self.chunks.get_mut(number);
        if chunk.armed >> index & 1 == 0 {
            return Ok(());
        }
        let candidates = chunk.armed & (chunk.free | 1 << index);
        let below = (candidates << (u32::BITS as usize - 1 - index)).leading_ones() as usize;
        let above = (candidates >> index).trailing_ones() as usize;
        let (first, count) = (index + 1 - below, below + above - 1);
        let start = metadata.geometry.block_address(number * BLOCKS_PER_CHUNK + first);
        let range = PageRange::new(start, start + count * BLOCK).expect("blocks are whole pages");
        tracker.unprotect(range)?;
        chunk.armed &= !(ones(count) << first);
        Ok(())
    }

    /// The addresses of all watched memory that has been in use, but for blocks that a mutator owns,
    /// as maximal ranges; and these blocks. With `arm` the former counts as protected from now on.
    pub(crate) fn watched(&mut self, arm: bool, metadata: &Metadata) -> Watched {
        let mut watched = Watched::default();
        let chunks: Vec<_> = self.chunks.in_use().collect();
        for (number, state) in chunks {
            if !matches!(state, Use::Blocks(Watch::Watched) | Use::Large(Watch::Watched)) {
                continue;
            }
            let chunk = self.chunks.get_mut(number);
            for index in 0..BLOCKS_PER_CHUNK {
                let block = number * BLOCKS_PER_CHUNK + index;
                let bit = 1 << index;
                if chunk.zero & bit != 0 {
                    continue;
                }
                let start = metadata.geometry.block_address(block);
                if metadata.age(block) == Age::Owned {
                    append(&mut watched.owned, start);
                } else {
                    append(&mut watched.quiet, start);
                    chunk.armed |= if arm { bit } else { 0 };
                }
            }
        }
        watched
    }

    /// Makes what mutators own young. They have retired their buffers, and the world is stopped.
    pub(crate) fn retire(&mut self, metadata: &Metadata) {
        for &block in &self.young {
            metadata.set_age(block, Age::Young);
        }
        for range in &self.young_large {
            set_ages(*range, Age::Young, metadata);
        }
    }

    /// The blocks of small objects that are External.
    pub(crate) fn external_blocks(&self, metadata: &Metadata) -> Vec<usize> {
        let chunks = self.chunks.in_use().map(|(chunk, _)| chunk);
        let blocks =
            chunks.flat_map(|chunk| chunk * BLOCKS_PER_CHUNK..(chunk + 1) * BLOCKS_PER_CHUNK);
        let external = Content::Small(Kind::External);
        blocks.filter(|&block| metadata.content(block) == external).collect()
    }

    /// A block without objects that needs no more memory.
    fn free_block(
        &mut self,
        watch: Watch,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<Option<usize>, NoChunk> {
        if let Some(block) = self.pop_block(watch) {
            return Ok(Some(block));
        }
        if let Some(chunk) = self.chunks.take_idle(watch, Use::Blocks(watch), tracker)? {
            self.filling[watch as usize] = Some(chunk);
            return Ok(self.pop_block(watch));
        }
        for _ in 0..SWEEPS_PER_TAKE {
            if let Some(chunk) = self.open[watch as usize].pop_first() {
                self.filling[watch as usize] = Some(chunk);
                return Ok(self.pop_block(watch));
            }
            let kinds = Kind::ALL.into_iter().filter(|&kind| self::watch(kind) == watch);
            let Some(block) = kinds.into_iter().find_map(|k| self.unswept[k as usize].pop()) else {
                break;
            };
            self.sweep(block, metadata);
        }
        Ok(None)
    }

    /// The next free block of the chunk that is being filled.
    fn pop_block(&mut self, watch: Watch) -> Option<usize> {
        let chunk = self.filling[watch as usize]?;
        let free = &mut self.chunks.get_mut(chunk).free;
        let index = free.trailing_zeros() as usize;
        *free &= free.wrapping_sub(1);
        if *free == 0 {
            self.filling[watch as usize] = None;
        }
        (index < BLOCKS_PER_CHUNK).then_some(chunk * BLOCKS_PER_CHUNK + index)
    }

    fn grant_free(&mut self, block: usize, kind: Kind, metadata: &Metadata) -> Grant {
        metadata.set_content(block, Content::Small(kind));
        let chunk = self.chunks.get_mut(block / BLOCKS_PER_CHUNK);
        let bit = 1 << (block % BLOCKS_PER_CHUNK);
        let zero = chunk.zero & bit != 0;
        chunk.zero &= !bit;
        Grant { block, occupied: None, zero, smallest_hole: SMALL_HOLE }
    }

    /// The emptiest block of the kind that has a hole of `granules`; one with a hole that is worth
    /// the search, if there is any.
    fn grant_partial(&mut self, kind: Kind, granules: usize, metadata: &Metadata) -> Option<Grant> {
        self.sweep_all_of(kind, metadata);
        self.partial_with(kind, granules.max(SMALL_HOLE), metadata)
            .or_else(|| self.partial_with(kind, granules, metadata))
    }

    fn partial_with(&mut self, kind: Kind, granules: usize, metadata: &Metadata) -> Option<Grant> {
        for blocks in &mut self.partial[kind as usize] {
            for index in (0..blocks.len()).rev() {
                let occupied = metadata.occupied(blocks[index]);
                if occupied.hole(0, granules).is_some() {
                    let block = blocks.swap_remove(index);
                    let (occupied, zero) = (Some(Box::new(occupied)), false);
                    let smallest_hole = granules.min(SMALL_HOLE);
                    return Some(Grant { block, occupied, zero, smallest_hole });
                }
            }
        }
        None
    }

    /// Sweeps what is left of the blocks of a kind.
    fn sweep_all_of(&mut self, kind: Kind, metadata: &Metadata) {
        while let Some(block) = self.unswept[kind as usize].pop() {
            self.sweep(block, metadata);
        }
    }

    /// Sweeps everything that is left. Returns whether anything was.
    fn sweep_all(&mut self, metadata: &Metadata) -> bool {
        let unswept = self.large_unswept || self.unswept.iter().any(|blocks| !blocks.is_empty());
        self.sweep_large(metadata);
        Kind::ALL.into_iter().for_each(|kind| self.sweep_all_of(kind, metadata));
        unswept
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
        let zero = self.use_zeros(metadata.geometry.block(object.start), last);
        let range = PageRange::covering(object.start, pages).expect("it has pages");
        self.disarm_large(range, metadata, tracker)?;
        set_ages(range, Age::Owned, metadata);
        self.young_large.push(range);
        metadata.starts.set_shared(metadata.geometry.granule(object.start));
        Ok((object, zero))
    }

    fn disarm_large(
        &mut self,
        range: PageRange,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<(), NoChunk> {
        let mut blocks = blocks_of(range, metadata);
        let armed = |block: usize| {
            self.chunks.get(block / BLOCKS_PER_CHUNK).armed >> (block % BLOCKS_PER_CHUNK) & 1 == 1
        };
        if blocks.any(armed) {
            tracker.unprotect(range)?;
        }
        Ok(())
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
        let chunk = self.chunks.take_run(count, watch, Use::Large(watch), most, tracker)?;
        for block in chunk * BLOCKS_PER_CHUNK..(chunk + count) * BLOCKS_PER_CHUNK {
            metadata.set_content(block, Content::Large);
        }
        let start = metadata.geometry.chunk_range(chunk, count).start();
        self.large.add_room(watch, start, count * CHUNK);
        Ok(())
    }

    /// Whether the blocks from `first` to `last` are known to be zero; they are not afterwards.
    fn use_zeros(&mut self, first: usize, last: usize) -> bool {
        let mut zero = true;
        for block in first..=last {
            let chunk = self.chunks.get_mut(block / BLOCKS_PER_CHUNK);
            let bit = 1 << (block % BLOCKS_PER_CHUNK);
            zero &= chunk.zero & bit != 0;
            chunk.zero &= !bit;
        }
        zero
    }

    /// After a collection has marked: what it looked at is to be swept, which is every block after
    /// a full one, and the young blocks otherwise. All blocks are old from now on. The world is
    /// stopped and no block is owned.
    pub(crate) fn begin_sweep(&mut self, full: bool, metadata: &Metadata) {
        self.large_unswept = true;
        let young = std::mem::take(&mut self.young);
        for &block in &young {
            metadata.set_age(block, Age::Old);
        }
        for range in std::mem::take(&mut self.young_large) {
            set_ages(range, Age::Old, metadata);
        }
        if !full {
            young.into_iter().for_each(|block| self.list_unswept(block, metadata));
            return;
        }
        self.partial = Default::default();
        let chunks: Vec<_> = self.chunks.in_use().collect();
        for (chunk, state) in chunks {
            self.stale_marks.push(chunk);
            if !matches!(state, Use::Blocks(_)) {
                continue;
            }
            let free = self.chunks.get(chunk).free;
            for index in (0..BLOCKS_PER_CHUNK).filter(|index| free >> index & 1 == 0) {
                self.list_unswept(chunk * BLOCKS_PER_CHUNK + index, metadata);
            }
        }
    }

    fn list_unswept(&mut self, block: usize, metadata: &Metadata) {
        if let Content::Small(kind) = metadata.content(block) {
            self.unswept[kind as usize].push(block);
        }
    }

    /// Sweeps up to `count` blocks and clears as many chunks' old marks. Returns whether everything
    /// is swept and the next marks are clear.
    pub(crate) fn sweep_some(&mut self, count: usize, metadata: &Metadata) -> bool {
        self.sweep_large(metadata);
        for _ in 0..count {
            if let Some(chunk) = self.stale_marks.pop() {
                let first = chunk * BLOCKS_PER_CHUNK * WORDS_PER_BLOCK;
                let words = first..first + BLOCKS_PER_CHUNK * WORDS_PER_BLOCK;
                metadata.next_marks().clear_words(words);
            }
            if let Some(block) = self.unswept.iter_mut().find_map(Vec::pop) {
                self.sweep(block, metadata);
            }
        }
        self.stale_marks.is_empty() && self.unswept.iter().all(Vec::is_empty)
    }

    /// Bytes that objects occupy, once everything is swept.
    pub(crate) fn live_bytes(&self) -> usize {
        self.live_granules * GRANULE + self.large.bytes()
    }

    fn sweep(&mut self, block: usize, metadata: &Metadata) {
        let Content::Small(kind) = metadata.content(block) else {
            unreachable!("only blocks of small objects are listed as unswept")
        };
        let occupied = metadata.sweep(block).count();
        let before = std::mem::replace(&mut self.survivors[block], occupied as u16);
        self.live_granules = self.live_granules + occupied - usize::from(before);
        if occupied == 0 {
            self.release_block(block, watch(kind), metadata);
        } else if occupied < GRANULES_PER_BLOCK - GRANULES_PER_BLOCK / 16 {
            let fullness = occupied * 4 / GRANULES_PER_BLOCK;
            self.partial[kind as usize][fullness].push(block);
        }
    }

    fn release_block(&mut self, block: usize, watch: Watch, metadata: &Metadata) {
        metadata.set_content(block, Content::Unused);
        let number = block / BLOCKS_PER_CHUNK;
        let chunk = self.chunks.get_mut(number);
        chunk.free |= 1 << (block % BLOCKS_PER_CHUNK);
        let empty = chunk.free == !0;
        let filling = &mut self.filling[watch as usize];
        if empty {
            // Also the one that is being filled: it may be all that another use lacks.
            filling.take_if(|filling| *filling == number);
            self.open[watch as usize].remove(&number);
            self.chunks.release(number);
        } else if *filling != Some(number) {
            self.open[watch as usize].insert(number);
        }
    }

    fn sweep_large(&mut self, metadata: &Metadata) {
        if !std::mem::take(&mut self.large_unswept) {
            return;
        }
        let marks = metadata.current_marks();
        let granule = |object: &LargeObject| metadata.geometry.granule(object.start);
        let dead: Vec<_> =
            self.large.objects().filter(|object| !marks.get(granule(object))).collect();
        for object in dead {
            metadata.starts.clear_owned(granule(&object));
            let pages = object.bytes.next_multiple_of(page_size());
            if let Some(free) = self.large.free(watch(object.kind), object, pages) {
                self.release_large(free, metadata);
            }
        }
    }

    /// Ends the use of chunks of the large-object space, given by their addresses.
    fn release_large(&mut self, addresses: Range<usize>, metadata: &Metadata) {
        for address in addresses.step_by(CHUNK) {
            let chunk = metadata.geometry.chunk(address);
            for block in chunk * BLOCKS_PER_CHUNK..(chunk + 1) * BLOCKS_PER_CHUNK {
                metadata.set_content(block, Content::Unused);
            }
            self.chunks.release(chunk);
        }
    }
}

/// What of a heap's memory is watched.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Memory that no mutator is allocating in.
    pub(crate) quiet: Vec<PageRange>,
    /// Blocks that mutators own.
    pub(crate) owned: Vec<PageRange>,
}

impl Watched {
    /// Has `range` treated as owned.
    pub(crate) fn leave_out(&mut self, range: PageRange) {
        let (mut quiet, mut owned) = (Vec::new(), Vec::new());
        for part in self.quiet.drain(..) {
            let Some(common) = part.intersection(range) else {
                quiet.push(part);
                continue;
            };
            owned.push(common);
            quiet.extend(PageRange::new(part.start(), common.start()));
            quiet.extend(PageRange::new(common.end(), part.end()));
        }
        self.quiet = quiet;
        self.owned.append(&mut owned);
    }
}

/// Adds the block at `start` to ranges in address order.
fn append(ranges: &mut Vec<PageRange>, start: usize) {
    let first = match ranges.last() {
        Some(last) if last.end() == start => ranges.pop().map_or(start, PageRange::start),
        _ => start,
    };
    ranges.push(PageRange::new(first, start + BLOCK).expect("blocks are whole pages"));
}

/// The blocks that a range has pages in.
fn blocks_of(range: PageRange, metadata: &Metadata) -> std::ops::RangeInclusive<usize> {
    metadata.geometry.block(range.start())..=metadata.geometry.block(range.end() - 1)
}

fn set_ages(range: PageRange, age: Age, metadata: &Metadata) {
    blocks_of(range, metadata).for_each(|block| metadata.set_age(block, age));
}

/// A mask of the lowest `count` bits.
fn ones(count: usize) -> u32 {
    if count >= u32::BITS as usize { !0 } else { (1 << count) - 1 }
}

/// Whether writes to objects of `kind` must be seen.
pub(crate) fn watch(kind: Kind) -> Watch {
    if kind.has_slots() { Watch::Watched } else { Watch::Unwatched }
}
