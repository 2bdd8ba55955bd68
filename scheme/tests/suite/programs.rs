//! Whole programs, small, with the answers in the `.out` files beside them.
//!
//! Every program takes a size as its argument and is small without one. The answers are those of
//! another Scheme, too.

use std::path::Path;

use crate::interpreter::{directory, printed, run, scheme_files, stderr};

/// What each program runs with: every tracker, both modes, and a check of every collection. Small
/// programs would do without collections, so these come every so many allocations.
const CONFIGURATIONS: [&str; 5] = [
    "",
    "--heap 32m --gc-log --gc-stress 15000 --tracker uffd --mode concurrent",
    "--heap 32m --gc-log --gc-stress 15000 --tracker mprotect --mode MODE",
    "--heap 32m --gc-log --gc-stress 15000 --tracker all-dirty --mode OTHER",
    "--heap 32m --gc-log --gc-stress 10000 --gc-verify --mode MODE",
];

/// One program under each configuration. Modes take turns, so that each program sees both.
fn check(file: &Path, turn: usize) {
    let expected = std::fs::read_to_string(file.with_extension("out"))
        .unwrap_or_else(|error| panic!("the answer of {}: {error}", file.display()));
    let modes = ["concurrent", "stopped"];
    for configuration in CONFIGURATIONS {
        let configuration = configuration.replace("MODE", modes[turn % 2]);
        let configuration = configuration.replace("OTHER", modes[(turn + 1) % 2]);
        let output = run(&configuration, file, &[]);
        let (answer, log) = (String::from_utf8_lossy(&output.stdout), stderr(&output));
        let name = file.display();
        assert_eq!(output.status.code(), Some(0), "{configuration} {name}: {log}");
        assert_eq!(answer, expected, "{configuration} {name}");
        let collected = log.contains("strandline: cycle 1,");
        assert_eq!(collected, !configuration.is_empty(), "{configuration} {name}: {log}");
    }
}

/// Every `step`-th program from `first` on, so that there are a few tests that run side by side.
fn check_part(first: usize, step: usize) {
    let files = scheme_files(&directory("programs"));
    for (index, file) in files.iter().enumerate().skip(first).step_by(step) {
        check(file, index);
    }
}

#[test]
fn programs_of_the_first_quarter() {
    check_part(0, 4);
}

#[test]
fn programs_of_the_second_quarter() {
    check_part(1, 4);
}

#[test]
fn programs_of_the_third_quarter() {
    check_part(2, 4);
}

#[test]
fn programs_of_the_fourth_quarter() {
    check_part(3, 4);
}

/// The heap bounds the depth of recursion, not the native stack.
#[test]
fn a_million_calls_deep() {
    let file = directory("programs").join("deep.scm");
    let answer = printed("", &file, &["1000000"]);
    assert_eq!(answer, "(1000000 500000500000 1000001000000 1000010 1000000 #t #t)\n");
}

#[test]
fn a_million_tail_calls_need_no_more_heap_than_one() {
    let file = directory("programs").join("tail-calls.scm");
    assert_eq!(printed("--heap 16m", &file, &["1000000"]), "(#t end arrow)\n");
}
