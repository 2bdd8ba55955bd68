//! What a cycle did, and what its stops consisted of.

pub(crate) mod histogram;
pub(crate) mod record;
pub(crate) mod stats;

use std::fmt;
use std::time::{Duration, Instant};

use crate::collector::Scope;
use crate::collector::mark::tally::Tally;
use crate::collector::pacing::Allocated;
use crate::collector::remembered::ledger::Progress;
use crate::mutator::{Cause, TimeToSafepoint};

/// What a stop was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopPurpose {
    /// To find the roots of a concurrent cycle.
    Roots,
    /// To look at owed pages without the program writing to others meanwhile.
    Slice,
    /// To end a concurrent cycle's marking.
    Remark,
    /// A whole collection.
    Collection,
    /// To look at the heap for the program.
    Inspection,
}

/// One stop, and the parts that it consisted of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// What it was for.
    pub purpose: StopPurpose,
    /// When it was requested.
    pub start: Instant,
    /// From the request until the last thread ran again.
    pub total: Duration,
    /// Until the last thread was at a safepoint.
    pub to_safepoint: Duration,
    /// Asking which pages were written.
    pub scan: Duration,
    /// Finding roots.
    pub roots: Duration,
    /// Looking again at owed pages.
    pub rescan: Duration,
    /// Marking what roots and pages lead to.
    pub drain: Duration,
    /// Deciding about weak references, ephemerons and guarded objects, and marking what they keep.
    pub references: Duration,
    /// Ending the cycle: switching the marks, listing what is to be swept.
    pub finish: Duration,
    /// Until the last thread ran again.
    pub resume: Duration,
}

/// One cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CycleReport {
    /// The number of cycles up to this one.
    pub number: u64,
    /// How much of the heap it looked at.
    pub scope: Scope,
    /// Why it ran.
    pub cause: Cause,
    /// Its beginning.
    pub start: Instant,
    /// From its beginning to its end.
    pub time: Duration,
    /// Bytes that the program allocated since the cycle before ended.
    pub allocated_bytes: usize,
    /// Those of them that it allocated during this cycle.
    pub allocated_meanwhile: usize,
    /// Whether mutators had to help to mark, or to wait.
    pub late: bool,
    /// How long it asked for written pages while the program ran.
    pub scanning: Duration,
    /// How long it traced while the program ran.
    pub tracing: Duration,
    /// Objects that it marked.
    pub marked_objects: usize,
    /// Pages that its scans reported as written and protected.
    pub dirty_pages: usize,
    /// Those of them that had been protected before: the program took a fault for each.
    pub faults: usize,
    pub(crate) unprotected: usize,
    /// Pages that it looked at again.
    pub rescanned_pages: usize,
    /// Those of them that had no marked object.
    pub barren_pages: usize,
    /// Looks at weak references, ephemerons, guarded objects and charges: a minor cycle looks at those only that
    /// are new or were changed, and whatever waits for something else to be found alive is looked at again.
    pub reference_looks: usize,
    /// Rounds of consuming dirty pages while the program ran.
    pub rounds: u32,
    /// Last scans after which it turned out that another process had cleared write marks, so that everything
    /// was looked at again ([`Uffd`](crate::dirty::Uffd) says who does that). More than one for each
    /// time: the check after such a one does not trust either.
    pub cleared_elsewhere: u32,
    /// Its stops, in order.
    pub stops: Vec<StopReport>,
}

impl CycleReport {
    /// Its longest stop.
    #[must_use]
    pub fn longest_stop(&self) -> Option<&StopReport> {
        self.stops.iter().max_by_key(|stop| stop.total)
    }

