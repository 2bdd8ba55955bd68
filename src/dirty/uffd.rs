//! The product: userfaultfd in asynchronous write-protect mode, read by `PAGEMAP_SCAN`.
//!
//! The kernel resolves write faults by itself (about 0.9 us each, no lock, no signal), sees its own
//! writes as well as the program's, and one ioctl reports and re-arms. What it needs is Linux 6.7
//! and a sandbox that allows `userfaultfd`.

use std::mem::MaybeUninit;
use std::time::Duration;

use super::backend::{BackendKind, Contract, Scan, Sight, TrackerBackend};
use super::error::TrackError;
use super::page_set::PageSet;
use crate::os::pagemap::{
    Categories, PageFilter, PageRegion, Pagemap, RESULT_SLOTS, ScanRequest, ScanStep,
};
use crate::os::userfaultfd::Userfaultfd;
use crate::os::{OsError, PageRange, memory, page_shift};

/// Addresses that one ioctl may walk. The kernel holds the lock on the address space for as long
/// as an ioctl finds nothing to report: 0.1 ms for this much in base pages.
const BYTES_PER_CALL: usize = 256 << 20;

/// The same where the call before was quick: huge pages are walked ten times faster, and there the
/// fixed cost of a call (1 us) shows.
const BYTES_PER_QUICK_CALL: usize = 1 << 30;

const QUICK: Duration = Duration::from_micros(25);

/// How to use the kernel's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UffdOptions {
    /// Leave never-touched pages out: they are neither reported nor armed, and cost no page tables
    /// and no huge pages. A scan of touched memory takes about twice as long, because the kernel's
    /// fast path knows only the question whether a page was written.
    ///
    /// For private memory: shared memory is refused, because a page of it may have contents and
    /// look never touched (written before it was mapped, reclaimed, or inherited by a child). A
    /// page that was discarded looks like that too, until it is touched again.
    pub sparse: bool,
    /// Regions to take from the kernel in one call, 1 to 512. Fewer cost more calls.
    pub result_slots: usize,
}

impl Default for UffdOptions {
    fn default() -> Self {
        Self { sparse: false, result_slots: RESULT_SLOTS }
    }
}

/// The back-end on userfaultfd.
///
/// # Other processes
/// **A process that may trace this one can take writes away from it**: `PAGEMAP_SCAN` with
/// `PM_SCAN_WP_MATCHING` on `/proc/PID/pagemap` protects what it reports, and a tracker's next scan does not
/// report it again. The kernel asks for no more than the right to read the page map
/// (`PTRACE_MODE_READ`: the same user, or `CAP_SYS_PTRACE`). Who does such things: checkpoint tools that
/// dump memory in rounds (CRIU itself reads soft-dirty bits, which is harmless; versions of it that
/// track by userfaultfd are not), samplers of working sets, debuggers and emulators that record
/// writes, two trackers in one process. A scan without that flag, a core dump, and reading or
/// writing memory (`ptrace`, `process_vm_readv`, `/proc/PID/mem`) clear no mark.
///
/// A tracker finds it out by its canaries ([`Tracker::place_canary`](super::Tracker::place_canary)), and then
/// counts everything as dirty. A heap has one in each 128 MiB with small objects and checks them in the last stop of
/// each cycle. **What is not found out**: passes that touch no canary, such as one over a part of a large
/// object; a pass downwards, in pieces, that has taken a page and not yet the canary below it at the
/// last scan of a cycle (it is found at the next, too late); and one that goes on for longer than two
/// checks and meets no canary after them.
///
/// What helps: no such tool; one that scans without the flag; no right to trace
/// (`PR_SET_DUMPABLE` 0 after the tracker was opened, another user, a container without
/// `CAP_SYS_PTRACE`); or [`Mprotect`](super::Mprotect), whose marks are the process's own.
#[derive(Debug)]
pub struct Uffd {
    uffd: Userfaultfd,
    pagemap: Pagemap,
    options: UffdOptions,
}

