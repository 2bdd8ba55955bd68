//! What is watched, and that nothing happens to the rest.

use strandline::dirty::{PageSet, TrackError, Tracker};
use strandline::os::PageRange;

use super::Case;
use crate::harness::{Mapping, Rig, Variant, Verdict};

pub(super) const CASES: &[Case] = &[
    ("register_twice", register_twice),
    ("not_registered", not_registered),
    ("outside_the_span", outside_the_span),
    ("page_set_too_small", page_set_too_small),
    ("many_arenas", many_arenas),
    ("adjacent_arenas_in_one_call", adjacent_arenas_in_one_call),
    ("unregister_a_part", unregister_a_part),
    ("recommitted_memory", recommitted_memory),
];

fn register_twice(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    rig.tracker.unregister(rig.range().subrange(12, 4)).unwrap();
    rig.store(3);
    for (first, pages) in [(0, 12), (4, 2), (11, 5), (0, 16)] {
        let error = rig.register(rig.range().subrange(first, pages)).unwrap_err();
        assert!(matches!(error, TrackError::AlreadyRegistered { .. }), "{error}");
        assert!(error.refused_arguments());
    }
    rig.expect_in(0, 12, &[3]);
    // What a refused call overlapped and was not registered has not become so.
    let error = rig.tracker.consume(rig.page(13), &rig.set()).unwrap_err();
    assert!(matches!(error, TrackError::NotRegistered { .. }), "{error}");
    Verdict::Passed
}

/// Everything that can be asked about a range.
fn ask_all(tracker: &Tracker, range: PageRange, set: &PageSet) -> Vec<TrackError> {
    vec![
        tracker.consume(range, set).unwrap_err(),
        tracker.peek(range, set).unwrap_err(),
        tracker.unprotect(range).unwrap_err(),
        tracker.unregister(range).unwrap_err(),
    ]
}

fn not_registered(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 32);
    rig.tracker.unregister(rig.range().subrange(10, 4)).unwrap();
    rig.store_all([9, 11, 14]);
    let set = rig.set();
    for (first, pages) in [(10, 4), (11, 1), (9, 2), (13, 2), (0, 32)] {
        for error in ask_all(&rig.tracker, rig.range().subrange(first, pages), &set) {
            assert!(matches!(error, TrackError::NotRegistered { .. }), "{error}");
            assert!(error.refused_arguments());
        }
    }
    assert!(set.is_empty(), "a refused scan has reported: {set:?}");
    rig.expect_in(0, 10, &[9]);
    rig.expect_in(14, 18, &[14]);
    Verdict::Passed
}

fn outside_the_span(variant: Variant) -> Verdict {
    let mapping = Mapping::anonymous(16);
    let span = mapping.range().subrange(4, 8);
    let (backend, _stores) = variant.open(span).unwrap();
    let tracker = Tracker::new(span, backend);
    for (first, pages) in [(0, 16), (0, 4), (3, 2), (11, 2), (12, 4)] {
        let range = mapping.range().subrange(first, pages);
        // SAFETY: the mapping is ours and outlives the tracker.
        let error = unsafe { tracker.register(range) }.unwrap_err();
        assert!(matches!(error, TrackError::OutsideSpan { .. }), "{error}");
        let set = PageSet::new(mapping.range());
        for error in ask_all(&tracker, range, &set) {
            assert!(error.refused_arguments(), "{error}");
        }
        assert!(set.is_empty());
    }
    // SAFETY: as above.
    unsafe { tracker.register(span) }.unwrap();
    Verdict::Passed
}

fn page_set_too_small(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    rig.store_all([2, 9]);
    for (first, pages) in [(0, 8), (8, 8), (1, 15), (0, 15)] {
        let set = PageSet::new(rig.range().subrange(first, pages));
        for refused in [rig.tracker.consume(rig.range(), &set), rig.tracker.peek(rig.range(), &set)]
        {
            let error = refused.unwrap_err();
            assert!(matches!(error, TrackError::SetTooSmall { .. }), "{error}");
            assert!(error.refused_arguments());
        }
        assert!(set.is_empty());
    }
    let exact = PageSet::new(rig.range().subrange(2, 8));
    rig.tracker.consume(rig.range().subrange(2, 8), &exact).unwrap();
    assert!(rig.indices(&exact).starts_with(&[2]) && rig.indices(&exact).ends_with(&[9]));
    Verdict::Passed
}

