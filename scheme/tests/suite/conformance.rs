//! The sections of R7RS, case by case, in Scheme: `conformance/*.scm`.
//!
//! Each file prints a line for every case that fails, and at its end how many there were.

use std::collections::BTreeSet;
use std::path::Path;

use crate::interpreter::{directory, run, scheme_files, stderr};

/// Fewer cases than this, and some have been lost.
const CASES: usize = 2200;

struct Results {
    cases: usize,
    /// File, section and expression of each case that failed, with what came instead.
    failures: Vec<(String, String)>,
}

fn results(options: &str, file: &Path) -> Results {
    let output = run(options, file, &["an argument"]);
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let text = String::from_utf8_lossy(&output.stdout);
    let broken = || format!("{options} {name}: {text}{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{}", broken());
    let last = text.lines().last().unwrap_or_default();
    let cases = last.strip_prefix("CASES ").and_then(|count| count.parse().ok());
    let cases = cases.unwrap_or_else(|| panic!("no count at the end: {}", broken()));
    let failures = text.lines().filter_map(|line| line.strip_prefix("FAIL ")).map(|line| {
        let (case, rest) = line.split_once(" => ").unwrap_or((line, ""));
        (format!("{name}: {case}"), rest.to_owned())
    });
    Results { cases, failures: failures.collect() }
}

#[test]
fn at_least_98_per_cent_of_the_cases_pass_and_the_others_are_known() {
    let known = std::fs::read_to_string(directory("conformance/known-failures.txt")).unwrap();
    let known: BTreeSet<_> =
        known.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let files = scheme_files(&directory("conformance"));
    let all: Vec<_> = files.iter().map(|file| results("", file)).collect();
    let cases: usize = all.iter().map(|results| results.cases).sum();
    let failures: Vec<_> = all.iter().flat_map(|results| &results.failures).collect();
    for (case, instead) in &failures {
        println!("{case} => {instead}");
    }
    println!("{} of {cases} cases pass", cases - failures.len());
    assert!(cases >= CASES, "{cases} cases");
    assert!(failures.len() * 100 <= cases * 2, "{} of {cases} fail", failures.len());
    let failed: BTreeSet<_> = failures.iter().map(|(case, _)| case.as_str()).collect();
    assert_eq!(failed, known, "known-failures.txt lists exactly what fails");
}

/// The same cases with a collection, and a check of it, every so many allocations.
#[test]
fn collections_do_not_change_any_answer() {
    for (index, file) in scheme_files(&directory("conformance")).iter().enumerate() {
        let mode = ["concurrent", "stopped"][index % 2];
        let plain = results("", file);
        let options = format!("--heap 32m --gc-stress 20000 --gc-verify --mode {mode}");
        let stressed = results(&options, file);
        assert_eq!((plain.cases, plain.failures), (stressed.cases, stressed.failures), "{options}");
    }
}

/// What the suite is written with finds wrong answers, errors and the lack of them.
#[test]
fn cases_that_fail_are_reported() {
    let directory_of_it = tempfile::tempdir().unwrap();
    let file = directory_of_it.path().join("wrong.scm");
    let harness = directory("conformance/harness/test.scm");
    let text = format!(
        "(import (scheme base) (scheme write) (scheme eval) (scheme repl)) (include {harness:?})
         (section \"s\") (test 1 (+ 1 1)) (test 1 (car 5)) (test 1 (raise 'x)) (test-error 5)
         (test-values (1 2) (values 1 3)) (test-syntax-error '(+ 1 2)) (test-output \"a\" (display 'b))
         (test 1.0 (+ 0 1)) (test-approximate 1.0 1.1) (test 1 1) (finish)"
    );
    std::fs::write(&file, text).unwrap();
    let results = results("", &file);
    assert_eq!(results.cases, 10);
    assert_eq!(results.failures.len(), 9, "{:?}", results.failures);
    let first = ("wrong: s (+ 1 1)".to_owned(), "expected 1, got 2".to_owned());
    assert_eq!(results.failures[0], first);
}
