//! Which back-ends work here, what each of them sees, and which one a program gets.

use serde::Serialize;
use strandline::dirty::{
    BackendKind, Contract, SelectError, Selection, Sight, TRACKER_VARIABLE, Tracker, TrackerOptions,
};
use strandline::os::{PageRange, page_size};

/// What `Selection::open` takes, with the environment honoured.
#[derive(Serialize)]
pub(super) struct Choice {
    /// The value of the variable, if it is set.
    pub(super) environment: Option<String>,
    pub(super) backend: Option<&'static str>,
    pub(super) refused: Vec<Refused>,
    pub(super) error: Option<String>,
}

/// A better back-end that was not taken.
#[derive(Serialize)]
pub(super) struct Refused {
    pub(super) backend: &'static str,
    pub(super) reason: String,
}

/// A back-end, as a program that asks for it finds it.
#[derive(Serialize)]
pub(super) struct Backend {
    pub(super) name: &'static str,
    /// Why it cannot be had.
    pub(super) error: Option<String>,
    /// Known where it can be had.
    pub(super) contract: Option<ContractReport>,
}

/// A [`Contract`] as JSON.
#[derive(Serialize)]
pub(super) struct ContractReport {
    pub(super) stores: SightReport,
    pub(super) kernel_writes: SightReport,
    pub(super) device_writes: SightReport,
    pub(super) discards: SightReport,
    pub(super) aliases: SightReport,
    pub(super) cleared_elsewhere: SightReport,
    pub(super) precise: bool,
}

/// A [`Sight`] as JSON.
#[derive(Clone, Copy, Serialize)]
pub(super) struct SightReport {
    /// `seen`, `unseen` or `fails`.
    pub(super) what: &'static str,
    pub(super) why: Option<&'static str>,
}

/// Some addresses: nothing is registered.
fn span() -> PageRange {
    PageRange::new(page_size(), 2 * page_size()).expect("a page")
}

impl Choice {
    pub(super) fn make() -> Self {
        let environment =
            std::env::var_os(TRACKER_VARIABLE).map(|value| value.to_string_lossy().into_owned());
        let selection = Selection::open(span(), &TrackerOptions::default());
        let error = selection.as_ref().err().map(ToString::to_string);
        let selection = selection.ok();
        Self {
            environment,
            backend: selection.as_ref().map(|selection| selection.tracker.kind().name()),
            refused: selection.map_or_else(Vec::new, |selection| {
                let refused = selection.refused.iter();
                refused
                    .map(|r| Refused { backend: r.backend.name(), reason: r.reason.to_string() })
                    .collect()
            }),
            error,
        }
    }
}

/// A tracker for memory in `span` with one particular back-end, after its self-test.
pub(super) fn open(kind: BackendKind, span: PageRange) -> Result<Tracker, String> {
    let options =
        TrackerOptions { backend: Some(kind), barriers: true, ..TrackerOptions::default() };
    let selection = Selection::open_exactly(span, &options);
    selection.map(|selection| selection.tracker).map_err(|error| match error {
        // Whoever reads this knows what was asked for.
        SelectError::Refused(refusal) => refusal.reason.to_string(),
        error => error.to_string(),
    })
}

impl Backend {
    /// All that watch real memory.
    pub(super) fn all() -> Vec<Self> {
        let real = BackendKind::ALL.into_iter().filter(|kind| *kind != BackendKind::Model);
        real.map(Self::of).collect()
    }

    fn of(kind: BackendKind) -> Self {
        let tracker = open(kind, span());
        Self {
            name: kind.name(),
            contract: tracker.as_ref().ok().map(|tracker| tracker.contract().into()),
            error: tracker.err(),
        }
    }
}

impl From<Contract> for ContractReport {
    fn from(contract: Contract) -> Self {
        Self {
            stores: contract.stores.into(),
            kernel_writes: contract.kernel_writes.into(),
            device_writes: contract.device_writes.into(),
            discards: contract.discards.into(),
            aliases: contract.aliases.into(),
            cleared_elsewhere: contract.cleared_elsewhere.into(),
            precise: contract.precise,
        }
    }
}

impl From<Sight> for SightReport {
    fn from(sight: Sight) -> Self {
        match sight {
            Sight::Seen => Self { what: "seen", why: None },
            Sight::Unseen(why) => Self { what: "unseen", why: Some(why) },
            Sight::Fails(why) => Self { what: "fails", why: Some(why) },
        }
    }
}

impl ContractReport {
    /// The kinds of write, in words, each with what becomes of it.
    pub(super) fn sights(&self) -> [(&'static str, SightReport); 6] {
        [
            ("stores of the program", self.stores),
            ("writes by system calls", self.kernel_writes),
            ("writes by devices (DMA)", self.device_writes),
            ("contents dropped (madvise)", self.discards),
            ("writes by another mapping", self.aliases),
            ("marks cleared by another process", self.cleared_elsewhere),
        ]
    }
}
