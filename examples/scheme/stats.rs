//! The summary that `--gc-stats` prints.

use hdrhistogram::Histogram;

use crate::vm::Shared;

/// Prints what the collector has done to standard error.
pub(crate) fn print(shared: &Shared) {
    eprintln!("{}", summary(shared));
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// One screen about the heap.
pub(crate) fn summary(shared: &Shared) -> String {
    let stats = shared.heap.stats();
    let tracking = shared.heap.tracker().tracker.stats();
    let elapsed = shared.started.elapsed().as_secs_f64();
    let stopped = stats.pauses_ns.mean() * stats.pauses_ns.len() as f64 / 1e9;
    let lines = [
        format!("heap       {}", shared.heap.tracker().to_string().replace('\n', "\n           ")),
        format!("cycles     {} ({} full)", stats.collections, stats.full_collections),
        format!(
            "memory     {:.1} MiB alive in {} objects; {:.1} MiB committed, at most {:.1} of {:.1}",
            mib(stats.live_bytes),
            stats.live_objects,
            mib(stats.committed_bytes),
            mib(stats.peak_bytes),
            mib(stats.limit_bytes)
        ),
        format!("dirty      {} pages in {} scans", tracking.pages, tracking.consumes),
        format!(
            "stopped    {:.3} s of {elapsed:.3} s, {:.1} %",
            stopped,
            100.0 * stopped / elapsed.max(1e-9)
        ),
        histogram("pauses", &stats.pauses_ns),
        histogram("stalls", &stats.stalls_ns),
        histogram("stopping", &stats.time_to_safepoint_ns),
    ];
    lines.join("\n")
}

/// A histogram in a line: count, median, tail and longest.
fn histogram(name: &str, times: &Histogram<u64>) -> String {
    if times.is_empty() {
        return format!("{name:10} none");
    }
    let us = |ns: u64| ns as f64 / 1e3;
    format!(
        "{name:10} {} of median {:.0} us, 90 % {:.0}, 99 % {:.0}, longest {:.0}",
        times.len(),
        us(times.value_at_quantile(0.5)),
        us(times.value_at_quantile(0.9)),
        us(times.value_at_quantile(0.99)),
        us(times.max())
    )
}
