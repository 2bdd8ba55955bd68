//! Work in a fresh process: the test binary started again to play one role.
//!
//! For what a fork cannot give: a process in which no signal handler was installed yet, and one with
//! other environment variables.

use std::process::{Command, ExitStatus, Output};

use super::process::watchdog;
use crate::cases;

const VARIABLE: &str = "STRANDLINE_CONFORMANCE_ROLE";

/// A name and what a process does that was started to play it.
pub(crate) type Role = (&'static str, fn());

/// In a process that was started to play a role: plays it and does not return.
pub(crate) fn play_if_asked() {
    let Ok(name) = std::env::var(VARIABLE) else { return };
    let role = cases::roles().into_iter().find(|(known, _)| *known == name);
    let (_, play) = role.unwrap_or_else(|| panic!("{VARIABLE}={name}: no such role"));
    watchdog();
    no_core_files();
    play();
    std::process::exit(0);
}

/// A command that starts a process in `role`.
pub(crate) fn command(role: &str) -> Command {
    // Not the path: as another user its directories may be out of reach.
    let mut command = Command::new("/proc/self/exe");
    command.env(VARIABLE, role);
    command
}

/// Starts a process in `role` and waits for its end.
pub(crate) fn start(role: &str) -> Ended {
    Ended::new(command(role).output().expect("the test binary starts"))
}

/// How a role ended, and what it said.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) text: String,
}

impl Ended {
    pub(crate) fn new(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self { status: output.status, text: String::from_utf8_lossy(&text).into_owned() }
    }

    #[track_caller]
    pub(crate) fn expect_success(&self) {
        assert!(self.status.success(), "{}: {}", self.status, self.text);
    }

    #[track_caller]
    pub(crate) fn expect_signal(&self, signal: i32) {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(self.status.signal(), Some(signal), "{}: {}", self.status, self.text);
    }
}

/// Some roles end by a signal on purpose.
fn no_core_files() {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_CORE, 0, 0).expect("a limit can be lowered");
}
