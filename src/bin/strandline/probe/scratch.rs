//! Memory to measure on.

use strandline::os::memory::{self, Advice, Reservation};
use strandline::os::pagemap::{Categories, PageFilter, Pagemap, ScanRequest};
use strandline::os::{OsError, PageRange};

/// Private memory of this process, mapped by base pages or by huge pages.
pub(super) struct Scratch {
    memory: Reservation,
}

impl Scratch {
    /// Memory for pages of `page` bytes; its length is a multiple of that.
    pub(super) fn new(bytes: usize, page: usize, huge: bool) -> Result<Self, OsError> {
        let memory = Reservation::new(bytes, page)?;
        let advice = if huge { Advice::HugePages } else { Advice::BasePages };
        // SAFETY: the reservation was made just now; nobody else knows it.
        unsafe { memory::commit(memory.range()) }?;
        // SAFETY: as above; this advice leaves the contents alone.
        let advised = unsafe { memory::advise(memory.range(), advice) };
        // A kernel without transparent huge pages does not know the advice and needs none.
        if huge {
            advised?;
        }
        Ok(Self { memory })
    }

    pub(super) fn range(&self) -> PageRange {
        self.memory.range()
    }

    /// Stores to the first byte of every piece of `stride` bytes.
    pub(super) fn touch(&self, stride: usize) {
        let start = self.range().as_ptr();
        for offset in (0..self.range().bytes()).step_by(stride) {
            // SAFETY: inside the committed reservation, which nobody else uses; volatile, because
            // nobody reads it.
            unsafe { start.add(offset).write_volatile(1) };
        }
    }

    /// Drops the contents, so that the next touch maps anew, by huge pages where that is advised.
    pub(super) fn discard(&self) -> Result<(), OsError> {
        // SAFETY: the memory is ours and its contents mean nothing.
        unsafe { memory::advise(self.range(), Advice::Discard) }
    }

    /// How many base pages are mapped by huge pages.
    pub(super) fn huge_pages(&self) -> Result<usize, OsError> {
        let filter = PageFilter { required: Categories::HUGE, ..PageFilter::default() };
        let report = Categories::HUGE;
        let request = ScanRequest { range: self.range(), filter, report, max_pages: 0 };
        let pagemap = Pagemap::open()?;
        pagemap.regions(request).map(|region| Ok(region?.range().pages())).sum()
    }
}
