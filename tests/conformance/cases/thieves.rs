//! Another process that clears write marks: canaries tell.

use strandline::dirty::{Sight, TrackError};

use super::Case;
use crate::harness::thief::Thief;
use crate::harness::{Rig, Variant, Verdict, in_child};

pub(super) const CASES: &[Case] = &[
    ("thief_is_noticed", thief_is_noticed),
    ("thief_of_a_part", thief_of_a_part),
    ("thief_half_way", thief_half_way),
    ("thief_of_a_canary_that_is_given_up", thief_of_a_canary_that_is_given_up),
    ("canary_is_left_alone", canary_is_left_alone),
    ("canary_in_a_child", canary_in_a_child),
    ("canary_needs_registration", canary_needs_registration),
];

const PAGES: usize = 32;
const CANARIES: [usize; 3] = [0, 15, 31];

/// Clean memory with canaries, and a thief.
fn watched(variant: Variant) -> Result<(Rig, Thief), Verdict> {
    let thief = Thief::start();
    let thief = thief.ok_or_else(|| Verdict::NotRun("one process may not scan another".into()))?;
    let rig = Rig::settled(variant, PAGES);
    CANARIES.into_iter().for_each(|page| place(&rig, page));
    Ok((rig, thief))
}

fn place(rig: &Rig, page: usize) {
    // SAFETY: the rig's own memory, to which the case stores elsewhere only.
    unsafe { rig.tracker.place_canary(rig.page(page)) }.unwrap();
}

fn take(rig: &Rig, thief: &mut Thief, first: usize, pages: usize) -> i64 {
    thief.take(rig.range().subrange(first, pages).addresses())
}

/// Checks that page 5, which was stored to and taken, is lost and the check tells; with other back-ends
/// there is nothing to take.
#[track_caller]
fn told(rig: &Rig, variant: Variant) {
    if variant.is_uffd() {
        rig.expect(&[]);
        assert!(rig.tracker.check_canaries().unwrap(), "a theft went unnoticed");
    } else {
        rig.expect_at_least(&[5]);
        assert!(!rig.tracker.check_canaries().unwrap());
    }
}

fn thief_is_noticed(variant: Variant) -> Verdict {
    let (rig, mut thief) = match watched(variant) {
        Ok(ready) => ready,
        Err(verdict) => return verdict,
    };
    assert!(!rig.tracker.check_canaries().unwrap(), "nobody has taken anything");
    for round in 1..=3 {
        rig.store(5);
        take(&rig, &mut thief, 0, PAGES);
        told(&rig, variant);
        // Once more, as the other process may have been half-way; then all is as it was.
        assert_eq!(rig.tracker.check_canaries().unwrap(), variant.is_uffd());
        assert!(!rig.tracker.check_canaries().unwrap());
        let expected = if variant.is_uffd() { 2 * round } else { 0 };
        assert_eq!(rig.tracker.stats().cleared_elsewhere, expected);
        rig.store(5);
        rig.expect_at_least(&[5]);
    }
    Verdict::Passed
}

/// Each of these has a canary. What lies between two has none, and nobody can tell.
fn thief_of_a_part(variant: Variant) -> Verdict {
    for (first, pages) in [(0, 8), (5, 11), (4, 28)] {
        let (rig, mut thief) = match watched(variant) {
            Ok(ready) => ready,
            Err(verdict) => return verdict,
        };
        rig.store(5);
        take(&rig, &mut thief, first, pages);
        told(&rig, variant);
    }
    let Ok((rig, mut thief)) = watched(variant) else { unreachable!("it was possible just now") };
    rig.store(5);
    take(&rig, &mut thief, 1, 14);
    let found = rig.consume();
    assert!(!rig.tracker.check_canaries().unwrap());
    match rig.contract().cleared_elsewhere {
        Sight::Unseen(reason) if variant.is_uffd() => {
            assert_eq!(found, [], "a pass between two canaries takes what was written");
            Verdict::Declared(reason.to_owned())
        }
        _ => {
            assert!(found.contains(&5));
            Verdict::Passed
        }
    }
}

/// A pass that goes upwards, or downwards, and of which a check has found the beginning.
fn thief_half_way(variant: Variant) -> Verdict {
    for canary in [0, 31] {
        let (rig, mut thief) = match watched(variant) {
            Ok(ready) => ready,
            Err(verdict) => return verdict,
        };
        take(&rig, &mut thief, canary, 1);
        assert_eq!(rig.tracker.check_canaries().unwrap(), variant.is_uffd());
        rig.store(5);
        take(&rig, &mut thief, 5, 1);
        told(&rig, variant);
    }
    Verdict::Passed
}

fn thief_of_a_canary_that_is_given_up(variant: Variant) -> Verdict {
    for unregister in [false, true] {
        let (rig, mut thief) = match watched(variant) {
            Ok(ready) => ready,
            Err(verdict) => return verdict,
        };
        rig.store(5);
        take(&rig, &mut thief, 0, 8);
        match unregister {
            true => rig.tracker.unregister(rig.page(0)).unwrap(),
            false => rig.tracker.remove_canary(rig.page(0)).unwrap(),
        }
        assert_eq!(rig.tracker.check_canaries().unwrap(), variant.is_uffd());
    }
    Verdict::Passed
}

/// No scan is about a canary, and it is a page like any other afterwards.
fn canary_is_left_alone(variant: Variant) -> Verdict {
    let (rig, _thief) = match watched(variant) {
        Ok(ready) => ready,
        Err(verdict) => return verdict,
    };
    rig.store_all([1, 14, 16, 30]);
    rig.expect_peek(&[1, 14, 16, 30]);
    rig.expect(&[1, 14, 16, 30]);
    rig.expect_in(15, 1, &[]);
    rig.tracker.protect(rig.range()).unwrap();
    assert!(!rig.tracker.check_canaries().unwrap(), "a canary was protected");
    rig.store(15);
    rig.tracker.unprotect(rig.range().subrange(14, 3)).unwrap();
    if variant.is_uffd() {
        rig.expect(&[14, 16]);
        assert!(!rig.tracker.check_canaries().unwrap());
        rig.tracker.remove_canary(rig.page(15)).unwrap();
        rig.expect(&[15]);
    } else {
        rig.consume();
        rig.tracker.remove_canary(rig.page(15)).unwrap();
    }
    rig.store(15);
    rig.expect(&[15]);
    rig.expect(&[]);
    Verdict::Passed
}

/// A child has canaries of its own.
fn canary_in_a_child(variant: Variant) -> Verdict {
    let (rig, mut thief) = match watched(variant) {
        Ok(ready) => ready,
        Err(verdict) => return verdict,
    };
    in_child(|| {
        assert!(!rig.tracker.check_canaries().unwrap());
        rig.expect_at_least(&[]);
        assert!(!rig.tracker.check_canaries().unwrap());
    });
    assert!(!rig.tracker.check_canaries().unwrap(), "the child has touched its parent's");
    rig.store(5);
    take(&rig, &mut thief, 0, PAGES);
    told(&rig, variant);
    Verdict::Passed
}

fn canary_needs_registration(variant: Variant) -> Verdict {
    let rig = Rig::settled(variant, 16);
    rig.tracker.unregister(rig.page(3)).unwrap();
    // SAFETY: it is refused.
    let error = unsafe { rig.tracker.place_canary(rig.page(3)) }.unwrap_err();
    assert!(matches!(error, TrackError::NotRegistered { .. }), "{error}");
    Verdict::Passed
}
