//! Windows: pages that are dirty for as long as somebody may write them unseen.

use strandline::dirty::{TrackError, Window};

use super::Case;
use crate::harness::{Rig, Variant, Verdict};

pub(super) const CASES: &[Case] = &[
    ("window_holds_pages_dirty", window_holds_pages_dirty),
    ("windows_overlap", windows_overlap),
    ("window_forbids_unregister", window_forbids_unregister),
    ("window_needs_registration", window_needs_registration),
];

fn window_holds_pages_dirty(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    let window = Window::open(&rig.tracker, rig.range().subrange(4, 3)).unwrap();
    assert_eq!(window.range(), rig.range().subrange(4, 3));
    rig.expect(&[4, 5, 6]);
    rig.store_all([1, 5]);
    rig.expect_peek(&[1, 4, 5, 6]);
    rig.expect(&[1, 4, 5, 6]);
    rig.expect(&[4, 5, 6]);
    rig.expect_in(5, 4, &[5, 6]);
    let scan = rig.tracker.consume(rig.range(), &rig.set()).unwrap();
    assert_eq!(scan.unarmed_pages, if rig.contract().precise { 3 } else { 16 });
    rig.store(6);
    drop(window);
    rig.expect(&[4, 5, 6]);
    rig.expect(&[]);
    rig.store(5);
    rig.expect(&[5]);
    Verdict::Passed
}

fn windows_overlap(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 24);
    let open = |first, pages| Window::open(&rig.tracker, rig.range().subrange(first, pages));
    let outer = open(2, 10).unwrap();
    let inner = open(4, 2).unwrap();
    let twin = open(4, 2).unwrap();
    let behind = open(10, 5).unwrap();
    let adjacent = open(15, 1).unwrap();
    let all: Vec<_> = (2..16).collect();
    rig.store_all([0, 20]);
    let mut with_stores = all.clone();
    with_stores.extend([0, 20]);
    with_stores.sort_unstable();
    rig.expect(&with_stores);
    rig.expect(&all);
    drop(outer);
    // What only the outer one held is reported once more.
    rig.expect(&all);
    let held = [4, 5, 10, 11, 12, 13, 14, 15];
    rig.expect(&held);
    drop(inner);
    rig.expect(&held);
    drop(twin);
    drop(adjacent);
    rig.expect(&held);
    rig.expect(&[10, 11, 12, 13, 14]);
    drop(behind);
    rig.expect(&[10, 11, 12, 13, 14]);
    rig.expect(&[]);
    Verdict::Passed
}

fn window_forbids_unregister(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    let window = Window::open(&rig.tracker, rig.range().subrange(4, 3)).unwrap();
    let error = rig.tracker.unregister(rig.range()).unwrap_err();
    assert!(matches!(error, TrackError::WindowOpen { .. }), "{error}");
    let error = rig.tracker.unregister(rig.page(6)).unwrap_err();
    assert!(error.to_string().contains("drop it first"), "{error}");
    rig.tracker.unregister(rig.page(7)).unwrap();
    rig.register(rig.page(7)).unwrap();
    drop(window);
    rig.expect_at_least(&[4, 5, 6, 7]);
    rig.tracker.unregister(rig.range()).unwrap();
    Verdict::Passed
}

fn window_needs_registration(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    rig.tracker.unregister(rig.range().subrange(8, 2)).unwrap();
    for (first, pages) in [(8, 1), (7, 2), (0, 16)] {
        let error = Window::open(&rig.tracker, rig.range().subrange(first, pages)).unwrap_err();
        assert!(matches!(error, TrackError::NotRegistered { .. }), "{error}");
    }
    // A refused window has made nothing dirty.
    rig.expect_in(0, 8, &[]);
    rig.expect_in(10, 6, &[]);
    Verdict::Passed
}
