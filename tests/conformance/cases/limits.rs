//! Limits of the process: mappings and descriptors.

use strandline::os::memory::{self, Access, Reservation};
use strandline::os::{PageRange, page_size};

use strandline::dirty::{PageSet, Tracker, Window};

use super::Case;
use crate::harness::{Mapping, Rig, Variant, Verdict, in_child};

pub(super) const CASES: &[Case] = &[
    ("no_mapping_left", no_mapping_left),
    ("no_mapping_left_for_neighbours", no_mapping_left_for_neighbours),
    ("no_mapping_left_and_tracker_dropped", no_mapping_left_and_tracker_dropped),
];

/// Makes mappings until the kernel refuses another one. Takes no memory while it does.
fn exhaust_mappings() -> Reservation {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let filler = Reservation::new((limit + 2) * page_size(), page_size()).unwrap();
    // Pages with different access are mappings of their own.
    let failed = (0..filler.range().pages()).step_by(2).find_map(|page| {
        // SAFETY: our own reservation, which nobody accesses.
        unsafe { memory::protect(filler.range().subrange(page, 1), Access::Read) }.err()
    });
    let error = failed.expect("vm.max_map_count is a limit");
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    filler
}

/// Nothing is lost and nothing fails; a back-end that needs mappings becomes imprecise.
fn no_mapping_left(variant: Variant) -> Verdict {
    in_child(|| {
        let rig = Rig::settled(variant, 64);
        let owed = rig.set();
        let _filler = exhaust_mappings();
        for round in 0..3 {
            for page in [10 + round, 30, 50] {
                rig.store(page);
            }
            rig.tracker.consume(rig.range(), &owed).unwrap();
            for page in [10 + round, 30, 50] {
                assert!(owed.contains(rig.page(page).start()), "page {page} is lost");
            }
            if variant != Variant::Mprotect && rig.contract().precise {
                assert_eq!(owed.len(), 3);
            }
            owed.clear();
        }
        // Consumed in part, so that what is protected would have to become a mapping of its own.
        rig.store_all(0..64);
        for first in [8, 24, 40] {
            rig.tracker.consume(rig.range().subrange(first, 4), &owed).unwrap();
        }
        rig.store_all([9, 25, 60]);
        owed.clear();
        rig.tracker.consume(rig.range(), &owed).unwrap();
        for page in [0, 9, 25, 60, 63] {
            assert!(owed.contains(rig.page(page).start()), "page {page} is lost");
        }
        // A window may be refused; then nothing is held, and nothing is lost.
        let window = Window::open(&rig.tracker, rig.range().subrange(20, 2));
        rig.store_all([20, 40]);
        drop(window);
        owed.clear();
        rig.tracker.consume(rig.range(), &owed).unwrap();
        for page in [20, 40] {
            assert!(owed.contains(rig.page(page).start()), "page {page} is lost");
        }
    });
    if variant == Variant::Mprotect {
        return Verdict::Declared(
            "a fault that needs one more mapping makes the whole registered range dirty".into(),
        );
    }
    Verdict::Passed
}

/// Two trackers side by side, all clean: one mapping for the kernel.
fn no_mapping_left_for_neighbours(variant: Variant) -> Verdict {
    in_child(|| {
        let mapping = Mapping::anonymous(32);
        let halves = halves(variant, &mapping);
        let _filler = exhaust_mappings();
        for (tracker, stores, span, owed) in &halves {
            let page = span.subrange(8, 1);
            // SAFETY: our own memory, which nobody else refers to.
            stores.run(0, page.start(), || unsafe { page.as_ptr().write_volatile(1) });
            tracker.consume(*span, owed).unwrap();
            assert!(owed.contains(page.start()), "a page is lost");
        }
    });
    Verdict::Passed
}

/// What stays behind has to be writable, although nobody is left who could make it so.
fn no_mapping_left_and_tracker_dropped(variant: Variant) -> Verdict {
    in_child(|| {
        let mapping = Mapping::anonymous(32);
        let halves = halves(variant, &mapping);
        let rig = Rig::unregistered(variant, Mapping::anonymous(32));
        // Two ranges that touch, which only together end where a mapping does.
        rig.register(rig.range().subrange(0, 16)).unwrap();
        rig.register(rig.range().subrange(16, 16)).unwrap();
        rig.settle();
        let range = rig.range();
        let _filler = exhaust_mappings();
        // What stays of the rig is never dropped: the child leaves by `_exit`.
        let rig = std::mem::ManuallyDrop::new(rig);
        let stores = &rig.stores;
        // SAFETY: for the same reason the tracker is dropped here only.
        drop(unsafe { std::ptr::read(&raw const rig.tracker) });
        for page in [3, 20] {
            let page = range.subrange(page, 1);
            // SAFETY: our own memory, which nobody else refers to.
            stores.run(0, page.start(), || unsafe { page.as_ptr().write_volatile(1) });
        }
        let [first, (tracker, stores, span, owed)] = halves;
        drop(first);
        let page = mapping.range().subrange(3, 1);
        // SAFETY: as above.
        unsafe { page.as_ptr().write_volatile(1) };
        let page = span.subrange(3, 1);
        // SAFETY: as above.
        stores.run(0, page.start(), || unsafe { page.as_ptr().write_volatile(1) });
        tracker.consume(span, &owed).unwrap();
        assert!(owed.contains(page.start()), "a page is lost");
    });
    Verdict::Passed
}

type Half = (Tracker, crate::harness::Stores, PageRange, PageSet);

/// A tracker for each half of `mapping`, everything clean.
fn halves(variant: Variant, mapping: &Mapping) -> [Half; 2] {
    let half = mapping.range().pages() / 2;
    let halves = [0, half].map(|first| {
        let span = mapping.range().subrange(first, half);
        let (backend, stores) = variant.open(span).unwrap();
        let tracker = Tracker::new(span, backend);
        // SAFETY: the mapping is the case's own and outlives the trackers.
        unsafe { tracker.register(span) }.unwrap();
        (tracker, stores, span, PageSet::new(span))
    });
    for (tracker, stores, span, owed) in &halves {
        for page in 0..half {
            let page = span.subrange(page, 1);
            // SAFETY: our own memory, which nobody else refers to.
            stores.run(0, page.start(), || unsafe { page.as_ptr().write_volatile(1) });
        }
        tracker.consume(*span, owed).unwrap();
        owed.clear();
    }
    halves
}
