//! Kinds of memory: discarded, huge, shared, of a file, on hugetlbfs.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;

use strandline::dirty::{Sight, TrackError};
use strandline::os::memory::{Advice, advise};
use strandline::os::pagemap::{Categories, PageFilter, PageRegion, Pagemap, ScanRequest};
use strandline::os::{PageRange, page_size};

use super::Case;
use crate::harness::system::{HugePages, transparent_huge_page};
use crate::harness::{Mapping, Rig, Variant, Verdict, memory_file};

pub(super) const CASES: &[Case] = &[
    ("decommitted", decommitted),
    ("huge_pages", huge_pages),
    ("huge_page_consumed_in_part", huge_page_consumed_in_part),
    ("collapsed_into_a_huge_page", collapsed_into_a_huge_page),
    ("private_file", private_file),
    ("memfd_shared", memfd_shared),
    ("memfd_written_elsewhere", memfd_written_elsewhere),
    ("hugetlb", hugetlb),
];

/// Gives advice about memory of the case's own.
pub(super) fn advise_about(range: PageRange, advice: Advice) {
    // SAFETY: the case's own memory; what it discards nobody needs.
    unsafe { advise(range, advice) }.unwrap();
}

/// How many pages of `range` match `filter`.
pub(super) fn count(range: PageRange, filter: PageFilter) -> usize {
    let request = ScanRequest { range, filter, report: Categories::PRESENT, max_pages: 0 };
    let pagemap = Pagemap::open().unwrap();
    pagemap.regions(request).map(|region| region.unwrap().range().pages()).sum()
}

fn decommitted(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    advise_about(rig.range().subrange(4, 4), Advice::Discard);
    let verdict = match rig.contract().discards {
        Sight::Seen => {
            rig.expect_peek(&[4, 5, 6, 7]);
            rig.expect(&[4, 5, 6, 7]);
            Verdict::Passed
        }
        Sight::Unseen(why) => {
            rig.expect(&[]);
            Verdict::Declared(format!("unseen: {why}"))
        }
        Sight::Fails(why) => panic!("MADV_DONTNEED worked, and was to fail: {why}"),
    };
    assert_eq!(rig.load_word(4, 0), 0, "it reads as zero");
    rig.expect_at_least(&[]);
    rig.expect(&[]);
    rig.store_all([5, 9]);
    rig.expect(&[5, 9]);
    // Discarded while dirty, and written again.
    rig.store(6);
    advise_about(rig.page(6), Advice::Discard);
    rig.store(6);
    rig.expect(&[6]);
    rig.expect(&[]);
    verdict
}

/// Two huge pages that were written, or why there are none.
pub(super) fn huge_rig(variant: Variant) -> Result<Rig, String> {
    let huge = transparent_huge_page()?;
    let mapping = Mapping::aligned(2 * huge, huge);
    advise_about(mapping.range(), Advice::HugePages);
    let rig = Rig::over(variant, mapping).unwrap();
    rig.store_all(0..rig.pages());
    let filter = PageFilter { required: Categories::HUGE, ..PageFilter::default() };
    if count(rig.range(), filter) < rig.pages() {
        // SAFETY: the rig's own memory.
        let collapsed = unsafe { advise(rig.range(), Advice::Collapse) };
        if let Err(error) = collapsed {
            return Err(format!("no transparent huge pages to be had: {error}"));
        }
    }
    if count(rig.range(), filter) < rig.pages() {
        return Err("no transparent huge pages to be had".into());
    }
    Ok(rig)
}

fn huge_pages(variant: Variant) -> Verdict {
    let rig = match huge_rig(variant) {
        Ok(rig) => rig,
        Err(reason) => return Verdict::NotRun(reason),
    };
    let all: Vec<_> = (0..rig.pages()).collect();
    rig.expect(&all);
    rig.expect(&[]);
    let middle = rig.pages() / 4;
    rig.store(middle);
    rig.expect(&[middle]);
    rig.store_all([middle - 1, middle, middle + 1, rig.pages() - 1]);
    rig.expect(&[middle - 1, middle, middle + 1, rig.pages() - 1]);
    rig.expect(&[]);
    rig.tracker.unprotect(rig.range()).unwrap();
    rig.expect(&all);
    Verdict::Passed
}

fn huge_page_consumed_in_part(variant: Variant) -> Verdict {
    let rig = match huge_rig(variant) {
        Ok(rig) => rig,
        Err(reason) => return Verdict::NotRun(reason),
    };
    let (pages, half) = (rig.pages(), rig.pages() / 2);
    rig.expect_in(3, 5, &[3, 4, 5, 6, 7]);
    let rest: Vec<_> = (0..3).chain(8..pages).collect();
    rig.expect_peek(&rest);
    rig.store(5);
    let found = rig.consume_in(rig.range().subrange(0, half));
    assert!(found.contains(&5) && found.contains(&0) && found.contains(&(half - 1)));
    rig.expect_in(half, half, &(half..pages).collect::<Vec<_>>());
    rig.expect(&[]);
    Verdict::Passed
}

