//! Blocks: which are free, partly free, or still to be swept; and who gets which.
//!
//! The order in which a block is looked for follows page purity: a page with young objects only
//! costs a minor collection nothing, one that mixes young and old costs a fault and a rescan. So
//! whole chunks come first, then free blocks, then the emptiest blocks.
//!
//! Beside this file: [`sweeping`], [`large_objects`], and [`arming`], which knows where protected pages
//! may be, [`heat`], which knows where they are not worth while, [`restoring`], which puts huge pages
//! together, [`growth`], which knows how much is wanted before it is needed, and [`spares`], which hands out
//! more than one at a time.
//!
//! ```text
//!               take                    retire                collection
//!   free  ──────────────────▶  owned  ──────────▶  (no list) ───────────▶ unswept
//!    ▲                           ▲                                          │
//!    │ no live object            └────────── partial ◀──────── sweep ───────┤
//!    └──────────────────────────────────────────────────────────────────────┘
//! ```

mod arming;
#[cfg(test)]
mod fixture;
mod growth;
mod heat;
mod large_objects;
mod purging;
mod restoring;
mod spares;
mod sweeping;
mod watched;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use restoring::Restoring;
pub(crate) use restoring::collapse;
pub(crate) use watched::{Watched, Where, Which};

use super::chunk::{Use, Watch};
use super::chunks::{Chunks, NoChunk, Untouched};
use super::extents::Occupied;
use super::geometry::{BLOCKS_PER_CHUNK, GRANULES_PER_BLOCK};
use super::large::LargeSpace;
use super::metadata::{Age, Content, Metadata, chunks_for};
use crate::dirty::Tracker;
use crate::object::Kind;
use crate::os::PageRange;
use crate::sync::process::atomic::{AtomicUsize, Ordering::Relaxed};

/// A block that was handed to a mutator.
pub(crate) struct Grant {
    pub(crate) block: usize,
    /// What is occupied; `None` when nothing is.
    pub(crate) occupied: Option<Box<Occupied>>,
    /// Whether its free granules are known to be zero.
    pub(crate) zero: bool,
    /// Granules of the smallest hole that is worth using.
    pub(crate) smallest_hole: usize,
    /// Whether the heap has grown for it.
    pub(crate) grown: bool,
    /// What may be protected, of the block and the free ones around it: to be unprotected in one call, which
    /// is cheaper than faults. Not under the pool's lock, which others wait for meanwhile.
    pub(crate) protected: Option<PageRange>,
}

impl Grant {
    fn partial(block: usize, class: usize, metadata: &Metadata) -> Self {
        Self {
            block,
            occupied: Some(Box::new(metadata.occupied(block))),
            zero: false,
            smallest_hole: SMALL_HOLE.min(1 << class),
            grown: false,
            protected: None,
        }
    }
}

/// What a mutator gets that wants a block.
pub(crate) enum Taken {
    Block(Grant),
    /// Memory to be touched first; then there is a block.
    Untouched(Untouched),
}

/// How many chunks may be committed for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// As many as the sizing policy wants for now.
    Target,
    /// As many as while a collection is going on, whose garbage is taken in advance.
    Ceiling,
    /// As many as there may be at all.
    Limit,
}

/// Holes of fewer granules are not worth the search, as long as there are others.
const SMALL_HOLE: usize = 4;

/// Swept blocks with room, by the binary logarithm of the granules of their largest hole.
type Partial = [Vec<usize>; HOLE_CLASSES];

const HOLE_CLASSES: usize = GRANULES_PER_BLOCK.ilog2() as usize + 1;