impl Uffd {
    /// Opens the descriptors that it needs.
    ///
    /// # Errors
    /// [`TrackError::Open`] with each way that was tried, or [`TrackError::Os`] when the page map
    /// cannot be opened or scanned.
    pub fn open(options: UffdOptions) -> Result<Self, TrackError> {
        if !(1..=RESULT_SLOTS).contains(&options.result_slots) {
            return Err(TrackError::Os(OsError::Refused {
                call: "PAGEMAP_SCAN",
                reason: "result_slots must be 1 to 512",
            }));
        }
        let uffd = Userfaultfd::open()?;
        let pagemap = Pagemap::open()?;
        pagemap.knows(Categories::empty())?;
        Ok(Self { uffd, pagemap, options })
    }

    fn filter(&self) -> PageFilter {
        let touched = Categories::PRESENT | Categories::SWAPPED;
        let any_of = if self.options.sparse { touched } else { Categories::empty() };
        PageFilter { any_of, ..PageFilter::WRITTEN }
    }

    fn scan(&self, range: PageRange, into: &PageSet, step: Step) -> Result<Scan, OsError> {
        let mut slots = [const { MaybeUninit::uninit() }; RESULT_SLOTS];
        // The kernel allocates as many for each call.
        let slots = &mut slots[..self.options.result_slots.min(range.pages())];
        let mut scan = Scan::default();
        let (mut rest, mut bytes) = (Some(range), BYTES_PER_CALL);
        while let Some(range) = rest {
            let piece = head(range, bytes);
            let request = ScanRequest { filter: self.filter(), ..ScanRequest::written(piece) };
            let before = scan.in_kernel;
            let found = scan.in_kernel(|| step(&self.pagemap, &request, slots))?;
            insert(found.regions, into, &mut scan);
            rest = range.from_address(found.resume.unwrap_or(piece.end()));
            let quick = found.resume.is_none() && scan.in_kernel - before < QUICK;
            bytes = if quick { BYTES_PER_QUICK_CALL } else { BYTES_PER_CALL };
        }
        Ok(scan)
    }
}

/// The first `bytes` of `range` or fewer, up to a border that cuts no huge page.
fn head(range: PageRange, bytes: usize) -> PageRange {
    let end = range.start().saturating_add(bytes) & !(BYTES_PER_CALL - 1);
    PageRange::new(range.start(), end.min(range.end())).expect("a border lies ahead")
}

/// GET, or GET + WP.
type Step = for<'a> fn(
    &Pagemap,
    &ScanRequest,
    &'a mut [MaybeUninit<PageRegion>],
) -> Result<ScanStep<'a>, OsError>;

/// Everything that one call reported goes into the set before the next call.
fn insert(regions: &[PageRegion], into: &PageSet, scan: &mut Scan) {
    let (mut batch, mut bytes) = (into.batch(), 0);
    for region in regions {
        let range = region.range();
        bytes += range.bytes();
        batch.insert(range);
    }
    scan.pages += bytes >> page_shift();
    scan.runs += regions.len();
}

// SAFETY: the kernel's GET + WP tests, protects and flushes the TLB under the page-table lock and
// before the ioctl returns, and a write fault clears the protection under the same lock: clauses 2
// and 3. Every region is inserted before the next call: clause 2. Registration sets no protection
// and un-protecting is the kernel's own operation: clause 1.
unsafe impl TrackerBackend for Uffd {
    fn kind(&self) -> BackendKind {
        BackendKind::Uffd
    }

    fn contract(&self) -> Contract {
        Contract {
            stores: Sight::Seen,
            kernel_writes: Sight::Seen,
            device_writes: Sight::Unseen(
                "writes to a pinned page do not go through the page table; call Tracker::written \
                 afterwards, or keep a window open over the buffer",
            ),
            discards: if self.options.sparse {
                Sight::Unseen("without contents a page looks never touched, and is left out")
            } else {
                Sight::Seen
            },
            aliases: Sight::Unseen("write protection belongs to a mapping, not to the memory"),
            cleared_elsewhere: Sight::Unseen(
                "a process that may trace this one can protect its pages; place canaries",
            ),
            precise: true,
        }
    }

