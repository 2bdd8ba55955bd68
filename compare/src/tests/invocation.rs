use super::run;
use crate::figures::groups;
use crate::invocation::{Invocation, letter, write};
use crate::sample::Sample;
use crate::subject::Subject;

fn of(subject: Subject, limit_mib: u64, began: &str) -> Sample {
    let mut sample = run("oldmut 10 1 1", limit_mib, subject, &[("run_ms", 1.0)]);
    let (began, arguments) = (began.to_owned(), "--budget 5".to_owned());
    sample.invocation = Invocation { began, arguments, commit: "abc".into() };
    sample
}

fn written(samples: &[Sample]) -> String {
    let mut text = String::new();
    write(&mut text, &samples.iter().collect::<Vec<_>>(), &groups(samples));
    text
}

#[test]
fn runs_that_were_made_together_are_of_one_command() {
    let samples = [of(Subject::Concurrent, 64, "today"), of(Subject::Go, 64, "today")];
    let command = "`cargo run --release -p strandline-compare -- --budget 5`";
    assert_eq!(written(&samples), format!("\nMeasured today UTC, {command} of commit abc.\n"));
    assert_eq!(written(&[]), "");
}

#[test]
fn runs_that_were_not_say_which_part_they_are_of() {
    let samples = [
        of(Subject::Go, 64, "before"),
        of(Subject::Concurrent, 64, "today"),
        of(Subject::Go, 64, "today"),
        of(Subject::Go, 64, "today"),
        of(Subject::Concurrent, 128, "today"),
    ];
    let text = written(&samples);
    let lines: Vec<_> = text.lines().filter(|line| line.contains("today")).collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("- b: today UTC"), "{text}");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
    let expected = [
        "| | limit | strandline | Go |",
        "|---|--:|---|---|",
        "| oldmut 10 1 1 | 64 | b | a 2b |",
        "| oldmut 10 1 1 | 128 | b |  |",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn runs_of_which_nothing_was_written_down_are_said_to_be() {
    let mut sample = of(Subject::Go, 64, "");
    sample.invocation = Invocation::default();
    assert_eq!(written(&[sample]), "\nMeasured at a time that was not written down.\n");
}

#[test]
fn there_is_a_letter_for_any_part() {
    assert_eq!([0, 1, 25, 26, 53].map(letter), ["a", "b", "z", "a1", "b2"]);
}
