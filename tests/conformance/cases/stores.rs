//! Stores of the program: which pages they make dirty, and which stay clean.

use super::Case;
use crate::harness::{Rig, Variant, Verdict};

pub(super) const CASES: &[Case] = &[
    ("written_and_unwritten", written_and_unwritten),
    ("registered_pages_start_dirty", registered_pages_start_dirty),
    ("never_touched", never_touched),
    ("read_touched", read_touched),
    ("rewritten_after_every_consume", rewritten_after_every_consume),
    ("edges_of_a_page", edges_of_a_page),
    ("wide_stores", wide_stores),
    ("unprotect_in_bulk", unprotect_in_bulk),
];

fn written_and_unwritten(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 64);
    let written = [0, 1, 7, 8, 9, 31, 62, 63];
    rig.store_all(written);
    rig.expect(&written);
    rig.expect(&[]);
    Verdict::Passed
}

fn registered_pages_start_dirty(variant: Variant) -> Verdict {
    let rig = Rig::new(variant, 16);
    // Under the model memory is touched by nobody: it has addresses only.
    rig.store_all(0..16);
    rig.tracker.unregister(rig.range()).unwrap();
    rig.register(rig.range()).unwrap();
    let all: Vec<_> = (0..16).collect();
    rig.expect_peek(&all);
    rig.expect(&all);
    rig.expect(&[]);
    Verdict::Passed
}

fn never_touched(variant: Variant) -> Verdict {
    let rig = Rig::new(variant, 64);
    let first = rig.consume();
    let verdict = if variant == Variant::UffdSparse {
        assert!(first.is_empty(), "sparse leaves never-touched pages out: {first:?}");
        Verdict::Declared("sparse: never-touched pages are left out until they are touched".into())
    } else {
        assert_eq!(first, (0..64).collect::<Vec<_>>());
        Verdict::Passed
    };
    rig.expect(&[]);
    rig.store_all([3, 40]);
    rig.expect(&[3, 40]);
    rig.expect(&[]);
    verdict
}

fn read_touched(variant: Variant) -> Verdict {
    let rig = Rig::new(variant, 16);
    let read = |page| assert_eq!(rig.load_word(page, 0), 0);
    (0..8).for_each(read);
    rig.expect_at_least(&[0, 1, 2, 3, 4, 5, 6, 7]);
    // Read again, and read for the first time, after having been consumed.
    (0..8).for_each(read);
    rig.expect(&[]);
    if variant != Variant::UffdSparse {
        (8..16).for_each(read);
        rig.expect(&[]);
    }
    rig.store_all([2, 12]);
    rig.expect(&[2, 12]);
    rig.expect(&[]);
    Verdict::Passed
}

fn rewritten_after_every_consume(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 8);
    for round in 0..50 {
        let page = round % 8;
        rig.store(page);
        rig.store(page);
        rig.expect(&[page]);
    }
    Verdict::Passed
}

fn edges_of_a_page(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 8);
    let last = rig.page(0).bytes() / 8 - 1;
    rig.store_word(0, 2, last, 1);
    rig.store_word(0, 5, 0, 1);
    rig.expect(&[2, 5]);
    rig.store_word(0, 2, 0, 1);
    rig.store_word(0, 5, last, 1);
    rig.expect(&[2, 5]);
    Verdict::Passed
}

/// What `memcpy` and unaligned stores do, which the program's barrier or MMU sees page by page.
fn wide_stores(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 8);
    let border = rig.page(3).start();
    // SAFETY: eight bytes across the border of two pages of the rig's own memory.
    let across = || unsafe { rig.page(2).as_ptr().add(rig.page(2).bytes() - 4).cast::<u64>() };
    // One store, to two pages: each has to be writable before it takes effect.
    rig.stores.run(0, border - 1, || {
        // Another processor of the model: each runs one store at a time.
        rig.stores.run(1, border, || {
            // SAFETY: as above.
            unsafe { across().write_unaligned(u64::MAX) };
        });
    });
    rig.expect(&[2, 3]);

    let source = vec![7_u8; 3 * rig.page(0).bytes()];
    for page in 4..7 {
        let bytes = rig.page(page).bytes();
        rig.stores.run(0, rig.page(page).start(), || {
            // SAFETY: a whole page of the rig's own memory, from a vector of three.
            unsafe { rig.page(page).as_ptr().copy_from_nonoverlapping(source.as_ptr(), bytes) };
        });
    }
    rig.expect(&[4, 5, 6]);
    Verdict::Passed
}

fn unprotect_in_bulk(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 32);
    rig.store(20);
    rig.tracker.unprotect(rig.range().subrange(4, 8)).unwrap();
    let dirty = [4, 5, 6, 7, 8, 9, 10, 11, 20];
    rig.expect_peek(&dirty);
    rig.store(5);
    rig.expect(&dirty);
    rig.expect(&[]);
    rig.store(5);
    rig.expect(&[5]);
    Verdict::Passed
}
