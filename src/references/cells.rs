//! Cells: the entries of the side tables, in memory that never moves.
//!
//! What a mutator reads (key, value, generation) is read without a lock. Everything is written under
//! the tables' lock, or in a stop.

use std::num::NonZeroU64;

use crate::sync::process::OnceLock;
use crate::sync::process::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sync::process::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

/// What a cell stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Role {
    /// Nothing: it is in the list of free cells.
    Free = 0,
    /// A weak reference that is cleared before its referent is handed to a guardian.
    Weak = 1,
    /// A weak reference that is cleared when its referent is gone for good.
    LateWeak = 2,
    /// A value that lives as long as its key.
    Ephemeron = 3,
    /// An object that a guardian watches.
    Guarded = 4,
    /// An object that a guardian was handed: the value, until it is taken.
    Queued = 5,
    /// Bytes outside the heap (the value, as a number) that an object keeps.
    Charge = 6,
}

impl Role {
    /// Whether the value of a cell is a reference.
    pub(super) fn has_value(self) -> bool {
        matches!(self, Self::Ephemeron | Self::Queued)
    }
}

const ROLES: [Role; 7] = [
    Role::Free,
    Role::Weak,
    Role::LateWeak,
    Role::Ephemeron,
    Role::Guarded,
    Role::Queued,
    Role::Charge,
];

/// One entry. All zero is a free cell.
#[derive(Debug)]
pub(super) struct Cell {
    /// The address of the referent; zero when it has been cleared.
    key: AtomicUsize,
    value: AtomicUsize,
    /// The object that owns the cell; zero when a handle does.
    holder: AtomicUsize,
    /// What is told to whom when the referent dies; no queue is zero.
    token: AtomicU64,
    queue: AtomicU64,
    /// Counts the uses of this cell, so that an old name does not find a new use.
    generation: AtomicU32,
    role: AtomicU8,
    /// Whether it is in the list of fresh cells.
    listed: AtomicBool,
}

/// What a cell is made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contents {
    pub(super) role: Role,
    pub(super) key: usize,
    pub(super) value: usize,
    pub(super) holder: usize,
    pub(super) queue: u64,
    pub(super) token: u64,
}

impl Cell {
    pub(super) fn key(&self) -> usize {
        self.key.load(Acquire)
    }

    pub(super) fn value(&self) -> usize {
        self.value.load(Acquire)
    }

    pub(super) fn holder(&self) -> usize {
        self.holder.load(Relaxed)
    }

    /// The queue and the token, if anybody is told.
    pub(super) fn notice(&self) -> Option<(u64, u64)> {
        let queue = self.queue.load(Relaxed);
        (queue != 0).then(|| (queue, self.token.load(Relaxed)))
    }

    pub(super) fn role(&self) -> Role {
        ROLES[usize::from(self.role.load(Relaxed))]
    }

    pub(super) fn set_key(&self, key: usize) {
        self.key.store(key, Release);
    }

    pub(super) fn set_value(&self, value: usize) {
        self.value.store(value, Release);
    }

    /// The generation of this use.
    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Acquire)
    }

    /// Marks the cell as listed or not; whether it was.
    pub(super) fn set_listed(&self, listed: bool) -> bool {
        let before = self.listed.load(Relaxed);
        self.listed.store(listed, Relaxed);
        before
    }

    /// Fills the cell and returns the generation of this use.
    pub(super) fn fill(&self, contents: Contents) -> u32 {
        self.holder.store(contents.holder, Relaxed);
        self.token.store(contents.token, Relaxed);
        self.queue.store(contents.queue, Relaxed);
        self.role.store(contents.role as u8, Relaxed);
        self.set_value(contents.value);
        self.set_key(contents.key);
        self.generation.load(Relaxed)
    }

    /// Makes what a guardian watched something that it was handed.
    pub(super) fn hand_over(&self) {
        self.set_value(self.key());
        self.set_key(0);
        self.role.store(Role::Queued as u8, Relaxed);
    }

    /// Ends this use of the cell.
    pub(super) fn clear(&self) {
        let next = self.generation.load(Relaxed).wrapping_add(1);
        // Before the contents: whoever sees these cleared may say that the cell is empty.
        self.generation.store(next, Release);
        self.fill(Contents { role: Role::Free, key: 0, value: 0, holder: 0, queue: 0, token: 0 });
    }
}

/// The name of one use of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CellId {
    pub(super) index: u32,
    generation: u32,
}

impl CellId {
    pub(super) fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// As a number that is not zero.
    pub(super) fn to_bits(self) -> NonZeroU64 {
        let bits = (u64::from(self.generation) << 32) | (u64::from(self.index) + 1);
        NonZeroU64::new(bits).expect("an index is less than u32::MAX, so the low half is not zero")
    }

