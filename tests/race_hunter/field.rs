//! The memory that is hunted on: on every page, a slot for each writer.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::resource::{UsageWho, getrusage};
use strandline::dirty::{PageSet, Tracker};
use strandline::os::memory::{self, Advice, Reservation};
use strandline::os::pagemap::{Categories, PageFilter, Pagemap, ScanRequest};
use strandline::os::{PageRange, page_size};

use super::outsiders::{KernelWriter, Way};
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
    /// A write by the kernel to pages that it has pinned, many whole pages at a time. For one
    /// writer, as it leaves no slot to another.
    Pinned(Way),
    /// A plain store by a thread that keeps a log of its page faults.
    Logged,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(way) => write!(f, "{way:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Store {
    /// What every back-end that sees the kernel's writes must see.
    pub(crate) const SEEN: [Self; 4] = [Self::Plain, Self::Swap, Self::Copy64, Self::Kernel];

    /// Pages that one store writes to.
    fn pages(self) -> usize {
        match self {
            // A debugger writes word by word.
            Self::Pinned(Way::Ptrace) => 1,
            Self::Pinned(_) => PINNED_PAGES,
            _ => 1,
        }
    }

    pub(crate) fn is_pinned(self) -> bool {
        matches!(self, Self::Pinned(_))
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
pub(crate) struct Field {
    reservation: Reservation,
    writers: usize,
    store: Store,
    words_per_slot: usize,
    /// Writes for [`Store::Pinned`].
    kernel: Option<Mutex<KernelWriter>>,
    /// Pages where a writer had a fault, for [`Store::Logged`].
    log: Arc<PageSet>,
}

impl Field {
    /// Maps the memory and faults it in.
    pub(crate) fn new(memory: Memory, writers: usize, store: Store) -> Self {
        let (bytes, advice) = match memory {
            Memory::Base => (BASE_BYTES, Advice::BasePages),
            Memory::Few => (FEW_PAGES * page_size(), Advice::BasePages),
            Memory::Huge => (HUGE_BYTES, Advice::HugePages),
        };
        assert!(writers == 1 || !matches!(store, Store::Pinned(_)), "it writes whole pages");
        let reservation = Reservation::new(bytes, HUGE_PAGE).expect("address space");
        let range = reservation.range();
        // SAFETY: the reservation is new and this function's own.
        unsafe {
            memory::commit(range).expect("memory");
            memory::advise(range, advice).expect("advice about page sizes");
            memory::advise(range, Advice::Populate).expect("Linux 5.14");
        }
        let kernel = match store {
            Store::Pinned(way) => Some(Mutex::new(pin(way, range))),
            _ => None,
        };
        let (words_per_slot, log) = (store.words(), Arc::new(PageSet::new(range)));
        Self { reservation, writers, store, words_per_slot, kernel, log }
    }

    /// Where writers had faults.
    pub(crate) fn log(&self) -> &Arc<PageSet> {
        &self.log
    }

    /// A word of a page that no writer has.
    pub(crate) fn spare(&self, page: usize) -> usize {
        self.pointer(page, self.writers, 0).expose_provenance()
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
            Store::Pinned(_) => self.pinned_write(at, value),
            Store::Logged => {
                let before = page_faults();
                word.store(value, Ordering::Relaxed);
                if page_faults() != before {
                    self.log.insert(at);
                }
            }
        }
        if let Some(cards) = tracker.cards() {
            cards.mark(target.addr());
        }
    }

    /// The kernel pins the pages, which makes them dirty, and stores to them by a mapping of its own,
    /// which does not.
    fn pinned_write(&self, at: PageRange, value: u64) {
        let words = if self.store.pages() == 1 { 1 } else { at.bytes() / WORD };
        let words = vec![value.to_ne_bytes(); words];
        let mut writer = self.kernel.as_ref().expect("it has one").lock().expect("no panic");
        writer.write(at.start(), words.as_flattened()).expect("a write by the kernel");
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

/// What writes to a field whose pages were pinned before they were protected, if that is the way.
fn pin(way: Way, field: PageRange) -> KernelWriter {
    let mut writer = KernelWriter::new(way).expect("it was tried before");
    writer.pin(&[field]).expect("it was tried before");
    writer
}

/// The page faults of the calling thread.
fn page_faults() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("it cannot fail");
    usage.minor_page_faults() + usage.major_page_faults()
}
