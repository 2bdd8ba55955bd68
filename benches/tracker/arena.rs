//! 1 GiB of tracked memory, and the bare calls to the kernel on it.

use std::mem::MaybeUninit;

use strandline::dirty::{PageSet, Tracker, Uffd, UffdOptions};
use strandline::os::memory::{self, Advice, Reservation};
use strandline::os::pagemap::{
    Categories, PageFilter, PageRegion, Pagemap, RESULT_SLOTS, ScanRequest, ScanStep,
};
use strandline::os::userfaultfd::Userfaultfd;
use strandline::os::{OsError, PageRange, page_size};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageKind {
    Base,
    Huge,
}

impl PageKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Huge => "huge",
        }
    }
}

const HUGE_PAGE: usize = 2 << 20;

/// Populated memory with a tracker, and descriptors for going past it.
pub(crate) struct Arena {
    pub(crate) kind: PageKind,
    // Dropped before the memory.
    pub(crate) tracker: Tracker,
    pagemap: Pagemap,
    uffd: Userfaultfd,
    scratch: PageSet,
    memory: Reservation,
}

impl Arena {
    pub(crate) fn new(bytes: usize, kind: PageKind) -> Self {
        let memory = Reservation::new(bytes, HUGE_PAGE).expect("address space");
        let range = memory.range();
        let advice = match kind {
            PageKind::Base => Advice::BasePages,
            PageKind::Huge => Advice::HugePages,
        };
        // SAFETY: the reservation is new and this function's own.
        unsafe {
            memory::commit(range).expect("memory");
            memory::advise(range, advice).expect("advice");
            memory::advise(range, Advice::Populate).expect("Linux 5.14");
        }
        let backend = Uffd::open(UffdOptions::default()).expect("these benches need userfaultfd");
        let tracker = Tracker::new(range, Box::new(backend));
        // SAFETY: the memory is readable and writable, ours, and dropped after the tracker.
        unsafe { tracker.register(range) }.expect("plain memory");
        let pagemap = Pagemap::open().expect("the back-end could open it");
        let uffd = Userfaultfd::open().expect("the back-end could open one");
        Self { kind, tracker, pagemap, uffd, scratch: PageSet::new(range), memory }
    }

    pub(crate) fn range(&self) -> PageRange {
        self.memory.range()
    }

    /// Makes every page clean.
    pub(crate) fn arm(&self) {
        self.tracker.consume(self.range(), &self.scratch).expect("registered");
        self.scratch.clear();
    }

    /// Writes to the same `permille` of all pages each time, spread over the whole.
    pub(crate) fn dirty(&self, permille: usize) {
        if permille == 1000 {
            // Ten times cheaper than faults, and huge pages stay whole.
            self.tracker.unprotect(self.range()).expect("registered");
            return self.write_every_page(self.range());
        }
        for page in 0..self.range().pages() {
            if page.wrapping_mul(7919) % 1000 < permille {
                self.write(self.range(), page);
            }
        }
    }

    pub(crate) fn write_every_page(&self, range: PageRange) {
        for page in 0..range.pages() {
            self.write(range, page);
        }
    }

    fn write(&self, range: PageRange, page: usize) {
        // SAFETY: the page is inside the arena, which nobody else accesses.
        unsafe { range.as_ptr().add(page * page_size()).write_volatile(1) };
    }

    pub(crate) fn bare_consume(&self) {
        self.bare_consume_part(self.range());
    }

    pub(crate) fn bare_consume_part(&self, range: PageRange) {
        self.bare(range, Pagemap::get_and_protect);
    }

    pub(crate) fn bare_peek(&self) {
        self.bare(self.range(), Pagemap::get);
    }

    /// The loop that cannot be done without, discarding what it finds.
    fn bare(&self, range: PageRange, step: Step) {
        let mut slots = [const { MaybeUninit::uninit() }; RESULT_SLOTS];
        let mut rest = Some(range);
        while let Some(range) = rest {
            let found = step(&self.pagemap, &ScanRequest::written(range), &mut slots);
            let resume = found.expect("registered").resume;
            rest = resume.and_then(|resume| range.from_address(resume));
        }
    }

    /// The kernel lets any userfaultfd of the process do this, not only the one that registered.
    pub(crate) fn bare_unprotect(&self) {
        self.uffd.unprotect(self.range()).expect("registered");
    }

    /// `UFFDIO_WRITEPROTECT`.
    pub(crate) fn bare_protect(&self) {
        self.uffd.protect(self.range()).expect("registered");
    }

    /// How much is mapped by huge pages now.
    pub(crate) fn huge_mib(&self) -> usize {
        let filter = PageFilter { required: Categories::HUGE, ..PageFilter::default() };
        let report = Categories::HUGE;
        let request = ScanRequest { range: self.range(), filter, report, max_pages: 0 };
        let bytes = |region: Result<PageRegion, OsError>| region.expect("own").range().bytes();
        self.pagemap.regions(request).map(bytes).sum::<usize>() >> 20
    }
}

type Step = for<'a> fn(
    &Pagemap,
    &ScanRequest,
    &'a mut [MaybeUninit<PageRegion>],
) -> Result<ScanStep<'a>, OsError>;