    unsafe fn register(&self, range: PageRange) -> Result<(), TrackError> {
        if self.options.sparse && memory::is_shared(range)? {
            return Err(TrackError::Unwatchable {
                backend: self.kind(),
                range,
                reason: "it is shared memory, of which a written page can look never touched; \
                         open the back-end without UffdOptions::sparse",
            });
        }
        Ok(self.uffd.register(range)?)
    }

    fn unregister(&self, range: PageRange) -> Result<(), OsError> {
        self.uffd.unregister(range)
    }

    fn consume(&self, range: PageRange, owed: &PageSet) -> Result<Scan, OsError> {
        self.scan(range, owed, Pagemap::get_and_protect)
    }

    fn peek(&self, range: PageRange, found: &PageSet) -> Result<Scan, OsError> {
        self.scan(range, found, Pagemap::get)
    }

    fn protect(&self, range: PageRange) -> Result<(), OsError> {
        let mut pieces = range.pieces(BYTES_PER_CALL);
        pieces.try_for_each(|piece| self.pagemap.protect(piece, self.filter()))
    }

    fn unprotect(&self, range: PageRange) -> Result<(), OsError> {
        self.uffd.unprotect(range)
    }

    /// The kernel drops registration and protection in a child, so after registering again every
    /// page is dirty. The inherited descriptors act on the parent; closing them is harmless.
    fn adopt(&mut self, registered: &[PageRange]) -> Result<(), TrackError> {
        let child = Self::open(self.options)?;
        for &range in registered {
            child.uffd.register(range)?;
        }
        *self = child;
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::dirty::Tracker;
    use crate::os::memory::{Advice, Reservation, advise, commit};
    use crate::os::page_size;

    /// One that walked everything would hold the lock on the address space all the while.
    #[test]
    fn a_call_walks_so_much_and_ends_where_no_huge_page_is_cut() {
        let start = BYTES_PER_CALL + page_size();
        let range = PageRange::new(start, start + 8 * BYTES_PER_CALL).unwrap();
        for (bytes, borders) in [(BYTES_PER_CALL, 1), (BYTES_PER_QUICK_CALL, 4)] {
            let piece = head(range, bytes);
            assert_eq!((piece.start(), piece.end()), (start, (1 + borders) * BYTES_PER_CALL));
        }
        let rest = range.from_address(9 * BYTES_PER_CALL).unwrap();
        assert_eq!(head(rest, BYTES_PER_CALL), rest, "no further than the range");
    }

    /// Found by reading: with `sparse` the contract promised discards, which the scan leaves out.
    #[test]
    fn sparse_scans_miss_discards_and_the_contract_says_so() {
        for sparse in [false, true] {
            let memory = Reservation::new(page_size(), page_size()).unwrap();
            let range = memory.range();
            let backend = Uffd::open(UffdOptions { sparse, ..UffdOptions::default() }).unwrap();
            let tracker = Tracker::new(range, Box::new(backend));
            let owed = PageSet::new(range);
            // SAFETY: the memory is this test's own and outlives the tracker.
            unsafe {
                commit(range).unwrap();
                tracker.register(range).unwrap();
                range.as_ptr().write_volatile(1);
                tracker.consume(range, &owed).unwrap();
                assert_eq!(owed.len(), 1, "written");
                owed.clear();
                advise(range, Advice::Discard).unwrap();
            }
            tracker.consume(range, &owed).unwrap();
            let promised = tracker.contract().discards == Sight::Seen;
            assert_eq!((promised, owed.len()), if sparse { (false, 0) } else { (true, 1) });
        }
    }
}
