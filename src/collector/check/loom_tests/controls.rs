//! The same programs without one of the rules.

use super::*;
use crate::collector::check::rules::Rule;

pub(crate) const LOST: &str = "is reachable and was freed";
const UNORDERED: &str = "Causality violation";

#[test]
fn loom_control_reported_pages_are_not_owed() {
    publish(1, 0).refute(LOST, Break::Rule(Rule::OweReported));
}

#[test]
fn loom_control_what_is_left_out_is_not_owed() {
    leaving_out(publish(1, 0)).refute(LOST, Break::Rule(Rule::OweLeftOut));
}

#[test]
fn loom_control_what_was_not_done_in_time_is_not_owed() {
    late(publish(2, 1)).refute(LOST, Break::Rule(Rule::OweUnfinished));
}

#[test]
fn loom_control_an_object_that_reaches_into_a_page_is_not_looked_at() {
    publish(2, 1).refute(LOST, Break::Rule(Rule::LookInFull));
}

#[test]
fn loom_control_no_last_scan() {
    publish(2, 0).refute(LOST, Break::Rule(Rule::LastScan));
}

#[test]
fn loom_control_marking_ends_with_pages_owed() {
    late(publish(2, 1)).refute(LOST, Break::Rule(Rule::NothingLeft));
}

#[test]
fn loom_control_marking_ends_in_another_stop_than_its_last_scan() {
    publish(2, 0).refute(LOST, Break::StopToEnd);
}

#[test]
fn loom_control_the_page_of_a_slot_that_is_skipped_is_not_owed() {
    publish(1, 0).refute(LOST, Break::Rule(Rule::OweSkipped));
}

#[test]
fn loom_control_roots_are_found_once() {
    one_mutator(&[Poll, Poll, Allocate(2, 2)]).refute(LOST, Break::Rule(Rule::RootsAgain));
}

#[test]
fn loom_control_a_cycle_that_was_cut_off_hands_nothing_back() {
    cut_off().refute(LOST, Break::Rule(Rule::OweCutOff));
}

#[test]
fn loom_control_pages_are_looked_at_before_they_are_clean() {
    publish(1, 0).refute(LOST, Break::LookAfterScan);
}

#[test]
fn loom_control_the_cycle_without_tlb_flush() {
    publish(2, 0).refute(LOST, Break::Flush);
}

#[test]
fn loom_control_objects_in_owned_blocks_are_looked_at() {
    publish(1, 0).refute(UNORDERED, Break::AskAge);
}

#[test]
fn loom_control_a_block_is_owned_after_its_first_object() {
    publish(1, 0).refute(UNORDERED, Break::OwnFirst);
}

#[test]
fn loom_control_new_blocks_are_forgiven_whatever_is_marked_there() {
    publish(1, 0).refute(LOST, Break::Rule(Rule::ForgiveNew));
}

#[test]
fn loom_control_a_block_stays_left_out_that_has_got_a_mark() {
    publish_in_new().refute_within(3, LOST, Break::StayOut);
}

#[test]
fn loom_control_a_block_stays_left_out_of_a_minor_cycle() {
    minor(publish(2, 0)).refute(LOST, Break::StayOut);
}

#[test]
fn loom_control_marks_are_asked_for_before_the_trace_that_sets_them() {
    publish_in_new().refute_within(3, LOST, Break::AskEarly);
}

#[test]
fn loom_control_a_mark_is_set_and_its_block_does_not_count_as_marked() {
    publish(1, 0).refute(LOST, Break::Reach);
}
