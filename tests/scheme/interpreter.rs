//! Runs the example's binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// The example, as cargo has built it or does so now. (`CARGO_BIN_EXE_` variables are for binaries.)
fn example() -> &'static PathBuf {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--example", "scheme", "--message-format", "json"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.output().expect("cargo runs");
        assert!(output.status.success(), "{}", stderr(&output));
        let messages = String::from_utf8(output.stdout).unwrap();
        let artifact = |line| {
            serde_json::from_str::<Value>(line).ok()?["executable"].as_str().map(PathBuf::from)
        };
        messages.lines().find_map(artifact).expect("an example is executable")
    })
}

/// A directory of the source tree of these tests.
pub(crate) fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scheme").join(name)
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
    let mut command = Command::new(example());
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("STRANDLINE_") {
            command.env_remove(variable);
        }
    }
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