    pub(crate) fn new(scope: Scope, cause: Cause) -> Self {
        Self {
            number: 0,
            scope,
            cause,
            start: Instant::now(),
            time: Duration::ZERO,
            allocated_bytes: 0,
            allocated_meanwhile: 0,
            late: false,
            scanning: Duration::ZERO,
            tracing: Duration::ZERO,
            marked_objects: 0,
            dirty_pages: 0,
            faults: 0,
            unprotected: 0,
            rescanned_pages: 0,
            barren_pages: 0,
            reference_looks: 0,
            rounds: 0,
            cleared_elsewhere: 0,
            stops: Vec::new(),
        }
    }

    /// The cycle ends.
    pub(crate) fn end(&mut self, number: u64, allocated: Allocated) {
        self.number = number;
        self.allocated_bytes = allocated.total;
        self.allocated_meanwhile = allocated.during;
        self.late = allocated.late;
    }

    pub(crate) fn scanned(&mut self, progress: Progress) {
        self.dirty_pages += progress.dirty;
        self.unprotected += progress.unprotected;
        self.faults = self.dirty_pages.saturating_sub(self.unprotected);
    }

    pub(crate) fn add(&mut self, tally: Tally) {
        self.marked_objects += tally.marked;
        self.rescanned_pages += tally.rescanned;
        self.barren_pages += tally.barren;
    }
}

/// Measures the parts of a stop, one after the other.
#[derive(Debug)]
pub(crate) struct Laps {
    last: Instant,
    pub(crate) report: StopReport,
}

impl Laps {
    /// Begins, at the request to stop.
    pub(crate) fn start(purpose: StopPurpose) -> Self {
        let (zero, now) = (Duration::ZERO, Instant::now());
        let report = StopReport {
            purpose,
            start: now,
            total: zero,
            to_safepoint: zero,
            scan: zero,
            roots: zero,
            rescan: zero,
            drain: zero,
            references: zero,
            finish: zero,
            resume: zero,
        };
        Self { last: now, report }
    }

    /// The world is stopped.
    pub(crate) fn stopped(&mut self, stop: &TimeToSafepoint) {
        self.report.to_safepoint = stop.time;
        self.last = Instant::now();
    }

    /// Adds the time since the last lap to a part.
    pub(crate) fn lap(&mut self, part: fn(&mut StopReport) -> &mut Duration) {
        let now = Instant::now();
        *part(&mut self.report) += now - self.last;
        self.last = now;
    }

    /// The threads run again since then.
    pub(crate) fn end(mut self, resumed: Instant) -> StopReport {
        self.report.resume = resumed.saturating_duration_since(self.last);
        self.report.total = resumed.saturating_duration_since(self.report.start);
        self.report
    }
}

impl fmt::Display for CycleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "cycle {}, {:?} for {:?}: {:.3} ms (scanning {:.3}, tracing {:.3}), {} MiB allocated, {} of them meanwhile, {} objects marked, {} pages dirty \
             in {} rounds, {} faults, {} looked at again, {} of them barren; {} stops",
            self.number,
            self.scope,
            self.cause,
            ms(self.time),
            ms(self.scanning),
            ms(self.tracing),
            self.allocated_bytes >> 20,
            self.allocated_meanwhile >> 20,
            self.marked_objects,
            self.dirty_pages,
            self.rounds,
            self.faults,
            self.rescanned_pages,
            self.barren_pages,
            self.stops.len(),
        )?;
        if self.cleared_elsewhere > 0 {
            write!(
                f,
                ", {} last scans in vain: another process clears write marks",
                self.cleared_elsewhere
            )?;
        }
        let Some(stop) = self.longest_stop() else { return Ok(()) };
        write!(f, ", the longest {:.3} ms for {:?}", ms(stop.total), stop.purpose)?;
        let parts = [
            ("to safepoint", stop.to_safepoint),
            ("scan", stop.scan),
            ("roots", stop.roots),
            ("rescan", stop.rescan),
            ("drain", stop.drain),
            ("references", stop.references),
            ("finish", stop.finish),
            ("resume", stop.resume),
        ];
        parts.into_iter().try_for_each(|(name, time)| write!(f, ", {name} {:.3}", ms(time)))
    }
}
