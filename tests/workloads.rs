//! The workloads example, as others' scripts run it: its command line, its last line, its statuses.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// The example, as cargo has built it or does so now. (`CARGO_BIN_EXE_` variables are for binaries.)
fn example() -> &'static PathBuf {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--example", "workloads", "--message-format", "json"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).unwrap();
        let artifact = |line| {
            serde_json::from_str::<Value>(line).ok()?["executable"].as_str().map(PathBuf::from)
        };
        messages.lines().find_map(artifact).expect("an example is executable")
    })
}

/// Runs it in an environment that says nothing about heaps and trackers.
fn run(line: &str) -> Output {
    command(line).output().unwrap()
}

fn command(line: &str) -> Command {
    let mut command = Command::new(example());
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("STRANDLINE_") {
            command.env_remove(variable);
        }
    }
    command.args(line.split_whitespace());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The fields of the RESULT line of a run that must succeed.
#[track_caller]
fn result(line: &str) -> HashMap<String, String> {
    let output = run(line);
    assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let last = stdout.lines().last().unwrap();
    let fields = last.strip_prefix("RESULT ").unwrap_or_else(|| panic!("{line}: {last}"));
    let fields = fields.split(' ').map(|field| field.split_once('=').unwrap());
    let fields: HashMap<_, _> = fields.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "bench") {
        assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}: {name}={value}");
    }
    assert_eq!(Some(fields["bench"].as_str()), line.split(' ').next());
    fields
}

const ALWAYS: [&str; 10] = [
    "bench",
    "threads",
    "run_ms",
    "gcs",
    "minor",
    "major",
    "pause_max_ms",
    "pause_sum_ms",
    "heap_mib",
    "sum",
];
const OPERATIONS: [&str; 5] = ["p50_us", "p99_us", "p999_us", "p9999_us", "max_us"];

/// Runs on every tracker must agree on the sum, whatever that one costs.
fn agree(line: &str, present: &[&[&str]], absent: &[&str]) -> String {
    let trackers = ["auto", "mprotect", "cards", "all-dirty", "auto --mode concurrent"];
    let sums = trackers.map(|tracker| {
        let fields = result(&format!("{line} --max-heap-mib 32 --tracker {tracker}"));
        for name in present.iter().copied().flatten().chain(&ALWAYS) {
            assert!(fields.contains_key(*name), "{line}: no {name}");
        }
        for name in absent {
            assert!(!fields.contains_key(*name), "{line}: {name} does not apply");
        }
        assert!(fields["heap_mib"].parse::<f64>().unwrap() <= 32.0);
        assert_eq!(
            fields["gcs"].parse::<u64>().unwrap(),
            fields["minor"].parse::<u64>().unwrap() + fields["major"].parse::<u64>().unwrap()
        );
        fields["sum"].clone()
    });
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{line}: {sums:?}");
    sums[0].clone()
}

#[test]
fn bintrees() {
    let sum = agree("bintrees 13", &[], &[&OPERATIONS[..], &["reps", "setup_ms"]].concat());
    // One of depth 14, one of 13, and 2^13, 2^11 and so on of depths 4, 6 and so on.
    let size = |depth: u32| (2_u64 << depth) - 1;
    let passing: u64 = (4..=13).step_by(2).map(|d| (1 << (17 - d)) * size(d)).sum();
    assert_eq!(sum, (size(14) + size(13) + passing).to_string());
}

#[test]
fn gcbench() {
    let fields = result("gcbench 1 1 --max-heap-mib 48");
    assert_eq!((fields["reps"].as_str(), fields["threads"].as_str()), ("1", "1"));
    assert!(fields["gcs"].parse::<u64>().unwrap() > 0);
    assert!(fields.contains_key("ttsp_max_ms"));
}

#[test]
fn oldmut() {
    let present: &[&[&str]] = &[&OPERATIONS, &["setup_ms"]];
    let threads = agree("oldmut 20000 40 2", present, &["reps"]);
    for locality in ["uniform", "zipf", "cluster"] {
        let sum = agree(&format!("oldmut 20000 40 1 20 {locality}"), present, &["reps"]);
        assert_ne!(sum, threads, "fewer stores reach fewer nodes");
    }
    assert_ne!(result("oldmut 20000 40 2 --seed 7")["sum"], threads);
}

#[test]
fn lru() {
    agree("lru 20000 40000 200000", &[&OPERATIONS], &["reps", "setup_ms"]);
}

