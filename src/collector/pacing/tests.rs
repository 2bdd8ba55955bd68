//! When a cycle begins, and when mutators help.

use super::*;

fn pacer(nursery: usize, free: usize, during: usize) -> Pacer {
    Pacer::new(Room { nursery, free, during })
}

#[test]
fn a_cycle_begins_when_the_nursery_is_used_up() {
    let pacer = pacer(100, 1000, 0);
    assert_eq!(pacer.charge(80), Charge::GoOn);
    assert!(!pacer.is_nearly_time());
    assert_eq!(pacer.charge(20), Charge::GoOn);
    assert!(pacer.is_nearly_time() && !pacer.is_time());
    assert_eq!(pacer.charge(1), Charge::Collect);
    assert!(pacer.is_time());
    pacer.cycle_begins(false);
    pacer.charge(7);
    assert_eq!(pacer.cycle_ends(), Allocated { total: 108, during: 7, late: false });
    assert_eq!(pacer.charge(100), Charge::GoOn);
}

#[test]
fn a_cycle_begins_early_when_much_is_allocated_during_it() {
    let likely = pacer(900, 1000, 400);
    assert_eq!(likely.charge(550), Charge::GoOn);
    assert_eq!(likely.charge(1), Charge::Collect);
    let hopeless = pacer(900, 1000, 4000);
    assert_eq!(hopeless.charge(500), Charge::GoOn);
    assert_eq!(hopeless.charge(1), Charge::Collect);
}

#[test]
fn more_is_allowed_for_after_a_cycle_that_was_late() {
    let in_time = Allocated { total: 500, during: 100, late: false };
    assert_eq!(in_time.next(300), 200);
    let late = Allocated { late: true, ..in_time };
    assert_eq!(late.next(80), 125 + MORE);
    assert_eq!(late.next(300), 200);
}

#[test]
fn where_marking_does_not_keep_up_there_is_help_however_much_room() {
    let pacer = pacer(100, 1000, 0);
    pacer.charge(100);
    pacer.cycle_begins(false);
    assert_eq!(pacer.charge(10), Charge::GoOn);
    assert!(pacer.is_felt() && !pacer.is_felt());
    assert!(pacer.press() && !pacer.press());
    assert_eq!(pacer.charge(10), Charge::Assist(LONGEST_TAX));
    pacer.charge(300);
    assert_eq!(pacer.charge(10), Charge::Assist(LONGEST_TAX));
    pacer.cycle_ends();
    pacer.charge(100);
    pacer.cycle_begins(false);
    assert_eq!(pacer.charge(10), Charge::GoOn);
}

#[test]
fn help_grows_as_room_gets_short() {
    let pacer = pacer(100, 1000, 0);
    pacer.charge(100);
    pacer.cycle_begins(false);
    assert_eq!(pacer.charge(300), Charge::GoOn);
    assert_eq!(pacer.charge(225), Charge::Assist(LONGEST_TAX / 2));
    assert_eq!(pacer.charge(225), Charge::Assist(LONGEST_TAX));
    assert_eq!(pacer.charge(2000), Charge::Assist(LONGEST_TAX));
}

#[test]
fn only_what_is_taken_since_it_was_asked_in_this_cycle_is_felt() {
    let pacer = pacer(100, 1000, 0);
    pacer.charge(101);
    pacer.cycle_begins(false);
    assert!(!pacer.is_felt(), "nothing was taken in this cycle");
    pacer.charge(1);
    assert!(pacer.is_felt());
    assert!(!pacer.is_felt(), "nothing was taken since");
    pacer.charge(1);
    pacer.cycle_ends();
    pacer.charge(101);
    pacer.cycle_begins(false);
    assert!(!pacer.is_felt());
}

/// Otherwise more would be allowed for in the next cycle, which would begin earlier.
#[test]
fn help_because_of_what_the_program_writes_is_no_sign_of_too_little_room() {
    let pacer = pacer(100, 1000, 0);
    pacer.charge(100);
    pacer.cycle_begins(false);
    pacer.press();
    assert_eq!(pacer.charge(10), Charge::Assist(LONGEST_TAX));
    assert!(!pacer.cycle_ends().late);
    pacer.charge(100);
    pacer.cycle_begins(false);
    assert_eq!(pacer.charge(301), Charge::Assist(LONGEST_TAX.mul_f64(1.0 / 450.0)));
    assert!(pacer.cycle_ends().late);
}

#[test]
fn a_cycle_that_was_cut_off_asks_for_no_help() {
    let pacer = pacer(100, 1000, 0);
    pacer.charge(100);
    pacer.cycle_begins(false);
    pacer.press();
    pacer.cut_off();
    assert!(!pacer.is_running());
    assert_eq!(pacer.charge(1), Charge::Collect);
    pacer.cycle_begins(false);
    assert_eq!(pacer.charge(1), Charge::GoOn);
}

#[test]
fn everybody_helps_from_the_beginning_of_a_short_cycle_on() {
    let pacer = pacer(100, 1000, 0);
    pacer.charge(100);
    pacer.cycle_begins(true);
    assert_eq!(pacer.charge(10), Charge::Assist(LONGEST_TAX));
    // It was not to be so long.
    pacer.short_until.store(1, Relaxed);
    assert_eq!(pacer.charge(10), Charge::GoOn);
    pacer.cycle_ends();
    pacer.charge(100);
    pacer.cycle_begins(false);
    assert_eq!(pacer.charge(10), Charge::GoOn);
}

#[test]
fn who_asks_for_a_short_cycle_waits_for_it() {
    let pacer = pacer(100, 1000, 0);
    assert_eq!(pacer.awaited(), None);
    pacer.set(Room { nursery: 100, free: 1000, during: 0 }, true);
    assert_eq!(pacer.awaited(), Some(LONGEST_TAX));
}
