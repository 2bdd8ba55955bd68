//! Any bytes as a program over a heap, beside the reference model of the heap's tests.
//!
//! `cargo +nightly fuzz run --sanitizer none heap -- -max_len=2048 -max_total_time=120`
//!
//! Without a sanitizer, because a conservative stack is read whole, red zones and all.

#![no_main]

#[path = "../../tests/heap/reference/mod.rs"]
#[allow(dead_code, reason = "the heap's tests use parts that the fuzz target does not")]
mod reference;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reference::run_bytes(bytes));
