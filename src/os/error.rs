//! One error type for every system call: what was tried, on which range, and what would help.

use std::io;

use nix::errno::Errno;

use super::page::PageRange;

/// A system call that failed or was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OsError {
    /// The kernel answered with an error.
    #[error("{call}{} failed: {source}{}", on(*range), hint(advice))]
    Syscall {
        /// The call, with the arguments that matter.
        call: &'static str,
        /// The addresses it was about, if any.
        range: Option<PageRange>,
        /// The kernel's error.
        source: io::Error,
        /// What would make it work, where that is known.
        advice: &'static str,
    },
    /// The kernel lacks a feature that is needed.
    #[error("{call}: this kernel does not offer {feature}; {advice}")]
    Missing {
        /// The call that would tell.
        call: &'static str,
        /// What is missing.
        feature: &'static str,
        /// What would make it work.
        advice: &'static str,
    },
    /// The descriptor was opened by the process that this one was forked from. It acts on the
    /// parent's memory, so using it here would take the parent's dirty bits away.
    #[error(
        "{call} refused: this process was forked after the descriptor was opened, and the \
         descriptor still acts on the parent; open a new one"
    )]
    Forked {
        /// The call that was not made.
        call: &'static str,
    },
    /// The arguments contradict each other; the kernel was not asked.
    #[error("{call} refused: {reason}")]
    Refused {
        /// The call that was not made.
        call: &'static str,
        /// What is wrong with the arguments.
        reason: &'static str,
    },
}

fn on(range: Option<PageRange>) -> String {
    range.map_or_else(String::new, |range| format!(" on {range}"))
}

fn hint(advice: &str) -> String {
    if advice.is_empty() { String::new() } else { format!("; {advice}") }
}

impl OsError {
    pub(crate) fn syscall(
        call: &'static str,
        range: Option<PageRange>,
        errno: Errno,
        advice: &'static str,
    ) -> Self {
        Self::Syscall { call, range, source: errno.into(), advice }
    }

    /// The kind of the kernel's error, when the kernel was asked.
    #[must_use]
    pub fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Syscall { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// The kernel's error number, when the kernel was asked.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::Syscall { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::os::page_size;

    #[test]
    fn says_what_was_tried_on_what_and_what_would_help() {
        let range = PageRange::new(page_size(), 2 * page_size()).unwrap();
        let error = OsError::syscall("mprotect", Some(range), Errno::ENOMEM, "raise the limit");
        let text = error.to_string();
        for part in ["mprotect", &range.to_string(), "memory", "raise the limit"] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    }
}
