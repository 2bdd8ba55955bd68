//! The cycle: marking while the program runs, fed by dirty pages, ended by a short stop.
//!
//! Minor and full cycles are one algorithm. A full one fills the other mark map, from nothing; a
//! minor one goes on filling the current map, so that what is marked (old) stays marked.
//!
//! ```text
//!   Roots ──▶ Trace ──▶ Preclean ◀──▶ Remark ──▶ (finished)
//!                        │ ▲ │       │ ▲ ▲
//!                        └─┘ │       └─┘ │
//!        gets quicker, or    ▼   late    │
//!        the program is    Brake ────────┘
//!        held up from now on
//! ```
//!
//! - **Roots**: a stop as short as finding them; allocation buffers are retired.
//! - **Trace**: a minor cycle consumes the dirty pages of memory that is protected first; a full
//!   one protects nothing while it traces, because an unprotected page is dirty, which is safe, and
//!   protecting early makes the program fault all through the trace.
//! - **Preclean**: in a stop as before, what is now allocated is retired and roots are found again;
//!   then dirty pages are consumed and looked at, until that is quickly done or does not get
//!   quicker even though threads that allocate are held up.
//! - **Remark**: a stop with a deadline. First what is owed is looked at. When that is done in time:
//!   a last scan of all that is tracked (GET alone: what is left unprotected is dirty, which is safe),
//!   roots, the pages that were found, and whatever they lead to. Marking has ended when, in this stop, nothing is owed and
//!   nothing is left to trace.
//!
//! A remark that is late hands back what is left and lets the program go on: incremental update
//! makes the retry sound. The first few times there is another round of precleaning.
//!
//! - **Brake**: where precleaning does not get quicker, because the program writes pages as fast as
//!   they are looked at, they are consumed in short stops, too. What is left is looked at in further
//!   stops, each as short as the deadline, and in between the program runs too briefly to write many
//!   pages.

mod canaries;
pub(crate) mod collect;
mod phase;
pub(crate) mod slices;

use std::time::{Duration, Instant};

use phase::gets_quicker;
pub(crate) use phase::{Outcome, Phase};

use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};
use crate::collector::cycle::collect::RootSlots;
use crate::collector::mark::references::References;
use crate::collector::mark::{Marker, Marking, Tally, When};
use crate::collector::pacing::history::Cycle;
use crate::collector::remembered::ledger::Slices;
use crate::collector::report::{CycleReport, StopPurpose};
use crate::collector::shared::Shared;
use crate::dirty::{BackendKind, PageSet};
use crate::heap::{Reading, Where};
use crate::mutator::Cause;
use crate::object::{ObjectModel, ObjectRef};

/// Objects that are marked for each page that is looked at again where the program only grows.
const GROWING: usize = 8;

/// A part of the new blocks with something alive from which on it is worth while to protect them all.
const MOST: f64 = 0.5;

/// A round of precleaning is worth the faults of one in so many of its pages: that is what a stop takes
/// for the others.
const WORTH_FAULTS: f64 = 4.0;
/// The same where stores take no faults.
const WORTH_A_ROUND: f64 = 1.5;

/// What looking at a page takes until that is known.
const PAGE_TIME: Duration = Duration::from_nanos(300);

/// One cycle in progress.
pub(super) struct Run<'a, M> {
    shared: &'a Shared<M>,
    marking: Marking<'a, M>,
    references: References,
    report: CycleReport,
    /// What asking for dirty pages took the last time, and looking at them.
    scan_time: Duration,
    trace_time: Duration,
    /// What looking at an owed page takes in a stop.
    page_time: Duration,
    /// Pages that the last round has consumed, if that were all that were dirty.
    consumed: Option<usize>,
    /// Whether the program takes memory, and whether it writes pages again as soon as they have been
    /// looked at.
    felt: bool,
    rewrites: bool,
    /// Last scans that have found too much.
    late: u32,
    /// Stops that may give up at their deadline.
    attempts: u32,
    /// The part of blocks like the newest ones that had something alive.
    survival: f64,
}

impl<M: ObjectModel> Shared<M> {
    /// Runs a whole cycle on the calling thread, which is no mutator's.
    pub(crate) fn run_cycle(&self, cycle: &mut Cycle, scope: Scope, cause: Cause) {
        let mut run = Run::new(self, cycle, scope, cause);
        self.pacer.cycle_begins(cycle.is_short(scope));
        let mut phase = Phase::Roots;
        while phase != Phase::Finished {
            let outcome = run.perform(phase);
            phase = phase.next(outcome);
        }
        let Run { mut report, rewrites, scan_time, .. } = run;
        (cycle.rewrites, cycle.scan_time) = (rewrites, scan_time);
        self.leave_hot_chunks_unprotected(report.number);
        self.unprotect_split_huge_pages();
        report.time = report.start.elapsed();
        self.record_cycle(cycle, report);
    }
}

