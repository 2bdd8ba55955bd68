//! What the cases are made of.

mod mapping;
pub(crate) mod process;
mod rig;
#[path = "../../common/ring.rs"]
pub(crate) mod ring;
pub(crate) mod role;
pub(crate) mod system;
pub(crate) mod table;
#[path = "../../common/thief.rs"]
#[allow(dead_code, reason = "other tests have it take all the time")]
pub(crate) mod thief;
mod variant;

pub(crate) use mapping::{Mapping, memory_file};
pub(crate) use process::in_child;
pub(crate) use rig::Rig;
pub(crate) use variant::{Stores, Variant};

/// How a case ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The page was reported, or whatever else the case wants.
    Passed,
    /// The back-end does not see this, declares so, and behaves as declared.
    Declared(String),
    /// The back-end refuses this, with the reason.
    Refused(String),
    /// It cannot be run here, for the reason given.
    NotRun(String),
}

/// Where the suite runs. Everything but `Native` is a child process of a native run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    /// As it was started.
    Native,
    /// As user and group 65534.
    Unprivileged,
    /// The system call `userfaultfd` fails, and the device works.
    DeviceOnly,
    /// `userfaultfd` fails with `EPERM`.
    SeccompEperm,
    /// `userfaultfd` fails with `ENOSYS`.
    SeccompEnosys,
}

impl Environment {
    pub(crate) const VARIABLE: &str = "STRANDLINE_CONFORMANCE_ENVIRONMENT";

    pub(crate) const CHILDREN: [Self; 4] =
        [Self::Unprivileged, Self::DeviceOnly, Self::SeccompEperm, Self::SeccompEnosys];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Unprivileged => "unprivileged",
            Self::DeviceOnly => "device_only",
            Self::SeccompEperm => "seccomp_eperm",
            Self::SeccompEnosys => "seccomp_enosys",
        }
    }

    pub(crate) fn current() -> Self {
        let Ok(name) = std::env::var(Self::VARIABLE) else { return Self::Native };
        let found = Self::CHILDREN.into_iter().find(|environment| environment.name() == name);
        found.unwrap_or_else(|| panic!("{}={name}: no such environment", Self::VARIABLE))
    }

    pub(crate) fn forbids_userfaultfd(self) -> bool {
        matches!(self, Self::SeccompEperm | Self::SeccompEnosys)
    }
}
