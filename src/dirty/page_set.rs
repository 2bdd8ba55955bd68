//! A set of pages that threads may share.
//!
//! Two levels of bits: one bit for a page, and above it one bit for each word of 64 pages that may
//! have a bit set. A summary word thus stands for 4096 pages (16 MiB of 4 KiB pages), which is what
//! an iteration skips at a time where nothing is dirty.
//!
//! Invariant, at rest: a word with a bit set has its summary bit set. Between the two stores of an
//! insertion, or of a removal that emptied a word, it may not hold; see [`PageSet::remove`].

use std::fmt;
use std::ops::Range;

use crate::os::{PageRange, page_shift};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::zeroed_atomics;

/// Pages or words that one word of bits stands for.
const BITS: usize = u64::BITS as usize;

/// A set of pages within a fixed span of addresses.
///
/// Costs one bit for a page of the span, in memory that is not touched until a page nearby is
/// inserted.
///
/// # Threads
/// Every method may be called by any number of threads at once; none takes a lock. A page that was
/// inserted is found by every iteration or removal that happens after the insertion, **unless a
/// removal is going on at the same time**: then an iteration may miss it. A decision that needs an
/// exact answer must therefore be made when no other thread is removing.
///
/// Who finds a page, by [`contains`](Self::contains), an iteration or a removal, sees what each of those
/// did before that inserted it. Nothing else is ordered: not by counting, nor for who finds it gone.
pub struct PageSet {
    span: PageRange,
    shift: u32,
    words: Box<[AtomicU64]>,
    summary: Box<[AtomicU64]>,
}

impl PageSet {
    /// An empty set of pages out of `span`.
    #[must_use]
    pub fn new(span: PageRange) -> Self {
        let words = span.pages().div_ceil(BITS);
        Self {
            span,
            shift: page_shift(),
            words: zeroed_atomics(words),
            summary: zeroed_atomics(words.div_ceil(BITS)),
        }
    }

    /// The pages that the set can hold.
    #[must_use]
    pub fn span(&self) -> PageRange {
        self.span
    }

