//! A line on standard error that says what is being measured, where somebody is watching.

use std::io::{self, IsTerminal, Write};

pub(super) struct Progress {
    watched: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { watched: io::stderr().is_terminal() }
    }

    /// Replaces the line.
    pub(super) fn say(&self, text: &str) {
        if self.watched {
            // A terminal that went away is no reason to stop.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.say("");
    }
}
