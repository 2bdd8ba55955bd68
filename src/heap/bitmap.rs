//! One bit for each granule of the heap, in memory of its own.

use super::words::Words;
use crate::os::OsError;
use crate::sync::atomic::AtomicU64;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A table of bits that starts as zeros and costs memory only where it was written.
///
/// # Threads
/// The words are atomic: who may write which word when is the business of the bitmap's owner. Who finds
/// an object by its bit ([`for_each_set`](Self::for_each_set), [`finds`](Self::finds)) sees what was seen
/// of the object by who set it ([`set_shared`](Self::set_shared)): a marker that looks at a dirty page
/// traces what another has just marked there. The other accesses are relaxed.
#[derive(Debug)]
pub(crate) struct Bitmap {
    words: Words,
}

impl Bitmap {
    /// A bitmap of `bits` zeros.
    pub(crate) fn new(bits: usize) -> Result<Self, OsError> {
        Ok(Self { words: Words::new(bits.div_ceil(64))? })
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.words
    }

    /// Whether the bit is set.
    #[inline]
    pub(crate) fn get(&self, bit: usize) -> bool {
        self.words[bit / 64].load(Relaxed) >> (bit % 64) & 1 == 1
    }

    /// As [`get`](Self::get), for who goes on to look at the object.
    pub(crate) fn finds(&self, bit: usize) -> bool {
        self.words[bit / 64].load(Acquire) >> (bit % 64) & 1 == 1
    }

    /// Sets a bit in a word that only the calling thread writes at this time.
    #[inline]
    pub(crate) fn set_owned(&self, bit: usize) {
        let word = &self.words[bit / 64];
        word.store(word.load(Relaxed) | 1 << (bit % 64), Relaxed);
    }

    /// Clears a bit in a word that only the calling thread writes at this time.
    pub(crate) fn clear_owned(&self, bit: usize) {
        let word = &self.words[bit / 64];
        word.store(word.load(Relaxed) & !(1 << (bit % 64)), Relaxed);
    }

    /// Sets a bit while others may be setting their own. Returns whether it was clear.
    #[inline]
    pub(crate) fn set_shared(&self, bit: usize) -> bool {
        let (word, mask) = (&self.words[bit / 64], 1 << (bit % 64));
        word.load(Relaxed) & mask == 0 && word.fetch_or(mask, Release) & mask == 0
    }

    /// The last set bit at or before `bit`, not before `first`.
    pub(crate) fn last_set(&self, first: usize, bit: usize) -> Option<usize> {
        let mut word = bit / 64;
        let mut bits = self.words[word].load(Relaxed) & (!0 >> (63 - bit % 64));
        while bits == 0 {
            if word * 64 <= first {
                return None;
            }
            word -= 1;
            bits = self.words[word].load(Relaxed);
        }
        let found = word * 64 + 63 - bits.leading_zeros() as usize;
        (found >= first).then_some(found)
    }

    /// Whether no bit of some words is set.
    pub(crate) fn is_clear(&self, words: std::ops::Range<usize>) -> bool {
        self.words[words].iter().all(|word| word.load(Relaxed) == 0)
    }

    /// Passes the bits from `first` until `end` that are set to `visit`, in order.
    #[inline]
    pub(crate) fn for_each_set(&self, first: usize, end: usize, mut visit: impl FnMut(usize)) {
        for index in first / 64..end.div_ceil(64) {
            let mut word = self.words[index].load(Acquire);
            if index == first / 64 {
                word &= !0 << (first % 64);
            }
            if index == end / 64 {
                word &= !(!0 << (end % 64));
            }
            while word != 0 {
                visit(index * 64 + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
    }

    /// The first set bit at or after `bit`, before `end`.
    pub(crate) fn first_set(&self, bit: usize, end: usize) -> Option<usize> {
        if bit >= end {
            return None;
        }
        let mut word = bit / 64;
        let mut bits = self.words[word].load(Relaxed) & (!0 << (bit % 64));
        while bits == 0 {
            word += 1;
            if word * 64 >= end {
                return None;
            }
            bits = self.words[word].load(Relaxed);
        }
        let found = word * 64 + bits.trailing_zeros() as usize;
        (found < end).then_some(found)
    }

    /// The set bits of a range of whole words, in order.
    pub(crate) fn ones(&self, words: std::ops::Range<usize>) -> impl Iterator<Item = usize> + '_ {
        words.flat_map(move |word| {
            let mut bits = self.words[word].load(Relaxed);
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(bit)
            })
        })
    }

