//! Which granules of a block are occupied, computed by words from the start and end bitmaps.
//!
//! Objects do not overlap, so in a block's 4096 bits the starts and ends alternate. Read as one
//! little-endian number, `ends * 2 - starts` therefore has exactly the bits from each start to its
//! end set: the occupied granules, 64 of them for two instructions.
//!
//! Sweeping is the same kind of arithmetic. Take the occupied bits without the ends (each object's
//! run, one bit short) and add the starts of the live objects: the carry of a live object runs
//! through its bits and stops at its end bit, a dead one's bits stay as they are. What the sum has
//! in common with the ends is the ends of the live objects.

use super::bitmap::Bitmap;
use super::geometry::WORDS_PER_BLOCK;
use crate::sync::atomic::Ordering::Relaxed;

/// The occupied granules of one block, as bits.
pub(crate) struct Occupied([u64; WORDS_PER_BLOCK]);

/// `a - b - borrow`, and the next borrow.
#[inline]
fn subtract(a: u64, b: u64, borrow: &mut bool) -> u64 {
    let (difference, first) = a.overflowing_sub(b);
    let (difference, second) = difference.overflowing_sub(u64::from(*borrow));
    *borrow = first | second;
    difference
}

/// `a + b + carry`, and the next carry.
#[inline]
fn add(a: u64, b: u64, carry: &mut bool) -> u64 {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(u64::from(*carry));
    *carry = first | second;
    sum
}

/// Turns starts and ends into extents, word by word from the lowest.
#[derive(Default)]
struct Filler {
    /// The top bit of the word of ends before.
    shifted_out: u64,
    borrow: bool,
}

impl Filler {
    #[inline]
    fn fill(&mut self, starts: u64, ends: u64) -> u64 {
        let doubled = ends << 1 | self.shifted_out;
        self.shifted_out = ends >> 63;
        subtract(doubled, starts, &mut self.borrow)
    }
}

impl Occupied {
    /// Reads the extents of the objects in the block whose bitmap words begin at `first_word`.
    pub(crate) fn read(first_word: usize, starts: &Bitmap, ends: &Bitmap) -> Self {
        let words = first_word..first_word + WORDS_PER_BLOCK;
        let (starts, ends) = (&starts.words()[words.clone()], &ends.words()[words]);
        let mut filler = Filler::default();
        Self(std::array::from_fn(|word| {
            filler.fill(starts[word].load(Relaxed), ends[word].load(Relaxed))
        }))
    }

    /// Removes the objects of a block that are not marked from `starts` and `ends`; returns what
    /// the others occupy.
    pub(crate) fn sweep(first_word: usize, starts: &Bitmap, ends: &Bitmap, marks: &Bitmap) -> Self {
        let words = first_word..first_word + WORDS_PER_BLOCK;
        let (starts, ends) = (&starts.words()[words.clone()], &ends.words()[words.clone()]);
        let marks = &marks.words()[words];
        // Most blocks of a young heap are wholly dead, which is several times faster to do.
        if marks.iter().all(|word| word.load(Relaxed) == 0) {
            starts.iter().chain(ends).for_each(|word| word.store(0, Relaxed));
            return Self([0; WORDS_PER_BLOCK]);
        }
        let (mut all, mut live, mut carry) = (Filler::default(), Filler::default(), false);
        Self(std::array::from_fn(|word| {
            let (start, end) = (starts[word].load(Relaxed), ends[word].load(Relaxed));
            let live_start = start & marks[word].load(Relaxed);
            let without_ends = all.fill(start, end) & !end;
            let live_end = add(without_ends, live_start, &mut carry) & end;
            starts[word].store(live_start, Relaxed);
            ends[word].store(live_end, Relaxed);
            live.fill(live_start, live_end)
        }))
    }

    /// How many granules are occupied.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The first hole of at least `granules` at or after `from`, as the granules of the block from
    /// and up to which it reaches.
    pub(crate) fn hole(&self, from: usize, granules: usize) -> Option<(usize, usize)> {
        let mut start = self.next(from, false)?;
        loop {
            let end = self.next(start, true).unwrap_or(WORDS_PER_BLOCK * 64);
            if end - start >= granules {
                return Some((start, end));
            }
            start = self.next(end, false)?;
        }
    }

    /// The binary logarithm, rounded down, of the granules of the largest hole.
    ///
    /// A run of `2n` free granules begins where one of `n` begins and another `n` further on: for
    /// all granules of a word at once, and a dozen times at most.
    pub(crate) fn largest_hole_log2(&self) -> Option<usize> {
        let mut runs = self.0.map(|word| !word);
        let mut log2 = None;
        while runs.iter().any(|&word| word != 0) {
            log2 = Some(log2.map_or(0, |log2| log2 + 1));
            let distance = 1 << log2.unwrap_or(0);
            for index in 0..WORDS_PER_BLOCK {
                runs[index] &= bits_from(&runs, index * 64 + distance);
            }
        }
        log2
    }