#[test]
fn stores() {
    for pattern in ["uniform", "zipf", "cluster"] {
        agree(&format!("stores 1 {pattern}"), &[&OPERATIONS, &["store_ns"]], &["reps"]);
    }
    let fields = result("stores 16 uniform full --max-heap-mib 64");
    assert_eq!(fields["minor"], "0");
}

#[test]
fn gcold() {
    let present: &[&[&str]] = &[&OPERATIONS, &["setup_ms"]];
    let sum = agree("gcold 8 1 2 1 4", present, &["reps"]);
    assert_ne!(sum, agree("gcold 8 0 2 1 4", present, &["reps"]), "it ends with another number");
}

#[test]
fn splay() {
    agree("splay 10000 20000", &[&OPERATIONS, &["setup_ms"]], &["reps"]);
}

#[test]
fn strings() {
    agree("strings 2000", &[&OPERATIONS], &["reps", "setup_ms"]);
    let fields = result("strings 40000 --max-heap-mib 300");
    assert!(fields["gcs"].parse::<u64>().unwrap() > 0);
}

#[test]
fn server() {
    agree("server 1000 1", &[&OPERATIONS], &["reps", "setup_ms"]);
}

#[test]
fn the_object_has_everything() {
    let output = run("oldmut 20000 40 2 --json --max-heap-mib 16");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cycles = all["cycles"].as_array().unwrap();
    assert_eq!(cycles.len() as u64, all["gcs"].as_u64().unwrap());
    let stops: usize = cycles.iter().map(|cycle| cycle["stops"].as_array().unwrap().len()).sum();
    let count = |name: &str| -> u64 {
        all[name].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap()).sum()
    };
    assert!(stops > 0);
    assert!(count("pauses_ns") >= stops as u64, "a cycle may have been cut off by the end");
    assert_eq!(count("operations_ns"), 2 * (20 * 16384 / 1000));
    let longest = &cycles[0]["stops"][0];
    assert!(longest["total_us"].as_f64().unwrap() >= longest["scan_us"].as_f64().unwrap());
    assert!(all["long_operations"].is_array());
}

#[test]
fn every_option_is_known() {
    let line = "oldmut 1000 1 1 --max-heap-mib 32 --markers 2 --huge-pages never --mode stopped";
    assert_eq!(result(line)["gcs"], "0");
    let line = "bintrees 10 --no-collect --huge-pages always --markers 1";
    assert_eq!(result(line)["gcs"], "0");
    let output = run("lru 10 20 100 --json");
    let fields: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(fields["bench"], "lru");
    assert!(fields["run_ms"].is_number() && fields["sum"].is_u64());
}

#[test]
fn without_arguments_the_workloads_are_listed() {
    let output = run("");
    assert_eq!(output.status.code(), Some(0));
    let listed = String::from_utf8(output.stdout).unwrap();
    for workload in
        ["gcbench", "bintrees", "oldmut", "lru", "gcold", "splay", "strings", "stores", "server"]
    {
        let line = listed.lines().find(|line| line.trim_start().starts_with(workload));
        assert!(line.is_some_and(|line| line.len() > 20), "{listed}");
    }
}

#[test]
fn the_status_tells_what_went_wrong() {
    for (line, status, word) in [
        ("sieve", 2, "sieve"),
        ("gcbench 5", 2, "THREADS"),
        ("bintrees 5", 2, "DEPTH"),
        ("oldmut 10 1 1 1000 nowhere", 2, "nowhere"),
        ("lru 10 20 100 --tracker magic", 2, "auto, uffd"),
        ("lru 10 20 100 --seed 0", 2, "--seed"),
        ("lru 10 20 100 --markers 65", 2, "65 marker threads"),
        ("lru 10 20 100 --max-heap-mib 7", 2, "at least 8 MiB"),
        ("oldmut 200000 1 1 --max-heap-mib 8", 3, "out of memory"),
        ("bintrees 13 --max-heap-mib 8 --no-collect", 3, "without a collection"),
    ] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(status), "{line}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{line}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{line}: {}", stderr(&output));
    }
}

/// A line for each cycle that could not be written ended the thread that ran cycles, and the program with it.
#[test]
fn a_log_that_cannot_be_written_is_no_reason_to_end() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = command("gcbench 1 1 --max-heap-mib 48");
    let output = command.env("STRANDLINE_LOG", "1").stderr(full).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}
