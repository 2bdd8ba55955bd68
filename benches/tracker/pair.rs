//! Two operations in turns, and the table of what they took.

use std::fmt;
use std::time::{Duration, Instant};

use super::arena::PageKind;

/// Real time for one call of criterion's, which counts only what is timed and not the preparation.
const BUDGET: Duration = Duration::from_millis(200);

/// Processor time of this thread: everything measured here happens in it, and what other programs
/// on the machine take is not counted.
pub(crate) fn timed(operation: impl FnOnce()) -> Duration {
    let start = processor_time();
    operation();
    processor_time() - start
}

fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call fills in.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "every thread has a clock");
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// The times of both operations, pair by pair.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    ours: Vec<Duration>,
    bare: Vec<Duration>,
}

/// Sums over the iterations that criterion asked for.
pub(crate) struct Sums {
    pub(crate) ours: Duration,
    pub(crate) bare: Duration,
}

impl Pair {
    /// Runs both operations `iterations` times or for as long as the budget lasts; in that case the
    /// sums are scaled up.
    pub(crate) fn run(
        &mut self,
        iterations: u64,
        ours: &dyn Fn() -> Duration,
        bare: &dyn Fn() -> Duration,
    ) -> Sums {
        let (start, first) = (Instant::now(), self.ours.len());
        let mut done = 0;
        while done < iterations && (done == 0 || start.elapsed() < BUDGET) {
            let (one, other);
            if self.ours.len().is_multiple_of(2) {
                (one, other) = (ours(), bare());
            } else {
                let reversed = (bare(), ours());
                (other, one) = reversed;
            }
            self.ours.push(one);
            self.bare.push(other);
            done += 1;
        }
        let scale = iterations as f64 / done as f64;
        let sum = |times: &[Duration]| times[first..].iter().sum::<Duration>().mul_f64(scale);
        Sums { ours: sum(&self.ours), bare: sum(&self.bare) }
    }

    /// The median of the ratios of the pairs: noise that lasts longer than a pair cancels out.
    fn ratio(&self) -> f64 {
        let pairs = self.ours.iter().zip(&self.bare);
        median(pairs.map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64()))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Row {
    kind: PageKind,
    name: String,
    pages: usize,
    pair: Pair,
    huge_mib: usize,
}

/// All rows.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(
        &mut self,
        kind: PageKind,
        name: &str,
        pages: usize,
        pair: Pair,
        huge_mib: usize,
    ) {
        // Criterion's filter may have left the row out.
        if !pair.ours.is_empty() {
            self.0.push(Row { kind, name: name.to_owned(), pages, pair, huge_mib });
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:24}{:>14}{:>14}{:>10}{:>10}{:>8}{:>7}{:>11}",
            "median of pairs",
            "bare us",
            "tracker us",
            "bare",
            "tracker",
            "ratio",
            "pairs",
            "huge MiB"
        )?;
        writeln!(f, "{:24}{:>14}{:>14}{:>10}{:>10}", "", "", "", "ns/page", "ns/page")?;
        for Row { kind, name, pages, pair, huge_mib } in &self.0 {
            let bare = median(pair.bare.iter().map(Duration::as_secs_f64));
            let ours = median(pair.ours.iter().map(Duration::as_secs_f64));
            let per_page = |seconds: f64| seconds * 1e9 / *pages as f64;
            writeln!(
                f,
                "{:24}{:14.1}{:14.1}{:10.2}{:10.2}{:8.3}{:7}{:11}",
                format!("{} {name}", kind.name()),
                bare * 1e6,
                ours * 1e6,
                per_page(bare),
                per_page(ours),
                pair.ratio(),
                pair.ours.len(),
                huge_mib,
            )?;
        }
        Ok(())
    }
}
