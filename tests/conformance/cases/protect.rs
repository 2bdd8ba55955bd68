//! Protecting a range without asking what was written: everything in it is clean, and the caller owes
//! it as a whole.

use strandline::dirty::{TrackError, Window};
use strandline::os::PageRange;
use strandline::os::memory::Advice;

use super::Case;
use super::memory::{advise_about, huge_rig};
use super::paging::{NONE_WENT, PAGES, SWAPPED, page_out, with_swap};
use crate::harness::{Mapping, Rig, Variant, Verdict, in_child};

pub(super) const CASES: &[Case] = &[
    ("protect_makes_clean", protect_makes_clean),
    ("protect_in_part", protect_in_part),
    ("protect_many_runs", protect_many_runs),
    ("protect_never_touched", protect_never_touched),
    ("protect_long_range", protect_long_range),
    ("protect_leaves_windows_dirty", protect_leaves_windows_dirty),
    ("protect_needs_registration", protect_needs_registration),
    ("protect_huge_pages_in_part", protect_huge_pages_in_part),
    ("protect_swapped", protect_swapped),
    ("protect_in_a_forked_child", protect_in_a_forked_child),
];

fn protect_makes_clean(variant: Variant) -> Verdict {
    let rig = Rig::new(variant, 16);
    rig.store_all(0..16);
    let before = rig.tracker.stats();
    rig.tracker.protect(rig.range()).unwrap();
    let after = rig.tracker.stats();
    assert_eq!((after.protected_pages - before.protected_pages, after.pages), (16, before.pages));
    rig.expect_peek(&[]);
    rig.store_all([2, 3, 9]);
    rig.expect(&[2, 3, 9]);
    rig.store_all([2, 7]);
    rig.tracker.protect(rig.range()).unwrap();
    rig.expect(&[]);
    rig.store(7);
    rig.expect(&[7]);
    rig.tracker.unprotect(rig.range()).unwrap();
    rig.tracker.protect(rig.range()).unwrap();
    rig.expect(&[]);
    Verdict::Passed
}

fn protect_in_part(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 32);
    rig.store_all([3, 4, 15, 16, 30]);
    rig.tracker.protect(rig.range().subrange(4, 12)).unwrap();
    rig.expect_peek(&[3, 16, 30]);
    rig.store_all([4, 16]);
    rig.expect(&[3, 4, 16, 30]);
    Verdict::Passed
}

/// More runs of dirty pages than one call to the kernel has room for.
fn protect_many_runs(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 2 * 1100);
    for runs in [511, 512, 513, 1100] {
        rig.store_all((0..runs).map(|run| 2 * run));
        rig.tracker.protect(rig.range()).unwrap();
        rig.expect_peek(&[]);
    }
    Verdict::Passed
}

fn protect_never_touched(variant: Variant) -> Verdict {
    let rig = Rig::new(variant, 64);
    rig.store_all([5, 6]);
    rig.tracker.protect(rig.range()).unwrap();
    rig.expect(&[]);
    // One that was read and one that was not.
    assert_eq!(rig.load_word(20, 0), 0);
    rig.store_all([6, 20, 40]);
    rig.expect_at_least(&[6, 20, 40]);
    rig.expect(&[]);
    Verdict::Passed
}

/// More than what one call to the kernel walks.
fn protect_long_range(variant: Variant) -> Verdict {
    const SEAM: usize = 256 << 20;
    let mapping = Mapping::aligned(2 * SEAM, SEAM);
    let seam = SEAM / mapping.range().subrange(0, 1).bytes();
    let rig = Rig::over(variant, mapping).unwrap();
    let pages = [0, seam - 1, seam, 2 * seam - 1];
    rig.store_all(pages);
    rig.tracker.protect(rig.range()).unwrap();
    rig.expect(&[]);
    rig.store_all(pages);
    rig.expect(&pages);
    Verdict::Passed
}

fn protect_leaves_windows_dirty(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    let window = Window::open(&rig.tracker, rig.range().subrange(4, 3)).unwrap();
    rig.store_all([1, 5, 9]);
    rig.tracker.protect(rig.range()).unwrap();
    rig.expect_peek(&[4, 5, 6]);
    drop(window);
    rig.expect_peek(&[4, 5, 6]);
    rig.tracker.protect(rig.range()).unwrap();
    rig.expect(&[]);
    Verdict::Passed
}

fn protect_needs_registration(variant: Variant) -> Verdict {
    let rig = Rig::unregistered(variant, Mapping::anonymous(8));
    rig.register(rig.range().subrange(0, 4)).unwrap();
    rig.store_all([1, 6]);
    let error = rig.tracker.protect(rig.range()).unwrap_err();
    assert!(matches!(error, TrackError::NotRegistered { .. }), "{error}");
    assert!(error.refused_arguments());
    let found = rig.set();
    rig.tracker.peek(rig.range().subrange(0, 4), &found).unwrap();
    assert!(found.contains(rig.page(1).start()), "a refused call has protected something");
    let behind = PageRange::covering(rig.range().end(), 1).unwrap();
    assert!(rig.tracker.protect(behind).unwrap_err().refused_arguments());
    Verdict::Passed
}

/// With an edge inside a huge page, which the kernel has to split.
fn protect_huge_pages_in_part(variant: Variant) -> Verdict {
    let rig = match huge_rig(variant) {
        Ok(rig) => rig,
        Err(reason) => return Verdict::NotRun(reason),
    };
    let pages = rig.pages();
    rig.tracker.protect(rig.range().subrange(3, pages / 2)).unwrap();
    let rest: Vec<_> = (0..3).chain(3 + pages / 2..pages).collect();
    rig.expect_peek(&rest);
    rig.store(5);
    rig.tracker.protect(rig.range()).unwrap();
    rig.expect_peek(&[]);
    rig.store_all([0, 5, pages - 1]);
    rig.expect(&[0, 5, pages - 1]);
    Verdict::Passed
}

fn protect_swapped(variant: Variant) -> Verdict {
    with_swap(|| {
        let rig = Rig::new(variant, PAGES);
        rig.store_all(0..PAGES);
        let swapped = page_out(&rig, SWAPPED);
        let [first, second, ..] = swapped[..] else {
            return Verdict::NotRun(NONE_WENT.into());
        };
        rig.tracker.protect(rig.range()).unwrap();
        rig.expect_peek(&[]);
        assert_eq!(rig.load_word(first, 0), 1, "contents came back");
        rig.expect(&[]);
        rig.store_all([first, second]);
        let mut stored = [first, second];
        stored.sort_unstable();
        rig.expect(&stored);
        advise_about(rig.range(), Advice::PageOut);
        rig.expect(&[]);
        Verdict::Passed
    })
}

fn protect_in_a_forked_child(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    rig.store_all([1, 5]);
    in_child(|| {
        rig.tracker.protect(rig.range()).unwrap();
        rig.expect(&[]);
        rig.store(3);
        rig.expect(&[3]);
    });
    rig.expect(&[1, 5]);
    Verdict::Passed
}
