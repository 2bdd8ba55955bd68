//! `PAGEMAP_SCAN`: which pages of a process have which properties, and, in the same step,
//! write-protecting the ones that matched.
//!
//! The interface is the one that Linux 6.7 froze (`struct pm_scan_arg` of 96 bytes, `WRITTEN` as
//! bit 1), not that of the patch series before it. Reference: `Documentation/admin-guide/mm/
//! pagemap.rst` and `fs/proc/task_mmu.c` of the kernel.

use std::fs::File;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use nix::errno::Errno;

use super::error::OsError;
use super::fork::{self, Epoch};
use super::page::PageRange;

bitflags! {
    /// What the kernel can say about a page.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Categories: u64 {
        /// The mapping is registered with userfaultfd for asynchronous write protection.
        const WPALLOWED = raw::PAGE_IS_WPALLOWED as u64;
        /// Written since it was write-protected, or never protected.
        const WRITTEN = raw::PAGE_IS_WRITTEN as u64;
        /// Backed by a file or by shared memory.
        const FILE = raw::PAGE_IS_FILE as u64;
        /// In memory.
        const PRESENT = raw::PAGE_IS_PRESENT as u64;
        /// In swap. A page that was protected before it was ever touched shows this too.
        const SWAPPED = raw::PAGE_IS_SWAPPED as u64;
        /// The shared zero page: read, never written.
        const PFNZERO = raw::PAGE_IS_PFNZERO as u64;
        /// Mapped by a huge page.
        const HUGE = raw::PAGE_IS_HUGE as u64;
        /// Soft-dirty (Linux 6.8, where `CONFIG_MEM_SOFT_DIRTY` is set).
        const SOFT_DIRTY = raw::PAGE_IS_SOFT_DIRTY as u64;
        /// A guard page made by `MADV_GUARD_INSTALL` (about Linux 6.16).
        const GUARD = raw::PAGE_IS_GUARD as u64;
    }
}

mod ioctl {
    nix::ioctl_readwrite!(pagemap_scan, b'f', 16, super::raw::pm_scan_arg);
}

/// Adjacent pages with the same categories, as the kernel reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

const _: () = assert!(
    size_of::<PageRegion>() == size_of::<raw::page_region>()
        && offset_of!(PageRegion, end) == offset_of!(raw::page_region, end)
        && offset_of!(PageRegion, categories) == offset_of!(raw::page_region, categories)
);

impl PageRegion {
    /// The addresses.
    #[must_use]
    #[inline]
    pub fn range(&self) -> PageRange {
        PageRange::from_kernel(self.start as usize, self.end as usize)
    }

    /// The categories that were asked for and that these pages have.
    #[must_use]
    pub fn categories(&self) -> Categories {
        Categories::from_bits_retain(self.categories)
    }
}

/// Which pages a scan is to report.
///
/// A page matches when it has all of `required`, none of `excluded`, and, where `any_of` is not
/// empty, at least one of `any_of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageFilter {
    /// All of these.
    pub required: Categories,
    /// None of these.
    pub excluded: Categories,
    /// One of these, unless empty.
    pub any_of: Categories,
}

impl PageFilter {
    /// Every page that the kernel knows as written.
    pub const WRITTEN: Self = Self {
        required: Categories::WRITTEN,
        excluded: Categories::empty(),
        any_of: Categories::empty(),
    };

    /// The kernel inverts some bits first and then applies one mask; an excluded category is one
    /// that is inverted and required. It follows that a category cannot be excluded and also be
    /// asked for.
    fn inverted(self) -> Result<Categories, OsError> {
        if self.excluded.intersects(self.required | self.any_of) {
            return Err(OsError::Refused {
                call: CALL,
                reason: "a category is excluded and at the same time required or among any-of",
            });
        }
        Ok(self.excluded)
    }
}

/// What one scan asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanRequest {
    /// The addresses to walk. Unmapped holes are skipped.
    pub range: PageRange,
    /// Which pages to report.
    pub filter: PageFilter,
    /// Which categories to name in the result. Adjacent pages are merged if they agree on these.
    pub report: Categories,
    /// Stop after this many pages; 0 for no limit. A limit may split a huge page when protecting.
    pub max_pages: u64,
}

