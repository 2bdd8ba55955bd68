use std::io::Write;

use super::run;
use crate::sample::{Sample, Samples, Status, read};
use crate::subject::Subject;

#[test]
fn runs_are_there_again_unless_a_new_set_begins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("runs.jsonl");
    assert!(read(&path).unwrap().is_empty());
    let mut samples = Samples::open(&path, false).unwrap();
    samples.add(run("lru 1 2 3", 64, Subject::Go, &[("run_ms", 1.5)])).unwrap();
    // A line that was cut off spoils neither the one before it nor the one after it.
    std::fs::File::options().append(true).open(&path).unwrap().write_all(b"{\"parts\":").unwrap();
    let mut samples = Samples::open(&path, true).unwrap();
    samples.add(run("lru 1 2 3", 64, Subject::JavaZ, &[("run_ms", 2.5)])).unwrap();
    let again: Vec<_> = read(&path).unwrap().iter().map(|run| run.get("run_ms")).collect();
    assert_eq!(again, [Some(1.5), Some(2.5)]);
    assert!(Samples::open(&path, false).unwrap().all().is_empty());
    assert!(read(&path).unwrap().is_empty());
}

#[test]
fn failures_and_sums_that_differ_are_problems() {
    let directory = tempfile::tempdir().unwrap();
    let mut samples = Samples::open(&directory.path().join("runs.jsonl"), false).unwrap();
    let mut add = |workload, subject, sum: &str, status| {
        let mut sample = run(workload, 64, subject, &[]);
        (sample.sum, sample.status) = (sum.to_owned(), status);
        samples.add(sample).unwrap();
    };
    add("lru 1 2 3", Subject::Go, "5", Status::Done);
    add("lru 1 2 4", Subject::Go, "6", Status::Done);
    add("lru 1 2 3", Subject::Bdwgc, "", Status::OutOfMemory);
    add("lru 1 2 3", Subject::JavaZ, "7", Status::Done);
    add("lru 1 2 3", Subject::Malloc, "", Status::Failed("signal 11".into()));
    let expected =
        ["lru 1 2 3: Java ZGC has the sum 7, Go 5", "lru 1 2 3: malloc failed: signal 11"];
    assert_eq!(samples.problems(), expected);
}

#[test]
fn runs_of_an_older_build_do_not_count() {
    let of = |subject, build: &str, sum: &str| {
        let mut sample = run("lru 1 2 3", 64, subject, &[]);
        (sample.build, sample.sum) = (build.to_owned(), sum.to_owned());
        sample
    };
    let directory = tempfile::tempdir().unwrap();
    let mut samples = Samples::open(&directory.path().join("runs.jsonl"), false).unwrap();
    for sample in [
        of(Subject::Concurrent, "old", "4"),
        of(Subject::Stopped, "old", "4"),
        of(Subject::Go, "first", "5"),
        of(Subject::Concurrent, "new", "5"),
        of(Subject::Go, "first", "5"),
    ] {
        samples.add(sample).unwrap();
    }
    // Nor do those of another collector in the same program, though it has not run anew.
    let current: Vec<_> =
        samples.current().iter().map(|run| (run.subject, run.build.as_str())).collect();
    let go = (Subject::Go, "first");
    assert_eq!(current, [go, (Subject::Concurrent, "new"), go]);
    assert!(samples.problems().is_empty(), "{:?}", samples.problems());
}

#[test]
fn a_run_keeps_where_it_comes_from() {
    let mut sample = run("lru 1 2 3", 64, Subject::Go, &[]);
    sample.build = "b".into();
    sample.invocation.commit = "c".into();
    let line = serde_json::to_string(&sample).unwrap();
    let again: Sample = serde_json::from_str(&line).unwrap();
    assert_eq!((again.build, again.invocation), (sample.build, sample.invocation));
}
