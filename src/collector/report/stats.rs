//! What a heap has done: counts and histograms.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::histogram::Histogram;
use crate::collector::Scope;
use crate::collector::report::CycleReport;
use crate::mutator::TimeToSafepoint;

/// What a heap has done and what it holds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeapStats {
    /// Collections so far.
    pub collections: u64,
    /// Those of them that looked at the whole heap.
    pub full_collections: u64,
    /// The time that they took, stops included: less than that of the processors.
    pub collecting: Duration,
    /// The part of it for which the world was stopped, and stops for forks.
    pub stopped: Duration,
    /// Bytes that the program had allocated when the last of them ended.
    pub allocated_bytes: u64,
    /// Pages that scans reported as written and protected.
    pub dirty_pages: usize,
    /// Those of them that had been protected before: about as many faults as the program took for
    /// being watched.
    pub faults: usize,
    /// Pages that were looked at again.
    pub rescanned_pages: usize,
    /// Those of them that had no marked object.
    pub barren_pages: usize,
    /// Cycles that found that another process had cleared write marks, and looked at everything again
    /// ([`CycleReport::cleared_elsewhere`](crate::CycleReport::cleared_elsewhere)).
    pub cleared_elsewhere: u64,
    /// Huge pages that were split, by stores to watched memory for example, and are huge again.
    pub restored_huge_pages: usize,
    /// Chunks of 2 MiB that were populated before the program took them, where the heap grew: as many faults
    /// on huge pages that the program was spared, but for those it has not come to yet.
    pub populated_ahead: usize,
    /// Times that a mutator waited for memory, or helped to mark, in nanoseconds.
    pub stalls_ns: Histogram,
    /// Times that the world was stopped, for a collection or a fork, in nanoseconds: from the request
    /// until it ran again.
    pub pauses_ns: Histogram,
    /// The last of them.
    pub last_pause: Duration,
    /// Times until the last thread was parked, in nanoseconds.
    pub time_to_safepoint_ns: Histogram,
    /// The longest of these, with the thread that was last.
    pub slowest_safepoint: Option<TimeToSafepoint>,
    /// Objects that the last full collection found alive, and those that survived since.
    pub live_objects: usize,
    /// Bytes that they occupy; known once the sweep after the collection is done.
    pub live_bytes: usize,
    /// Bytes that are committed for the heap now, metadata included.
    pub committed_bytes: usize,
    /// Bytes outside the heap that are charged to objects.
    pub external_bytes: usize,
    /// The most that was committed at any time.
    pub peak_bytes: usize,
    /// Bytes that may be committed.
    pub limit_bytes: usize,
}

/// Is passed the report of every cycle; see [`Heap::set_cycle_observer`](crate::Heap::set_cycle_observer).
pub type CycleObserver = Arc<dyn Fn(&CycleReport) + Send + Sync>;

/// Cycles whose reports are kept.
const REPORTS: usize = 4096;

/// Stops in all of them together: some 2 MB.
const REPORTED_STOPS: usize = 16 * 1024;

/// Collects the figures.
pub(crate) struct Recorder {
    full_collections: u64,
    collecting: Duration,
    stopped: Duration,
    allocated_bytes: u64,
    dirty_pages: usize,
    faults: usize,
    rescanned_pages: usize,
    barren_pages: usize,
    cleared_elsewhere: u64,
    stalls_ns: Histogram,
    pauses_ns: Histogram,
    last_pause: Duration,
    time_to_safepoint_ns: Histogram,
    slowest_safepoint: Option<TimeToSafepoint>,
    live_objects: usize,
    pub(crate) live_bytes: usize,
    /// The newest last.
    pub(crate) reports: VecDeque<CycleReport>,
    reported_stops: usize,
    pub(crate) observer: Option<CycleObserver>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            full_collections: 0,
            collecting: Duration::ZERO,
            stopped: Duration::ZERO,
            allocated_bytes: 0,
            dirty_pages: 0,
            faults: 0,
            rescanned_pages: 0,
            barren_pages: 0,
            cleared_elsewhere: 0,
            stalls_ns: Histogram::new(),
            pauses_ns: Histogram::new(),
            last_pause: Duration::ZERO,
            time_to_safepoint_ns: Histogram::new(),
            slowest_safepoint: None,
            live_objects: 0,
            live_bytes: 0,
            reports: VecDeque::new(),
            reported_stops: 0,
            observer: None,
        }
    }
}