    /// Gives the memory of a range of words that are all zero back to the system, as far as it is
    /// whole pages.
    pub(crate) fn discard_words(&self, words: std::ops::Range<usize>) -> Result<(), OsError> {
        debug_assert!(self.words[words.clone()].iter().all(|word| word.load(Relaxed) == 0));
        self.words.discard(words)
    }

    /// Clears a range of whole words.
    pub(crate) fn clear_words(&self, words: std::ops::Range<usize>) {
        self.words[words].iter().for_each(|word| word.store(0, Relaxed));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_neighbours_across_words_and_within_bounds() {
        let bitmap = Bitmap::new(1000).unwrap();
        for bit in [3, 64, 700] {
            bitmap.set_owned(bit);
        }
        assert_eq!(bitmap.last_set(0, 63), Some(3));
        assert_eq!(bitmap.last_set(4, 63), None);
        assert_eq!(bitmap.last_set(0, 699), Some(64));
        assert_eq!(bitmap.last_set(0, 700), Some(700));
        assert_eq!(bitmap.first_set(4, 1000), Some(64));
        assert_eq!(bitmap.first_set(65, 700), None);
        assert_eq!(bitmap.first_set(65, 701), Some(700));
        assert_eq!(bitmap.ones(0..12).collect::<Vec<_>>(), [3, 64, 700]);
    }

    const WORDS: usize = 5;
    const BITS: usize = WORDS * 64;

    proptest! {
        /// Whatever is asked from where to where, the answer is that of a set of numbers.
        #[test]
        fn behaves_as_a_set_of_numbers(
            set in proptest::collection::btree_set(0..BITS, 0..12),
            bound in 0..BITS,
            other in 0..=BITS,
        ) {
            let bitmap = Bitmap::new(BITS).unwrap();
            set.iter().for_each(|&bit| bitmap.set_owned(bit));
            let (first, end) = (bound.min(other), bound.max(other));
            let expected: Vec<_> = set.range(first..end).copied().collect();
            let mut found = Vec::new();
            bitmap.for_each_set(first, end, |bit| found.push(bit));
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(bitmap.first_set(first, end), expected.first().copied());
            let last = set.range(first..=bound).next_back().copied();
            prop_assert_eq!(bitmap.last_set(first, bound), last);
            prop_assert_eq!((bitmap.get(bound), bitmap.finds(bound)), (set.contains(&bound), set.contains(&bound)));
            let words = first / 64..end / 64;
            let inside: Vec<_> = set.range(words.start * 64..words.end * 64).copied().collect();
            prop_assert_eq!(bitmap.is_clear(words.clone()), inside.is_empty());
            prop_assert_eq!(bitmap.ones(words.clone()).collect::<Vec<_>>(), inside);
            bitmap.clear_words(words.clone());
            prop_assert!(bitmap.is_clear(words.clone()));
            let outside = set.iter().filter(|&bit| !words.contains(&(bit / 64))).copied();
            prop_assert_eq!(bitmap.ones(0..WORDS).collect::<Vec<_>>(), outside.collect::<Vec<_>>());
        }
    }

    #[test]
    fn setting_a_shared_bit_tells_who_was_first() {
        let bitmap = Bitmap::new(64).unwrap();
        assert!(bitmap.set_shared(5));
        assert!(!bitmap.set_shared(5));
        bitmap.clear_owned(5);
        assert!(bitmap.set_shared(5));
    }
}
