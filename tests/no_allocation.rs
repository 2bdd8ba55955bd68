//! A scan allocates nothing: a collector runs it when there may be nothing left to allocate.
//!
//! Allocations are counted on the scanning thread only, by the global allocator of this test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use strandline::dirty::{PageSet, Tracker, Uffd, UffdOptions};
use strandline::os::PageRange;
use strandline::os::memory::{self, Advice, Reservation};

thread_local! {
    /// Calls to the allocator by this thread. Constant and without a destructor, so that using it
    /// does not allocate.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    CALLS.set(CALLS.get() + 1);
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(block, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `operation` calls the allocator.
fn calls(operation: impl FnOnce()) -> usize {
    let before = CALLS.get();
    operation();
    CALLS.get() - before
}

/// Scans `bytes` of populated memory, clean and partly dirty, and counts.
fn scans_allocate_nothing(bytes: usize, pages: Advice, options: UffdOptions) {
    let memory = Reservation::new(bytes, 2 << 20).unwrap();
    let range = memory.range();
    // SAFETY: the memory is this test's own.
    unsafe {
        memory::commit(range).unwrap();
        memory::advise(range, pages).unwrap();
        memory::advise(range, Advice::Populate).unwrap();
    }
    let tracker = Tracker::new(range, Box::new(Uffd::open(options).unwrap()));
    // SAFETY: the memory is readable and writable, ours, and dropped after the tracker.
    unsafe { tracker.register(range) }.unwrap();
    let owed = PageSet::new(range);
    assert_eq!(calls(|| consume(&tracker, range, &owed)), 0, "the first scan, of everything");
    assert_eq!(owed.len(), range.pages());
    owed.clear();

    assert_eq!(calls(|| consume(&tracker, range, &owed)), 0, "a clean scan");
    assert_eq!(owed.len(), 0, "the memory was clean");

    let written = range.pages().div_ceil(7);
    for page in (0..range.pages()).step_by(7) {
        // SAFETY: the test's own memory, which nobody else looks at.
        unsafe { range.subrange(page, 1).as_ptr().write_volatile(1) };
    }
    let peek = || assert_eq!(tracker.peek(range, &owed).unwrap().pages, written);
    assert_eq!(calls(peek), 0, "a scan that only looks");
    assert_eq!(owed.len(), written);
    let visit = || {
        consume(&tracker, range, &owed);
        let mut taken = 0;
        owed.take_in(range, |run| taken += run.pages());
        assert_eq!(taken, written);
    };
    assert_eq!(calls(visit), 0, "a scan with every seventh page dirty, and a visit to each");
    assert_eq!(calls(|| tracker.unprotect(range).unwrap()), 0, "un-protecting in bulk");
}

fn consume(tracker: &Tracker, range: PageRange, owed: &PageSet) {
    tracker.consume(range, owed).unwrap();
}

#[test]
fn the_counter_counts() {
    assert_eq!(calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
}

#[test]
fn of_1_gib_in_huge_pages() {
    scans_allocate_nothing(1 << 30, Advice::HugePages, UffdOptions::default());
}

#[test]
fn of_64_mib_in_base_pages() {
    scans_allocate_nothing(64 << 20, Advice::BasePages, UffdOptions::default());
    let few = UffdOptions { sparse: true, result_slots: 8 };
    scans_allocate_nothing(64 << 20, Advice::BasePages, few);
}
