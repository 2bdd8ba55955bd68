//! Address space: reserving, committing, protecting, and advice about pages.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use super::error::OsError;
use super::page::{PageRange, page_size};

/// Address space that was reserved and not committed; given back on drop.
///
/// Reserved memory costs nothing and cannot be accessed until a part of it is [`commit`]ted.
#[derive(Debug)]
pub struct Reservation {
    range: PageRange,
}

impl Reservation {
    /// Reserves `bytes` (rounded up to whole pages) at a multiple of `alignment`.
    ///
    /// # Errors
    /// `ENOMEM` when the address space or `RLIMIT_AS` has no room, [`OsError::Refused`] for an
    /// alignment that is no power of two or a size of zero.
    pub fn new(bytes: usize, alignment: usize) -> Result<Self, OsError> {
        const CALL: &str = "mmap (reserve)";
        let refused = |reason| OsError::Refused { call: CALL, reason };
        if !alignment.is_power_of_two() {
            return Err(refused("the alignment is not a power of two"));
        }
        let alignment = alignment.max(page_size());
        let bytes =
            bytes.checked_next_multiple_of(page_size()).ok_or_else(|| refused("too large"))?;
        let padded = bytes
            .checked_add(alignment - page_size())
            .ok_or_else(|| refused("size and alignment exceed the address space"))?;
        let size = NonZeroUsize::new(padded)
            .filter(|_| bytes > 0)
            .ok_or_else(|| refused("a reservation of no bytes"))?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing else.
        let mapped = unsafe { mmap_anonymous(None, size, ProtFlags::PROT_NONE, flags) }.map_err(
            |errno| {
                OsError::syscall(CALL, None, errno, "raise RLIMIT_AS (`ulimit -v`) or ask for less")
            },
        )?;
        let mapped = mapped.as_ptr().expose_provenance();
        let start = mapped.next_multiple_of(alignment);
        let trim = |from: usize, to: usize| {
            if from < to {
                unmap(
                    PageRange::new(from, to)
                        .expect("the mapping and its alignment are whole pages"),
                );
            }
        };
        trim(mapped, start);
        trim(start + bytes, mapped + padded);
        Ok(Self { range: PageRange::new(start, start + bytes).expect("whole pages, not empty") })
    }

    /// The addresses that are reserved.
    #[must_use]
    pub fn range(&self) -> PageRange {
        self.range
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        unmap(self.range);
    }
}

/// Unmaps memory of this module's own.
fn unmap(range: PageRange) {
    // SAFETY: the range was mapped by `Reservation::new`, and its owner is going away.
    let result = unsafe { munmap(pointer(range), range.bytes()) };
    // Unmapping the middle of a merged mapping can exceed vm.max_map_count. The addresses then
    // stay reserved, which leaks address space and nothing else.
    debug_assert!(matches!(result, Ok(()) | Err(Errno::ENOMEM)), "munmap of {range}: {result:?}");
}

/// What a program may do with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
}

/// Sets what the program may do with `range`.
///
/// # Safety
/// The caller owns the mapping, and nobody relies on access that this takes away, or on the
/// memory being immutable where this allows writing.
///
/// # Errors
/// `ENOMEM` when a part is not mapped, when the commit limit is reached, or when splitting the
/// mapping would exceed `vm.max_map_count`. A part of the range may have changed even so.
pub unsafe fn protect(range: PageRange, access: Access) -> Result<(), OsError> {
    let flags = match access {
        Access::None => ProtFlags::PROT_NONE,
        Access::Read => ProtFlags::PROT_READ,
        Access::ReadWrite => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
    };
    // SAFETY: the caller owns the mapping and vouches for the users of the memory.
    unsafe { mprotect(pointer(range), range.bytes(), flags) }.map_err(|errno| {
        let advice = match errno {
            Errno::ENOMEM => {
                "raise vm.max_map_count if the process has very many mappings, or the commit limit"
            }
            Errno::EINVAL => "on hugetlbfs the range must be whole huge pages",
            _ => "",
        };
        OsError::syscall("mprotect", Some(range), errno, advice)
    })
}

/// Makes reserved memory readable and writable. It reads as zero until written.
///
/// # Safety
/// As [`protect`].
///
/// # Errors
/// As [`protect`].
pub unsafe fn commit(range: PageRange) -> Result<(), OsError> {
    // SAFETY: the caller's promise is the same.
    unsafe { protect(range, Access::ReadWrite) }
}

/// Gives the memory back to the system and makes the range inaccessible, as freshly reserved.
///
/// # Safety
/// The caller owns the mapping and nobody accesses the range any more; its contents are gone.
///
/// # Errors
/// As [`protect`].
pub unsafe fn decommit(range: PageRange) -> Result<(), OsError> {
    // SAFETY: the caller has given up the contents.
    unsafe { advise(range, Advice::Discard) }?;
    // SAFETY: the caller promises that nobody accesses the range.
    unsafe { protect(range, Access::None) }
}

