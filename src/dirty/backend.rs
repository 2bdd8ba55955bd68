//! What every back-end promises, and what each can and cannot see.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;
use std::time::Duration;

use super::cards::CardTable;
use super::error::TrackError;
use super::page_set::PageSet;
use crate::os::{OsError, PageRange};

/// A way to learn which pages were written.
///
/// # The theorem
///
/// > A page that is not protected is dirty. Protection only ever removes conservatism.
///
/// A page is *clean* when it has been protected and not been written since; every other page is
/// *dirty*. For a back-end this means:
///
/// 1. A registered page starts dirty, and so does every page after [`unprotect`](Self::unprotect).
/// 2. [`consume`](Self::consume) inserts every dirty page of its range into the owed set, and then
///    some of them, preferably all, become clean. It protects no page that it does not insert, and
///    inserts none that it is still going to protect: another thread that finds a page in the set
///    may visit it at once, while the call goes on.
/// 3. A store that is not ordered before the return of `consume` either is to a page which that
///    call inserted, or makes its page dirty again before the store takes effect. So whoever reads
///    the inserted pages *after* the call has returned, and repeats that for the next call, misses
///    no store.
/// 4. Inserting a page that was not written, or leaving it unprotected, costs time, never
///    correctness.
/// 5. A failed call may have protected pages without inserting them. [`Tracker`](super::Tracker)
///    then inserts the whole range.
///
/// # Safety
/// A collector that trusts this frees memory. An implementation that loses a dirty page makes it
/// free an object that is in use. Stores that the [`Contract`] declares as unseen are exempt.
///
/// # Threads
/// Any thread may call any method at any time, with the program's stores going on.
/// [`Tracker`](super::Tracker) keeps registration apart from scans, and keeps both from being cut
/// in two by a fork.
pub unsafe trait TrackerBackend: Send + Sync + fmt::Debug {
    /// Which one it is.
    fn kind(&self) -> BackendKind;

    /// What it sees.
    fn contract(&self) -> Contract;

    /// Starts to watch `range`, with every page dirty.
    ///
    /// # Safety
    /// The range is mapped readable and writable, is the caller's own, and stays so until it is
    /// unregistered.
    ///
    /// # Errors
    /// When the memory cannot be watched: the error says why.
    unsafe fn register(&self, range: PageRange) -> Result<(), TrackError>;

    /// Ends the watch over `range` and leaves it unprotected.
    ///
    /// # Errors
    /// When the kernel refuses; the pages count as dirty all the same.
    fn unregister(&self, range: PageRange) -> Result<(), OsError>;

    /// Inserts the dirty pages of `range` into `owed` and protects them (GET + WP).
    ///
    /// # Errors
    /// When the kernel refuses: the whole range then counts as dirty.
    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError>;

    /// Inserts the dirty pages of `range` into `found` and changes nothing (GET).
    ///
    /// # Errors
    /// When the kernel refuses: the whole range then counts as dirty.
    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError>;

    /// Protects the dirty pages of `range` and does not say which they were (WP): clauses 2 to 5 hold
    /// as for [`consume`](Self::consume), with all of the range as what was inserted.
    ///
    /// # Errors
    /// When the kernel refuses: each page is what it was, or clean.
    fn protect(&self, range: PageRange) -> Result<(), OsError>;

    /// Makes every page of `range` dirty, in bulk: much cheaper than a fault for each.
    ///
    /// # Errors
    /// When the kernel refuses; pages that are still protected then fault one by one.
    fn unprotect(&self, range: PageRange) -> Result<(), OsError>;

    /// Makes the back-end this process's own, in a forked child: called before any other method
    /// there, with what is registered. Afterwards nothing is clean that was dirty.
    ///
    /// # Errors
    /// When the child cannot watch its memory; it is asked again at the next call.
    fn adopt(&mut self, registered: &[PageRange]) -> Result<(), TrackError>;

    /// The card table, for the back-end that needs an explicit write barrier.
    fn cards(&self) -> Option<&CardTable> {
        None
    }
}

