//! How a command ends when it cannot do what was asked, and the exit status that stands for it.

use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command stops early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments are well formed and make no sense together.
    #[error("{0}")]
    BadArguments(String),
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
    /// Nobody reads the output any more (`| head`): not an error of ours.
    #[error("the output was closed")]
    Closed,
}

impl Failure {
    /// Says it on standard error and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        // Standard error may be closed too; there is nobody left to tell.
        let mut stderr = io::stderr();
        match self {
            Self::Closed => ExitCode::SUCCESS,
            Self::Failed(text) => {
                let _ = writeln!(stderr, "strandline: {text}");
                ExitCode::from(1)
            }
            Self::BadArguments(text) => {
                let _ =
                    writeln!(stderr, "strandline: {text}\n\nFor more information, try '--help'.");
                ExitCode::from(2)
            }
        }
    }
}

/// For errors of writing to standard output: the only input or output that uses `?`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Failed(format!("cannot write the output: {error}"))
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}
