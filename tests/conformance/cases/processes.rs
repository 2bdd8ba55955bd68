//! fork: the parent loses nothing, and the child reports everything that it must.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use strandline::dirty::Window;

use super::Case;
use super::memory::shared_rig;
use crate::harness::{Rig, Variant, Verdict, in_child, memory_file};

pub(super) const CASES: &[Case] = &[
    ("fork_parent_loses_nothing", fork_parent_loses_nothing),
    ("fork_child_drops_the_tracker", fork_child_drops_the_tracker),
    ("fork_child_is_right", fork_child_is_right),
    ("fork_child_of_a_clean_parent", fork_child_of_a_clean_parent),
    ("fork_between_store_and_barrier", fork_between_store_and_barrier),
    ("fork_grandchild", fork_grandchild),
    ("fork_while_scanning", fork_while_scanning),
    ("fork_with_an_open_window", fork_with_an_open_window),
    ("fork_shared_memory", fork_shared_memory),
    ("fork_child_without_descriptors", fork_child_without_descriptors),
    ("fork_while_trackers_come_and_go", fork_while_trackers_come_and_go),
];

const PAGES: usize = 16;
const DIRTY: [usize; 4] = [1, 5, 6, 12];

/// Whatever `child` does, the parent's dirty pages are those that they were.
fn parent_keeps_its_pages(variant: Variant, child: impl FnOnce(&Rig)) {
    let rig = Rig::settled(variant, PAGES);
    rig.store_all(DIRTY);
    let before = rig.peek();
    in_child(|| child(&rig));
    assert_eq!(rig.peek(), before, "the child has changed the parent's dirty pages");
    rig.expect(&DIRTY);
    rig.expect(&[]);
    // Stores to pages that were shared with the child until now.
    rig.store_all([2, 5]);
    rig.expect(&[2, 5]);
    rig.expect(&[]);
}

fn fork_parent_loses_nothing(variant: Variant) -> Verdict {
    parent_keeps_its_pages(variant, |_| {});
    parent_keeps_its_pages(variant, |rig| rig.store_all(0..PAGES));
    parent_keeps_its_pages(variant, |rig| drop(rig.peek()));
    parent_keeps_its_pages(variant, |rig| drop(rig.consume()));
    parent_keeps_its_pages(variant, |rig| rig.tracker.protect(rig.range()).unwrap());
    parent_keeps_its_pages(variant, |rig| rig.tracker.unprotect(rig.range()).unwrap());
    parent_keeps_its_pages(variant, |rig| rig.tracker.unregister(rig.page(5)).unwrap());
    parent_keeps_its_pages(variant, |rig| {
        rig.tracker.unregister(rig.range()).unwrap();
        rig.register(rig.range()).unwrap();
        rig.settle();
    });
    Verdict::Passed
}

fn fork_child_drops_the_tracker(variant: Variant) -> Verdict {
    parent_keeps_its_pages(variant, |rig| {
        // SAFETY: the child leaves by `_exit`, so the original is not dropped a second time.
        drop(unsafe { std::ptr::read(&raw const rig.tracker) });
        // The memory is ordinary memory of the child's now.
        (0..PAGES).for_each(|page| rig.store(page));
    });
    Verdict::Passed
}

/// In a child: pages `before` were dirty at the fork.
fn child_reports(rig: &Rig, before: &[usize]) {
    rig.store_all([7, 8]);
    rig.expect_at_least(&[before, &[7, 8]].concat());
    rig.expect(&[]);
    rig.store_all([3, 8]);
    rig.expect(&[3, 8]);
    rig.store(15);
    rig.expect_in(0, 15, &[]);
    rig.expect(&[15]);
}

fn fork_child_is_right(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, PAGES);
    rig.store_all(DIRTY);
    in_child(|| child_reports(&rig, &DIRTY));
    // One that looks first, and one whose first call is about something else.
    in_child(|| {
        let found = rig.peek();
        assert!(DIRTY.iter().all(|page| found.contains(page)), "{found:?}");
        child_reports(&rig, &DIRTY);
    });
    in_child(|| {
        rig.tracker.unprotect(rig.page(0)).unwrap();
        rig.expect_at_least(&[0, 1, 5, 6, 12]);
        child_reports(&rig, &[]);
    });
    in_child(|| {
        rig.tracker.unregister(rig.page(5)).unwrap();
        rig.expect_in(6, 1, &[6]);
    });
    rig.expect(&DIRTY);
    Verdict::Passed
}

/// Nothing is dirty at the fork, so every protection is in place.
fn fork_child_of_a_clean_parent(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, PAGES);
    for _ in 0..3 {
        in_child(|| child_reports(&rig, &[]));
        rig.expect(&[]);
    }
    Verdict::Passed
}

