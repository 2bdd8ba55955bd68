use super::run;
use crate::parse::{derive, java_pauses, understand};
use crate::sample::Sample;
use crate::subject::Subject;

fn empty() -> Sample {
    run("oldmut 10 1 1", 64, Subject::Bdwgc, &[])
}

#[test]
fn a_result_line_with_the_lines_before_it() {
    let mut sample = empty();
    let text = "PAUSE 1500000\nsome other line\nPAUSE 20\nLONG 1 5000 200000\n\
        RESULT bench=oldmut threads=1 run_ms=12.5 pause_max_ms=1.5 sum=18446744073709551615";
    understand(text, &mut sample).unwrap();
    assert_eq!(sample.pauses_ns, [(1_500_000, 1), (20, 1)]);
    assert_eq!(sample.long, [(1, 5000, 200_000)]);
    // Not rounded to what a floating-point number can hold, and no figure.
    assert_eq!(sample.sum, "18446744073709551615");
    let fields: Vec<_> = sample.fields.iter().map(|(name, &value)| (&name[..], value)).collect();
    assert_eq!(fields, [("pause_max_ms", 1.5), ("run_ms", 12.5), ("threads", 1.0)]);
}

#[test]
fn what_is_no_result_is_refused() {
    for text in ["", "PAUSE 5", "RESULTS a=1", "{\"run_ms\": 1", "PAUSE x\nRESULT sum=1"] {
        assert!(understand(text, &mut empty()).is_err(), "{text:?}");
    }
}

/// As `--json` prints it.
const JSON: &str = r#"{"bench": "oldmut", "run_ms": 7.25, "sum": 18446744073709551615,
    "tracker": "uffd", "pauses_ns": [[1000, 98], [5000000, 2]], "stalls_ns": [],
    "long_operations": [[0, 10, 150000]],
    "cycles": [
        {"number": 1, "scope": "Full", "cause": "Pacing", "time_us": 9000, "allocated_bytes": 5,
         "allocated_meanwhile_bytes": 1, "late": false, "scanning_us": 1, "tracing_us": 2,
         "marked_objects": 3, "dirty_pages": 4, "faults": 5, "rescanned_pages": 6,
         "barren_pages": 0, "rounds": 1, "stops": [{"purpose": "Remark", "total_us": 5000.5,
         "to_safepoint_us": 1, "scan_us": 2, "roots_us": 3, "rescan_us": 4, "drain_us": 5,
         "references_us": 6, "finish_us": 7, "resume_us": 8}]},
        {"number": 2, "scope": "Minor", "cause": "Pacing", "time_us": 2000, "allocated_bytes": 5,
         "allocated_meanwhile_bytes": 1, "late": true, "scanning_us": 1, "tracing_us": 2,
         "marked_objects": 3, "dirty_pages": 4, "faults": 5, "rescanned_pages": 6,
         "barren_pages": 0, "rounds": 1}]}"#;

#[test]
fn one_json_object_with_everything() {
    let mut sample = empty();
    understand(&JSON.replace('\n', ""), &mut sample).unwrap();
    assert_eq!(sample.sum, "18446744073709551615");
    assert_eq!(sample.get("run_ms"), Some(7.25));
    assert_eq!(sample.pauses_ns, [(1000, 98), (5_000_000, 2)]);
    assert_eq!(sample.long, [(0, 10, 150_000)]);
    let [full, minor] = &sample.cycles[..] else { panic!("{:?}", sample.cycles) };
    assert_eq!((full.stops[0].total_us, full.stops[0].resume_us), (5000.5, 8.0));
    assert!(minor.stops.is_empty());
}

#[test]
fn a_json_object_without_its_pauses_is_refused() {
    assert!(understand(r#"{"run_ms": 1, "sum": 2}"#, &mut empty()).is_err());
}

#[test]
fn the_99th_percentile_and_cycles_are_derived() {
    let mut sample = empty();
    understand(&JSON.replace('\n', ""), &mut sample).unwrap();
    derive(&mut sample);
    let figures = ["pause_p99_ms", "minor_cycle_ms", "full_cycle_ms"].map(|name| sample.get(name));
    assert_eq!(figures, [Some(5.0), Some(2.0), Some(9.0)]);
    sample.pauses_ns = vec![(1000, 99), (5_000_000, 1)];
    derive(&mut sample);
    assert_eq!(sample.get("pause_p99_ms"), Some(0.001));
}

#[test]
fn nothing_is_derived_from_nothing() {
    let mut sample = empty();
    derive(&mut sample);
    assert!(sample.fields.is_empty(), "{:?}", sample.fields);
}

#[test]
fn a_log_of_safepoints_has_the_stops_of_java() {
    let log = "Safepoint \"G1CollectForAllocation\", Time since last: 5 ns, Reaching safepoint: 7 ns, \
        At safepoint: 9 ns, Total: 2500000 ns\nno stop\nSafepoint \"Cleanup\", Total: 500000 ns\n";
    let mut sample = empty();
    java_pauses(log, &mut sample);
    assert_eq!(sample.pauses_ns, [(2_500_000, 1), (500_000, 1)]);
    assert_eq!((sample.get("pause_max_ms"), sample.get("pause_sum_ms")), (Some(2.5), Some(3.0)));
}
