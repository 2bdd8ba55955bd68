use std::process::{Command, Stdio};

use super::*;
use crate::os::memory::{Advice, Reservation, advise, commit};
use crate::os::page_size;
use crate::os::userfaultfd::Userfaultfd;

/// The process ids of kernel threads start with that of kthreadd, whose parent is the kernel.
#[test]
fn a_kernel_thread_has_no_page_map() {
    let status = std::fs::read_to_string("/proc/2/status").unwrap_or_default();
    if !status.contains("kthreadd") {
        println!("not run: process 2 is not kthreadd here (a process id namespace)");
        return;
    }
    let error = Pagemap::of_process(2).unwrap_err();
    // EACCES for those without ptrace rights over it.
    if error.raw_os_error() != Some(libc::EACCES) {
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH), "{error}");
        assert!(error.to_string().contains("kernel thread"), "{error}");
    }
}

#[test]
fn memory_is_there_until_the_process_ends() {
    assert!(Pagemap::open().unwrap().has_memory().unwrap());
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pagemap = Pagemap::of_process(child.id()).unwrap();
    assert!(pagemap.has_memory().unwrap());
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!pagemap.has_memory().unwrap());
}

/// Memory registered for write protection, and what of it counts as written.
struct Registered {
    uffd: Userfaultfd,
    pagemap: Pagemap,
    memory: Reservation,
}

impl Registered {
    fn new(bytes: usize, alignment: usize, advice: Advice) -> Self {
        let memory = Reservation::new(bytes, alignment).unwrap();
        // SAFETY: the reservation is new and this test's own.
        unsafe {
            commit(memory.range()).unwrap();
            advise(memory.range(), advice).unwrap();
        }
        let uffd = Userfaultfd::open().unwrap();
        uffd.register(memory.range()).unwrap();
        Self { uffd, pagemap: Pagemap::open().unwrap(), memory }
    }

    fn page(&self, page: usize) -> PageRange {
        self.memory.range().subrange(page, 1)
    }

    fn store(&self, pages: impl IntoIterator<Item = usize>) {
        for page in pages {
            // SAFETY: the test's own memory, which nobody else accesses.
            unsafe { self.page(page).as_ptr().write_volatile(1) };
        }
    }

    fn protect(&self, first: usize, pages: usize) {
        let range = self.memory.range().subrange(first, pages);
        self.pagemap.protect(range, PageFilter::WRITTEN).unwrap();
    }

    fn written(&self) -> usize {
        self.count(PageFilter::WRITTEN)
    }

    fn count(&self, filter: PageFilter) -> usize {
        let request = ScanRequest { filter, ..ScanRequest::written(self.memory.range()) };
        let pages = |region: Result<PageRegion, OsError>| region.unwrap().range().pages();
        self.pagemap.regions(request).map(pages).sum()
    }
}

#[test]
fn protect_leaves_nothing_written_whatever_was() {
    const PAGES: usize = 3 * 1024;
    let memory = Registered::new(PAGES * page_size(), page_size(), Advice::BasePages);
    // Never touched for the most part.
    memory.store([7, 8]);
    memory.protect(0, PAGES);
    assert_eq!(memory.written(), 0);
    memory.store((0..PAGES).step_by(2));
    memory.protect(0, PAGES);
    assert_eq!(memory.written(), 0, "more runs than one call has room for");
    memory.store([1, 5, PAGES - 1]);
    assert_eq!(memory.written(), 3, "what is stored afterwards is written");
    memory.protect(1, 4);
    assert_eq!(memory.written(), 2, "the edges of the range are its own");
}

