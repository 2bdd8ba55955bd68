//! The `strandline` binary, run on this process and its children, whose memory is known.

#![cfg(feature = "cli")]

mod memory;
mod pages;
mod probe;
mod robust;

use std::process::{Command, Output};

/// The binary with these arguments and an environment that says nothing about trackers.
fn strandline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strandline"));
    command.args(arguments).env_remove(strandline::dirty::TRACKER_VARIABLE);
    command
}

fn run(arguments: &[&str]) -> Output {
    strandline(arguments).output().unwrap()
}

/// Standard output of a run that must have succeeded.
fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that must have failed with `status`.
#[track_caller]
fn fail(arguments: &[&str], status: i32) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    stderr(&output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}