    pub(super) fn from_bits(bits: NonZeroU64) -> Option<Self> {
        let index = (bits.get() as u32).checked_sub(1)?;
        Some(Self { index, generation: (bits.get() >> 32) as u32 })
    }
}

/// Cells in the first bucket; each further one has twice as many as the one before.
const FIRST: usize = 1024;
const BUCKETS: usize = (u32::BITS - FIRST.ilog2()) as usize;

/// All cells, in buckets that are allocated when they are needed and stay where they are.
#[derive(Debug, Default)]
pub(super) struct Cells {
    buckets: [OnceLock<Box<[Cell]>>; BUCKETS],
}

fn locate(index: u32) -> (usize, usize) {
    let place = index as usize + FIRST;
    let bucket = (place.ilog2() - FIRST.ilog2()) as usize;
    (bucket, place - (FIRST << bucket))
}

impl Cells {
    /// How many cells there can be.
    pub(super) const MOST: u32 = u32::MAX - FIRST as u32;

    pub(super) fn get(&self, index: u32) -> &Cell {
        let (bucket, place) = locate(index);
        let bucket = self.buckets[bucket].get().expect("a cell that was made");
        &bucket[place]
    }

    /// The cell, if that use of it has not ended.
    pub(super) fn find(&self, id: CellId) -> Option<&Cell> {
        let (bucket, place) = locate(id.index);
        let cell = self.buckets.get(bucket)?.get()?.get(place)?;
        (cell.generation.load(Acquire) == id.generation).then_some(cell)
    }

    /// Sees to it that there is memory for the cell.
    pub(super) fn make(&self, index: u32) {
        let (bucket, _) = locate(index);
        self.buckets[bucket].get_or_init(|| {
            let zeros = Box::<[Cell]>::new_zeroed_slice(FIRST << bucket);
            // SAFETY: every field is an atomic integer or bool, for which zero is a value.
            unsafe { zeros.assume_init() }
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn indices_map_to_buckets_without_gaps() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(locate(index), expected, "{index}");
            expected.1 += 1;
            if expected.1 == FIRST << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(locate(Cells::MOST - 1).0 < BUCKETS);
    }

    #[test]
    fn an_old_name_does_not_find_a_new_use() {
        let cells = Cells::default();
        cells.make(5);
        let contents =
            Contents { role: Role::Weak, key: 16, value: 0, holder: 0, queue: 0, token: 0 };
        let first = CellId::new(5, cells.get(5).fill(contents));
        assert_eq!(CellId::from_bits(first.to_bits()), Some(first));
        assert_eq!(cells.find(first).unwrap().key(), 16);
        cells.get(5).clear();
        assert!(cells.find(first).is_none());
        let second = CellId::new(5, cells.get(5).fill(Contents { key: 32, ..contents }));
        assert!(cells.find(first).is_none());
        assert_eq!(cells.find(second).unwrap().key(), 32);
    }

    #[test]
    fn a_name_is_the_same_as_a_number_and_back() {
        let generations = [0, 1, u32::MAX];
        for (index, generation) in [0, 7, Cells::MOST - 1].into_iter().zip(generations) {
            let id = CellId::new(index, generation);
            assert_eq!(CellId::from_bits(id.to_bits()), Some(id));
        }
        assert_eq!(CellId::new(6, 3).to_bits().get(), 3 << 32 | 7);
        assert_eq!(CellId::from_bits(NonZeroU64::new(3 << 32).unwrap()), None);
    }

    #[test]
    fn a_cell_has_what_it_was_filled_with_until_it_is_cleared() {
        let cells = Cells::default();
        // The last one of a bucket, and the first one of the next.
        for index in [3 * FIRST as u32 - 1, 3 * FIRST as u32] {
            cells.make(index);
            let cell = cells.get(index);
            let role = Role::Guarded;
            let filled = Contents { role, key: 16, value: 32, holder: 48, queue: 5, token: 9 };
            let generation = cell.fill(filled);
            assert_eq!((cell.role(), cell.key(), cell.value()), (role, 16, 32));
            assert_eq!((cell.holder(), cell.notice()), (48, Some((5, 9))));
            assert!(!cell.set_listed(true) && cell.set_listed(true) && cell.set_listed(false));
            assert!(!cell.set_listed(false));
            cell.hand_over();
            assert_eq!((cell.role(), cell.key(), cell.value()), (Role::Queued, 0, 16));
            cell.clear();
            assert_eq!((cell.role(), cell.key(), cell.value()), (Role::Free, 0, 0));
            assert_eq!((cell.holder(), cell.notice()), (0, None));
            assert_eq!(cell.generation(), generation + 1);
        }
    }
}