impl ScanRequest {
    /// The pages of `range` that were written: the one shape for which the kernel has a fast path
    /// (required and reported are `WRITTEN` alone, nothing excluded, no any-of, no limit).
    #[must_use]
    pub const fn written(range: PageRange) -> Self {
        Self { range, filter: PageFilter::WRITTEN, report: Categories::WRITTEN, max_pages: 0 }
    }
}

/// What one call to the kernel brought.
#[derive(Debug)]
pub struct ScanStep<'a> {
    /// The regions found, in address order.
    pub regions: &'a [PageRegion],
    /// Where to go on, or `None` when the range is complete.
    ///
    /// Derived from the number of regions: the kernel's `walk_end` goes stale when the last part
    /// of a range has nothing to report, so comparing that with the end never terminates.
    pub resume: Option<usize>,
}

const CALL: &str = "PAGEMAP_SCAN";

/// An open `/proc/PID/pagemap`.
#[derive(Debug)]
pub struct Pagemap {
    fd: File,
    /// The epoch it was opened in, for the process's own page map; `None` for another process.
    own: Option<Epoch>,
}

impl Pagemap {
    /// Opens the page map of this process.
    ///
    /// # Errors
    /// `EACCES` when the process is not dumpable (just dropped privileges, or
    /// `PR_SET_DUMPABLE` 0), `ENOENT` without `/proc`.
    pub fn open() -> Result<Self, OsError> {
        let epoch = fork::epoch();
        Ok(Self { fd: open_file("/proc/self/pagemap")?, own: Some(epoch) })
    }

    /// Opens the page map of process `pid` for looking at it.
    ///
    /// # Errors
    /// `EACCES` or `EPERM` without ptrace rights over the process, `ENOENT` when there is none,
    /// `ESRCH` when it has no memory: a kernel thread, or a process that has ended.
    pub fn of_process(pid: u32) -> Result<Self, OsError> {
        if pid == std::process::id() {
            return Self::open();
        }
        let pagemap = Self { fd: open_file(&format!("/proc/{pid}/pagemap"))?, own: None };
        // Before about 6.16 a kernel thread's page map could be opened, and nothing in the kernel's
        // scan expects one without memory.
        if pagemap.has_memory()? { Ok(pagemap) } else { Err(cannot_open(Errno::ESRCH)) }
    }

