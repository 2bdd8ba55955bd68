//! Forks of a process with heaps in it: parent and child both go on collecting correctly.
//!
//! Every test runs in a process of its own, and so does every child. All have a watchdog: what hangs
//! is killed, and the test fails with the signal.

mod children;
#[path = "../heap/graph.rs"]
mod graph;
mod process;
mod program;
mod random;
mod references;
mod several;

use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{HeapOptions, Mode};

fn options(mode: Mode, backend: BackendKind) -> HeapOptions {
    let tracker =
        TrackerOptions { backend: Some(backend), barriers: true, ..TrackerOptions::default() };
    HeapOptions {
        limit: 24 << 20,
        verify: true,
        markers: 2,
        mode,
        tracker,
        ..HeapOptions::default()
    }
}
