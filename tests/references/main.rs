//! Weak references, ephemerons, guardians, weak maps, by their public interface.

mod ephemerons;
#[path = "../heap/graph.rs"]
mod graph;
mod guardians;
mod inspect;
mod limits;
mod maps;
mod teardown;
mod torture;
mod weak;

use strandline::{HeapOptions, Mode};

/// Both ways to collect, with the verifier.
fn both() -> [HeapOptions; 2] {
    [Mode::Stopped, Mode::Concurrent].map(|mode| HeapOptions {
        limit: 64 << 20,
        verify: true,
        mode,
        ..HeapOptions::default()
    })
}
