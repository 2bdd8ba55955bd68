use super::run;
use crate::figures::groups;
use crate::sample::{Sample, Status};
use crate::subject::Subject;
use crate::tables::{csv, markdown, publish, rounded};

#[test]
fn figures_have_three_digits() {
    let texts = [0.01234, 0.1234, 1.234, 12.34, 99.96, 1234.4, 5.0, -12.34].map(rounded);
    assert_eq!(texts, ["0.0123", "0.123", "1.23", "12.3", "100", "1234", "5", "-12.3"]);
}

fn samples() -> Vec<Sample> {
    let of = |subject, fields: &[_]| run("oldmut 10 1 1", 64, subject, fields);
    let mut failed = [Subject::Bdwgc, Subject::Go, Subject::JavaG1].map(|who| of(who, &[]));
    failed[0].status = Status::OutOfMemory;
    failed[1].status = Status::TooLong(180);
    failed[2].status = Status::Failed("signal 6".into());
    let mut samples = vec![
        of(Subject::Concurrent, &[("run_ms", 1500.0), ("pause_max_ms", 0.25), ("gcs", 3.0)]),
        of(Subject::Concurrent, &[("run_ms", 2500.0), ("pause_max_ms", 0.75), ("gcs", 5.0)]),
        of(Subject::Malloc, &[("run_ms", 800.0), ("pause_max_ms", 0.0)]),
    ];
    samples.extend(failed);
    samples
}

/// The rows below a heading, without the head.
fn rows<'a>(markdown: &'a str, title: &str) -> Vec<&'a str> {
    let (_, below) = markdown.split_once(&format!("### {title}\n\n")).expect(title);
    below.lines().take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn a_table_has_medians_and_says_who_failed() {
    let samples = samples();
    let text = markdown(&groups(&samples));
    let expected = [
        "| | limit | strandline | malloc |",
        "|---|--:|--:|--:|",
        "| oldmut 10 1 1 | 64 | 2 | 0.800 |",
    ];
    assert_eq!(rows(&text, "Run time, s"), expected);
    // Nobody waits for a collector that there is none of.
    let stops = rows(&text, "Longest stop of the world, ms");
    assert_eq!(
        (stops[0], stops[2]),
        ("| | limit | strandline |", "| oldmut 10 1 1 | 64 | 0.500 |")
    );
    let did = rows(&text, "What strandline did");
    assert_eq!(did[2], "| oldmut 10 1 1 | 64 | 4 | - | - | - | - | - | - | - |");
    assert!(!text.contains("### Median operation"), "a table without a figure");
}

#[test]
fn a_collector_that_has_run_elsewhere_says_how_it_failed_here() {
    let mut samples = samples();
    for subject in [Subject::Bdwgc, Subject::Go, Subject::JavaG1] {
        samples.push(run("oldmut 10 1 1", 128, subject, &[("run_ms", 1000.0)]));
    }
    let text = markdown(&groups(&samples));
    let rows = rows(&text, "Run time, s");
    assert_eq!(rows[0], "| | limit | strandline | bdwgc | malloc | Go | Java G1 |");
    assert_eq!(rows[2], "| oldmut 10 1 1 | 64 | 2 | oom | 0.800 | > 180 s | failed |");
    assert_eq!(rows[3], "| oldmut 10 1 1 | 128 |  | 1 | 0.800 | 1 | 1 |");
}

#[test]
fn stops_are_taken_apart() {
    let mut samples = samples();
    let cycle = r#"{"number": 1, "scope": "Minor", "cause": "Pacing", "time_us": 9000,
        "allocated_bytes": 5, "allocated_meanwhile_bytes": 1, "late": false, "scanning_us": 1,
        "tracing_us": 2, "marked_objects": 3, "dirty_pages": 4, "faults": 5, "rescanned_pages": 6,
        "barren_pages": 0, "rounds": 1, "stops": [{"purpose": "Remark", "total_us": 360,
        "to_safepoint_us": 10, "scan_us": 20, "roots_us": 30, "rescan_us": 40, "drain_us": 50,
        "references_us": 60, "finish_us": 70, "resume_us": 80}]}"#;
    samples[0].cycles = vec![serde_json::from_str(cycle).unwrap()];
    let text = markdown(&groups(&samples));
    let (_, below) = text.split_once("### What strandline's stops consist of, ms").unwrap();
    let rows: Vec<_> = below.lines().filter(|line| line.contains("oldmut")).collect();
    let parts = "0.360 | 0.0100 | 0.0200 | 0.0300 | 0.0400 | 0.0500 | 0.0600 | 0.0700 | 0.0800";
    let row = |which| format!("| oldmut 10 1 1 | 64 | 1 | {which} | remark | {parts} |");
    assert_eq!(rows, [row("longest"), row("p99")]);
}

#[test]
fn every_figure_is_in_the_csv_with_its_extremes() {
    let samples = samples();
    let text = csv(&groups(&samples));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "part,workload,limit_mib,x,collector,figure,runs,median,least,most");
    assert!(lines.contains(&"Table,oldmut 10 1 1,64,2,\"strandline\",run_ms,2,2000,1500,2500"));
    assert!(lines.contains(&"Table,oldmut 10 1 1,64,2,\"malloc\",run_ms,1,800,800,800"));
    assert_eq!(lines.len(), 1 + 3 + 2);
}

#[test]
fn tables_are_put_between_the_lines_that_say_where() {
    let directory = tempfile::tempdir().unwrap();
    let (out, document) = (directory.path(), directory.path().join("document.md"));
    std::fs::write(out.join("results.md"), "new").unwrap();
    std::fs::write(&document, "nothing").unwrap();
    assert!(publish(out, &document).unwrap_err().to_string().contains("has no lines"));
    let with = |middle: &str| {
        format!("head\n<!-- results: begin -->\n{middle}<!-- results: end -->\ntail\n")
    };
    std::fs::write(&document, with("old\n")).unwrap();
    publish(out, &document).unwrap();
    assert_eq!(std::fs::read_to_string(&document).unwrap(), with("\nnew\n"));
}
