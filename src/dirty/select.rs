//! Finding the best back-end that works here, and saying why the better ones do not.

use std::fmt;

use super::all_dirty::AllDirty;
use super::backend::{BackendKind, TrackerBackend, UnknownBackend};
use super::cards::Cards;
use super::error::TrackError;
use super::mprotect::Mprotect;
use super::self_test::{SelfTestError, self_test};
use super::tracker::Tracker;
use super::uffd::{Uffd, UffdOptions};
use crate::os::PageRange;

/// The environment variable that overrides the program's choice of a back-end.
pub const TRACKER_VARIABLE: &str = "STRANDLINE_TRACKER";

/// What a program asks of a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackerOptions {
    /// The back-end; `None` takes the best one that works.
    pub backend: Option<BackendKind>,
    /// The program calls the write barrier ([`CardTable::mark`](super::CardTable::mark)) after
    /// every store to watched memory, so that a card table is an option.
    pub barriers: bool,
    /// Details of the userfaultfd back-end.
    pub uffd: UffdOptions,
}

/// A tracker, and how it came to be chosen.
#[derive(Debug)]
pub struct Selection {
    /// The tracker.
    pub tracker: Tracker,
    /// The back-ends that were tried before, best first, and why they were refused.
    pub refused: Vec<Refusal>,
}

/// A back-end that was not taken.
#[derive(Debug)]
pub struct Refusal {
    /// The back-end.
    pub backend: BackendKind,
    /// Why, with what would change it.
    pub reason: Reason,
}

/// Why a back-end was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It could not be opened, or did not pass its self-test.
    #[error(transparent)]
    SelfTest(#[from] SelfTestError),
    /// It needs a write barrier, which the program does not promise to call.
    #[error(
        "it needs a write barrier after every store, and the program did not set \
         TrackerOptions::barriers"
    )]
    NoBarriers,
    /// It watches no real memory.
    #[error("it models an MMU for tests and watches no real memory; make it with Tracker::new")]
    NotReal,
}

/// Why there is no tracker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// The environment variable names no back-end.
    #[error("{TRACKER_VARIABLE}: {0}, and auto for the best one that works")]
    Variable(UnknownBackend),
    /// The back-end that was asked for is not to be had.
    #[error("the {} back-end was asked for and cannot be used: {}", .0.backend, .0.reason)]
    Refused(Refusal),
    /// The back-end passed its self-test and could then not be opened for the span.
    #[error(transparent)]
    Open(#[from] TrackError),
}

impl Selection {
    /// A tracker for memory inside `span`.
    ///
    /// Without [`TrackerOptions::backend`] it tries `uffd`, `mprotect`, `cards` (if the program
    /// calls barriers) and `all-dirty`, in this order, each with a self-test: some pages are
    /// written and must be reported. That takes about 0.1 ms. The environment variable
    /// [`STRANDLINE_TRACKER`](TRACKER_VARIABLE) (a name, or `auto`) goes before the option.
    ///
    /// # Errors
    /// When the variable is wrong, or one back-end was asked for and cannot be used. Without such
    /// a request there is always one that can: `all-dirty`.
    pub fn open(span: PageRange, options: &TrackerOptions) -> Result<Self, SelectError> {
        // What is not Unicode is no back-end's name either, and must not be passed over.
        let variable = std::env::var_os(TRACKER_VARIABLE);
        let variable = variable.as_ref().map(|value| value.to_string_lossy());
        let wanted = wanted(options.backend, variable.as_deref())?;
        Self::open_exactly(span, &TrackerOptions { backend: wanted, ..*options })
    }

    /// As [`open`](Self::open), whatever the environment says.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_exactly(span: PageRange, options: &TrackerOptions) -> Result<Self, SelectError> {
        if let Some(kind) = options.backend {
            usable(kind, options)
                .map_err(|reason| SelectError::Refused(Refusal { backend: kind, reason }))?;
            return Ok(Self { tracker: open(kind, span, options)?, refused: Vec::new() });
        }
        let mut refused = Vec::new();
        for backend in AUTO {
            match usable(backend, options) {
                Ok(()) => return Ok(Self { tracker: open(backend, span, options)?, refused }),
                Err(reason) => refused.push(Refusal { backend, reason }),
            }
        }
        unreachable!("all-dirty needs nothing that could be missing")
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tracker: {}", self.tracker.kind())?;
        for refusal in &self.refused {
            write!(f, "\n  not {}: {}", refusal.backend, refusal.reason)?;
        }
        Ok(())
    }
}

