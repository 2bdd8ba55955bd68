//! What tracking costs here: medians of some rounds on memory that is touched in order.

use std::time::Instant;

use serde::Serialize;
use strandline::dirty::{BackendKind, PageSet, Tracker};
use strandline::os::page_size;

use super::backends;
use super::progress::Progress;
use super::scratch::Scratch;
use super::system::System;

/// All measurements.
#[derive(Serialize)]
pub(super) struct Costs {
    pub(super) bytes: usize,
    pub(super) rounds: usize,
    /// Whether this program was built with optimisation; if not, the figures are too high.
    pub(super) optimised: bool,
    pub(super) measured: Vec<Measured>,
}

/// One back-end on one kind of pages.
#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) backend: &'static str,
    pub(super) page_bytes: usize,
    pub(super) figures: Option<Figures>,
    /// Why there are no figures.
    pub(super) error: Option<String>,
}

/// Nanoseconds, "per page" meaning base pages for both kinds.
#[derive(Serialize)]
pub(super) struct Figures {
    /// The first store to a protected page; with huge pages to a protected huge page, one each.
    pub(super) write_fault_ns: Figure,
    pub(super) clean_scan_ns_per_page: Figure,
    /// Reporting and protecting pages that were all written.
    pub(super) dirty_rearm_ns_per_page: Figure,
    pub(super) unprotect_ns_per_page: Figure,
}

/// The rounds of one measurement.
#[derive(Serialize)]
pub(super) struct Figure {
    pub(super) median: f64,
    lowest: f64,
    highest: f64,
}

impl Costs {
    pub(super) fn measure(
        system: &System,
        bytes: usize,
        rounds: usize,
        progress: &Progress,
    ) -> Self {
        let mut measured = Vec::new();
        for backend in [BackendKind::Uffd, BackendKind::Mprotect] {
            let base = Subject { backend, page: system.page_bytes, huge: false };
            measured.push(base.measure(bytes, rounds, progress));
            if let Some(page) = system.huge_page_bytes {
                let huge = Subject { backend, page, huge: true };
                measured.push(huge.measure(bytes, rounds, progress));
            }
        }
        Self { bytes, rounds, optimised: !cfg!(debug_assertions), measured }
    }
}

/// What is measured.
#[derive(Clone, Copy)]
struct Subject {
    backend: BackendKind,
    page: usize,
    huge: bool,
}

impl Subject {
    fn measure(self, bytes: usize, rounds: usize, progress: &Progress) -> Measured {
        let result = self.rounds(bytes, rounds, progress);
        let (figures, error) = match result {
            Ok(figures) => (Some(figures), None),
            Err(error) => (None, Some(error)),
        };
        Measured { backend: self.backend.name(), page_bytes: self.page, figures, error }
    }

    fn rounds(self, bytes: usize, rounds: usize, progress: &Progress) -> Result<Figures, String> {
        let bytes = bytes / self.page * self.page;
        if bytes == 0 {
            return Err("there is less memory to measure on than one such page".to_owned());
        }
        let scratch = Scratch::new(bytes, self.page, self.huge).map_err(text)?;
        // Dropped before the memory: see the order of declaration.
        let tracker = backends::open(self.backend, scratch.range())?;
        // SAFETY: the scratch memory is readable and writable, ours, and outlives the tracker.
        unsafe { tracker.register(scratch.range()) }.map_err(text)?;
        let owed = PageSet::new(scratch.range());
        let mut results = Vec::new();
        // The first round warms up.
        for round in 0..=rounds {
            let (name, size) = (self.backend, crate::units::bytes(self.page as u64));
            progress.say(&format!("measuring {name}, {size} pages: round {round} of {rounds}"));
            results.push(self.round(&scratch, &tracker, &owed)?);
        }
        Ok(Figures::of(&results[1..]))
    }

    fn round(self, scratch: &Scratch, tracker: &Tracker, owed: &PageSet) -> Result<Round, String> {
        let range = scratch.range();
        let pages = range.pages() as f64;
        let stores = (range.bytes() / self.page) as f64;
        let consume = || {
            owed.clear();
            let (time, scan) = timed(|| tracker.consume(range, owed));
            scan.map(|scan| (time, scan.pages)).map_err(text)
        };
        tracker.unprotect(range).map_err(text)?;
        if self.huge {
            // The round before has split the huge pages; only fresh memory is mapped by them again.
            scratch.discard().map_err(text)?;
        }
        scratch.touch(page_size());
        self.check_huge(scratch)?;

        let (rearm, written) = consume()?;
        if written != range.pages() {
            return Err(format!("{written} of {} written pages were reported", range.pages()));
        }
        let (clean, _) = consume()?;
        let (unprotect, result) = timed(|| tracker.unprotect(range));
        result.map_err(text)?;
        consume()?;
        let (faults, ()) = timed(|| scratch.touch(self.page));
        Ok(Round {
            write_fault: faults / stores,
            clean_scan: clean / pages,
            dirty_rearm: rearm / pages,
            unprotect: unprotect / pages,
        })
    }

    /// Huge pages are only ever a wish: what was not granted must not be measured as if.
    fn check_huge(self, scratch: &Scratch) -> Result<(), String> {
        if !self.huge {
            return Ok(());
        }
        let (huge, all) = (scratch.huge_pages().map_err(text)?, scratch.range().pages());
        if huge == all {
            return Ok(());
        }
        Err(format!(
            "the kernel gave huge pages for {huge} of {all} pages only (transparent huge pages \
             are off, or memory is fragmented)"
        ))
    }
}

/// Nanoseconds of one round.
struct Round {
    write_fault: f64,
    clean_scan: f64,
    dirty_rearm: f64,
    unprotect: f64,
}

impl Figures {
    fn of(rounds: &[Round]) -> Self {
        Self {
            write_fault_ns: Figure::of(rounds, |round| round.write_fault),
            clean_scan_ns_per_page: Figure::of(rounds, |round| round.clean_scan),
            dirty_rearm_ns_per_page: Figure::of(rounds, |round| round.dirty_rearm),
            unprotect_ns_per_page: Figure::of(rounds, |round| round.unprotect),
        }
    }
}

impl Figure {
    fn of(rounds: &[Round], value: impl Fn(&Round) -> f64) -> Self {
        // A picosecond is finer than any clock here.
        let picoseconds = |value: f64| (value * 1e3).round() / 1e3;
        let mut values: Vec<_> = rounds.iter().map(|round| picoseconds(value(round))).collect();
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        Self { median: values[last / 2], lowest: values[0], highest: values[last] }
    }
}

/// The result of `operation` and the nanoseconds that it took.
fn timed<R>(operation: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = operation();
    (start.elapsed().as_secs_f64() * 1e9, result)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
