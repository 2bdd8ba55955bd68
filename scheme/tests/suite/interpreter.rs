//! Runs the interpreter.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common;

/// A directory of the source tree of these tests.
pub(crate) fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite").join(name)
}

/// The Scheme programs in a directory, by name.
pub(crate) fn scheme_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "scm")).collect();
    files.sort();
    assert!(!files.is_empty(), "no programs in {}", directory.display());
    files
}

/// Runs a program with options of the interpreter and arguments of its own, in a new directory.
pub(crate) fn run(options: &str, file: &Path, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut command = common::scheme();
    command.current_dir(directory.path()).args(options.split_whitespace());
    command.arg(file).args(arguments).output().unwrap()
}

/// What a program prints that must end well.
#[track_caller]
pub(crate) fn printed(options: &str, file: &Path, arguments: &[&str]) -> String {
    let output = run(options, file, arguments);
    let name = file.display();
    assert_eq!(output.status.code(), Some(0), "{options} {name}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
