//! The example as a test: it names the object, the slot and the field, or nothing when it is fixed.

use strandline::dirty::BackendKind;

#[allow(dead_code, reason = "an example is a program, and the test is not its main function")]
#[path = "../../examples/referee.rs"]
mod referee;

use referee::{Options, run};

fn settings() -> impl Iterator<Item = (bool, Option<BackendKind>)> {
    let trackers =
        [None, Some(BackendKind::Uffd), Some(BackendKind::Mprotect), Some(BackendKind::AllDirty)];
    [false, true].into_iter().flat_map(move |stopped| trackers.map(|tracker| (stopped, tracker)))
}

#[test]
fn the_example_names_the_object_and_the_slot_that_its_fast_path_forgets() {
    for (stopped, tracker) in settings() {
        let mut text = Vec::new();
        let missed = run(&Options { fixed: false, stopped, tracker }, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(missed.len(), 3, "one in each round: {text}");
        for change in missed {
            let (object, slot) = (change.object.address(), change.slot);
            assert_eq!(slot, object + 16);
            let line =
                format!("missed barrier: object {object:#x}, slot {slot:#x} (offset 16) was");
            assert!(text.contains(&line), "{text}");
            assert!(text.contains(&format!("{slot:#x} is field `tail` of a Queue")), "{text}");
        }
        assert!(!text.contains("`head`") && !text.contains("Node"), "{text}");
        assert!(!text.contains("lost write"), "{text}");
    }
}

#[test]
fn the_example_reports_nothing_when_it_is_fixed() {
    for (stopped, tracker) in settings() {
        let mut text = Vec::new();
        let missed = run(&Options { fixed: true, stopped, tracker }, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(missed.is_empty() && !text.contains("missed barrier"), "{text}");
        assert!(!text.contains("lost write"), "{text}");
    }
}

#[test]
fn the_example_refuses_a_tracker_that_sees_barriers_only() {
    let options = Options { tracker: Some(BackendKind::Cards), ..Options::default() };
    let error = run(&options, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("cards back-end sees nothing else; use uffd"), "{error}");
}
