//! Which pages were written since we last asked? Useful by itself: for collectors, incremental
//! checkpoints, snapshots, replication.
//!
//! ```no_run
//! use strandline::dirty::{PageSet, Selection, TrackerOptions};
//! use strandline::os::PageRange;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (address, bytes) = (0x10000, 0x10000);
//! let buffer = PageRange::covering(address, bytes)?; // memory that was mapped somehow
//! let selection = Selection::open(buffer, &TrackerOptions::default())?;
//! eprintln!("{selection}"); // which back-end it is, and why none better
//! let tracker = selection.tracker;
//! // SAFETY: the buffer is readable and writable, ours, and outlives the tracker.
//! unsafe { tracker.register(buffer)? };
//!
//! let owed = PageSet::new(buffer);
//! tracker.consume(buffer, &owed)?; // the first time: everything
//! // ... the program writes ...
//! owed.clear();
//! tracker.consume(buffer, &owed)?; // since then
//! for pages in &owed {
//!     println!("{pages} were written");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The theorem
//!
//! > A page that is not write-protected is dirty. Protection only ever removes conservatism.
//!
//! Forgetting to protect a page costs time, never correctness. There is one way to lose a write:
//! to *consume* a dirty page (report and protect it) and then not visit it. So what is consumed
//! goes into a [`PageSet`], the owed set, before anything else happens; so does the whole range of
//! a call that failed, and everything that a scan left out. [`TrackerBackend`] states it in full.
//!
//! # The strategies
//!
//! | back-end | a page becomes dirty by | a first write costs | sees the kernel's writes | needs |
//! |---|---|---|---|---|
//! | [`Uffd`] | the kernel, in the page fault | 1 us | yes | Linux 6.7, x86-64 or arm64 (6.10), `userfaultfd` allowed |
//! | [`Mprotect`] | a `SIGSEGV` handler | 5 to 8 us | no: they fail with `EFAULT` | mappings to spare (`vm.max_map_count`) |
//! | [`Cards`] | the program's write barrier | nothing, but every write costs | no | a barrier after every store |
//! | [`AllDirty`] | being there | nothing | yes | nothing |
//! | [`Model`] | going through [`ModelMmu`] | | no | a test |
//!
//! Not here: soft-dirty bits (one user for a whole process, no report without reading every entry,
//! often not configured), synchronous userfaultfd (8 us a fault and a thread to serve them).
//!
//! [`Selection::open`] finds the best that works. What each sees by its nature is its
//! [`Contract`]; what it does not see can be put into a [`Window`].
//!
//! # The referee
//!
//! A program that has a write barrier already can have it checked: [`Referee`] watches the same memory
//! by the MMU and names the words that changed without a barrier.
//!
//! # Processes
//!
//! A tracker belongs to the process that made it. In a forked child it takes hold of the child's
//! memory by itself the first time it is used; the parent loses nothing.
//!
//! Another process that may trace this one can clear the marks of [`Uffd`]. A tracker notices by its
//! canaries ([`Tracker::place_canary`]).

mod all_dirty;
mod backend;
mod canary;
mod cards;
mod error;
mod model;
mod mprotect;
mod page_set;
mod range_list;
mod referee;
mod select;
mod self_test;
mod stats;
mod tracker;
mod uffd;

pub use all_dirty::AllDirty;
pub use backend::{BackendKind, Contract, Scan, Sight, TrackerBackend, UnknownBackend};
pub use cards::{CardTable, Cards};
pub use error::TrackError;
pub use model::{Model, ModelMmu};
pub use mprotect::Mprotect;
pub use page_set::{Batch, PageSet, Runs};
pub use referee::{ChangedWord, Referee, RefereeOptions, Verdict};
pub(crate) use referee::{Snapshot, require_sight};
pub use select::{Reason, Refusal, SelectError, Selection, TRACKER_VARIABLE, TrackerOptions};
pub use self_test::SelfTestError;
pub use stats::Stats;
pub use tracker::{Tracker, Window};
pub use uffd::{Uffd, UffdOptions};
