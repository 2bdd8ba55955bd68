//! The RESULT line: what scripts read.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use strandline::HeapStats;
use strandline::dirty::{BackendKind, Tracker};

use crate::driver::Outcome;

/// Prints the result as one line: `RESULT name=value ...`, or a JSON object.
pub(crate) fn print(
    name: &str,
    outcome: &Outcome,
    stats: &HeapStats,
    tracker: &Tracker,
    json: bool,
) {
    let mut fields = Fields::default();
    fields.add("bench", name);
    fields.outcome(outcome);
    fields.collections(stats);
    fields.tracking(tracker, stats);
    fields.add("heap_mib", rounded(stats.peak_bytes as f64 / f64::from(1 << 20)));
    fields.add("sum", outcome.sum);
    println!("{}", if json { fields.json() } else { fields.line() });
}

/// Fields in the order in which they are printed. What does not apply is not there.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    fn outcome(&mut self, outcome: &Outcome) {
        self.add("threads", outcome.threads);
        if let Some(repetitions) = outcome.repetitions {
            self.add("reps", repetitions);
        }
        self.add("run_ms", rounded(outcome.run.as_secs_f64() * 1e3));
        if let Some(setup) = outcome.setup {
            self.add("setup_ms", rounded(setup.as_secs_f64() * 1e3));
        }
        if let Some(operations) = &outcome.operations_ns {
            self.operations(operations);
        }
        if let Some(ns) = outcome.store_ns {
            self.add("store_ns", rounded(ns));
        }
    }

    fn operations(&mut self, times: &Histogram<u64>) {
        let us = |ns: u64| rounded(ns as f64 / 1e3);
        for (name, quantile) in
            [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("p9999_us", 0.9999)]
        {
            self.add(name, us(times.value_at_quantile(quantile)));
        }
        self.add("max_us", us(times.max()));
    }

    fn collections(&mut self, stats: &HeapStats) {
        self.add("gcs", stats.collections);
        self.add("minor", stats.collections - stats.full_collections);
        self.add("major", stats.full_collections);
        let (pauses, ms) = (&stats.pauses_ns, |ns: f64| rounded(ns / 1e6));
        self.add("pause_max_ms", ms(pauses.max() as f64));
        self.add("pause_sum_ms", ms(if pauses.is_empty() { 0.0 } else { sum(pauses) }));
        self.add("stall_max_ms", ms(stats.stalls_ns.max() as f64));
        self.add("ttsp_max_ms", ms(stats.time_to_safepoint_ns.max() as f64));
    }

    fn tracking(&mut self, tracker: &Tracker, stats: &HeapStats) {
        if tracker.stats().consumes == 0 {
            return;
        }
        self.add("dirty_pages", stats.dirty_pages);
        if matches!(tracker.kind(), BackendKind::Uffd | BackendKind::Mprotect) {
            self.add("faults", stats.faults);
        }
    }

    fn line(self) -> String {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields = self.0.into_iter().map(|(name, value)| format!(" {name}={}", text(value)));
        format!("RESULT{}", fields.collect::<String>())
    }

    fn json(self) -> String {
        let map: Map<_, _> =
            self.0.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        json!(map).to_string()
    }
}

/// The sum of what a histogram has recorded, within its precision.
fn sum(histogram: &Histogram<u64>) -> f64 {
    histogram.mean() * histogram.len() as f64
}

/// To three decimals: finer than anything that is measured here.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
