//! A garbage-collected heap for language runtimes that needs no write barrier.
//!
//! The program's pointer stores are plain stores. Which pages they wrote, the memory management
//! unit knows; strandline asks it once a collection cycle, and uses the answer as its card table.
//!
//! - [`dirty`] is the tracker: which pages were written since we last asked.
//! - [`os`] is what it stands on: userfaultfd, `PAGEMAP_SCAN`, address space.
//!
//! Linux on 64-bit machines only. Where the kernel or a sandbox offers less than the tracker wants
//! it falls back to something slower and says so.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("strandline needs Linux on a 64-bit machine");

// For what tests inside and outside of the crate share.
#[cfg(all(test, not(loom)))]
extern crate self as strandline;

mod api;
mod collector;
pub mod dirty;
mod heap;
mod mutator;
pub mod object;
pub mod os;
mod references;
mod sync;

pub use api::{Because, Heap, HeapError, Link, ObjectInfo, RootPath, StillAttached, TrimError};
pub use collector::{
    BarrierCheck, BarrierReport, BarrierTarget, CycleObserver, CycleReport, HeapOptions, HeapStats,
    LOG_VARIABLE, MARKERS_VARIABLE, MAX_HEAP_VARIABLE, Mode, OptionError, OutOfMemoryHandler,
    Scope, Sizing, SlotChange, StopPurpose, StopReport,
};
pub use mutator::{
    AllocationBuffer, Cause, Mutator, OutOfMemory, Pinned, Registration, Root, RootSource,
    StackScan, TimeToSafepoint,
};
pub use object::{Kind, ObjectModel, ObjectRef, Slot, SlotVisitor};
pub use references::{
    Charge, Clearing, DeathQueue, Ephemeron, Guardian, References, Weak, WeakField, WeakMap,
    WeakOptions,
};

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
