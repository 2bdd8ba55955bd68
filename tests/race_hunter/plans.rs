//! The configurations that are hunted in.

use std::fmt::Write as _;
use std::sync::Arc;

use strandline::dirty::{
    BackendKind, Cards, Mprotect, TrackError, TrackerBackend, Uffd, UffdOptions,
};

use super::broken::{Believer, Dropper};
use super::disturb::Disturbance;
use super::engine::{Care, Order, Plan};
use super::field::{Field, Memory, Store};
use super::outsiders::{Outsider, Way};

/// A back-end as a configuration names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    Uffd(UffdOptions),
    Mprotect,
    Cards,
    /// The negative controls.
    Dropper,
    Believer,
}

/// What a hunt must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    NothingLost,
    Caught,
    /// Some of it may be lost, as the contract says: it is counted.
    Counted,
}

/// A configuration with a name.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) backend: Backend,
    pub(crate) plan: Plan,
    pub(crate) expected: Expected,
}

/// How the names of negative controls begin, and those of what is only counted.
pub(crate) const CONTROL: &str = "control";
pub(crate) const COUNTED: &str = "counted";

impl Candidate {
    fn new(backend: Backend, plan: Plan) -> Self {
        Self { name: name(backend, &plan), backend, plan, expected: Expected::NothingLost }
    }

    fn control(what: &str, backend: Backend, plan: Plan) -> Self {
        let name = format!("{CONTROL}: {what}");
        Self { name, backend, plan, expected: Expected::Caught }
    }

    fn counted(backend: Backend, plan: Plan) -> Self {
        let name = format!("{COUNTED}: {}", name(backend, &plan));
        Self { name, backend, plan, expected: Expected::Counted }
    }

    /// Opens the back-end for `field`.
    pub(crate) fn open(&self, field: &Field) -> Result<Box<dyn TrackerBackend>, TrackError> {
        let span = field.range();
        let uffd = || Uffd::open(slots(512, false)).map(Box::new);
        Ok(match self.backend {
            Backend::Uffd(options) => Box::new(Uffd::open(options)?),
            Backend::Mprotect => Box::new(Mprotect::new(span)?),
            Backend::Cards => Box::new(Cards::new(span)),
            Backend::Dropper => Box::new(Dropper::new(uffd()?)),
            Backend::Believer => Box::new(Believer::new(uffd()?, Arc::clone(field.log()))),
        })
    }

    /// Why it cannot be run here, if so.
    pub(crate) fn refusal(&self) -> Option<String> {
        let uffd = match self.backend {
            Backend::Uffd(options) => Uffd::open(options).err(),
            Backend::Dropper | Backend::Believer => Uffd::open(slots(512, false)).err(),
            Backend::Mprotect | Backend::Cards => None,
        };
        let kind = match self.backend {
            Backend::Mprotect => BackendKind::Mprotect,
            Backend::Cards => BackendKind::Cards,
            _ => BackendKind::Uffd,
        };
        let pinned = match self.plan.store {
            // Whatever the back-end: it is written to in a window, or by force.
            Store::Pinned(way) => Outsider::Kernel(way).refusal(BackendKind::Uffd),
            _ => None,
        };
        uffd.map(|error| error.to_string()).or(pinned).or_else(|| self.plan.outsider?.refusal(kind))
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
        Backend::Believer => "believer".to_owned(),
    };
    write!(name, " {:?} {}x{}", plan.memory, plan.store, plan.writers).expect("a String");
    match plan.care {
        Care::Nothing => {}
        Care::Window => name.push_str(" in windows"),
        Care::Written => name.push_str(" told"),
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
    if let Some(outsider) = plan.outsider {
        write!(name, " beside {outsider}").expect("a String");
    }
    name.to_lowercase().replace(' ', "_")
}

pub(crate) fn candidates() -> Vec<Candidate> {
    [controls(), uffd_matrix(), uffd_disturbed(), mprotect(), cards(), outsiders(), pinned()]
        .into_iter()
        .flatten()
        .collect()
}

/// The kernel writes to pages that it pinned before they were protected.
const PINNED: Plan = Plan { store: Store::Pinned(Way::VmWrite), writers: 1, ..Plan::DEFAULT };

fn controls() -> Vec<Candidate> {
    let reads_first = Plan { order: Order::ReadThenConsume, ..Plan::DEFAULT };
    let not_last = Plan { order: Order::NotAtTheEnd, ..Plan::DEFAULT };
    let uffd = UFFD;
    vec![
        Candidate::control("drops_one_range_in_1000", Backend::Dropper, Plan::DEFAULT),
        Candidate::control("reads_then_protects", uffd, reads_first),
        Candidate::control("no_last_scan", uffd, not_last),
        Candidate::control("believes_a_log", Backend::Believer, beside(Outsider::Populate)),
        // Not a broken tracker but the exception in every contract, and why there are windows.
        Candidate::control("pinned_pages_without_a_window", uffd, PINNED),
        Candidate::control("registered_buffers_not_told", uffd, by(Way::Registered, Care::Nothing)),
    ]
}

const UFFD: Backend = Backend::Uffd(UffdOptions { sparse: false, result_slots: 512 });

/// Writers with logs of their faults, beside somebody who has none. Scanned at rest, when logs are complete.
fn beside(outsider: Outsider) -> Plan {
    let outsider = Some(outsider);
    Plan { store: Store::Logged, order: Order::AtRest, outsider, ..Plan::DEFAULT }
}

/// Every outsider beside plain stores.
fn outsiders() -> Vec<Candidate> {
    let huge = Plan { memory: Memory::Huge, ..Plan::DEFAULT };
    let rigs = [(UFFD, Plan::DEFAULT), (UFFD, huge), (Backend::Mprotect, Plan::DEFAULT)];
    let rigs = rigs.into_iter().chain([(Backend::Cards, Plan::DEFAULT)]);
    let beside = |(backend, plan): (Backend, Plan)| {
        let plans = Outsider::ALL.map(|outsider| Plan { outsider: Some(outsider), ..plan });
        plans.map(|plan| Candidate::new(backend, plan))
    };
    // The model of a log is right as long as nobody else writes.
    let alone = Plan { outsider: None, ..self::beside(Outsider::Store) };
    rigs.flat_map(beside).chain([Candidate::new(Backend::Believer, alone)]).collect()
}

/// The kernel writes whole pages, in this way.
fn by(way: Way, care: Care) -> Plan {
    Plan { store: Store::Pinned(way), care, ..PINNED }
}

/// What is lost of the kernel's writes to pinned pages, and that nothing is when it is told. With
/// `mprotect` only those that happen at all.
fn pinned() -> Vec<Candidate> {
    let counted = |way| Candidate::counted(UFFD, by(way, Care::Nothing));
    let told = |way| Candidate::new(UFFD, by(way, Care::Written));
    let forced = Way::PINNED.into_iter().filter(|way| way.forces());
    let forced = forced.map(|way| Candidate::new(Backend::Mprotect, by(way, Care::Written)));
    Way::PINNED.into_iter().flat_map(|way| [counted(way), told(way)]).chain(forced).collect()
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
        of(512, false, Plan { care: Care::Window, ..PINNED }),
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
        of(Plan { care: Care::Window, ..PINNED }),
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