/// Another thread was about to call its barrier, and in the child it never will.
fn fork_between_store_and_barrier(variant: Variant) -> Verdict {
    if variant == Variant::Model {
        return Verdict::Declared(
            "a modelled store is one instruction, which no fork divides".into(),
        );
    }
    let rig = Rig::settled(variant, PAGES);
    let page = rig.page(3);
    rig.stores.run(0, page.start(), || {
        // SAFETY: the rig's own memory, which nobody refers to.
        unsafe { page.as_ptr().write_volatile(77) };
        in_child(|| child_reports(&rig, &[3]));
    });
    rig.expect(&[3]);
    Verdict::Passed
}

fn fork_grandchild(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, PAGES);
    rig.store_all(DIRTY);
    in_child(|| {
        rig.store(2);
        // The child has not used its tracker yet when it forks.
        in_child(|| child_reports(&rig, &[DIRTY.as_slice(), &[2]].concat()));
        child_reports(&rig, &[DIRTY.as_slice(), &[2]].concat());
        rig.store(9);
        // Now it has.
        let before = rig.peek();
        in_child(|| child_reports(&rig, &[9]));
        assert_eq!(rig.peek(), before, "the grandchild has changed the child's dirty pages");
        rig.expect(&[9]);
    });
    rig.expect(&DIRTY);
    rig.expect(&[]);
    Verdict::Passed
}

fn fork_while_scanning(variant: Variant) -> Verdict {
    const FORKS: usize = 25;
    let rig = Rig::settled(variant, PAGES);
    let (owed, stop) = (rig.set(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let scanner = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                rig.tracker.consume(rig.range(), &owed).unwrap();
                std::thread::yield_now();
            }
        });
        for round in 0..FORKS {
            let page = 1 + round % (PAGES - 1);
            rig.store_word(1, page, 1, round as u64);
            in_child(|| {
                let found = rig.set();
                rig.tracker.consume(rig.range(), &found).unwrap();
                let at = rig.page(page).start();
                assert!(owed.contains(at) || found.contains(at), "page {page} is lost");
                rig.store_word(1, 0, 1, round as u64 + 1);
                rig.expect(&[0]);
                rig.expect(&[]);
            });
        }
        stop.store(true, Ordering::Relaxed);
        scanner.join().unwrap();
    });
    rig.tracker.consume(rig.range(), &owed).unwrap();
    let found = rig.indices(&owed);
    assert!((1..PAGES).all(|page| found.contains(&page)), "the parent lost pages: {found:?}");
    Verdict::Passed
}

fn fork_with_an_open_window(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, PAGES);
    let window = Window::open(&rig.tracker, rig.range().subrange(4, 2)).unwrap();
    in_child(|| {
        rig.expect_at_least(&[4, 5]);
        rig.store(5);
        rig.expect(&[4, 5]);
        // SAFETY: the child leaves by `_exit`, so the original is not dropped a second time.
        drop(unsafe { std::ptr::read(&raw const window) });
        rig.expect(&[4, 5]);
        rig.expect(&[]);
    });
    rig.expect(&[4, 5]);
    drop(window);
    rig.expect(&[4, 5]);
    rig.expect(&[]);
    Verdict::Passed
}

/// A child inherits no page tables for shared memory.
fn fork_shared_memory(variant: Variant) -> Verdict {
    let file = memory_file(PAGES);
    let rig = match shared_rig(variant, &file, PAGES) {
        Ok(rig) => rig,
        Err(refused) => return refused,
    };
    rig.settle();
    rig.store_all(DIRTY);
    in_child(|| child_reports(&rig, &DIRTY));
    let found = rig.consume();
    assert!(DIRTY.iter().all(|page| found.contains(page)), "{found:?}");
    rig.expect(&[]);
    Verdict::Passed
}

/// A child that cannot take hold of its memory owes all of it, and is asked again.
fn fork_child_without_descriptors(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, PAGES);
    rig.store_all(DIRTY);
    in_child(|| {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
        let owed = rig.set();
        let result = rig.tracker.consume(rig.range(), &owed);
        if variant.is_uffd() {
            assert!(!result.unwrap_err().refused_arguments());
            assert_eq!(owed.len(), PAGES, "a failed scan owes its whole range");
        } else {
            result.unwrap();
        }
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        child_reports(&rig, &[]);
    });
    rig.expect(&DIRTY);
    Verdict::Passed
}

/// What a fork leaves behind of other trackers being made and dropped must be whole in the child.
fn fork_while_trackers_come_and_go(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, PAGES);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let passing: Vec<_> = (0..3).map(|_| Rig::new(variant, 2)).collect();
                drop(passing);
            }
        });
        for _ in 0..25 {
            in_child(|| child_reports(&rig, &[]));
        }
        stop.store(true, Ordering::Relaxed);
        other.join().unwrap();
    });
    rig.expect(&[]);
    Verdict::Passed
}