impl Recorder {
    /// What it knows; the memory of the heap it does not.
    pub(crate) fn stats(&self) -> HeapStats {
        HeapStats {
            collections: 0,
            full_collections: self.full_collections,
            collecting: self.collecting,
            stopped: self.stopped,
            allocated_bytes: self.allocated_bytes,
            dirty_pages: self.dirty_pages,
            faults: self.faults,
            rescanned_pages: self.rescanned_pages,
            barren_pages: self.barren_pages,
            cleared_elsewhere: self.cleared_elsewhere,
            restored_huge_pages: 0,
            populated_ahead: 0,
            stalls_ns: self.stalls_ns.clone(),
            pauses_ns: self.pauses_ns.clone(),
            last_pause: self.last_pause,
            time_to_safepoint_ns: self.time_to_safepoint_ns.clone(),
            slowest_safepoint: self.slowest_safepoint.clone(),
            live_objects: self.live_objects,
            live_bytes: self.live_bytes,
            committed_bytes: 0,
            external_bytes: 0,
            peak_bytes: 0,
            limit_bytes: 0,
        }
    }

    pub(crate) fn stalled(&mut self, time: Duration) {
        self.stalls_ns.record(time);
    }

    pub(crate) fn collected(&mut self, report: CycleReport) {
        let (full, marked) = (report.scope == Scope::Full, report.marked_objects);
        self.full_collections += u64::from(full);
        self.live_objects = if full { marked } else { self.live_objects + marked };
        self.collecting += report.time;
        self.allocated_bytes += report.allocated_bytes as u64;
        self.dirty_pages += report.dirty_pages;
        self.faults += report.faults;
        self.rescanned_pages += report.rescanned_pages;
        self.barren_pages += report.barren_pages;
        self.cleared_elsewhere += u64::from(report.cleared_elsewhere > 0);
        self.reported_stops += report.stops.len();
        while self.reports.len() == REPORTS || self.reported_stops > REPORTED_STOPS {
            let Some(oldest) = self.reports.pop_front() else { break };
            self.reported_stops -= oldest.stops.len();
        }
        self.reports.push_back(report);
    }

    pub(crate) fn paused(&mut self, pause: Duration, stop: TimeToSafepoint) {
        self.stopped += pause;
        self.pauses_ns.record(pause);
        self.last_pause = pause;
        self.time_to_safepoint_ns.record(stop.time);
        if self.slowest_safepoint.as_ref().is_none_or(|slowest| slowest.time < stop.time) {
            self.slowest_safepoint = Some(stop);
        }
    }
}

impl fmt::Display for HeapStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        let ms = |ns: u64| ns as f64 / 1e6;
        writeln!(
            f,
            "{} collections; {:.1} MiB in {} objects alive, {:.1} MiB committed of {:.1} (peak {:.1})",
            self.collections,
            mib(self.live_bytes),
            self.live_objects,
            mib(self.committed_bytes),
            mib(self.limit_bytes),
            mib(self.peak_bytes),
        )?;
        write!(
            f,
            "pauses: median {:.3} ms, p99 {:.3} ms, longest {:.3} ms",
            ms(self.pauses_ns.value_at_quantile(0.5)),
            ms(self.pauses_ns.value_at_quantile(0.99)),
            ms(self.pauses_ns.max()),
        )?;
        if let Some(TimeToSafepoint { time, slowest: Some(thread) }) = &self.slowest_safepoint {
            let ms = time.as_secs_f64() * 1e3;
            write!(f, "; slowest safepoint {ms:.3} ms, by thread {thread:?}")?;
        }
        if self.cleared_elsewhere > 0 {
            let times = self.cleared_elsewhere;
            write!(f, "; another process had cleared write marks in {times} cycles")?;
        }
        Ok(())
    }
}
