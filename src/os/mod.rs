//! Every system call and every `libc`/`nix` item of the crate; nothing above this module has one.
//!
//! A function per kernel facility, with typed arguments and errors that say what was tried, on
//! which range, with which result and what would make it work. It knows nothing of heaps.
//!
//! Public for those who want the facilities themselves: [`pagemap`] is the whole of
//! `PAGEMAP_SCAN`, [`userfaultfd`] asynchronous write protection, [`memory`] address space.

mod error;
pub(crate) mod fork;
pub(crate) mod limits;
pub mod memory;
mod page;
pub mod pagemap;
pub(crate) mod pressure;
mod say;
pub(crate) mod signal;
pub(crate) mod thread;
pub mod userfaultfd;

#[cfg(all(test, not(loom)))]
mod abi_tests;

pub use error::OsError;
pub use page::{PageRange, RangeError, page_shift, page_size};
pub(crate) use say::say;

/// Lets another thread run (`sched_yield`); async-signal-safe.
pub(crate) fn yield_processor() {
    // SAFETY: sched_yield takes nothing, changes nothing and cannot fail on Linux.
    unsafe { libc::sched_yield() };
}