    /// The first granule at or after `from` that is occupied, or free.
    fn next(&self, from: usize, occupied: bool) -> Option<usize> {
        let flip = if occupied { 0 } else { !0 };
        let mut mask = !0 << (from % 64);
        for (index, word) in self.0.iter().enumerate().skip(from / 64) {
            let bits = (word ^ flip) & mask;
            if bits != 0 {
                return Some(index * 64 + bits.trailing_zeros() as usize);
            }
            mask = !0;
        }
        None
    }
}

/// 64 bits from bit `from` on; there are zeros behind the last word.
fn bits_from(words: &[u64; WORDS_PER_BLOCK], from: usize) -> u64 {
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    let (low, shift) = (word(from / 64) >> (from % 64), from % 64);
    if shift == 0 { low } else { low | word(from / 64 + 1) << (64 - shift) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::super::geometry::GRANULES_PER_BLOCK;
    use super::*;

    /// Objects as (start, granules, live), from alternating gaps and lengths.
    fn objects() -> impl Strategy<Value = Vec<(usize, usize, bool)>> {
        let piece = (0_usize..70, prop_oneof![1_usize..4, 1_usize..300], any::<bool>());
        prop::collection::vec(piece, 0..200).prop_map(|pieces| {
            let mut next = 0;
            let mut objects = Vec::new();
            for (gap, length, live) in pieces {
                let start = next + gap * usize::from(gap < 40);
                if start + length <= GRANULES_PER_BLOCK {
                    objects.push((start, length, live));
                    next = start + length;
                }
            }
            objects
        })
    }

    fn extent(objects: &[(usize, usize, bool)]) -> Vec<bool> {
        let mut occupied = vec![false; GRANULES_PER_BLOCK];
        for &(start, length, _) in objects {
            occupied[start..start + length].fill(true);
        }
        occupied
    }

    fn bits(occupied: &Occupied) -> Vec<bool> {
        (0..GRANULES_PER_BLOCK).map(|bit| occupied.0[bit / 64] >> (bit % 64) & 1 == 1).collect()
    }

    proptest! {
        #[test]
        fn sweeping_keeps_exactly_the_marked_objects(objects in objects()) {
            let [starts, ends, marks] = [(); 3].map(|()| Bitmap::new(GRANULES_PER_BLOCK).unwrap());
            for &(start, length, live) in &objects {
                starts.set_owned(start);
                ends.set_owned(start + length - 1);
                if live {
                    marks.set_owned(start);
                }
            }
            prop_assert_eq!(bits(&Occupied::read(0, &starts, &ends)), extent(&objects));
            let live: Vec<_> = objects.iter().copied().filter(|object| object.2).collect();
            let occupied = Occupied::sweep(0, &starts, &ends, &marks);
            prop_assert_eq!(bits(&occupied), extent(&live));
            prop_assert_eq!(occupied.count(), live.iter().map(|object| object.1).sum::<usize>());
            let all_words = 0..WORDS_PER_BLOCK;
            let left: Vec<_> = starts.ones(all_words.clone()).zip(ends.ones(all_words)).collect();
            let expected: Vec<_> = live.iter().map(|o| (o.0, o.0 + o.1 - 1)).collect();
            prop_assert_eq!(left, expected);
        }

        #[test]
        fn holes_are_the_gaps_that_are_wide_enough(objects in objects(), minimum in 1_usize..100) {
            let [starts, ends] = [(); 2].map(|()| Bitmap::new(GRANULES_PER_BLOCK).unwrap());
            for &(start, length, _) in &objects {
                starts.set_owned(start);
                ends.set_owned(start + length - 1);
            }
            let occupied = Occupied::read(0, &starts, &ends);
            let mut holes = Vec::new();
            let mut from = 0;
            while let Some((start, end)) = occupied.hole(from, minimum) {
                holes.push((start, end));
                from = end;
            }
            let mut expected = Vec::new();
            let mut next = 0;
            let sentinel = (GRANULES_PER_BLOCK, 0, false);
            for &(start, length, _) in objects.iter().chain([&sentinel]) {
                if start >= next + minimum {
                    expected.push((next, start));
                }
                next = start + length;
            }
            prop_assert_eq!(holes, expected);
            let largest = std::iter::successors(Some(1), |length| Some(length * 2))
                .take_while(|&length| occupied.hole(0, length).is_some())
                .count();
            prop_assert_eq!(occupied.largest_hole_log2(), largest.checked_sub(1));
        }
    }
}
