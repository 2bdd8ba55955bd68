//! The heap as its users have it. Everything here is a thin layer over [`crate::collector`].

mod close;
mod heap;
mod inspect;
mod memory;

pub use crate::collector::check::walk::{Because, Link, ObjectInfo, RootPath};
pub use close::StillAttached;
pub use heap::{Heap, HeapError};
pub use memory::TrimError;
