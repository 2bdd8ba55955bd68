//! What tests of examples share.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// An example, as cargo has built it or does so now. (`CARGO_BIN_EXE_` variables are for binaries.)
pub(crate) fn example(name: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--example", name, "--message-format", "json"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let artifact =
        |line| serde_json::from_str::<Value>(line).ok()?["executable"].as_str().map(PathBuf::from);
    messages.lines().find_map(artifact).expect("an example is executable")
}

/// A command that no variable of strandline's has an influence on.
pub(crate) fn command(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("STRANDLINE_") {
            command.env_remove(variable);
        }
    }
    command
}
