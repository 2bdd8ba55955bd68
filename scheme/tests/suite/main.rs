//! The Scheme as its users run it: whole programs on every tracker and in both modes, a
//! conformance suite by the sections of R7RS, and the claim that its source has no barriers.

mod ceremony;
#[path = "../common/mod.rs"]
mod common;
mod conformance;
mod interpreter;
mod language;
mod programs;