    /// The number of pages in the set, counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count_in(self.span)
    }

    /// The number of pages in the set that lie in `range`.
    ///
    /// # Panics
    /// When a part of `range` lies outside the span.
    #[must_use]
    pub fn count_in(&self, range: PageRange) -> usize {
        let (first, end) = self.indices(range);
        let (mut count, mut next) = (0, first / BITS);
        while let Some(word) = self.next_word(next, end.div_ceil(BITS)) {
            let bits = self.words[word].load(Ordering::Relaxed) & mask_of(word, &(first..end));
            count += bits.count_ones() as usize;
            next = word + 1;
        }
        count
    }

    /// Whether the set is empty; quicker than counting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next_set(0, self.span.pages()).is_none()
    }

    /// Whether the page at `address` is in the set; no page outside the span is.
    #[must_use]
    pub fn contains(&self, address: usize) -> bool {
        self.span.contains(address) && {
            let page = self.index(address);
            self.words[page / BITS].load(Ordering::Acquire) >> (page % BITS) & 1 == 1
        }
    }

    /// Inserts every page of `range`.
    ///
    /// # Panics
    /// When a part of `range` lies outside the span.
    pub fn insert(&self, range: PageRange) {
        self.batch().insert(range);
    }

    /// A way to insert many ranges in address order with few atomic operations.
    pub fn batch(&self) -> Batch<'_> {
        Batch { set: self, word: 0, bits: 0, summary: 0, summary_bits: 0 }
    }

    /// Inserts all pages of `other`.
    ///
    /// # Panics
    /// When `other` has a page outside the span.
    pub fn insert_all(&self, other: &Self) {
        let mut batch = self.batch();
        for range in other.iter() {
            batch.insert(range);
        }
    }

    /// Removes every page of `range`. Returns how many were in the set.
    ///
    /// # Panics
    /// When a part of `range` lies outside the span.
    pub fn remove(&self, range: PageRange) -> usize {
        let mut removed = 0;
        let (first, end) = self.indices(range);
        for (word, mask) in masks(first..end) {
            if self.words[word].load(Ordering::Relaxed) & mask == 0 {
                continue;
            }
            let before = self.words[word].fetch_and(!mask, Ordering::Acquire);
            removed += (before & mask).count_ones() as usize;
            if before & !mask == 0 {
                self.clear_summary(word);
            }
        }
        removed
    }

    /// Takes the summary bit of a word away that was seen empty, and gives it back if an insertion
    /// came in between.
    ///
    /// An inserter sets a bit in the word (1), then the summary bit (2); here the summary bit is
    /// cleared (3), then the word is looked at (4). If (2) comes before (3) in the summary word's
    /// order, (3) reads from it or from a later link of its release sequence, so (1) happens
    /// before (4), which sees the page. If it comes after, it restores the bit itself. So (2) releases
    /// and (3) acquires; to give the bit back prolongs the release sequence and needs no order.
    fn clear_summary(&self, word: usize) {
        let (summary, bit) = (&self.summary[word / BITS], 1 << (word % BITS));
        summary.fetch_and(!bit, Ordering::Acquire);
        if self.words[word].load(Ordering::Relaxed) != 0 {
            summary.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Empties the set.
    pub fn clear(&self) {
        self.remove(self.span);
    }

    /// The pages of the set as maximal ranges, in address order.
    pub fn iter(&self) -> Runs<'_> {
        self.iter_in(self.span)
    }

    /// The pages of the set that lie in `range`, as maximal ranges, in address order.
    ///
    /// # Panics
    /// When a part of `range` lies outside the span.
    pub fn iter_in(&self, range: PageRange) -> Runs<'_> {
        let (next, end) = self.indices(range);
        Runs { set: self, next, end }
    }

    /// Removes the pages of `range` and passes them to `visit`, as ranges in address order.
    ///
    /// Each page goes to one caller only, however many take from the set at once.
    ///
    /// # Panics
    /// When a part of `range` lies outside the span.
    pub fn take_in(&self, range: PageRange, mut visit: impl FnMut(PageRange)) {
        let (mut next, end) = self.indices(range);
        while let Some(first) = self.next_set(next, end) {
            let (word, offset) = (first / BITS, first % BITS);
            let until = end.min((word + 1) * BITS);
            let mask = (!0_u64 << offset) & (!0 >> ((word + 1) * BITS - until));
            let before = self.words[word].fetch_and(!mask, Ordering::Acquire);
            if before & !mask == 0 {
                self.clear_summary(word);
            }
            let mut taken = before & mask;
            while taken != 0 {
                let start = taken.trailing_zeros() as usize;
                let pages = (taken >> start).trailing_ones() as usize;
                visit(self.span.subrange(word * BITS + start, pages));
                taken &= (!0_u64).checked_shl((start + pages) as u32).unwrap_or(0);
            }
            next = until;
        }
    }

    /// A range that has all pages of the set, and few others at its ends; `None` if there are none.
    /// Costs a look at a word for each 4096 pages of the span.
    pub(crate) fn hull(&self) -> Option<PageRange> {
        let first = self.next_word(0, self.words.len())?;
        let is_used = |summary: &AtomicU64| summary.load(Ordering::Relaxed) != 0;
        let last = self.summary.iter().rposition(is_used)?;
        let end = self.span.pages().min((last + 1) * BITS * BITS);
        Some(self.span.subrange(first * BITS, end - first * BITS))
    }

    fn index(&self, address: usize) -> usize {
        (address - self.span.start()) >> self.shift
    }

    /// First page and page behind the last one of `range`, as indices.
    #[inline]
    fn indices(&self, range: PageRange) -> (usize, usize) {
        assert!(self.span.covers(range), "{range} is outside the page set's span {}", self.span);
        let first = self.index(range.start());
        (first, first + (range.bytes() >> self.shift))
    }

    /// The first page at or after `from` that is in the set and below `end`. Orders nothing: who goes on
    /// to that page reads the word again.
    fn next_set(&self, from: usize, end: usize) -> Option<usize> {
        if from >= end {
            return None;
        }
        let mut word = from / BITS;
        let mut bits = self.words[word].load(Ordering::Relaxed) & (!0 << (from % BITS));
        while bits == 0 {
            word = self.next_word(word + 1, end.div_ceil(BITS))?;
            bits = self.words[word].load(Ordering::Relaxed);
        }
        let found = word * BITS + bits.trailing_zeros() as usize;
        (found < end).then_some(found)
    }

    /// The first word at or after `from`, before `end`, whose summary bit is set.
    fn next_word(&self, from: usize, end: usize) -> Option<usize> {
        let mut index = from / BITS;
        let mut mask = !0 << (from % BITS);
        while index * BITS < end {
            let bits = self.summary[index].load(Ordering::Relaxed) & mask;
            if bits != 0 {
                let word = index * BITS + bits.trailing_zeros() as usize;
                return (word < end).then_some(word);
            }
            (index, mask) = (index + 1, !0);
        }
        None
    }

    /// The first page at or after `from` that is not in the set, at most `end`.
    fn next_clear(&self, from: usize, end: usize) -> usize {
        let (mut word, mut seen) = (from / BITS, !(!0 << (from % BITS)));
        while word * BITS < end {
            let missing = !(self.words[word].load(Ordering::Acquire) | seen);
            if missing != 0 {
                return end.min(word * BITS + missing.trailing_zeros() as usize);
            }
            (word, seen) = (word + 1, 0);
        }
        end
    }
}

