//! A tracker, memory for it, and the expectations that all cases share.

use std::sync::atomic::{AtomicU64, Ordering};

use strandline::dirty::{Contract, PageSet, TrackError, Tracker};
use strandline::os::{PageRange, page_shift};

use super::{Mapping, Stores, Variant};

/// A tracker over a mapping, and the way to store to it.
pub(crate) struct Rig {
    /// Dropped before the memory.
    pub(crate) tracker: Tracker,
    pub(crate) stores: Stores,
    mapping: Mapping,
}

impl Rig {
    /// Fresh anonymous memory, registered and never touched.
    pub(crate) fn new(variant: Variant, pages: usize) -> Self {
        Self::over(variant, Mapping::anonymous(pages)).expect("anonymous memory can be watched")
    }

    /// Fresh anonymous memory of which every page was written and is clean.
    pub(crate) fn settled(variant: Variant, pages: usize) -> Self {
        let rig = Self::new(variant, pages);
        rig.settle();
        rig
    }

    /// `mapping`, registered.
    pub(crate) fn over(variant: Variant, mapping: Mapping) -> Result<Self, TrackError> {
        let rig = Self::unregistered(variant, mapping);
        rig.register(rig.range())?;
        Ok(rig)
    }

    /// `mapping`, not registered.
    pub(crate) fn unregistered(variant: Variant, mapping: Mapping) -> Self {
        let (backend, stores) = variant.open(mapping.range()).expect("tested before the case");
        Self { tracker: Tracker::new(mapping.range(), backend), stores, mapping }
    }

    pub(crate) fn register(&self, range: PageRange) -> Result<(), TrackError> {
        assert!(self.range().covers(range));
        // SAFETY: the rig's own memory, readable and writable; it outlives the tracker.
        unsafe { self.tracker.register(range) }
    }

    pub(crate) fn contract(&self) -> Contract {
        self.tracker.contract()
    }

    /// All of the memory.
    pub(crate) fn range(&self) -> PageRange {
        self.mapping.range()
    }

    pub(crate) fn pages(&self) -> usize {
        self.range().pages()
    }

    pub(crate) fn page(&self, page: usize) -> PageRange {
        self.range().subrange(page, 1)
    }

    /// Stores to `page` and checks that the store took effect.
    pub(crate) fn store(&self, page: usize) {
        let word = self.page(page).as_ptr().cast::<u64>();
        // SAFETY: the rig's own memory, page-aligned; nobody else refers to it.
        let next = unsafe { word.read_volatile() }.wrapping_add(1);
        self.store_word(0, page, 0, next);
    }

    pub(crate) fn store_all(&self, pages: impl IntoIterator<Item = usize>) {
        pages.into_iter().for_each(|page| self.store(page));
    }

    /// Stores `value` to word `word` of `page`, as `thread`.
    pub(crate) fn store_word(&self, thread: usize, page: usize, word: usize, value: u64) {
        let address = self.page(page).start() + 8 * word;
        self.stores.run(thread, address, || {
            self.word(page, word).store(value, Ordering::Relaxed);
        });
        assert_eq!(self.load_word(page, word), value, "a store to page {page} was lost");
    }

    pub(crate) fn load_word(&self, page: usize, word: usize) -> u64 {
        self.word(page, word).load(Ordering::Relaxed)
    }

    fn word(&self, page: usize, word: usize) -> &AtomicU64 {
        let address = self.page(page).as_ptr().cast::<u64>();
        // SAFETY: inside the rig's own memory, aligned, and accessed by threads as atomics only.
        unsafe { AtomicU64::from_ptr(address.add(word)) }
    }

    /// Writes every page and makes all clean.
    pub(crate) fn settle(&self) {
        self.store_all(0..self.pages());
        let all: Vec<_> = (0..self.pages()).collect();
        self.expect(&all);
        self.expect(&[]);
    }

    /// A set that can hold every page.
    pub(crate) fn set(&self) -> PageSet {
        PageSet::new(self.range())
    }

    pub(crate) fn consume(&self) -> Vec<usize> {
        self.consume_in(self.range())
    }

    pub(crate) fn consume_in(&self, range: PageRange) -> Vec<usize> {
        let owed = self.set();
        let scan = self.tracker.consume(range, &owed).expect("consume");
        assert_eq!(scan.pages, owed.len(), "a consuming scan reports each page once");
        self.indices(&owed)
    }

    pub(crate) fn peek(&self) -> Vec<usize> {
        let found = self.set();
        self.tracker.peek(self.range(), &found).expect("peek");
        self.indices(&found)
    }

    /// The pages of `set` as indices.
    pub(crate) fn indices(&self, set: &PageSet) -> Vec<usize> {
        let index = |address: usize| (address - self.range().start()) >> page_shift();
        set.iter().flat_map(|run| index(run.start())..index(run.end())).collect()
    }

    /// Consumes everything: exactly `dirty` must be reported, or all of it by a back-end that is
    /// declared imprecise.
    #[track_caller]
    pub(crate) fn expect(&self, dirty: &[usize]) {
        self.expect_in(0, self.pages(), dirty);
    }

    /// As [`expect`](Self::expect), for `pages` pages from `first` on.
    #[track_caller]
    pub(crate) fn expect_in(&self, first: usize, pages: usize, dirty: &[usize]) {
        let found = self.consume_in(self.range().subrange(first, pages));
        self.check(&found, first, pages, dirty);
    }

    /// As [`expect`](Self::expect), without consuming.
    #[track_caller]
    pub(crate) fn expect_peek(&self, dirty: &[usize]) {
        self.check(&self.peek(), 0, self.pages(), dirty);
    }

    #[track_caller]
    fn check(&self, found: &[usize], first: usize, pages: usize, dirty: &[usize]) {
        if self.contract().precise {
            assert_eq!(found, dirty, "reported pages (left), dirty pages (right)");
        } else {
            let all: Vec<_> = (first..first + pages).collect();
            assert_eq!(found, all, "declared imprecise, so every page is reported");
        }
    }

    /// Consumes everything: at least `dirty` must be reported.
    #[track_caller]
    pub(crate) fn expect_at_least(&self, dirty: &[usize]) {
        let found = self.consume();
        let lost: Vec<_> = dirty.iter().filter(|page| !found.contains(page)).collect();
        assert!(lost.is_empty(), "dirty pages {lost:?} were not reported: {found:?}");
    }
}
