//! When to collect, and how.

mod collect;
mod heap;
mod mark;
mod options;
mod packets;
mod ring;
mod sizing;
mod stats;
mod verify;

pub use heap::{Heap, HeapError};
pub use options::{
    HeapOptions, LOG_VARIABLE, MARKERS_VARIABLE, MAX_HEAP_VARIABLE, OptionError, Sizing,
};
pub use stats::HeapStats;
