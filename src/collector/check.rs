//! Checks: of a collection by another one, of a program's write barriers, and of the rules by breaking them.

#[cfg(all(test, not(loom)))]
mod controls;
pub(crate) mod edges;
#[cfg(all(test, loom))]
mod loom_tests;
pub(crate) mod referee;
pub(crate) mod rules;
pub(crate) mod verify;
pub(crate) mod walk;