/// Khugepaged must not lose what was written before.
fn collapsed_into_a_huge_page(variant: Variant) -> Verdict {
    let huge = match transparent_huge_page() {
        Ok(huge) => huge,
        Err(reason) => return Verdict::NotRun(reason),
    };
    let mapping = Mapping::aligned(huge, huge);
    advise_about(mapping.range(), Advice::BasePages);
    let rig = Rig::over(variant, mapping).unwrap();
    rig.settle();
    advise_about(rig.range(), Advice::HugePages);
    // With clean pages in it, some kernels refuse: either way nothing may be lost.
    rig.store_all([7, 100]);
    // SAFETY: the rig's own memory.
    let while_clean = unsafe { advise(rig.range(), Advice::Collapse) };
    rig.expect_at_least(&[7, 100]);
    rig.tracker.unprotect(rig.range()).unwrap();
    // SAFETY: as above.
    let while_dirty = unsafe { advise(rig.range(), Advice::Collapse) };
    rig.expect(&(0..rig.pages()).collect::<Vec<_>>());
    rig.expect(&[]);
    rig.store(7);
    rig.expect(&[7]);
    match (while_clean, while_dirty) {
        (Err(_), Err(error)) => Verdict::NotRun(format!("nothing could be collapsed: {error}")),
        _ => Verdict::Passed,
    }
}

fn private_file(variant: Variant) -> Verdict {
    let file = memory_file(16);
    file.write_all_at(b"contents", 0).unwrap();
    let rig = Rig::over(variant, Mapping::private(&file, 16)).unwrap();
    let _ = rig.load_word(0, 0);
    rig.settle();
    rig.store_all([0, 3]);
    rig.expect(&[0, 3]);
    rig.expect(&[]);
    Verdict::Passed
}

/// Shared memory, or the refusal of the back-end that cannot watch it.
pub(super) fn shared_rig(variant: Variant, file: &File, pages: usize) -> Result<Rig, Verdict> {
    match Rig::over(variant, Mapping::shared(file, pages)) {
        Ok(rig) => Ok(rig),
        Err(error) => {
            assert_eq!(variant, Variant::UffdSparse, "{error}");
            assert!(matches!(error, TrackError::Unwatchable { .. }), "{error}");
            Err(Verdict::Refused(error.to_string()))
        }
    }
}

fn memfd_shared(variant: Variant) -> Verdict {
    let file = memory_file(16);
    let rig = match shared_rig(variant, &file, 16) {
        Ok(rig) => rig,
        Err(refused) => return refused,
    };
    rig.settle();
    rig.store_all([0, 5, 15]);
    rig.expect(&[0, 5, 15]);
    rig.expect(&[]);
    // Dropped from this mapping, still in the file: nothing was written.
    advise_about(rig.range().subrange(5, 2), Advice::Discard);
    let _ = rig.load_word(5, 0);
    rig.expect_at_least(&[]);
    rig.store(6);
    rig.expect_at_least(&[6]);
    rig.expect(&[]);
    Verdict::Passed
}

fn memfd_written_elsewhere(variant: Variant) -> Verdict {
    let file = memory_file(16);
    let other = Mapping::shared(&file, 16);
    let rig = match shared_rig(variant, &file, 16) {
        Ok(rig) => rig,
        Err(refused) => return refused,
    };
    rig.settle();
    let other_page = other.range().subrange(3, 1).as_ptr();
    // SAFETY: another mapping of the case's own file, which nobody refers to.
    unsafe { other_page.write_volatile(99) };
    file.write_all_at(&[99], 8 * page_size() as u64).unwrap();
    let verdict = match rig.contract().aliases {
        Sight::Seen => {
            rig.expect(&[3, 8]);
            Verdict::Passed
        }
        Sight::Unseen(why) => {
            rig.expect(&[]);
            Verdict::Declared(format!("unseen: {why}"))
        }
        Sight::Fails(why) => panic!("the writes worked, and were to fail: {why}"),
    };
    assert_eq!((rig.load_word(3, 0) & 0xFF, rig.load_word(8, 0) & 0xFF), (99, 99));
    rig.store(3);
    rig.expect(&[3]);
    verdict
}

fn hugetlb(variant: Variant) -> Verdict {
    let reserved = match HugePages::reserve(4) {
        Ok(reserved) => reserved,
        Err(reason) => return Verdict::NotRun(reason),
    };
    let huge = reserved.bytes / page_size();
    let mapping = match Mapping::hugetlb(4, reserved.bytes) {
        Ok(mapping) => mapping,
        Err(error) => return Verdict::NotRun(format!("mmap (MAP_HUGETLB): {error}")),
    };
    let refused = (variant.is_uffd() || variant == Variant::Mprotect).then_some("on hugetlbfs");
    let rig = Rig::unregistered(variant, mapping);
    // With a boundary inside a huge page, where the kernel refuses; in part, and whole, where we do.
    let mut verdict = Verdict::Passed;
    for (first, pages) in [(0, huge + 1), (huge, huge), (0, 4 * huge)] {
        let range = rig.range().subrange(first, pages);
        match (rig.register(range), refused) {
            (Ok(()), None) => rig.tracker.unregister(range).unwrap(),
            (Err(error), Some(reason)) => {
                let text = error.to_string();
                assert!(text.contains(reason), "{text}");
                let by_the_kernel = text.contains("os error");
                assert_eq!(by_the_kernel, variant.is_uffd() && pages % huge != 0, "{text}");
                verdict = Verdict::Refused(text);
            }
            (Ok(()), Some(_)) => panic!("{range} on hugetlbfs was not refused"),
            (Err(error), None) => panic!("{error}"),
        }
    }
    if refused.is_some() {
        // Nothing of it has stayed behind.
        let written = ScanRequest { range: rig.range(), ..ScanRequest::written(rig.range()) };
        let mut slots = [MaybeUninit::<PageRegion>::uninit(); 1];
        assert!(Pagemap::open().unwrap().get_and_protect(&written, &mut slots).is_err());
    } else {
        rig.register(rig.range()).unwrap();
        rig.store_all([0, huge, 3 * huge + 1]);
        rig.expect_at_least(&[0, huge, 3 * huge + 1]);
    }
    (0..4).for_each(|page| rig.store(page * huge));
    verdict
}
