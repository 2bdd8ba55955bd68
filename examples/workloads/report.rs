//! What a run prints: the RESULT line, which scripts read, or one JSON object with everything.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use strandline::dirty::{BackendKind, Tracker};
use strandline::{CycleReport, HeapStats};

use crate::driver::Outcome;
use crate::operations::Operations;
use crate::records::CycleRecord;

/// A run that is over.
pub(crate) struct Run<'a> {
    pub(crate) name: &'a str,
    pub(crate) outcome: &'a Outcome,
    pub(crate) stats: &'a HeapStats,
    pub(crate) tracker: &'a Tracker,
    pub(crate) cycles: &'a [CycleReport],
}

impl Run<'_> {
    /// The last line: `RESULT name=value ...`.
    pub(crate) fn line(&self) -> String {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields = self.fields().0.into_iter();
        let fields = fields.map(|(name, value)| format!(" {name}={}", text(value)));
        format!("RESULT{}", fields.collect::<String>())
    }

    /// The fields of the last line, the histograms, the cycles that the heap remembers, and the
    /// operations that took long.
    pub(crate) fn json(&self) -> String {
        let fields = self.fields().0.into_iter();
        let mut map: Map<_, _> = fields.map(|(name, value)| (name.to_owned(), value)).collect();
        let mut add = |name: &str, value| map.insert(name.to_owned(), value);
        add("tracker", self.tracker.kind().to_string().into());
        add("pauses_ns", counts(self.stats.pauses_ns.iter()));
        add("stalls_ns", counts(self.stats.stalls_ns.iter()));
        add("time_to_safepoint_ns", counts(self.stats.time_to_safepoint_ns.iter()));
        if let Some(operations) = &self.outcome.operations {
            add("operations_ns", counts(operations.times()));
            add("long_operations", long_operations(operations));
            add("long_operations_left_out", operations.long_left_out.into());
        }
        let forgotten = self.stats.collections.saturating_sub(self.cycles.len() as u64);
        add("cycles_forgotten", forgotten.into());
        add("cycles", json!(self.cycles.iter().map(CycleRecord::from).collect::<Vec<_>>()));
        Value::Object(map).to_string()
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.add("bench", self.name);
        fields.outcome(self.outcome);
        fields.collections(self.stats);
        fields.tracking(self.tracker, self.stats);
        fields.add("heap_mib", rounded(self.stats.peak_bytes as f64 / f64::from(1 << 20)));
        fields.add("sum", self.outcome.sum);
        fields
    }
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
        if let Some(operations) = &outcome.operations {
            self.operations(&operations.times_ns);
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
            self.add("restored", stats.restored_huge_pages);
            self.add("populated", stats.populated_ahead);
        }
    }
}

/// A histogram as pairs of a value, the largest that counts as the same, and how often it occurred.
fn counts(histogram: impl Iterator<Item = (u64, u64)>) -> Value {
    histogram.map(|(value, count)| json!([value, count])).collect()
}

/// Thread, start and time of each, in nanoseconds.
fn long_operations(operations: &Operations) -> Value {
    operations.long.iter().map(|long| json!([long.thread, long.start, long.time])).collect()
}

/// The sum of what a histogram has recorded, within its precision.
fn sum(histogram: &strandline::Histogram) -> f64 {
    histogram.mean() * histogram.len() as f64
}

/// To three decimals: finer than anything that is measured here.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
