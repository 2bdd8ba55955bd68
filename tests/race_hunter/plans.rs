//! The configurations that are hunted in.

use std::fmt::Write as _;

use strandline::dirty::{Cards, Mprotect, TrackError, TrackerBackend, Uffd, UffdOptions};
use strandline::os::PageRange;

use super::broken::Dropper;
use super::disturb::Disturbance;
use super::engine::{Order, Plan};
use super::field::{Memory, Store};

/// A back-end as a configuration names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    Uffd(UffdOptions),
    Mprotect,
    Cards,
    /// The negative control.
    Dropper,
}

/// What a hunt must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    NothingLost,
    Caught,
}

/// A configuration with a name.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) backend: Backend,
    pub(crate) plan: Plan,
    pub(crate) expected: Expected,
}

/// How the names of negative controls begin.
pub(crate) const CONTROL: &str = "control";

impl Candidate {
    fn new(backend: Backend, plan: Plan) -> Self {
        Self { name: name(backend, &plan), backend, plan, expected: Expected::NothingLost }
    }

    fn control(what: &str, backend: Backend, plan: Plan) -> Self {
        let name = format!("{CONTROL}: {what}");
        Self { name, backend, plan, expected: Expected::Caught }
    }

    /// Opens the back-end for `span`.
    pub(crate) fn open(&self, span: PageRange) -> Result<Box<dyn TrackerBackend>, TrackError> {
        Ok(match self.backend {
            Backend::Uffd(options) => Box::new(Uffd::open(options)?),
            Backend::Mprotect => Box::new(Mprotect::new(span)?),
            Backend::Cards => Box::new(Cards::new(span)),
            Backend::Dropper => Box::new(Dropper::new(Box::new(Uffd::open(slots(512, false))?))),
        })
    }

    /// Why it cannot be run here, if so.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self.backend {
            Backend::Uffd(options) => Uffd::open(options).err().map(|error| error.to_string()),
            Backend::Dropper => Uffd::open(slots(512, false)).err().map(|error| error.to_string()),
            Backend::Mprotect | Backend::Cards => None,
        }
    }
}

fn slots(result_slots: usize, sparse: bool) -> UffdOptions {
    UffdOptions { sparse, result_slots }
}

fn name(backend: Backend, plan: &Plan) -> String {
    let mut name = match backend {
        Backend::Uffd(options) => {
            let sparse = if options.sparse { " sparse" } else { "" };
            format!("uffd {}{sparse}", options.result_slots)
        }
        Backend::Mprotect => "mprotect".to_owned(),
        Backend::Cards => "cards".to_owned(),
        Backend::Dropper => "dropper".to_owned(),
    };
    write!(name, " {:?} {:?}x{}", plan.memory, plan.store, plan.writers).expect("a String");
    if plan.in_windows {
        name.push_str(" in windows");
    }
    if plan.order == Order::AtRest {
        name.push_str(" at rest");
    }
    if plan.scanners > 1 {
        write!(name, " scanners={}", plan.scanners).expect("a String");
    }
    for disturbance in plan.disturbances {
        write!(name, " +{disturbance:?}").expect("a String");
    }
    name.to_lowercase().replace(' ', "_")
}

pub(crate) fn candidates() -> Vec<Candidate> {
    [controls(), uffd_matrix(), uffd_disturbed(), mprotect(), cards()]
        .into_iter()
        .flatten()
        .collect()
}

/// The kernel writes to pages that it pinned before they were protected.
const PINNED: Plan = Plan { store: Store::Pinned, writers: 1, ..Plan::DEFAULT };

fn controls() -> Vec<Candidate> {
    let reads_first = Plan { order: Order::ReadThenConsume, ..Plan::DEFAULT };
    let uffd = Backend::Uffd(slots(512, false));
    vec![
        Candidate::control("drops_one_range_in_1000", Backend::Dropper, Plan::DEFAULT),
        Candidate::control("reads_then_protects", uffd, reads_first),
        // Not a broken tracker but the exception in every contract, and why there are windows.
        Candidate::control("pinned_pages_without_a_window", uffd, PINNED),
    ]
}

