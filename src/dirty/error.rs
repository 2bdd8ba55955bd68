//! What can go wrong with a tracker.

use super::backend::BackendKind;
use crate::os::userfaultfd::OpenError;
use crate::os::{OsError, PageRange};

/// A tracker that refused, or a kernel that did.
///
/// A scan that [refused its arguments](Self::refused_arguments) has changed nothing. After any
/// other error of a scan, every page of the range that it was given is in its page set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// The range is outside the span that the tracker was made for.
    #[error("{range} is outside the tracker's span {span}; make the tracker for a wider span")]
    OutsideSpan {
        /// The range that was given.
        range: PageRange,
        /// The tracker's span.
        span: PageRange,
    },
    /// A part of the range is registered already.
    #[error("cannot register {range}: {registered} is registered already")]
    AlreadyRegistered {
        /// The range that was given.
        range: PageRange,
        /// What it overlaps.
        registered: PageRange,
    },
    /// A part of the range is not registered.
    #[error("a part of {range} is not registered with the tracker")]
    NotRegistered {
        /// The range that was given.
        range: PageRange,
    },
    /// A window is open over a part of the range.
    #[error("cannot unregister {range}: a window over {window} is open; drop it first")]
    WindowOpen {
        /// The range that was given.
        range: PageRange,
        /// The window's range.
        window: PageRange,
    },
    /// The page set that the pages were to go into does not cover the range.
    #[error("the page set covers {set}, not all of {range}")]
    SetTooSmall {
        /// The range that was given.
        range: PageRange,
        /// The page set's span.
        set: PageRange,
    },
    /// The memory cannot be watched by this back-end.
    #[error("the {backend} back-end cannot watch {range}: {reason}")]
    Unwatchable {
        /// The back-end.
        backend: BackendKind,
        /// The range that was given.
        range: PageRange,
        /// Why not, and what to use instead.
        reason: &'static str,
    },
    /// The size is no card's.
    #[error("cards of {bytes} bytes; the size must be a power of two from 8 to the page size")]
    CardSize {
        /// The size that was given.
        bytes: usize,
    },
    /// The back-end cannot be compared with barriers.
    #[error(
        "the referee compares barriers with what the MMU saw, and the {backend} back-end {reason}"
    )]
    Blind {
        /// The back-end.
        backend: BackendKind,
        /// Why not, and what to use instead.
        reason: &'static str,
    },
    /// No userfaultfd could be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kernel refused.
    #[error(transparent)]
    Os(#[from] OsError),
}

impl TrackError {
    /// Whether the call was refused for its arguments, before it did anything.
    #[must_use]
    pub fn refused_arguments(&self) -> bool {
        match self {
            Self::OutsideSpan { .. }
            | Self::AlreadyRegistered { .. }
            | Self::NotRegistered { .. }
            | Self::WindowOpen { .. }
            | Self::SetTooSmall { .. }
            | Self::CardSize { .. }
            | Self::Blind { .. } => true,
            Self::Unwatchable { .. } | Self::Open(_) | Self::Os(_) => false,
        }
    }
}