/// A page set or a span that starts elsewhere must not shift anything.
fn many_arenas(variant: Variant) -> Verdict {
    const ARENAS: usize = 300;
    const STRIDE: usize = 5;
    let rig = Rig::unregistered(variant, Mapping::anonymous(ARENAS * STRIDE));
    let arena = |index| rig.range().subrange(index * STRIDE, 3);
    // Not in address order.
    for index in (0..ARENAS).rev().step_by(2).chain((0..ARENAS).step_by(2)) {
        rig.register(arena(index)).unwrap();
    }
    for index in 0..ARENAS {
        rig.store_all((0..3).map(|page| index * STRIDE + page));
        rig.expect_in(index * STRIDE, 3, &[0, 1, 2].map(|page| index * STRIDE + page));
    }
    let written: Vec<_> = (0..ARENAS).step_by(7).map(|index| index * STRIDE + index % 3).collect();
    rig.store_all(written.iter().copied());
    let owed = rig.set();
    for index in 0..ARENAS {
        rig.tracker.consume(arena(index), &owed).unwrap();
    }
    let found = rig.indices(&owed);
    if rig.contract().precise {
        assert_eq!(found, written);
    } else {
        assert_eq!(found.len(), 3 * ARENAS);
    }
    for index in 0..ARENAS {
        rig.tracker.unregister(arena(index)).unwrap();
    }
    Verdict::Passed
}

fn adjacent_arenas_in_one_call(variant: Variant) -> Verdict {
    const ARENAS: usize = 200;
    let rig = Rig::unregistered(variant, Mapping::anonymous(4 * ARENAS));
    for index in (0..ARENAS).step_by(2).chain((1..ARENAS).step_by(2)) {
        rig.register(rig.range().subrange(4 * index, 4)).unwrap();
    }
    rig.settle();
    let written: Vec<_> = (0..4 * ARENAS).filter(|page| page % 11 == 3).collect();
    rig.store_all(written.iter().copied());
    rig.expect(&written);
    rig.expect(&[]);
    rig.tracker.unregister(rig.range()).unwrap();
    Verdict::Passed
}

fn unregister_a_part(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 32);
    rig.store_all([9, 12, 20]);
    rig.tracker.unregister(rig.range().subrange(10, 6)).unwrap();
    // No longer watched, and free to be written, also by the kernel.
    (10..16).for_each(|page| rig.store(page));
    rig.expect_in(0, 10, &[9]);
    rig.expect_in(16, 16, &[20]);
    rig.register(rig.range().subrange(12, 2)).unwrap();
    rig.expect_in(12, 2, &[12, 13]);
    rig.expect_in(12, 2, &[]);
    rig.register(rig.range().subrange(10, 2)).unwrap();
    rig.register(rig.range().subrange(14, 2)).unwrap();
    rig.expect(&[10, 11, 14, 15]);
    rig.store_all([10, 13, 15, 16]);
    rig.expect(&[10, 13, 15, 16]);
    rig.expect(&[]);
    Verdict::Passed
}

/// Memory that goes back to the system and comes again, as arenas do.
fn recommitted_memory(variant: Variant) -> Verdict {
    use strandline::os::memory;
    let rig = Rig::settled(variant, 16);
    let part = rig.range().subrange(4, 4);
    for _ in 0..3 {
        rig.tracker.unregister(part).unwrap();
        // SAFETY: the rig's own memory, which nobody uses between the two calls.
        unsafe {
            memory::decommit(part).unwrap();
            memory::commit(part).unwrap();
        }
        rig.register(part).unwrap();
        rig.store_all([2, 5]);
        rig.expect_at_least(&[2, 5]);
        rig.expect(&[]);
        rig.store_all([6, 9]);
        rig.expect(&[6, 9]);
    }
    Verdict::Passed
}