/// Every number of result slots, sparse or not, on every kind of memory, with the ways of storing
/// and the numbers of writers dealt out over them.
fn uffd_matrix() -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut stores = Store::SEEN.into_iter().cycle();
    let mut writers = [1, 2, 3].into_iter().cycle();
    for memory in [Memory::Base, Memory::Huge] {
        for sparse in [false, true] {
            for result_slots in [1, 2, 8, 512] {
                let (store, writers) = (stores.next(), writers.next());
                let (store, writers) = (store.expect("endless"), writers.expect("endless"));
                let plan = Plan { memory, store, writers, ..Plan::DEFAULT };
                candidates.push(Candidate::new(Backend::Uffd(slots(result_slots, sparse)), plan));
            }
            // So that not every number of slots always meets the same way of storing.
            stores.next();
        }
    }
    candidates
}

fn uffd_disturbed() -> Vec<Candidate> {
    use Disturbance::{Collapse, Fork, Unprotect, Window};
    let huge = Plan { memory: Memory::Huge, ..Plan::DEFAULT };
    let two = Plan { scanners: 2, ..Plan::DEFAULT };
    let of = |result_slots, sparse, plan| {
        Candidate::new(Backend::Uffd(slots(result_slots, sparse)), plan)
    };
    vec![
        of(512, false, Plan { disturbances: &[Unprotect], ..Plan::DEFAULT }),
        of(8, true, Plan { disturbances: &[Window], store: Store::Copy64, ..Plan::DEFAULT }),
        of(512, false, Plan { disturbances: &[Unprotect, Window, Collapse], ..huge }),
        of(2, true, Plan { disturbances: &[Collapse], store: Store::Swap, ..huge }),
        of(512, false, two),
        of(1, true, Plan { store: Store::Copy64, ..two }),
        of(8, false, Plan { memory: Memory::Huge, disturbances: &[Unprotect, Window], ..two }),
        of(512, false, Plan { memory: Memory::Few, ..two }),
        of(512, false, Plan { in_windows: true, ..PINNED }),
        of(512, false, Plan { order: Order::AtRest, ..PINNED }),
        of(512, false, Plan { disturbances: &[Fork], ..Plan::DEFAULT }),
        of(512, true, Plan { disturbances: &[Fork], store: Store::Kernel, ..huge }),
        of(8, false, Plan { disturbances: &[Fork, Window], writers: 3, ..two }),
    ]
}

/// No writes by the kernel: they would fail, as the contract says.
fn mprotect() -> Vec<Candidate> {
    use Disturbance::{Fork, Unprotect, Window};
    let of = |plan| Candidate::new(Backend::Mprotect, plan);
    let plan = Plan::DEFAULT;
    vec![
        of(Plan { writers: 1, ..plan }),
        of(Plan { writers: 3, store: Store::Copy64, ..plan }),
        of(Plan { memory: Memory::Huge, store: Store::Swap, ..plan }),
        of(Plan { scanners: 2, ..plan }),
        of(Plan { scanners: 2, memory: Memory::Few, ..plan }),
        of(Plan { in_windows: true, ..PINNED }),
        of(Plan { disturbances: &[Unprotect, Window], ..plan }),
        of(Plan { disturbances: &[Fork], ..plan }),
    ]
}

/// The writers call the barrier after every store.
fn cards() -> Vec<Candidate> {
    use Disturbance::{Fork, Unprotect, Window};
    let of = |plan| Candidate::new(Backend::Cards, plan);
    let plan = Plan { writers: 3, ..Plan::DEFAULT };
    vec![
        of(plan),
        of(Plan { scanners: 2, store: Store::Copy64, ..plan }),
        of(Plan { disturbances: &[Unprotect, Window], store: Store::Kernel, ..plan }),
        of(Plan { disturbances: &[Fork], store: Store::Swap, ..plan }),
    ]
}
