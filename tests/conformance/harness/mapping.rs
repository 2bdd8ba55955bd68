//! Memory to watch.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use strandline::os::memory::Reservation;
use strandline::os::{PageRange, page_size};

/// Readable and writable memory between two inaccessible pages, so that no neighbour merges with
/// it; unmapped on drop.
pub(crate) struct Mapping {
    range: PageRange,
    _around: Reservation,
}

impl Mapping {
    /// Private anonymous memory.
    pub(crate) fn anonymous(pages: usize) -> Self {
        Self::aligned(pages * page_size(), page_size())
    }

    /// Private anonymous memory at a multiple of `alignment`.
    pub(crate) fn aligned(bytes: usize, alignment: usize) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        Self::map(bytes, alignment, flags, -1).expect("anonymous memory")
    }

    /// A shared mapping of `file`.
    pub(crate) fn shared(file: &File, pages: usize) -> Self {
        let bytes = pages * page_size();
        Self::map(bytes, page_size(), libc::MAP_SHARED, file.as_raw_fd()).expect("a shared mapping")
    }

    /// A private mapping of `file`.
    pub(crate) fn private(file: &File, pages: usize) -> Self {
        let bytes = pages * page_size();
        Self::map(bytes, page_size(), libc::MAP_PRIVATE, file.as_raw_fd()).expect("a mapping")
    }

    /// Anonymous memory on hugetlbfs, in pages of `huge` bytes.
    pub(crate) fn hugetlb(count: usize, huge: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB;
        Self::map(count * huge, huge, flags, -1)
    }

    fn map(bytes: usize, alignment: usize, flags: i32, fd: i32) -> io::Result<Self> {
        let around = Reservation::new(bytes + 2 * alignment, alignment).expect("address space");
        let start = around.range().start() + alignment;
        let range = PageRange::new(start, start + bytes).expect("whole pages");
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let at = range.as_ptr().cast();
        // SAFETY: the addresses are inside our reservation, which nobody else uses.
        let mapped = unsafe { libc::mmap(at, bytes, access, flags | libc::MAP_FIXED, fd, 0) };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        assert_eq!(mapped.expose_provenance(), range.start());
        Ok(Self { range, _around: around })
    }

    pub(crate) fn range(&self) -> PageRange {
        self.range
    }
}

/// An unnamed file in memory of `pages` pages.
pub(crate) fn memory_file(pages: usize) -> File {
    let name = c"conformance";
    let file = nix::sys::memfd::memfd_create(name, nix::sys::memfd::MFdFlags::MFD_CLOEXEC)
        .map(File::from)
        .expect("memfd_create");
    file.set_len((pages * page_size()) as u64).expect("ftruncate");
    file
}
