//! The process, time, and the collector.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Definition;
use crate::expand::STANDARD_LIBRARIES;
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Global, Outcome, Vm};

const JIFFIES_PER_SECOND: i64 = 1_000_000_000;

pub(super) const TABLE: &[Definition] = &[
    ("command-line", 0, 0, |vm, _| Ok(vm.shared.get(Global::CommandLine))),
    ("get-environment-variable", 1, 1, |vm, a| {
        vm.expect("get-environment-variable", Type::String, a[0])?;
        match std::env::var(a[0].text()) {
            Ok(value) => vm.string(&value),
            Err(_) => Ok(Value::FALSE),
        }
    }),
    ("get-environment-variables", 0, 0, |vm, _| {
        let mut list = Value::NIL;
        for (name, value) in std::env::vars_os() {
            let (name, value) =
                (vm.string(&name.to_string_lossy())?, vm.string(&value.to_string_lossy())?);
            let pair = vm.cons(name, value)?;
            list = vm.cons(pair, list)?;
        }
        Ok(list)
    }),
    ("%exit", 1, 1, |vm, a| vm.exit(a[0])),
    ("emergency-exit", 0, 1, |vm, a| vm.exit(a.first().copied().unwrap_or(Value::TRUE))),
    ("current-jiffy", 0, 0, |vm, _| {
        Ok(Value::fixnum(vm.shared.started.elapsed().as_nanos() as i64))
    }),
    ("jiffies-per-second", 0, 0, |_, _| Ok(Value::fixnum(JIFFIES_PER_SECOND))),
    ("current-second", 0, 0, |vm, _| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        vm.flonum(now.as_secs_f64())
    }),
    ("runtime", 0, 0, |vm, _| {
        let elapsed = vm.shared.started.elapsed();
        vm.flonum(elapsed.as_secs_f64())
    }),
    ("gc", 0, 0, |vm, _| {
        vm.mutator.collect();
        Ok(Value::UNSPECIFIED)
    }),
    // (random n): an integer or a flonum from 0 up to n
    ("random", 1, 1, |vm, a| {
        if a[0].is_flonum() {
            return vm.flonum(next_random() as f64 / u64::MAX as f64 * a[0].as_flonum());
        }
        match a[0].as_index() {
            Some(bound) if bound > 0 => Ok(Value::index((next_random() >> 4) as usize % bound)),
            _ => Err(vm.wrong_type("random", "positive number", a[0])),
        }
    }),
    ("features", 0, 0, |vm, _| {
        let mut list = Value::NIL;
        for feature in crate::libraries::FEATURES.iter().rev() {
            let feature = vm.symbol(feature)?;
            list = vm.cons(feature, list)?;
        }
        Ok(list)
    }),
    ("%standard-library-count", 0, 0, |_, _| Ok(Value::index(STANDARD_LIBRARIES.len()))),
];

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
fn next_random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0x5eed);
    let state = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

impl Vm {
    /// Ends the process. What the status means: `#t` success, `#f` failure, a number itself.
    pub(crate) fn exit(&mut self, status: Value) -> Outcome {
        let code = match status {
            Value::TRUE => 0,
            Value::FALSE => 1,
            _ => status.as_index().map_or(70, |code| code as i32 & 0xff),
        };
        if let Err(error) = self.flush_all() {
            let text = self.describe_error(error);
            eprintln!("scheme: {text}");
        }
        if self.shared.process.gc_stats {
            crate::stats::print(&self.shared);
        }
        if let Some(timeline) = &self.shared.process.timeline {
            timeline.finish();
        }
        std::process::exit(code)
    }
}
