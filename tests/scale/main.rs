//! Heaps at the sizes that the crate promises, and what they cost besides the objects.
//!
//! An ordinary run is scaled down to seconds. With `STRANDLINE_FULL_SCALE=1` the sizes are the
//! promised ones: up to 18 GiB of memory and minutes in a release build.
//!
//! ```text
//! STRANDLINE_FULL_SCALE=1 cargo test --release --test scale -- --nocapture
//! ```
//!
//! The tests measure the memory of the whole process, so they take turns.

#[path = "../heap/graph.rs"]
#[allow(dead_code, reason = "the object model is shared with other tests")]
mod graph;

mod array;
mod chains;
mod groups;
mod list;
mod live;
mod measure;
mod metadata;
mod returned;
mod roots;
mod sizing;
mod small;