    /// Whether the process still has the memory that this page map describes. It has not after it
    /// has ended or become another program; what a scan reported until then is incomplete.
    ///
    /// # Errors
    /// When the page map cannot be read.
    pub fn has_memory(&self) -> Result<bool, OsError> {
        // One entry, whatever it says; for memory that is gone the file is empty.
        let entry = self.fd.read_at(&mut [0; 8], 0);
        entry.map(|bytes| bytes > 0).map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
            OsError::syscall("read of /proc/PID/pagemap", None, errno, "")
        })
    }

    /// Whether this kernel knows `category`; asks it with a scan of nothing.
    ///
    /// # Errors
    /// `ENOTTY` when the kernel has no `PAGEMAP_SCAN` at all (before Linux 6.7), `EPERM` when a
    /// seccomp filter forbids it.
    pub fn knows(&self, category: Categories) -> Result<bool, OsError> {
        let mut arg = raw::pm_scan_arg { category_mask: category.bits(), ..NOTHING };
        match self.ioctl(&mut arg) {
            Ok(_) => Ok(true),
            Err(Errno::EINVAL) if !category.is_empty() => Ok(false),
            Err(errno) => Err(failed(None, errno)),
        }
    }

    /// The categories that this kernel knows.
    ///
    /// # Errors
    /// As [`knows`](Self::knows).
    pub fn known(&self) -> Result<Categories, OsError> {
        self.knows(Categories::empty())?;
        let mut known = Categories::empty();
        for category in Categories::all().iter() {
            if self.knows(category)? {
                known |= category;
            }
        }
        Ok(known)
    }

    /// Reports pages and changes nothing: one call to the kernel, at most `slots.len()` regions.
    ///
    /// A result at `resume` is where the next call of the same request has to start; see
    /// [`regions`](Self::regions) for the loop. With `max_pages`, a scan that reached the limit
    /// also ends with `resume: None`.
    ///
    /// # Errors
    /// `EINVAL` for a category that this kernel does not know, `ESRCH` when the process is gone;
    /// [`OsError::Forked`] in a forked child.
    pub fn get<'a>(
        &self,
        request: &ScanRequest,
        slots: &'a mut [MaybeUninit<PageRegion>],
    ) -> Result<ScanStep<'a>, OsError> {
        self.scan(request, 0, slots)
    }

    /// Reports pages and write-protects exactly those, atomically for each page (GET + WP).
    ///
    /// The kernel sets the protection and flushes the TLB before it returns, so a store that this
    /// call did not report faults, and makes the page written again.
    ///
    /// Every mapping in the range must be registered for asynchronous write protection.
    ///
    /// # Errors
    /// `EPERM` when a part of the range is not registered, [`OsError::Forked`] in a forked child,
    /// [`OsError::Refused`] for another process's page map.
    ///
    /// **An error does not mean that nothing happened**: the kernel may have protected pages that
    /// it then did not report. After an error the whole range counts as written.
    pub fn get_and_protect<'a>(
        &self,
        request: &ScanRequest,
        slots: &'a mut [MaybeUninit<PageRegion>],
    ) -> Result<ScanStep<'a>, OsError> {
        if self.own.is_none() {
            return Err(OsError::Refused {
                call: CALL,
                reason: "protecting the pages of another process would take its dirty bits away",
            });
        }
        self.scan(request, u64::from(raw::PM_SCAN_WP_MATCHING | raw::PM_SCAN_CHECK_WPASYNC), slots)
    }

    /// Write-protects the pages of `range` that match `filter` and does not say which these were, by
    /// as many calls as it takes. With [`PageFilter::WRITTEN`] no page that was written stays so.
    ///
    /// The report is made and thrown away: without room for one the kernel would be a fifth faster
    /// on base pages, but before 6.12.50 and 6.16.10 it oopses where that splits a huge page.
    ///
    /// # Errors
    /// As [`get_and_protect`](Self::get_and_protect): pages may be protected after one, too.
    pub fn protect(&self, range: PageRange, filter: PageFilter) -> Result<(), OsError> {
        let mut slots = [const { MaybeUninit::uninit() }; RESULT_SLOTS];
        let mut rest = Some(range);
        while let Some(range) = rest {
            let request = ScanRequest { filter, ..ScanRequest::written(range) };
            let resume = self.get_and_protect(&request, &mut slots)?.resume;
            rest = resume.and_then(|resume| range.from_address(resume));
        }
        Ok(())
    }

    fn scan<'a>(
        &self,
        request: &ScanRequest,
        flags: u64,
        slots: &'a mut [MaybeUninit<PageRegion>],
    ) -> Result<ScanStep<'a>, OsError> {
        if slots.is_empty() {
            // With WP the kernel would arm every page whatever the filter says, and kernels before
            // 6.12.50 oops when that splits a huge page.
            return Err(OsError::Refused { call: CALL, reason: "there is no room for a result" });
        }
        let inverted = request.filter.inverted()?;
        let mut arg = raw::pm_scan_arg {
            flags,
            start: request.range.start() as u64,
            end: request.range.end() as u64,
            vec: slots.as_mut_ptr().expose_provenance() as u64,
            vec_len: slots.len() as u64,
            max_pages: request.max_pages,
            category_inverted: inverted.bits(),
            category_mask: (request.filter.required | inverted).bits(),
            category_anyof_mask: request.filter.any_of.bits(),
            return_mask: request.report.bits(),
            ..NOTHING
        };
        let found = self.ioctl(&mut arg).map_err(|errno| failed(Some(request.range), errno))?;
        // SAFETY: PageRegion is a transparent page_region, and the kernel has initialised the first
        // `found` elements, of at most `vec_len`.
        let regions = unsafe { slots[..found].assume_init_ref() };
        let resume = (found == slots.len()).then_some(arg.walk_end as usize);
        Ok(ScanStep { regions, resume })
    }

    fn ioctl(&self, arg: &mut raw::pm_scan_arg) -> Result<usize, Errno> {
        if self.own.is_some_and(|epoch| epoch != fork::epoch()) {
            return Err(Errno::ECHILD);
        }
        // SAFETY: `arg` is a complete pm_scan_arg; `vec` in it is null or points to `vec_len`
        // writable elements that the caller has borrowed mutably for this call.
        let found = unsafe { ioctl::pagemap_scan(self.fd.as_raw_fd(), arg) }?;
        Ok(usize::try_from(found).expect("a successful scan returns a count"))
    }

    /// All regions that match `request`, in address order, by as many calls as it takes.
    ///
    /// Changes nothing. The iterator ends after the first error.
    pub fn regions(
        &self,
        request: ScanRequest,
    ) -> impl Iterator<Item = Result<PageRegion, OsError>> {
        Regions { pagemap: self, rest: Some(request), buffer: Vec::new(), next: 0 }
    }
}

