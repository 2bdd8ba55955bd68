//! Values of two words, a tag and a payload, of which the collector sees one old and one new. The program
//! stops between the two stores for as long as the marker needs to look.

use super::program::{Program, Progress, Until};
use super::{CYCLES, NOTICED_WITHIN, control, hand_out_while_a_word_is_resolved};
use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};
use crate::heap::geometry::BLOCK;

/// A value whose two words are on one page.
const VALUE: usize = 0;

/// A number that looks like something in the heap.
type Number = fn(&mut Program) -> usize;

/// Runs a cycle in which the marker sees the tag of a reference with a payload that is a number. It is made
/// when the cycle begins if it is about an object that has to be retired by then.
fn tear(program: &mut Program, scope: Scope, number: Number, early: bool) -> Result<(), String> {
    let (mut word, mut half) = (0, false);
    program.set_payload(VALUE, 0);
    program.set_tag(VALUE, true);
    program.cycle(scope, |program, progress| {
        if std::mem::take(&mut half) {
            program.set_tag(VALUE, false);
        } else if progress.moment == Moment::Starting && early {
            word = number(program);
        } else if progress.is_first_preclean() {
            word = if early { word } else { number(program) };
            program.set_payload(VALUE, word);
            half = true;
            return Until::Running;
        }
        Until::Parked
    })
}

/// With all rules the number is passed over, in cycles of both scopes. If words are not checked `complaint` is
/// heard. (A busy machine may have cycles without precleaning, which see nothing half written.)
fn control_torn(scope: Scope, number: Number, early: bool, complaint: &str) {
    // With a log the next round need not be about the page.
    let new = || Program::new();
    for scope in [Scope::Minor, Scope::Full] {
        let mut program = new();
        for _ in 0..CYCLES {
            assert_eq!(tear(&mut program, scope, number, early), Ok(()), "{scope:?}");
        }
    }
    let mut program = new().without(Rule::CheckStart);
    let heard = (0..NOTICED_WITHIN).find_map(|_| tear(&mut program, scope, number, early).err());
    let heard = heard.expect("a number was followed");
    assert!(heard.contains(complaint), "{heard}");
}

#[test]
fn control_a_number_that_points_into_an_object_is_no_reference() {
    let inside = |program: &mut Program| program.fresh().address() + 16;
    let complaint = "traced before it was initialised";
    control_torn(Scope::Minor, inside, true, complaint);
}

#[test]
fn control_a_number_between_two_granules_is_no_reference() {
    let odd = |program: &mut Program| program.fresh().address() + 8;
    control_torn(Scope::Minor, odd, true, "0x");
}

#[test]
fn control_a_number_that_points_to_unused_memory_is_no_reference() {
    let unused = |program: &mut Program| program.fresh().address() / BLOCK * BLOCK + BLOCK;
    control_torn(Scope::Full, unused, true, "a reference into unused memory");
}

#[test]
fn control_a_number_that_points_into_a_large_object_is_no_reference() {
    let inside = |program: &mut Program| program.inside_the_table();
    let complaint = "a reference to the start of a large object";
    control_torn(Scope::Full, inside, true, complaint);
}

/// The program has not even written its header.
#[test]
fn control_a_number_that_points_to_an_object_in_an_owned_block_is_no_reference() {
    control(
        Rule::RetiredOnly,
        |_| {},
        |program, progress| {
            if progress.is_first_preclean() {
                let object = program.unmade(64);
                program.made = Some(object);
                program.set_tag(VALUE, true);
                program.set_payload(VALUE, object.address());
                return Until::Running;
            } else if progress.moment == Moment::Traced && progress.traced == 2 {
                program.set_tag(VALUE, false);
                program.make(program.made.expect("it was allocated before"));
            }
            Until::Parked
        },
    );
}

#[test]
fn a_block_that_is_handed_out_while_a_word_is_checked_is_left_alone() {
    hand_out_while_a_word_is_resolved(|program, word| {
        program.set_tag(VALUE, true);
        program.set_payload(VALUE, word);
    });
}

/// Makes a number a reference to a new object, one store before the marker looks, the other after that.
fn split(program: &mut Program, scope: Scope, value: usize, tag_first: bool) -> Result<(), String> {
    let mut half = false;
    program.cycle(scope, |program, progress| {
        let late = std::mem::take(&mut half);
        if progress.is_first_preclean() && !late {
            program.fresh();
            half = true;
        } else if !late {
            return Until::Parked;
        }
        if tag_first != late {
            program.set_tag(value, true);
        } else {
            program.set_payload(value, program.made.expect("it was made before").address());
        }
        if late { Until::Parked } else { Until::Running }
    })
}

#[test]
fn a_reference_whose_tag_or_payload_comes_late_is_looked_at_again() {
    for scope in [Scope::Minor, Scope::Full] {
        let mut program = Program::new();
        let values = [VALUE, program.value_on_two_pages()];
        for (value, tag_first) in values.into_iter().flat_map(|v| [(v, true), (v, false)]) {
            program.set_tag(value, false);
            let result = split(&mut program, scope, value, tag_first);
            assert_eq!(result, Ok(()), "{scope:?}, value {value}, tag first: {tag_first}");
        }
    }
}

/// As above, the tag so late that only the last stop can see it.
fn tag_before_the_stop(program: &mut Program, value: usize, progress: Progress) -> Until {
    if progress.moment == Moment::Starting {
        program.set_tag(value, false);
    } else if progress.is_first_preclean() {
        let object = program.fresh();
        program.set_payload(value, object.address());
    } else if progress.is_first_remark() {
        program.set_tag(value, true);
    }
    Until::Parked
}

#[test]
fn control_a_reference_whose_tag_comes_late_is_found_in_the_last_stop() {
    control(
        Rule::LastScan,
        |_| {},
        |program, progress| tag_before_the_stop(program, VALUE, progress),
    );
}

/// The page of the payload was looked at before, and is not written again. It comes after that of the tag,
/// or before.
#[test]
fn control_the_payload_beside_a_page_with_a_new_tag_is_looked_at() {
    for prepare in [|_: &mut Program| {}, Program::put_payloads_first] {
        // With a log the page of the payload is looked at once more in the last stop.
        control(Rule::LookBeside, prepare, |program, progress| {
            let value = program.value_on_two_pages();
            tag_before_the_stop(program, value, progress)
        });
    }
}