impl<M> Shared<M> {
    fn leave_hot_chunks_unprotected(&self, cycle: u64) {
        if !self.options.hot_chunks {
            return;
        }
        let hot = self.memory.pool().heat_up(cycle, &self.memory.metadata);
        for range in hot {
            // A chunk that was freed meanwhile need not be watched any more. Where the kernel
            // refuses, the pages stay protected and fault, which is all that is lost.
            let _ = self.memory.tracker().unprotect(range);
        }
    }
}

impl<M> Shared<M> {
    /// The sweeper does the rest. What the kernel refuses stays protected, or is dirty.
    fn unprotect_split_huge_pages(&self) {
        let (memory, tracker) = (&self.memory, self.memory.tracker());
        if !memory.pool().unprotect_calm(&memory.metadata, tracker).unwrap_or(false) {
            return;
        }
        self.rules.reached(Moment::Restoring);
        if !self.rules.holds(Rule::RestoredIsDirty) {
            let forgotten = PageSet::new(tracker.span());
            while let Some(range) = memory.pool().next_to_collapse() {
                tracker.consume(range, &forgotten).expect("the chunks are watched");
            }
        }
    }
}

impl<'a, M: ObjectModel> Run<'a, M> {
    pub(crate) fn new(shared: &'a Shared<M>, cycle: &Cycle, scope: Scope, cause: Cause) -> Self {
        let metadata = &shared.memory.metadata;
        let marks = match scope {
            Scope::Minor => metadata.current_marks(),
            Scope::Full => metadata.next_marks(),
        };
        Self {
            shared,
            marking: shared.marking(scope, marks),
            references: References::new(scope, shared.options.verify),
            report: CycleReport::new(scope, cause),
            scan_time: cycle.scan_time,
            trace_time: Duration::ZERO,
            page_time: PAGE_TIME,
            consumed: None,
            felt: false,
            rewrites: cycle.rewrites,
            late: 0,
            attempts: slices::attempts(shared.memory.committed_and_limit().0),
            survival: shared.memory.pool().last_survival(),
        }
    }

    fn perform(&mut self, phase: Phase) -> Outcome {
        match phase {
            Phase::Roots => {
                self.shared.rules.reached(Moment::Starting);
                self.find_roots();
            }
            Phase::Trace => {
                if self.report.scope == Scope::Minor {
                    self.consume(true);
                }
                self.trace();
            }
            Phase::Preclean { before, .. } => {
                self.find_roots();
                self.felt = self.shared.pacer.is_felt();
                if !self.felt && self.is_rewritten() {
                    return Outcome::Rewritten;
                }
                self.consume(false);
                let tally = self.trace();
                let quick = self.trace_time <= self.shared.options.pause_target / 2;
                if !quick && self.is_growing(tally) {
                    self.shared.pacer.press();
                    return Outcome::Growing;
                }
                if !quick
                    && !gets_quicker(self.trace_time, before)
                    && self.is_felt()
                    && self.shared.pacer.press()
                {
                    return Outcome::Pressed;
                }
                return Outcome::Precleaned { time: self.trace_time, quick };
            }
            Phase::Brake { attempt, from } => return self.brake(attempt, from),
            Phase::Remark { attempt } => return self.remark(attempt),
            Phase::Finished => {}
        }
        Outcome::Done
    }

    /// A round of consuming; the first one of a minor cycle is `early`.
    fn consume(&mut self, early: bool) {
        let (shared, start, place) = (self.shared, Instant::now(), self.place());
        let (memory, rules) = (&shared.memory, &shared.rules);
        rules.reached(Moment::Consuming);
        let progress = if early {
            shared.ledger.consume_early(place, memory, rules)
        } else {
            shared.ledger.consume(place, memory, rules)
        };
        shared.ledger.forgive_unmarked(memory, self.marking.marks, rules);
        let time = start.elapsed();
        self.scan_time = time;
        self.report.scanning += time;
        self.report.rounds += 1;
        self.report.scanned(progress);
        self.consumed = (!progress.but_hot).then_some(progress.dirty);
    }

    /// Whether the program has taken memory since the last round of precleaning began.
    fn is_felt(&mut self) -> bool {
        self.felt |= self.shared.pacer.is_felt();
        self.felt
    }