/// Advice about a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Use transparent huge pages (`MADV_HUGEPAGE`).
    HugePages,
    /// Use base pages only (`MADV_NOHUGEPAGE`).
    BasePages,
    /// Fault every page in for writing now (`MADV_POPULATE_WRITE`, Linux 5.14).
    Populate,
    /// Make huge pages of what is populated, now (`MADV_COLLAPSE`, Linux 6.1). Refused with
    /// `EINVAL` for a range with a write-protected page.
    Collapse,
    /// Drop the contents (`MADV_DONTNEED`): private anonymous memory reads as zero afterwards.
    Discard,
    /// Move the pages to swap now (`MADV_PAGEOUT`, Linux 5.4).
    PageOut,
}

/// Gives the kernel `advice` about `range`.
///
/// # Safety
/// The caller owns the mapping; with [`Advice::Discard`] it has given up the contents.
///
/// # Errors
/// What `madvise(2)` says; `EINVAL` for advice that this kernel does not know or cannot take.
pub unsafe fn advise(range: PageRange, advice: Advice) -> Result<(), OsError> {
    let (number, call) = match advice {
        Advice::HugePages => (libc::MADV_HUGEPAGE, "madvise (MADV_HUGEPAGE)"),
        Advice::BasePages => (libc::MADV_NOHUGEPAGE, "madvise (MADV_NOHUGEPAGE)"),
        Advice::Populate => (libc::MADV_POPULATE_WRITE, "madvise (MADV_POPULATE_WRITE)"),
        Advice::Collapse => (libc::MADV_COLLAPSE, "madvise (MADV_COLLAPSE)"),
        Advice::Discard => (libc::MADV_DONTNEED, "madvise (MADV_DONTNEED)"),
        Advice::PageOut => (libc::MADV_PAGEOUT, "madvise (MADV_PAGEOUT)"),
    };
    // SAFETY: the caller owns the mapping, and its contents where they go away.
    let status = unsafe { libc::madvise(range.as_ptr().cast(), range.bytes(), number) };
    Errno::result(status).map(drop).map_err(|errno| OsError::syscall(call, Some(range), errno, ""))
}

/// Whether a part of `range` is a shared mapping, as `/proc/self/maps` says.
///
/// # Errors
/// `ENOENT` without `/proc`.
pub fn is_shared(range: PageRange) -> Result<bool, OsError> {
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        OsError::syscall("read of /proc/self/maps", Some(range), errno, "/proc must be mounted")
    })?;
    Ok(maps
        .lines()
        .filter_map(mapping)
        .any(|(start, end, shared)| shared && start < range.end() && range.start() < end))
}

/// The ends of a mapping, and whether it is shared: `7f12a000-7f12b000 rw-s ...`.
fn mapping(line: &str) -> Option<(usize, usize, bool)> {
    let (addresses, rest) = line.split_once(' ')?;
    let (start, end) = addresses.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some((address(start)?, address(end)?, rest.as_bytes().get(3) == Some(&b's')))
}

fn pointer(range: PageRange) -> NonNull<libc::c_void> {
    NonNull::new(range.as_ptr().cast()).expect("nothing is mapped at address zero")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_aligned_and_usable_once_committed() {
        let reservation = Reservation::new(5 * page_size(), 1 << 21).unwrap();
        let range = reservation.range();
        assert!(range.start().is_multiple_of(1 << 21));
        assert_eq!(range.pages(), 5);
        let part = range.subrange(1, 2);
        // SAFETY: the reservation is ours and nobody else looks at it.
        unsafe {
            commit(part).unwrap();
            assert_eq!(part.as_ptr().read(), 0);
            part.as_ptr().write(7);
            decommit(part).unwrap();
            commit(part).unwrap();
            assert_eq!(part.as_ptr().read(), 0, "decommitted memory comes back as zeros");
        }
    }

    #[test]
    fn shared_mappings_are_told_from_private_ones() {
        assert_eq!(
            mapping("7f0000-7f2000 rw-s 0 00:01 7 /dev/zero"),
            Some((0x7F0000, 0x7F2000, true))
        );
        assert_eq!(mapping("7f0000-7f2000 rw-p 0 00:00 0"), Some((0x7F0000, 0x7F2000, false)));
        let reservation = Reservation::new(5 * page_size(), page_size()).unwrap();
        assert!(!is_shared(reservation.range()).unwrap());
    }

    #[test]
    fn bad_arguments_are_refused_with_the_reason() {
        for (bytes, alignment, reason) in
            [(0, 4096, "no bytes"), (4096, 3, "power of two"), (usize::MAX - 8, 4096, "too large")]
        {
            let error = Reservation::new(bytes, alignment).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let error = Reservation::new(1 << 60, 4096).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    }
}