/// The words that have some of these bits, each with a mask of them.
fn masks(bits: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    (bits.start / BITS..bits.end.div_ceil(BITS)).map(move |word| (word, mask_of(word, &bits)))
}

/// Those of a range's bits that are in a word, which has some.
fn mask_of(word: usize, bits: &Range<usize>) -> u64 {
    let low = bits.start.saturating_sub(word * BITS);
    let high = ((word + 1) * BITS).saturating_sub(bits.end);
    (!0_u64 << low) & (!0 >> high)
}

impl fmt::Debug for PageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages of {}: ", self.len(), self.span)?;
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a PageSet {
    type Item = PageRange;
    type IntoIter = Runs<'a>;

    fn into_iter(self) -> Runs<'a> {
        self.iter()
    }
}

/// The maximal ranges of a [`PageSet`], in address order.
#[derive(Debug)]
pub struct Runs<'a> {
    set: &'a PageSet,
    next: usize,
    end: usize,
}

impl Iterator for Runs<'_> {
    type Item = PageRange;

    fn next(&mut self) -> Option<PageRange> {
        let first = self.set.next_set(self.next, self.end)?;
        let end = self.set.next_clear(first, self.end);
        self.next = end;
        // A concurrent removal may have emptied what next_set saw; a run has at least one page.
        Some(self.set.span.subrange(first, (end - first).max(1)))
    }
}

/// Insertion of ranges in address order, one atomic operation for a word of pages.
///
/// What was inserted becomes visible word by word, all of it when the batch is dropped.
/// Ranges in another order are inserted correctly too, only more slowly.
#[derive(Debug)]
pub struct Batch<'a> {
    set: &'a PageSet,
    word: usize,
    bits: u64,
    summary: usize,
    summary_bits: u64,
}

impl Batch<'_> {
    /// Inserts every page of `range`.
    ///
    /// # Panics
    /// When a part of `range` lies outside the span.
    #[inline]
    pub fn insert(&mut self, range: PageRange) {
        let (first, end) = self.set.indices(range);
        if first / BITS == (end - 1) / BITS {
            // Most regions of a scan are short.
            self.add(first / BITS, (!0 >> (BITS - (end - first))) << (first % BITS));
        } else {
            self.insert_long(first, end);
        }
    }

    /// Inserts pages of several words. Not inlined, to keep the short case short.
    #[inline(never)]
    fn insert_long(&mut self, first: usize, end: usize) {
        self.add(first / BITS, !0 << (first % BITS));
        self.fill(first / BITS + 1..end / BITS);
        if !end.is_multiple_of(BITS) {
            self.add(end / BITS, !(!0 << (end % BITS)));
        }
    }

    /// Inserts all pages of some words.
    fn fill(&mut self, words: Range<usize>) {
        for word in &self.set.words[words.clone()] {
            // No plain store: who finds a page here must see what others did that inserted it before.
            word.fetch_or(!0, Ordering::Release);
        }
        for (summary, mask) in masks(words) {
            self.set.summary[summary].fetch_or(mask, Ordering::Release);
        }
    }

    #[inline]
    fn add(&mut self, word: usize, mask: u64) {
        if word != self.word {
            self.flush_word();
            self.word = word;
        }
        self.bits |= mask;
    }

    #[inline]
    fn flush_word(&mut self) {
        if self.bits == 0 {
            return;
        }
        self.set.words[self.word].fetch_or(self.bits, Ordering::Release);
        self.bits = 0;
        if self.word / BITS != self.summary {
            self.flush_summary();
            self.summary = self.word / BITS;
        }
        self.summary_bits |= 1 << (self.word % BITS);
    }

    #[inline]
    fn flush_summary(&mut self) {
        if self.summary_bits != 0 {
            self.set.summary[self.summary].fetch_or(self.summary_bits, Ordering::Release);
            self.summary_bits = 0;
        }
    }

    #[inline]
    fn flush(&mut self) {
        self.flush_word();
        self.flush_summary();
    }
}

impl Drop for Batch<'_> {
    #[inline]
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