/// Blocks that are looked at for a hole that may or may not be there.
const PROBES: usize = 64;

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
    /// Chunks with blocks that have given their memory back.
    purged: BTreeSet<usize>,
    partial: [Partial; Kind::COUNT],
    unswept: [Vec<usize>; Kind::COUNT],
    large_unswept: bool,
    /// Chunks with blocks to be swept that are not in `unswept` yet.
    unlisted: Vec<usize>,
    /// Chunks whose marks of the collection before are still to be cleared.
    stale_marks: Vec<usize>,
    /// Chunks that may be committed for now, while a collection is going on, and at all.
    target: usize,
    ceiling: usize,
    /// The same as the target, or more where that has turned out too small.
    raised: usize,
    pub(crate) limit: usize,
    /// Bytes outside the heap that count towards the limit.
    external_bytes: Arc<AtomicUsize>,
    /// Blocks of small objects that were taken since the last collection, and pages of large ones.
    young: Vec<usize>,
    young_large: Vec<PageRange>,
    /// How many of the former, and of the latter, were taken before the last stop.
    retired: (usize, usize),
    /// Those of the former that were new at the last scan.
    new: Range<usize>,
    /// The part of them that had something alive in the end, in the last collection that had any.
    survival: f64,
    /// Blocks with objects that are External.
    external: BTreeSet<usize>,
    /// Granules that survived in each block when it was last swept, and their sum.
    survivors: Vec<u16>,
    live_granules: usize,
    restoring: Restoring,
    /// The blocks that it has grown for last, until enough is committed ahead for more of them.
    grown: Option<Watch>,
}

impl Pool {
    pub(crate) fn new(
        chunks: Chunks,
        blocks: usize,
        [target, ceiling, limit]: [usize; 3],
        external_bytes: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            chunks,
            large: LargeSpace::default(),
            filling: [None; 2],
            open: Default::default(),
            purged: BTreeSet::new(),
            partial: Default::default(),
            unswept: Default::default(),
            large_unswept: false,
            unlisted: Vec::new(),
            stale_marks: Vec::new(),
            target,
            ceiling,
            raised: target,
            limit,
            external_bytes,
            young: Vec::new(),
            young_large: Vec::new(),
            retired: (0, 0),
            new: 0..0,
            survival: 0.0,
            external: BTreeSet::new(),
            survivors: vec![0; blocks],
            live_granules: 0,
            restoring: Restoring::default(),
            grown: None,
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
        // Blocks of other kinds may be free and not known to be; and of this kind, if they were swept in
        // search of a hole.
        if grant.is_err() {
            self.sweep_all(metadata);
            grant = self.find(kind, granules, room, metadata, tracker);
        }
        Ok(self.hand_out_block(grant?, metadata))
    }

