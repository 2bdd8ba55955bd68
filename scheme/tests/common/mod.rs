//! What tests of the interpreter share.

use std::process::Command;

/// The interpreter, with an environment that says nothing about heaps and trackers.
pub(crate) fn scheme() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scheme"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("STRANDLINE_") {
            command.env_remove(variable);
        }
    }
    command
}
