//! A garbage-collected heap for language runtimes that needs no write barrier.
//!
//! The program stores references with plain stores. Which pages it has written, the memory management
//! unit records anyway. strandline asks for these pages with one system call (`PAGEMAP_SCAN` on memory
//! that is registered with userfaultfd) and uses them as its card table. So it collects by generations
//! and marks while the program runs. Objects do not move and need no header.
//!
//! # Allocate, store, collect
//!
//! ```
//! use strandline::{Heap, HeapOptions, Kind, ObjectModel, ObjectRef, SlotVisitor, StackScan};
//!
//! /// Every object is a pair: two references, or null.
//! struct Pairs;
//!
//! // SAFETY: these two words are all references of a pair.
//! unsafe impl ObjectModel for Pairs {
//!     unsafe fn trace<V: SlotVisitor>(&self, pair: ObjectRef, visitor: &mut V) {
//!         // SAFETY: a pair has both words.
//!         (0..2).for_each(|index| visitor.visit(unsafe { pair.slot(index) }));
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let heap = Heap::new(Pairs, HeapOptions::default())?;
//! let mut mutator = heap.attach(StackScan::None)?; // this thread; its stack is not searched
//! let first = mutator.allocate(Kind::Precise, 16)?; // zeroed
//! let first = mutator.root(first); // a handle keeps it alive
//! let second = mutator.allocate(Kind::Precise, 16)?;
//! // SAFETY: both are pairs. The store is plain, and needs nothing before or after it.
//! unsafe { first.get().as_ptr::<usize>().write(second.address()) };
//! let lost = mutator.allocate(Kind::Precise, 16)?; // nothing refers to this one
//! mutator.collect();
//! let mut alive = Vec::new();
//! heap.walk(&mut mutator, |info| alive.push(info.object));
//! assert!(alive.contains(&first.get()) && alive.contains(&second) && !alive.contains(&lost));
//! # Ok(())
//! # }
//! ```
//!
//! # Three ways in
//!
//! - **A heap for a runtime.** [`Heap`] is the heap, [`Mutator`] an attached thread, [`ObjectModel`] says
//!   where the references of an object are, [`Kind`] how an object is traced, [`Root`] keeps an object
//!   alive. [`Heap::references`] has weak references, ephemerons and guardians.
//! - **Tracking without a heap.** [`dirty`] tells which pages of any memory were written since the last
//!   question: for checkpoints, snapshots, replication, or a collector of your own. Its
//!   [`Referee`](dirty::Referee) checks the write barrier that a runtime has already.
//! - **The kernel's facilities.** [`os`] has userfaultfd, `PAGEMAP_SCAN` and address space, typed, with
//!   errors that say what was tried and what would help.
//!
//! # Limits
//!
//! Linux on 64-bit machines only. Without Linux 6.7 (6.10 on arm64), or where a sandbox forbids
//! userfaultfd, the tracker falls back to a slower back-end: [`Heap::tracker`] says which one and why.
//! The repository's README lists what an embedder must not do; `docs/porting.md` is the guide for porting
//! a runtime, `docs/design.md` explains how it works.

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
    Histogram, LOG_VARIABLE, MARKERS_VARIABLE, MAX_HEAP_VARIABLE, Mode, OptionError,
    OutOfMemoryHandler, Scope, Sizing, SlotChange, StopPurpose, StopReport,
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

/// The examples of the documents are tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/porting.md")]
    struct Porting;
    #[doc = include_str!("../docs/referee.md")]
    struct Referee;
}