    /// As [`take`](Self::take), or the memory that the heap is about to grow by, which is to be touched
    /// first.
    pub(crate) fn take_touched(
        &mut self,
        kind: Kind,
        granules: usize,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<Taken, NoChunk> {
        if let Some(grant) = self.find_free(kind, room, metadata, tracker)? {
            return Ok(Taken::Block(self.hand_out_block(grant, metadata)));
        }
        if let Some(untouched) = self.begin_touching(1, watch(kind), room, tracker) {
            return Ok(Taken::Untouched(untouched));
        }
        self.take(kind, granules, room, metadata, tracker).map(Taken::Block)
    }

    fn hand_out_block(&mut self, mut grant: Grant, metadata: &Metadata) -> Grant {
        grant.protected = self.disarm(grant.block, metadata);
        metadata.set_age(grant.block, Age::Owned);
        self.chunks.get_mut(grant.block / BLOCKS_PER_CHUNK).owned |=
            1 << (grant.block % BLOCKS_PER_CHUNK);
        self.young.push(grant.block);
        grant
    }

    fn find(
        &mut self,
        kind: Kind,
        granules: usize,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<Grant, NoChunk> {
        if let Some(grant) = self.find_free(kind, room, metadata, tracker)? {
            return Ok(grant);
        }
        let (watch, most) = (watch(kind), self.most(room));
        match self.take_chunks(1, watch, Use::Blocks(watch), most, tracker) {
            Ok(chunk) => {
                self.filling[watch as usize] = Some(chunk);
                self.grown = Some(watch);
                let block = self.pop_block(watch).expect("the chunk is new");
                Ok(Grant { grown: true, ..self.grant_free(block, kind, metadata) })
            }
            Err(error) => self.grant_partial(kind, granules, metadata).ok_or(error),
        }
    }

    /// A block without objects for which the heap does not grow by a chunk.
    fn find_free(
        &mut self,
        kind: Kind,
        room: Room,
        metadata: &Metadata,
        tracker: &Tracker,
    ) -> Result<Option<Grant>, NoChunk> {
        let watch = watch(kind);
        let mut block = self.free_block(watch, metadata, tracker)?;
        if block.is_none() {
            let most = self.most(room);
            block = self.regain_block(watch, most);
        }
        Ok(block.map(|block| self.grant_free(block, kind, metadata)))
    }

    /// Chunks that may be committed. A target that turned out too small is given up, until the next
    /// sizing.
    fn most(&mut self, room: Room) -> usize {
        match room {
            Room::Target => {}
            Room::Ceiling => self.raised = self.raised.max(self.ceiling),
            Room::Limit => self.raised = self.limit,
        }
        self.beside_external(self.raised)
    }

    fn beside_external(&self, most: usize) -> usize {
        most.min(self.limit.saturating_sub(chunks_for(self.external_bytes.load(Relaxed))))
    }

    /// Chunks that may be committed from now on, and while a collection is going on; at least two.
    pub(crate) fn resize(&mut self, target: usize, ceiling: usize) {
        self.target = target.max(2);
        self.raised = self.target;
        self.ceiling = ceiling.clamp(2, self.limit);
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
            match kinds.into_iter().find_map(|kind| self.unswept[kind as usize].pop()) {
                Some(block) => self.sweep(block, metadata),
                None if self.list_unswept(metadata) => {}
                None => break,
            }
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
        if kind == Kind::External {
            self.external.insert(block);
        }
        let chunk = self.chunks.get_mut(block / BLOCKS_PER_CHUNK);
        let bit = 1 << (block % BLOCKS_PER_CHUNK);
        let zero = chunk.zero & bit != 0;
        chunk.zero &= !bit;
        let smallest_hole = SMALL_HOLE;
        Grant { block, occupied: None, zero, smallest_hole, grown: false, protected: None }
    }

    /// A block of the kind that has a hole of `granules`, of those that are swept one with the largest
    /// holes. To sweep them all first would take tens of milliseconds.
    fn grant_partial(&mut self, kind: Kind, granules: usize, metadata: &Metadata) -> Option<Grant> {
        loop {
            let grant = self.swept_with_hole(kind, granules, metadata);
            if grant.is_some() || !self.sweep_some_of(kind, SWEEPS_PER_TAKE, metadata) {
                return grant;
            }
        }
    }

    fn swept_with_hole(
        &mut self,
        kind: Kind,
        granules: usize,
        metadata: &Metadata,
    ) -> Option<Grant> {
        let lists = &mut self.partial[kind as usize];
        let fits_all = granules.next_power_of_two().ilog2() as usize;
        for class in (fits_all..HOLE_CLASSES).rev() {
            if let Some(block) = lists[class].pop() {
                return Some(Grant::partial(block, class, metadata));
            }
        }
        // Some of the class below may have one, too.
        let class = granules.ilog2() as usize;
        let blocks = &mut lists[class];
        let fits = |&index: &usize| metadata.occupied(blocks[index]).hole(0, granules).is_some();
        let index = (0..blocks.len()).rev().take(PROBES).find(fits)?;
        Some(Grant::partial(blocks.swap_remove(index), class, metadata))
    }
}

/// Whether writes to objects of `kind` must be seen.
pub(crate) fn watch(kind: Kind) -> Watch {
    if kind.has_slots() { Watch::Watched } else { Watch::Unwatched }
}

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests;
