//! When to collect, and how.

mod collect;
#[cfg(all(test, not(loom)))]
mod controls;
mod cycle;
mod edges;
mod heap;
mod inspect;
mod ledger;
mod mark;
mod options;
mod packets;
mod pressure;
mod references;
mod requests;
mod rescan;
mod ring;
mod rules;
mod sizing;
mod stats;
mod teardown;
mod verify;

pub use heap::{Heap, HeapError};
pub use inspect::{Because, Link, ObjectInfo, RootPath};
pub use options::{
    HeapOptions, LOG_VARIABLE, MARKERS_VARIABLE, MAX_HEAP_VARIABLE, Mode, OptionError, Sizing,
};
pub use pressure::{OutOfMemoryHandler, TrimError};
pub use stats::HeapStats;
pub use teardown::StillAttached;