#[test]
fn protect_passes_over_holes_and_refuses_what_is_not_registered() {
    let memory = Registered::new(16 * page_size(), page_size(), Advice::BasePages);
    memory.store(0..16);
    let hole = memory.memory.range().subrange(4, 4);
    // SAFETY: the test's own memory, which nobody refers to; the reservation is unmapped as a whole
    // when it is dropped, and a hole in that is allowed.
    assert_eq!(unsafe { libc::munmap(hole.as_ptr().cast(), hole.bytes()) }, 0);
    memory.protect(0, 16);
    assert_eq!(memory.written(), 0);
    memory.uffd.unregister(memory.memory.range().subrange(12, 2)).unwrap();
    let error = memory.pagemap.protect(memory.memory.range(), PageFilter::WRITTEN).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
}

#[test]
fn protect_keeps_huge_pages_whole_but_for_those_that_it_cuts() {
    const HUGE: PageFilter = PageFilter { required: Categories::HUGE, ..PageFilter::WRITTEN };
    let bytes = page_size() * page_size() / 8;
    let (memory, each) =
        (Registered::new(4 * bytes, bytes, Advice::HugePages), bytes / page_size());
    memory.store(0..4 * each);
    if memory.count(HUGE) < 4 * each {
        println!("not run: no transparent huge pages to be had");
        return;
    }
    memory.protect(each / 2, 3 * each);
    assert_eq!(memory.written(), each, "the halves at both ends");
    assert_eq!(memory.count(HUGE), 2 * each);
    memory.protect(0, 4 * each);
    assert_eq!(memory.written(), 0);
    memory.store([2 * each]);
    assert_eq!(memory.written(), 1);
}

#[test]
fn protect_with_a_filter_leaves_the_rest() {
    let memory = Registered::new(16 * page_size(), page_size(), Advice::BasePages);
    memory.store([3, 4, 9]);
    let touched = PageFilter { any_of: Categories::PRESENT, ..PageFilter::WRITTEN };
    memory.pagemap.protect(memory.memory.range(), touched).unwrap();
    assert_eq!((memory.count(touched), memory.written()), (0, 13), "never touched");
    memory.store([3, 10]);
    assert_eq!(memory.count(touched), 2);
}

#[test]
fn protect_refuses_the_memory_of_others() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pagemap = Pagemap::of_process(child.id()).unwrap();
    let range = PageRange::new(page_size(), 2 * page_size()).unwrap();
    let error = pagemap.protect(range, PageFilter::WRITTEN).unwrap_err();
    assert!(matches!(error, OsError::Refused { .. }), "{error}");
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn what_is_excluded_is_left_out_and_cannot_be_asked_for_as_well() {
    const PRESENT: Categories = Categories::PRESENT;
    let memory = Registered::new(16 * page_size(), page_size(), Advice::BasePages);
    memory.store([3, 4, 9]);
    let absent = PageFilter { excluded: PRESENT, ..PageFilter::WRITTEN };
    assert_eq!(memory.count(absent), 13, "written, as never protected, and never touched");
    for (required, any_of) in [(PRESENT, !PRESENT), (!PRESENT, PRESENT), (PRESENT, PRESENT)] {
        let filter = PageFilter { required, any_of, excluded: PRESENT };
        let error = memory.pagemap.protect(memory.memory.range(), filter).unwrap_err();
        assert!(matches!(error, OsError::Refused { .. }), "{error}");
    }
}

#[test]
fn regions_go_on_where_a_call_had_no_room_and_end_at_the_limit() {
    const PAGES: usize = 3 * 1024;
    let memory = Registered::new(PAGES * page_size(), page_size(), Advice::BasePages);
    memory.protect(0, PAGES);
    memory.store((0..PAGES).step_by(2));
    let written = ScanRequest::written(memory.memory.range());
    for (max_pages, expected) in [(0, PAGES / 2), (1, 1), (512, 512), (700, 700)] {
        let regions = memory.pagemap.regions(ScanRequest { max_pages, ..written });
        // One more than there are: what begins anew each time has no end.
        let found = regions.take(expected + 1).map(|region| region.unwrap().range());
        let every_other = (0..PAGES).step_by(2).take(expected).map(|page| memory.page(page));
        assert!(found.eq(every_other), "at most {max_pages} pages");
    }
}