/// The back-ends, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackendKind {
    /// userfaultfd in asynchronous write-protect mode and `PAGEMAP_SCAN`.
    Uffd,
    /// `mprotect` and a `SIGSEGV` handler.
    Mprotect,
    /// A card table that the program marks by calling a write barrier.
    Cards,
    /// Every page is always dirty.
    AllDirty,
    /// The MMU as a data structure, for tests.
    Model,
}

impl BackendKind {
    /// Every back-end.
    pub const ALL: [Self; 5] =
        [Self::Uffd, Self::Mprotect, Self::Cards, Self::AllDirty, Self::Model];

    /// The name that options and reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uffd => "uffd",
            Self::Mprotect => "mprotect",
            Self::Cards => "cards",
            Self::AllDirty => "all-dirty",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no back-end's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a tracker back-end; there are uffd, mprotect, cards, all-dirty and model")]
pub struct UnknownBackend(pub String);

impl FromStr for BackendKind {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownBackend(name.to_owned()))
    }
}

/// Whether a kind of write makes its page dirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It does.
    Seen,
    /// It happens and the page stays clean, for the reason given.
    Unseen(&'static str),
    /// It fails instead of happening, for the reason given.
    Fails(&'static str),
}

/// What a back-end sees, by its nature.
///
/// Pages in a [`Window`](super::Window) are dirty whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// Stores of the program, by any thread.
    pub stores: Sight,
    /// The kernel writing for a system call: `read`, `recv`, `process_vm_writev`. The last one
    /// pins its pages: see `device_writes` for a scan during such a call, which takes its mark away.
    pub kernel_writes: Sight,
    /// Writes to pages that were pinned before they were protected. A device makes them (`O_DIRECT`
    /// reads in flight), and the kernel does: always with registered buffers of `io_uring`, and for
    /// `process_vm_writev`, `ptrace` and `/proc/PID/mem` when a scan comes between its pinning a page
    /// and writing to it. Such a scan makes the page clean, the write leaves it so, and later scans do
    /// not report it. (The last two also write to pages that `mprotect` protects.)
    ///
    /// Whoever makes such a write says so afterwards ([`Tracker::written`](super::Tracker::written)),
    /// or keeps a [`Window`](super::Window) open meanwhile.
    pub device_writes: Sight,
    /// The contents being dropped by `MADV_DONTNEED`, which makes private memory read as zero.
    pub discards: Sight,
    /// Writes through another mapping of the same shared memory, or to its file.
    pub aliases: Sight,
    /// Stores whose marks another process has cleared, which scans the page map of this one.
    pub cleared_elsewhere: Sight,
    /// Whether a page that was not written is clean after being consumed. Without this, watching
    /// is useless and harmless.
    pub precise: bool,
}

/// What a scan found and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scan {
    /// Dirty pages.
    pub pages: usize,
    /// The ranges that they came in.
    pub runs: usize,
    /// Dirty pages that a consuming scan reported and could not, or was told not to, protect.
    pub unarmed_pages: usize,
    /// Calls to the kernel.
    pub kernel_calls: usize,
    /// Time spent in these calls.
    pub in_kernel: Duration,
}

impl AddAssign for Scan {
    fn add_assign(&mut self, other: Self) {
        self.pages += other.pages;
        self.runs += other.runs;
        self.unarmed_pages += other.unarmed_pages;
        self.kernel_calls += other.kernel_calls;
        self.in_kernel += other.in_kernel;
    }
}

impl Scan {
    /// A scan that cost no call and found `range` dirty.
    pub(super) fn found(range: PageRange) -> Self {
        Self { pages: range.pages(), runs: 1, ..Self::default() }
    }

    /// Runs a call to the kernel and accounts for it.
    pub(super) fn in_kernel<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let start = std::time::Instant::now();
        let result = call();
        self.in_kernel += start.elapsed();
        self.kernel_calls += 1;
        result
    }
}
