//! The memory that is hunted on: on every page, a slot for each writer.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use strandline::dirty::Tracker;
use strandline::os::memory::{self, Advice, Reservation};
use strandline::os::pagemap::{Categories, PageFilter, Pagemap, ScanRequest};
use strandline::os::{PageRange, page_size};

use super::random::Random;

/// Which pages back the field when a hunt starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Base pages.
    Base,
    /// A few base pages, so that each is written, found and copied all the time.
    Few,
    /// Transparent huge pages, faulted in before they are first armed.
    Huge,
}

/// How a writer stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// A plain store of a word. (A relaxed atomic store is one, to the machine.)
    Plain,
    /// An atomic exchange of a word.
    Swap,
    /// A copy of 64 bytes, by the C library.
    Copy64,
    /// A write by the kernel to the memory of the calling process, as `read` and `recv` make it.
    Kernel,
    /// A write by the kernel to pages that it has pinned: `process_vm_writev`, many whole pages at
    /// a time. For one writer, as it leaves no slot to another.
    Pinned,
}

impl Store {
    /// What every back-end that sees the kernel's writes must see.
    pub(crate) const SEEN: [Self; 4] = [Self::Plain, Self::Swap, Self::Copy64, Self::Kernel];

    /// Pages that one store writes to.
    fn pages(self) -> usize {
        if self == Self::Pinned { PINNED_PAGES } else { 1 }
    }

    /// Words that it changes.
    fn words(self) -> usize {
        if self == Self::Copy64 { COPY_WORDS } else { 1 }
    }
}

const COPY_WORDS: usize = 8;
const WORD: usize = size_of::<u64>();
/// Every writer has a cache line of its own on every page.
const SLOT: usize = COPY_WORDS * WORD;
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Small, so that a round is short: a later write to the same page would hide a loss.
const BASE_BYTES: usize = 4 << 20;
const HUGE_BYTES: usize = 4 * HUGE_PAGE;
const FEW_PAGES: usize = 32;
const PINNED_PAGES: usize = 16;

/// Mapped memory in which words are numbered by page, writer and place in the slot.
#[derive(Debug)]
pub(crate) struct Field {
    reservation: Reservation,
    writers: usize,
    store: Store,
    words_per_slot: usize,
}

impl Field {
    /// Maps the memory and faults it in.
    pub(crate) fn new(memory: Memory, writers: usize, store: Store) -> Self {
        let (bytes, advice) = match memory {
            Memory::Base => (BASE_BYTES, Advice::BasePages),
            Memory::Few => (FEW_PAGES * page_size(), Advice::BasePages),
            Memory::Huge => (HUGE_BYTES, Advice::HugePages),
        };
        assert!(writers == 1 || store != Store::Pinned, "it writes whole pages");
        let reservation = Reservation::new(bytes, HUGE_PAGE).expect("address space");
        let range = reservation.range();
        // SAFETY: the reservation is new and this function's own.
        unsafe {
            memory::commit(range).expect("memory");
            memory::advise(range, advice).expect("advice about page sizes");
            memory::advise(range, Advice::Populate).expect("Linux 5.14");
        }
        Self { reservation, writers, store, words_per_slot: store.words() }
    }

    pub(crate) fn range(&self) -> PageRange {
        self.reservation.range()
    }

    pub(crate) fn pages(&self) -> usize {
        self.range().pages()
    }

    /// Words that are stored to and compared.
    pub(crate) fn words(&self) -> usize {
        self.pages() * self.words_per_page()
    }

    fn words_per_page(&self) -> usize {
        self.writers * self.words_per_slot
    }

    /// For each writer; all together write to half of the pages or fewer.
    pub(crate) fn writes_per_round(&self) -> usize {
        self.pages() / 2 / self.writers / self.store.pages()
    }

    /// A place for a store: the pages that it will write to.
    pub(crate) fn pick(&self, random: &mut Random) -> PageRange {
        let pages = self.store.pages();
        self.range().subrange(random.below(self.pages() + 1 - pages), pages)
    }

    pub(crate) fn page_numbers(&self, run: PageRange) -> Range<usize> {
        let first = (run.start() - self.range().start()) / page_size();
        first..first + run.pages()
    }

    pub(crate) fn words_of(&self, page: usize) -> Range<usize> {
        let first = page * self.words_per_page();
        first..first + self.words_per_page()
    }

    fn place(&self, word: usize) -> (usize, usize, usize) {
        let (page, rest) = (word / self.words_per_page(), word % self.words_per_page());
        (page, rest / self.words_per_slot, rest % self.words_per_slot)
    }

