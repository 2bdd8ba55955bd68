//! What a scan covers, and that it reports all of it, however it gets it from the kernel.

use strandline::dirty::PageSet;

use super::Case;
use crate::harness::{Mapping, Rig, Variant, Verdict};

pub(super) const CASES: &[Case] = &[
    ("peek_changes_nothing", peek_changes_nothing),
    ("partial_ranges", partial_ranges),
    ("result_vector_exactly_full", result_vector_exactly_full),
    ("long_ranges_in_pieces", long_ranges_in_pieces),
    ("owed_pages_accumulate", owed_pages_accumulate),
    ("figures_add_up", figures_add_up),
];

fn peek_changes_nothing(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    rig.store_all([1, 2, 9]);
    rig.expect_peek(&[1, 2, 9]);
    rig.expect_peek(&[1, 2, 9]);
    rig.store(5);
    rig.expect_peek(&[1, 2, 5, 9]);
    rig.expect(&[1, 2, 5, 9]);
    rig.expect_peek(&[]);
    Verdict::Passed
}

fn partial_ranges(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 32);
    rig.store_all([3, 4, 15, 16, 30]);
    rig.expect_in(4, 12, &[4, 15]);
    rig.expect_in(4, 12, &[]);
    rig.expect(&[3, 16, 30]);
    rig.store_all([0, 31]);
    rig.expect_in(0, 1, &[0]);
    rig.expect_in(31, 1, &[31]);
    rig.expect(&[]);
    Verdict::Passed
}

/// Numbers of regions around the room for results: 1, 3, and the 512 of a kernel's own buffer.
fn result_vector_exactly_full(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 2 * 1026);
    for regions in [1, 2, 3, 4, 6, 511, 512, 513, 1024, 1025] {
        let written: Vec<_> = (0..regions).map(|region| 2 * region).collect();
        rig.store_all(written.iter().copied());
        let found = PageSet::new(rig.range());
        let peeked = rig.tracker.peek(rig.range(), &found).unwrap();
        if rig.contract().precise {
            assert_eq!(peeked.pages, regions, "a scan that looks counts each page once");
            assert_eq!(peeked.runs, regions);
        }
        rig.expect(&written);
        rig.expect(&[]);
    }
    Verdict::Passed
}

/// More than what one call to the kernel walks, with dirty pages at the seams.
fn long_ranges_in_pieces(variant: Variant) -> Verdict {
    const SEAM: usize = 256 << 20;
    let mapping = Mapping::aligned(2 * SEAM, SEAM);
    let seam = SEAM / mapping.range().subrange(0, 1).bytes();
    let rig = Rig::over(variant, mapping).unwrap();
    let pages = [0, 1, seam - 1, seam, seam + 1, 2 * seam - 1];
    rig.store_all(pages);
    rig.expect_at_least(&pages);
    rig.store_all(pages);
    rig.expect(&pages);
    rig.store_all([seam]);
    rig.expect_in(seam - 1, 2, &[seam]);
    rig.expect(&[]);
    Verdict::Passed
}

fn owed_pages_accumulate(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    let owed = rig.set();
    rig.store(1);
    rig.tracker.consume(rig.range(), &owed).unwrap();
    rig.store(14);
    rig.tracker.consume(rig.range(), &owed).unwrap();
    let found = rig.indices(&owed);
    assert!(found.contains(&1) && found.contains(&14), "{found:?}");
    if rig.contract().precise {
        assert_eq!(found, [1, 14]);
    }
    Verdict::Passed
}

fn figures_add_up(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    let before = rig.tracker.stats();
    rig.store_all([1, 2, 9]);
    let owed = rig.set();
    // Not as often as it consumes: the two must not be mixed up.
    let [peeked, again] = [(); 2].map(|()| rig.tracker.peek(rig.range(), &owed).unwrap());
    let consumed = rig.tracker.consume(rig.range(), &owed).unwrap();
    rig.tracker.unprotect(rig.range().subrange(0, 4)).unwrap();
    let after = rig.tracker.stats();
    assert_eq!(after.consumes - before.consumes, 1);
    assert_eq!(after.peeks - before.peeks, 2);
    assert_eq!(after.failures, before.failures);
    assert_eq!(after.pages - before.pages, consumed.pages as u64);
    assert_eq!(after.runs - before.runs, consumed.runs as u64);
    assert_eq!(after.unprotected_pages - before.unprotected_pages, 4);
    let calls = consumed.kernel_calls + peeked.kernel_calls + again.kernel_calls;
    assert_eq!(after.kernel_calls - before.kernel_calls, calls as u64);
    if rig.contract().precise {
        assert_eq!((consumed.pages, consumed.runs, consumed.unarmed_pages), (3, 2, 0));
        assert_eq!((peeked.pages, peeked.runs), (3, 2));
    } else {
        assert_eq!(consumed.unarmed_pages, 16);
    }
    Verdict::Passed
}