    /// Whether more pages are dirty than a stop can look at, and hardly fewer than the last round has
    /// consumed. Where that is not known, because hot chunks were left out or nothing was consumed yet,
    /// it is what it was the last time.
    fn is_rewritten(&mut self) -> bool {
        let (shared, start) = (self.shared, Instant::now());
        let reading = match self.report.rounds {
            0 => Some(Reading::Cycle),
            _ => self.consumed.map(|_| Reading::Again),
        };
        let dirty = self.dirty(reading);
        self.report.scanning += start.elapsed();
        if dirty <= self.pages_in(shared.options.pause_target / 2) {
            return false;
        }
        let takes_faults = shared.memory.tracker().kind() != BackendKind::Cards;
        let few = if takes_faults { WORTH_FAULTS } else { WORTH_A_ROUND };
        let many = |before| dirty as f64 * few >= before as f64;
        self.rewrites = self.consumed.map_or(self.rewrites, many);
        self.rewrites
    }

    /// How many pages are dirty. Looks at the same time which chunks are hot, if a `reading` is wanted.
    fn dirty(&mut self, reading: Option<Reading>) -> usize {
        let (shared, place) = (self.shared, self.place());
        let memory = &shared.memory;
        let dirty = shared.ledger.dirty(place, memory, &shared.rules);
        if let Some(reading) = reading {
            memory.pool().take_temperature(reading, &dirty, &memory.metadata);
        }
        dirty.len()
    }

    /// How many pages can be looked at in so much time.
    fn pages_in(&self, time: Duration) -> usize {
        (time.as_nanos() / self.page_time.as_nanos().max(1)) as usize
    }

    /// Where to consume: also in new blocks, if most of them are likely to have something alive soon.
    /// Otherwise they wait until they have: those that are dead will be handed out again, and are spared
    /// being protected and unprotected; the others are looked at once more.
    fn place(&mut self) -> Where<'a> {
        let (pool, marks) = (self.shared.memory.pool(), self.marking.marks);
        self.survival = pool.survival(marks).unwrap_or(self.survival);
        if self.survival > MOST { Where::MarkedOrNew(marks) } else { Where::Marked(marks) }
    }

    /// Traces from what is owed now and what was left, while the program runs.
    fn trace(&mut self) -> Tally {
        let (shared, start) = (self.shared, Instant::now());
        let helpers = shared.options.markers.div_ceil(2) - 1;
        let tally = self.rescan(&shared.ledger.slices(), helpers, When::Running);
        self.trace_time = start.elapsed();
        self.report.add(tally);
        // Not a part of what the next stop has to do: most of it is done once.
        let settled = self.references.settle_running(&self.marking, helpers);
        self.report.tracing += start.elapsed();
        self.report.add(settled);
        shared.rules.reached(Moment::Traced);
        tally
    }

    /// Whether what was done was to mark what the program has made meanwhile. A stop would find as much
    /// to mark, while the program waits.
    fn is_growing(&self, tally: Tally) -> bool {
        tally.marked > GROWING * tally.rescanned
    }

    /// Looks at what is owed and traces from there.
    fn rescan(&self, slices: &Slices<'_>, helpers: usize, when: When) -> Tally {
        let seed = |marker: &mut Marker<'_, '_, M>| marker.rescan_owed(slices);
        self.marking.run(helpers, when, &seed, |first| seed(first))
    }

    /// Stops the world to retire the buffers and to find the roots, and for nothing else.
    fn find_roots(&mut self) {
        let shared = self.shared;
        let mut stop = shared.stop(StopPurpose::Roots);
        let mut roots: Vec<ObjectRef> = Vec::new();
        shared.find_roots(&stop.world, &mut |root| roots.push(root));
        self.find_external(&mut roots);
        stop.laps.lap(|report| &mut report.roots);
        self.report.stops.push(shared.resume(stop));
        self.marking.add_roots(&roots);
    }

    /// What the marked External objects refer to: found in stops only, as roots are, so that the
    /// program may move what it has outside the heap.
    fn find_external(&self, roots: &mut Vec<ObjectRef>) {
        let (memory, marks) = (&self.shared.memory, self.marking.marks);
        let geometry = memory.metadata.geometry;
        let mut visitor = RootSlots { shared: self.shared, visit: &mut |root| roots.push(root) };
        for range in memory.external_ranges() {
            let (mut next, end) =
                (geometry.granule(range.start()), geometry.granule(range.end() - 1));
            while let Some(start) = marks.first_set(next, end + 1) {
                let object = ObjectRef::at(geometry.granule_address(start));
                // SAFETY: a marked object, which has slots as its kind is External.
                unsafe { self.shared.model.trace(object, &mut visitor) };
                next = start + 1;
            }
        }
    }
}