    pub(crate) fn describe(&self, word: usize) -> String {
        let (page, writer, place) = self.place(word);
        format!("page {page}, writer {writer}, word {place}")
    }

    fn pointer(&self, page: usize, writer: usize, place: usize) -> *mut u64 {
        let offset = page * page_size() + writer * SLOT + place * WORD;
        debug_assert!(offset < self.range().bytes());
        self.range().as_ptr().wrapping_add(offset).cast()
    }

    pub(crate) fn load(&self, word: usize) -> u64 {
        let (page, writer, place) = self.place(word);
        // SAFETY: aligned, mapped for as long as the field, and only accessed as an atomic or from
        // outside the language (the C library, the kernel).
        unsafe { AtomicU64::from_ptr(self.pointer(page, writer, place)) }.load(Ordering::Acquire)
    }

    /// Stores `value` to the slot of `writer` on `at`, with the write barrier if there is one.
    pub(crate) fn store(&self, tracker: &Tracker, at: PageRange, writer: usize, value: u64) {
        let target = self.pointer(self.page_numbers(at).start, writer, 0);
        // SAFETY: as in `load`.
        let word = unsafe { AtomicU64::from_ptr(target) };
        match self.store {
            Store::Plain => word.store(value, Ordering::Relaxed),
            Store::Swap => drop(word.swap(value, Ordering::SeqCst)),
            Store::Copy64 => copy_64(target, value),
            Store::Kernel => kernel_write(target, value),
            Store::Pinned => pinned_write(at, value),
        }
        if let Some(cards) = tracker.cards() {
            cards.mark(target.addr());
        }
    }

    /// Makes huge pages of the whole ones in `range`, which also makes them dirty. Returns how many
    /// the kernel agreed to.
    pub(crate) fn collapse(&self, tracker: &Tracker, range: PageRange) -> u64 {
        tracker.unprotect(range).expect("the field is registered");
        let pieces = range.pieces(HUGE_PAGE).filter(|piece| piece.bytes() == HUGE_PAGE);
        // SAFETY: our own memory; collapsing keeps the contents. The kernel refuses when a scan
        // has armed a page again, which is no failure.
        let collapse = |piece: &PageRange| unsafe { memory::advise(*piece, Advice::Collapse) };
        pieces.filter(|piece| collapse(piece).is_ok()).count() as u64
    }

    /// How many huge pages back the field now, or `None` where the kernel cannot say.
    pub(crate) fn huge_pages(&self) -> Option<usize> {
        let filter = PageFilter { required: Categories::HUGE, ..PageFilter::default() };
        let request =
            ScanRequest { range: self.range(), filter, report: Categories::HUGE, max_pages: 0 };
        let pagemap = Pagemap::open().ok()?;
        let regions: Result<Vec<_>, _> = pagemap.regions(request).collect();
        let bytes: usize = regions.ok()?.iter().map(|region| region.range().bytes()).sum();
        Some(bytes / HUGE_PAGE)
    }
}

fn copy_64(target: *mut u64, value: u64) {
    let source = std::hint::black_box([value; COPY_WORDS]);
    // SAFETY: the slot is 64 bytes of mapped memory, and no reference to it exists. Readers race
    // with this on purpose, by atomic loads of words, as they would with any code in C.
    unsafe { libc::memcpy(target.cast(), source.as_ptr().cast(), SLOT) };
}

/// `process_vm_readv` from this process to itself: what it has read it stores through the page
/// table of the caller, as `read` does, and needs no file.
fn kernel_write(target: *mut u64, mut value: u64) {
    let local = libc::iovec { iov_base: target.cast(), iov_len: WORD };
    let remote = libc::iovec { iov_base: (&raw mut value).cast(), iov_len: WORD };
    // SAFETY: both ranges are mapped and a word long; races as in `copy_64`.
    let moved = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    assert_eq!(moved, WORD.cast_signed(), "process_vm_readv from this process");
}

/// `process_vm_writev` to this process: the kernel pins the pages, which makes them dirty, and
/// stores to them by a mapping of its own, which does not.
fn pinned_write(at: PageRange, value: u64) {
    let mut words = vec![value; at.bytes() / WORD];
    let local = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: at.bytes() };
    let remote = libc::iovec { iov_base: at.as_ptr().cast(), iov_len: at.bytes() };
    // SAFETY: both ranges are mapped and as long as they say; races as in `copy_64`.
    let moved = unsafe { libc::process_vm_writev(libc::getpid(), &local, 1, &remote, 1, 0) };
    assert_eq!(moved, at.bytes().cast_signed(), "process_vm_writev to this process");
}
