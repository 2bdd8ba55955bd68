//! The summary that `--gc-stats` prints at the end, and `,heap` at the prompt.

use strandline::{HeapStats, Histogram, Mode};

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
    let elapsed = shared.started.elapsed().as_secs_f64();
    let mut lines = vec![collector(shared)];
    lines.extend(work(&stats, elapsed));
    lines.extend(histogram(&stats.pauses_ns));
    lines.extend(memory(&stats));
    lines.join("\n")
}

fn collector(shared: &Shared) -> String {
    let options = shared.heap.options();
    let mode = match options.mode {
        Mode::Concurrent => "beside the program",
        Mode::Stopped => "with the program stopped",
    };
    let tracker = shared.heap.tracker().to_string().replace('\n', "\n             ");
    format!("collector    marks {mode}, up to {} threads; {tracker}", options.markers)
}

/// Cycles, and their share of the time.
fn work(stats: &HeapStats, elapsed: f64) -> [String; 3] {
    let percent = |seconds: f64| 100.0 * seconds / elapsed.max(1e-9);
    let (collecting, stopped) = (stats.collecting.as_secs_f64(), stats.stopped.as_secs_f64());
    let waited = stats.stalls_ns.mean() * stats.stalls_ns.len() as f64 / 1e9;
    [
        format!(
            "cycles       {} minor, {} major; one was going on for {collecting:.3} s of {elapsed:.3}, {:.1} %",
            stats.collections - stats.full_collections,
            stats.full_collections,
            percent(collecting),
        ),
        format!(
            "time in GC   {:.1} %: stopped for {stopped:.4} s, helped or waited {} times for {waited:.4} s",
            percent(stopped + waited),
            stats.stalls_ns.len(),
        ),
        format!(
            "pauses       {}; median {:.0} us, 99 % within {:.0}, longest {:.0}, {:.0} of them to safepoint at most",
            stats.pauses_ns.len(),
            us(stats.pauses_ns.value_at_quantile(0.5)),
            us(stats.pauses_ns.value_at_quantile(0.99)),
            us(stats.pauses_ns.max()),
            us(stats.time_to_safepoint_ns.max()),
        ),
    ]
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// A bar for each power of two, in microseconds, between the shortest and the longest.
fn histogram(times: &Histogram) -> Vec<String> {
    const WIDEST: u64 = 40;
    if times.is_empty() {
        return Vec::new();
    }
    let bucket = |ns: u64| (ns / 1000).max(1).ilog2();
    let counts: Vec<_> = (bucket(times.min())..=bucket(times.max()))
        .map(|power| {
            let from = if power == 0 { 0 } else { 1000 << power };
            (power, times.count_between(from, (2000 << power) - 1))
        })
        .collect();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let line = |(power, count): (u32, u64)| {
        let bar = "#".repeat((count * WIDEST).div_ceil(most) as usize);
        format!("{:>10} us {count:>7} {bar}", format!("< {}", 2_u64 << power)).trim_end().to_owned()
    };
    counts.into_iter().map(line).collect()
}

/// Bytes and pages.
fn memory(stats: &HeapStats) -> [String; 4] {
    [
        format!(
            "allocated    {:.1} MiB until the last cycle ended",
            stats.allocated_bytes as f64 / f64::from(1 << 20)
        ),
        format!("alive        {:.1} MiB in {} objects", mib(stats.live_bytes), stats.live_objects),
        format!(
            "committed    {:.1} MiB, {:.1} at most; the limit is {:.1}",
            mib(stats.committed_bytes),
            mib(stats.peak_bytes),
            mib(stats.limit_bytes)
        ),
        format!(
            "dirty pages  {}; {} cost a fault, {} were saved it: not protected when they were written",
            stats.dirty_pages,
            stats.faults,
            stats.dirty_pages.saturating_sub(stats.faults),
        ),
    ]
}
