//! Writes that a back-end cannot see, and how they are told.

use strandline::dirty::{Sight, TrackError};
use strandline::os::page_size;

use super::Case;
use crate::harness::ring::Ring;
use crate::harness::{Rig, Variant, Verdict};

pub(super) const CASES: &[Case] = &[
    ("written_makes_pages_dirty", written_makes_pages_dirty),
    ("written_through_registered_buffers", written_through_registered_buffers),
    ("written_needs_registration", written_needs_registration),
];

fn written_makes_pages_dirty(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    rig.tracker.written(rig.range().subrange(4, 3)).unwrap();
    rig.store_all([1, 5]);
    rig.expect_peek(&[1, 4, 5, 6]);
    rig.expect(&[1, 4, 5, 6]);
    rig.expect(&[]);
    rig.store(5);
    rig.expect(&[5]);
    Verdict::Passed
}

/// The pages are pinned while they are dirty, then protected, then written.
fn written_through_registered_buffers(variant: Variant) -> Verdict {
    let rig = Rig::new(variant, 8);
    rig.store_all(0..8);
    let mut ring = match Ring::new() {
        Ok(ring) => ring,
        Err(error) => return Verdict::NotRun(format!("io_uring: {error}")),
    };
    if let Err(error) = ring.pin(&[rig.range()]) {
        return Verdict::NotRun(format!("registering a buffer: {error}"));
    }
    rig.expect(&[0, 1, 2, 3, 4, 5, 6, 7]);
    rig.expect(&[]);
    let (to, bytes) = (rig.page(2).as_ptr(), vec![0xAB; 3 * page_size()]);
    ring.write(0, to, &bytes).unwrap();
    assert_eq!(rig.load_word(3, 7), 0xABAB_ABAB_ABAB_ABAB);
    let verdict = match rig.contract().device_writes {
        Sight::Seen => {
            rig.expect(&[2, 3, 4]);
            Verdict::Passed
        }
        Sight::Unseen(why) => {
            rig.expect(&[]);
            Verdict::Declared(format!("unseen: {why}"))
        }
        Sight::Fails(why) => panic!("it was declared to fail: {why}"),
    };
    rig.tracker.written(rig.range().subrange(2, 3)).unwrap();
    rig.expect(&[2, 3, 4]);
    rig.expect(&[]);
    verdict
}

fn written_needs_registration(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    rig.tracker.unregister(rig.page(8)).unwrap();
    for (first, pages) in [(8, 1), (7, 2), (0, 16)] {
        let error = rig.tracker.written(rig.range().subrange(first, pages)).unwrap_err();
        assert!(matches!(error, TrackError::NotRegistered { .. }), "{error}");
    }
    // What is refused has made nothing dirty.
    rig.expect_in(0, 8, &[]);
    rig.expect_in(9, 7, &[]);
    Verdict::Passed
}