/// What `auto` tries, best first.
const AUTO: [BackendKind; 4] =
    [BackendKind::Uffd, BackendKind::Mprotect, BackendKind::Cards, BackendKind::AllDirty];

/// The back-end to open; `None` for the best that works.
fn wanted(
    option: Option<BackendKind>,
    variable: Option<&str>,
) -> Result<Option<BackendKind>, SelectError> {
    match variable {
        None | Some("") => Ok(option),
        Some("auto") => Ok(None),
        Some(name) => name.parse().map(Some).map_err(SelectError::Variable),
    }
}

/// Tests a back-end on memory of its own.
fn usable(kind: BackendKind, options: &TrackerOptions) -> Result<(), Reason> {
    match kind {
        BackendKind::Model => return Err(Reason::NotReal),
        BackendKind::Cards if !options.barriers => return Err(Reason::NoBarriers),
        _ => {}
    }
    self_test(|span| open(kind, span, options))?;
    Ok(())
}

fn open(
    kind: BackendKind,
    span: PageRange,
    options: &TrackerOptions,
) -> Result<Tracker, TrackError> {
    let backend: Box<dyn TrackerBackend> = match kind {
        BackendKind::Uffd => Box::new(Uffd::open(options.uffd)?),
        BackendKind::Mprotect => Box::new(Mprotect::new(span)?),
        BackendKind::Cards => Box::new(Cards::new(span)),
        BackendKind::AllDirty => Box::new(AllDirty),
        BackendKind::Model => unreachable!("refused by `usable`"),
    };
    Ok(Tracker::new(span, backend))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::os::page_size;

    fn span() -> PageRange {
        PageRange::new(page_size(), 9 * page_size()).unwrap()
    }

    fn asking_for(backend: Option<BackendKind>) -> TrackerOptions {
        TrackerOptions { backend, ..TrackerOptions::default() }
    }

    #[test]
    fn the_variable_goes_before_the_option() {
        let option = Some(BackendKind::Cards);
        assert_eq!(wanted(option, None).unwrap(), option);
        assert_eq!(wanted(option, Some("")).unwrap(), option);
        assert_eq!(wanted(option, Some("auto")).unwrap(), None);
        assert_eq!(wanted(option, Some("all-dirty")).unwrap(), Some(BackendKind::AllDirty));
        let error = wanted(option, Some("dirty")).unwrap_err().to_string();
        assert!(error.contains("STRANDLINE_TRACKER") && error.contains("uffd"), "{error}");
    }

    #[test]
    fn what_is_asked_for_is_taken_or_refused_with_the_reason() {
        for kind in [BackendKind::Uffd, BackendKind::Mprotect, BackendKind::AllDirty] {
            let selection = Selection::open_exactly(span(), &asking_for(Some(kind))).unwrap();
            assert_eq!(selection.tracker.kind(), kind);
        }
        let error = Selection::open_exactly(span(), &asking_for(Some(BackendKind::Cards)));
        assert!(error.unwrap_err().to_string().contains("barriers"));
        let error = Selection::open_exactly(span(), &asking_for(Some(BackendKind::Model)));
        assert!(error.unwrap_err().to_string().contains("no real memory"));
    }

    #[test]
    fn a_program_with_barriers_may_have_cards() {
        let options = TrackerOptions { barriers: true, ..asking_for(Some(BackendKind::Cards)) };
        let selection = Selection::open_exactly(span(), &options).unwrap();
        assert!(selection.tracker.cards().is_some());
    }

    #[test]
    fn the_report_names_what_was_taken_and_every_refusal() {
        let mut selection = Selection::open_exactly(span(), &asking_for(None)).unwrap();
        let kind = selection.tracker.kind();
        assert_eq!(selection.to_string().lines().count(), 1 + selection.refused.len());
        let refusal = Refusal { backend: BackendKind::Uffd, reason: Reason::NotReal };
        selection.refused = vec![refusal];
        let text = selection.to_string();
        assert!(text.starts_with(&format!("tracker: {kind}\n  not uffd: ")), "{text}");
    }
}
