//! When to collect, and how.

mod collect;
#[cfg(all(test, not(loom)))]
mod controls;
mod crew;
mod cycle;
mod fork;
mod heap;
mod ledger;
mod mark;
mod options;
mod pacing;
mod packets;
mod referee;
mod report;
mod requests;
mod rescan;
mod ring;
mod rules;
mod sizing;
mod stats;
mod turn;
mod verify;
mod workers;

pub use heap::{Heap, HeapError};
pub use mark::Scope;
pub use options::{
    HeapOptions, LOG_VARIABLE, MARKERS_VARIABLE, MAX_HEAP_VARIABLE, Mode, OptionError, Sizing,
};
pub use referee::{BarrierCheck, BarrierReport, BarrierTarget, SlotChange};
pub use report::{CycleReport, StopPurpose, StopReport};
pub use stats::HeapStats;
