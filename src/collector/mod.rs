//! When to collect, and how.

mod collect;
#[cfg(all(test, not(loom)))]
mod controls;
mod crew;
mod cycle;
mod edges;
mod fork;
mod heap;
mod history;
mod inspect;
mod ledger;
#[cfg(all(test, loom))]
mod loom_tests;
mod mark;
mod options;
mod pacing;
mod packets;
mod precedence;
mod pressure;
mod referee;
mod references;
mod report;
mod requests;
mod rescan;
mod ring;
mod rules;
mod sizing;
mod stats;
mod sweeper;
mod teardown;
mod turn;
mod verify;
mod workers;

pub use heap::{Heap, HeapError};
pub use inspect::{Because, Link, ObjectInfo, RootPath};
pub use mark::Scope;
pub use options::{
    HeapOptions, LOG_VARIABLE, MARKERS_VARIABLE, MAX_HEAP_VARIABLE, Mode, OptionError, Sizing,
};
pub use pressure::{OutOfMemoryHandler, TrimError};
pub use referee::{BarrierCheck, BarrierReport, BarrierTarget, SlotChange};
pub use report::{CycleReport, StopPurpose, StopReport};
pub use stats::{CycleObserver, HeapStats};
pub use teardown::StillAttached;