/// The state behind [`Pagemap::regions`].
struct Regions<'a> {
    pagemap: &'a Pagemap,
    rest: Option<ScanRequest>,
    buffer: Vec<PageRegion>,
    next: usize,
}

impl Regions<'_> {
    /// Asks for the next part of the range; leaves `rest` as what is still to be asked.
    fn fill(&mut self, request: ScanRequest) -> Result<(), OsError> {
        let mut slots = [const { MaybeUninit::uninit() }; RESULT_SLOTS];
        let step = self.pagemap.get(&request, &mut slots)?;
        self.buffer.clear();
        self.buffer.extend_from_slice(step.regions);
        self.next = 0;
        let pages: usize = self.buffer.iter().map(|region| region.range().pages()).sum();
        self.rest =
            step.resume.and_then(|resume| request.range.from_address(resume)).and_then(|range| {
                let left = request.max_pages.saturating_sub(pages as u64);
                (request.max_pages == 0 || left > 0).then_some(ScanRequest {
                    range,
                    max_pages: left,
                    ..request
                })
            });
        Ok(())
    }
}

impl Iterator for Regions<'_> {
    type Item = Result<PageRegion, OsError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next == self.buffer.len() {
            let request = self.rest.take()?;
            if let Err(error) = self.fill(request) {
                return Some(Err(error));
            }
        }
        self.next += 1;
        Some(Ok(self.buffer[self.next - 1]))
    }
}

/// Regions to take from the kernel in one call. Its own bounce buffer has 512, so more gain nothing.
pub const RESULT_SLOTS: usize = 512;

const NOTHING: raw::pm_scan_arg = raw::pm_scan_arg {
    size: size_of::<raw::pm_scan_arg>() as u64,
    flags: 0,
    start: 0,
    end: 0,
    walk_end: 0,
    vec: 0,
    vec_len: 0,
    max_pages: 0,
    category_inverted: 0,
    category_mask: 0,
    category_anyof_mask: 0,
    return_mask: 0,
};

fn open_file(path: &str) -> Result<File, OsError> {
    File::open(path)
        .map_err(|error| cannot_open(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))))
}

fn cannot_open(errno: Errno) -> OsError {
    let advice = match errno {
        Errno::EACCES => {
            "the process is not dumpable (privileges just dropped, or PR_SET_DUMPABLE 0), or you \
             lack ptrace rights over it; open the page map before dropping privileges"
        }
        Errno::ENOENT => "there is no such process, or /proc is not mounted",
        Errno::ESRCH => "it has no memory: a kernel thread, or a process that has ended",
        _ => "",
    };
    OsError::syscall("open of /proc/PID/pagemap", None, errno, advice)
}

fn failed(range: Option<PageRange>, errno: Errno) -> OsError {
    let advice = match errno {
        // Never the kernel's answer to this call: our own word for "inherited".
        Errno::ECHILD => return OsError::Forked { call: CALL },
        Errno::ENOTTY => "it needs Linux 6.7",
        Errno::EPERM => {
            "a part of the range is not registered for asynchronous write protection, or a seccomp \
             filter forbids the ioctl"
        }
        Errno::EINVAL => "this kernel does not know one of the categories",
        Errno::ESRCH => "the process has ended",
        _ => "",
    };
    OsError::syscall(CALL, range, errno, advice)
}

#[cfg(all(test, not(loom)))]
mod tests;
