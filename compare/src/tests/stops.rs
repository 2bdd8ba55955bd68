use crate::stops::Stops;
use crate::stops::records::StopRecord;

fn stop(total_us: f64) -> StopRecord {
    let zeros = r#""to_safepoint_us": 0, "scan_us": 0, "roots_us": 0, "rescan_us": 0,
        "drain_us": 0, "references_us": 0, "finish_us": 0, "resume_us": 0"#;
    let json = format!(r#"{{"purpose": "Roots", "total_us": {total_us}, {zeros}}}"#);
    serde_json::from_str(&json).unwrap()
}

#[test]
fn one_in_a_hundred_stops_is_beyond_the_99th_percentile() {
    let all: Vec<_> = (1..=200).rev().map(|us| stop(f64::from(us))).collect();
    let stops = Stops::new(&all);
    let total = |part| stops.quantile(part).unwrap().total_us;
    assert_eq!([total(0.0), total(0.5), total(0.99), total(1.0)], [1.0, 100.0, 198.0, 200.0]);
    assert_eq!((stops.count(), stops.longest().unwrap().total_us), (200, 200.0));
}

#[test]
fn without_stops_there_is_no_longest_one() {
    let none = Stops::new([]);
    assert!(none.quantile(0.99).is_none() && none.longest().is_none());
}
