//! References that do not keep alive: weak references, ephemerons, guardians.
//!
//! The collector never writes to an object, so a weak slot cannot be in one: it would have to be
//! cleared. All of them are cells of side tables ([`References`]). A cell belongs to a handle of the
//! program ([`Weak`], [`Ephemeron`]) or to an object ([`WeakField`]): such an object holds the name of
//! the cell as a number, and the cell goes when the object does. Weak pairs, weak hash tables and
//! guardians of a language are objects of the latter sort.
//!
//! # What happens to an object that nothing keeps
//!
//! In the stop that ends a collection, when everything that can be reached is marked:
//!
//! 1. weak references to what is not marked are cleared ([`Clearing::BeforeGuardians`]);
//! 2. guarded objects that are not marked are handed to their guardians, all of them at once, and are
//!    alive again with everything they refer to;
//! 3. what is still not marked is gone: the remaining weak references and ephemerons to it are
//!    cleared, and charges for it end.
//!
//! # Threads
//! Everything here may be used by any thread. Reading a reference takes a [`Mutator`](crate::Mutator),
//! which proves that the thread is attached and runs; then nothing can be cleared at the same time,
//! and what was read is valid until the thread's next safepoint, like any reference in a local
//! variable. No lock is held across a safepoint.
//!
//! - [`cells`], [`tables`]: the entries;
//! - [`settle`], [`waiting`]: what a collection does with them.

mod cells;
mod charge;
mod ephemeron;
mod fork;
mod guardian;
mod map;
mod queue;
mod settle;
mod tables;
mod verify;
mod waiting;
mod weak;

pub use charge::Charge;
pub use ephemeron::Ephemeron;
pub use guardian::Guardian;
pub use map::WeakMap;
pub use weak::{Clearing, DeathQueue, References, Weak, WeakField, WeakOptions};

pub(crate) use fork::HeldTables;
pub(crate) use settle::Settling;
pub(crate) use tables::{Found, Tables};
