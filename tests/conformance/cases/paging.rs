//! Pages in swap.

use strandline::os::memory::Advice;
use strandline::os::pagemap::{Categories, PageFilter};

use super::Case;
use super::memory::{advise_about, count, shared_rig};
use crate::harness::system::Swap;
use crate::harness::{Rig, Variant, Verdict, memory_file};

pub(super) const CASES: &[Case] = &[
    ("swapped_clean", swapped_clean),
    ("swapped_dirty", swapped_dirty),
    ("swapped_shared", swapped_shared),
];

pub(super) const PAGES: usize = 64;

/// Written back to swap and no longer in memory.
pub(super) const SWAPPED: PageFilter = PageFilter {
    required: Categories::SWAPPED,
    excluded: Categories::PRESENT,
    any_of: Categories::empty(),
};

/// Shared memory in swap has no trace in the page table of a process that has not protected it.
const ABSENT: PageFilter = PageFilter { required: Categories::empty(), ..SWAPPED };

/// Which pages are `gone` after asking for all of them to be moved to swap.
pub(super) fn page_out(rig: &Rig, gone: PageFilter) -> Vec<usize> {
    // Pages on a processor's list of recently used ones are passed over at first.
    for _ in 0..20 {
        advise_about(rig.range(), Advice::PageOut);
        if count(rig.range(), gone) == PAGES {
            break;
        }
    }
    (0..PAGES).filter(|&page| count(rig.page(page), gone) == 1).collect()
}

pub(super) fn with_swap(case: impl FnOnce() -> Verdict) -> Verdict {
    match Swap::on() {
        Ok(_swap) => case(),
        Err(reason) => Verdict::NotRun(reason),
    }
}

pub(super) const NONE_WENT: &str = "the kernel moved no page to swap";

fn swapped_clean(variant: Variant) -> Verdict {
    with_swap(|| {
        let rig = Rig::settled(variant, PAGES);
        let swapped = page_out(&rig, SWAPPED);
        let [first, second, ..] = swapped[..] else { return Verdict::NotRun(NONE_WENT.into()) };
        rig.expect_peek(&[]);
        rig.expect(&[]);
        // Reading brings a page back and does not make it dirty.
        assert_eq!(rig.load_word(first, 0), 1);
        rig.expect(&[]);
        rig.store(second);
        rig.expect(&[second]);
        rig.store_all(0..PAGES);
        rig.expect(&(0..PAGES).collect::<Vec<_>>());
        rig.expect(&[]);
        Verdict::Passed
    })
}

fn swapped_dirty(variant: Variant) -> Verdict {
    with_swap(|| {
        let rig = Rig::settled(variant, PAGES);
        let written: Vec<_> = (0..PAGES).step_by(3).collect();
        rig.store_all(written.iter().copied());
        let swapped = page_out(&rig, SWAPPED);
        if swapped.is_empty() {
            return Verdict::NotRun(NONE_WENT.into());
        }
        rig.expect_peek(&written);
        rig.expect(&written);
        rig.expect(&[]);
        // Protected while in swap, and written afterwards.
        rig.store_all([0, 1]);
        rig.expect(&[0, 1]);
        assert!((0..PAGES).all(|page| rig.load_word(page, 0) >= 1), "contents came back");
        Verdict::Passed
    })
}

fn swapped_shared(variant: Variant) -> Verdict {
    with_swap(|| {
        let rig = match shared_rig(variant, &memory_file(PAGES), PAGES) {
            Ok(rig) => rig,
            Err(refused) => return refused,
        };
        rig.settle();
        let written: Vec<_> = (0..PAGES).step_by(3).collect();
        rig.store_all(written.iter().copied());
        if page_out(&rig, ABSENT).is_empty() {
            return Verdict::NotRun(NONE_WENT.into());
        }
        rig.expect_peek(&written);
        rig.expect(&written);
        rig.expect(&[]);
        page_out(&rig, ABSENT);
        rig.expect(&[]);
        assert!((0..PAGES).all(|page| rig.load_word(page, 0) >= 1), "contents came back");
        rig.expect(&[]);
        rig.store_all([0, 1]);
        rig.expect(&[0, 1]);
        Verdict::Passed
    })
}
