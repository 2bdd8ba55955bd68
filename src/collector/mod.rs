//! When to collect, and how: the rooms follow the cycle.
//!
//! - [`shared`]: what all threads of a heap share;
//! - [`cycle`]: the phases of a cycle, its stops, and the collection in one stop;
//! - [`remembered`]: the pages to look at again;
//! - [`mark`]: the transitive closure;
//! - [`threads`]: who runs all this, and who waits for whom;
//! - [`pacing`]: when a cycle begins, and how large the heap is;
//! - [`report`]: what is known of it afterwards;
//! - [`check`]: the verifier, the referee of barriers, and the tests of the protocols.

pub(crate) mod check;
pub(crate) mod cycle;
pub(crate) mod mark;
pub(crate) mod options;
pub(crate) mod pacing;
pub(crate) mod remembered;
pub(crate) mod report;
mod scope;
pub(crate) mod shared;
pub(crate) mod threads;

pub use check::referee::{BarrierCheck, BarrierReport, BarrierTarget, SlotChange};
pub use options::{
    HeapOptions, LOG_VARIABLE, MARKERS_VARIABLE, MAX_HEAP_VARIABLE, Mode, OptionError, Sizing,
};
pub use pacing::pressure::OutOfMemoryHandler;
pub use report::histogram::Histogram;
pub use report::stats::{CycleObserver, HeapStats};
pub use report::{CycleReport, StopPurpose, StopReport};
pub use scope::Scope;
