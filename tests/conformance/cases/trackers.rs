//! Several trackers in one process, and the end of one.

use strandline::dirty::{PageSet, Tracker};

use super::Case;
use super::kernel::pread;
use crate::harness::{Mapping, Rig, Variant, Verdict};

pub(super) const CASES: &[Case] = &[
    ("several_trackers", several_trackers),
    ("trackers_side_by_side", trackers_side_by_side),
    ("two_trackers_over_the_same_memory", two_trackers_over_the_same_memory),
    ("drop_frees_the_memory", drop_frees_the_memory),
    ("trackers_of_every_kind_at_once", trackers_of_every_kind_at_once),
];

fn several_trackers(variant: Variant) -> Verdict {
    let rigs: Vec<_> = (0..20).map(|_| Rig::settled(variant, 8)).collect();
    for (number, rig) in rigs.iter().enumerate() {
        rig.store(number % 8);
    }
    for (number, rig) in rigs.iter().enumerate() {
        rig.expect(&[number % 8]);
        rig.expect(&[]);
    }
    // Those in the middle go, and the rest are as they were.
    let rest: Vec<_> = rigs.into_iter().enumerate().filter(|(number, _)| number % 3 == 0).collect();
    for (number, rig) in &rest {
        rig.store((number + 1) % 8);
        rig.expect(&[(number + 1) % 8]);
    }
    Verdict::Passed
}

/// Two spans that touch: each tracker sees its own pages only.
fn trackers_side_by_side(variant: Variant) -> Verdict {
    let mapping = Mapping::anonymous(16);
    let halves = [0, 1].map(|half| {
        let span = mapping.range().subrange(8 * half, 8);
        let (backend, stores) = variant.open(span).unwrap();
        let tracker = Tracker::new(span, backend);
        // SAFETY: the mapping is ours and outlives the trackers.
        unsafe { tracker.register(span) }.unwrap();
        (tracker, stores, span)
    });
    let dirty = |half: usize| {
        let (tracker, _, span) = &halves[half];
        let owed = PageSet::new(*span);
        tracker.consume(*span, &owed).unwrap();
        owed.len()
    };
    let all_or = |count| if halves[0].0.contract().precise { count } else { 8 };
    let store = |half: usize, page| {
        let (_, stores, span) = &halves[half];
        let page = span.subrange(page, 1);
        // SAFETY: our own memory, which nobody else refers to.
        stores.run(0, page.start(), || unsafe { page.as_ptr().write_volatile(1) });
    };
    for half in [0, 1] {
        (0..8).for_each(|page| store(half, page));
        assert_eq!(dirty(half), 8);
    }
    store(0, 7);
    assert_eq!((dirty(1), dirty(0)), (all_or(0), all_or(1)));
    store(1, 0);
    store(1, 1);
    assert_eq!((dirty(0), dirty(1)), (all_or(0), all_or(2)));
    Verdict::Passed
}

fn two_trackers_over_the_same_memory(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 8);
    let (backend, stores) = variant.open(rig.range()).unwrap();
    let second = Tracker::new(rig.range(), backend);
    // SAFETY: the rig's own memory, which outlives the second tracker.
    let register = || unsafe { second.register(rig.range().subrange(2, 4)) };
    let verdict = match register() {
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("another"), "{text}");
            assert!(!error.refused_arguments());
            rig.store(3);
            rig.expect(&[3]);
            // Once the first has let go of it, the second may have it.
            rig.tracker.unregister(rig.range()).unwrap();
            register().unwrap();
            Verdict::Refused(text)
        }
        Ok(()) => {
            let exclusive = variant.is_uffd() || variant == Variant::Mprotect;
            assert!(!exclusive, "{} has one set of dirty bits for a page", variant.name());
            Verdict::Passed
        }
    };
    let part = rig.range().subrange(2, 4);
    let owed = PageSet::new(part);
    second.consume(part, &owed).unwrap();
    owed.clear();
    // SAFETY: the rig's own memory, which nobody else refers to.
    stores.run(0, rig.page(4).start(), || unsafe { rig.page(4).as_ptr().write_volatile(1) });
    second.consume(part, &owed).unwrap();
    assert!(owed.contains(rig.page(4).start()));
    verdict
}

/// Memory outlives its tracker as ordinary memory, for the program and for the kernel.
fn drop_frees_the_memory(variant: Variant) -> Verdict {
    let mapping = Mapping::anonymous(64);
    let range = mapping.range();
    for _ in 0..3 {
        let (backend, stores) = variant.open(range).unwrap();
        let tracker = Tracker::new(range, backend);
        for (first, pages) in [(0, 8), (8, 8), (32, 16)] {
            let part = range.subrange(first, pages);
            // SAFETY: the mapping is ours and outlives the tracker.
            unsafe { tracker.register(part) }.unwrap();
            let owed = PageSet::new(range);
            tracker.consume(part, &owed).unwrap();
        }
        // SAFETY: our own memory, which nobody else refers to.
        stores.run(0, range.start(), || unsafe { range.as_ptr().write_volatile(1) });
        drop(tracker);
        assert_eq!(pread(range.as_ptr(), range.bytes()).unwrap(), range.bytes());
    }
    Verdict::Passed
}

fn trackers_of_every_kind_at_once(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 8);
    let others: Vec<_> = Variant::ALL
        .into_iter()
        .filter(|other| other.open(rig.range()).is_ok())
        .map(|other| Rig::settled(other, 8))
        .collect();
    for other in &others {
        other.store(1);
    }
    rig.store(2);
    rig.expect(&[2]);
    for other in &others {
        other.expect(&[1]);
    }
    drop(others);
    rig.store(5);
    rig.expect(&[5]);
    Verdict::Passed
}
