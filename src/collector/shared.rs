//! What all threads of a heap share. What is done with it stands in the rooms.

use std::sync::{Arc, Weak};

use crate::collector::check::referee::Referee;
use crate::collector::check::rules::Rules;
use crate::collector::options::HeapOptions;
use crate::collector::pacing::Pacer;
use crate::collector::pacing::history::Cycle;
use crate::collector::pacing::pressure::Pressure;
use crate::collector::remembered::ledger::Ledger;
use crate::collector::report::stats::Recorder;
use crate::collector::threads::crew::Crew;
use crate::collector::threads::precedence::Precedence;
use crate::collector::threads::requests::Requests;
use crate::collector::threads::sweeper::Sweeping;
use crate::collector::threads::turn::Turn;
use crate::collector::threads::workers::Workers;
use crate::heap::Memory;
use crate::mutator::{Roots, Threads};
use crate::references::Tables;
use crate::sync::process::Mutex;
use crate::sync::process::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// What all threads of a heap share.
pub(crate) struct Shared<M> {
    pub(crate) memory: Arc<Memory>,
    pub(crate) world: Arc<Threads>,
    pub(crate) roots: Arc<Roots>,
    pub(crate) references: Arc<Tables>,
    pub(crate) model: M,
    pub(crate) options: HeapOptions,
    pub(crate) recorder: Mutex<Recorder>,
    /// Held for a collection.
    pub(crate) cycle: Turn<Cycle>,
    pub(crate) collections: AtomicU64,
    pub(crate) pacer: Pacer,
    /// Helps whoever runs a collection.
    pub(crate) crew: Crew,
    pub(crate) stress_count: AtomicU32,
    pub(crate) sweeping: Sweeping,
    /// Pages to look at again.
    pub(crate) ledger: Ledger,
    /// Whether a driver thread runs the cycles, while the program runs.
    pub(crate) concurrent: bool,
    pub(crate) requests: Requests,
    pub(crate) pressure: Pressure,
    pub(crate) precedence: Precedence,
    pub(crate) rules: Rules,
    pub(crate) workers: Mutex<Workers>,
    pub(crate) me: Weak<Self>,
    pub(crate) referee: Option<Referee>,
    /// Whether it was said that another process clears write marks.
    pub(crate) warned: AtomicBool,
}
