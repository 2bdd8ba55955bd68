//! The cycle: marking while the program runs, fed by dirty pages, ended by a short stop.
//!
//! Minor and full cycles are one algorithm. A full one fills the other mark map, from nothing; a
//! minor one goes on filling the current map, so that what is marked (old) stays marked.
//!
//! ```text
//!   Roots ──▶ Trace ──▶ Preclean ──▶ Remark ──▶ (finished)
//!               ▲          ▲  │ ▲        │
//!               │          └──┘ └────────┘
//!               │      still shrinking    time is up: the rest is owed, the world goes on
//! ```
//!
//! - **Roots**: a stop as short as finding them; allocation buffers are retired.
//! - **Trace**: a minor cycle consumes the dirty pages of memory that is protected first; a full
//!   one protects nothing while it traces, because an unprotected page is dirty, which is safe, and
//!   protecting early makes the program fault all through the trace.
//! - **Preclean**: in a stop as before, what is now allocated is retired and roots are found again;
//!   then dirty pages are consumed and looked at, until few are left or no fewer than before.
//! - **Remark**: a stop with a deadline. A last scan (GET alone: what is left unprotected is dirty,
//!   which is safe), roots, owed pages, and whatever they lead to. Marking has ended when, in this
//!   stop, nothing is owed and nothing is left to trace. If the time is up before that, the rest
//!   goes back and the world goes on: incremental update makes the retry sound.

use std::time::Instant;

use super::collect::{RootSlots, Stop};
use super::heap::{Cycle, Shared};
use super::mark::{Marking, Scope, When};
use super::references::References;
use super::rules::{Moment, Rule};
use super::verify::verify;
use crate::mutator::Cause;
use crate::object::{ObjectModel, ObjectRef};

/// Owed pages that a stop can look at.
const FEW_PAGES: usize = 1000;

/// Rounds of precleaning before a stop is tried.
const ROUNDS: u32 = 6;

/// Stops that give up at the deadline; the one after these does not.
const ATTEMPTS: u32 = 8;

/// What a cycle does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Roots,
    Trace,
    Preclean { round: u32, attempt: u32, before: usize },
    Remark { attempt: u32 },
    Finished,
}

/// What came of a phase.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    /// Pages that were dirty.
    dirty: usize,
    /// Whether everything was marked.
    complete: bool,
}

impl Phase {
    /// The transitions, all of them.
    fn next(self, outcome: Outcome) -> Self {
        match self {
            Self::Roots => Self::Trace,
            Self::Trace => Self::Preclean { round: 0, attempt: 0, before: usize::MAX },
            Self::Preclean { round, attempt, before } => {
                let few = outcome.dirty <= FEW_PAGES;
                let no_use = outcome.dirty / 3 >= before / 4;
                if few || no_use || round + 1 >= ROUNDS {
                    Self::Remark { attempt }
                } else {
                    Self::Preclean { round: round + 1, attempt, before: outcome.dirty }
                }
            }
            Self::Remark { .. } if outcome.complete => Self::Finished,
            Self::Remark { attempt } => {
                Self::Preclean { round: 0, attempt: attempt + 1, before: usize::MAX }
            }
            Self::Finished => Self::Finished,
        }
    }
}

/// One cycle in progress.
struct Run<'a, M> {
    shared: &'a Shared<M>,
    marking: Marking<'a, M>,
    references: References,
    scope: Scope,
    cause: Cause,
    live_objects: usize,
    start: Instant,
}

impl<M: ObjectModel> Shared<M> {
    /// Runs a whole cycle on the calling thread, which is no mutator's.
    pub(super) fn run_cycle(&self, cycle: &mut Cycle, scope: Scope, cause: Cause) {
        let metadata = &self.memory.metadata;
        let marks = match scope {
            Scope::Minor => metadata.current_marks(),
            Scope::Full => metadata.next_marks(),
        };
        let marking = Marking::new(self, scope, marks);
        let start = Instant::now();
        let references = References::new(scope, self.options.verify);
        let mut run =
            Run { shared: self, marking, references, scope, cause, live_objects: 0, start };
        let mut phase = Phase::Roots;
        while phase != Phase::Finished {
            let outcome = run.perform(phase, cycle);
            phase = phase.next(outcome);
        }
    }
}

impl<M: ObjectModel> Run<'_, M> {
    fn perform(&mut self, phase: Phase, cycle: &mut Cycle) -> Outcome {
        match phase {
            Phase::Roots => {
                self.find_roots();
                Outcome { dirty: 0, complete: false }
            }
            Phase::Trace => {
                let dirty = if self.scope == Scope::Minor { self.consume() } else { 0 };
                self.trace();
                Outcome { dirty, complete: false }
            }
            Phase::Preclean { .. } => {
                self.find_roots();
                let dirty = self.consume();
                self.trace();
                Outcome { dirty, complete: false }
            }
            Phase::Remark { attempt } => self.remark(attempt, cycle),
            Phase::Finished => Outcome { dirty: 0, complete: true },
        }
    }

    fn consume(&self) -> usize {
        self.shared.rules.reached(Moment::Consuming);
        self.shared.ledger.consume(&self.shared.memory, &self.shared.rules)
    }

    /// Traces from what is owed now and what was left, while the program runs.
    fn trace(&mut self) {
        let shared = self.shared;
        let markers = shared.options.markers.div_ceil(2);
        self.live_objects += self.marking.run(markers, When::Running, |marker| {
            shared.ledger.take(&shared.rules, |pages| marker.rescan(pages));
        });
        self.live_objects += self.references.settle_running(&self.marking, markers);
        shared.rules.reached(Moment::Traced);
    }

    /// Stops the world to retire the buffers and to find the roots, and for nothing else.
    fn find_roots(&mut self) {
        let stop = self.shared.stop();
        let mut roots: Vec<ObjectRef> = Vec::new();
        self.shared.find_roots(&stop, &mut |root| roots.push(root));
        self.find_external(&mut roots);
        self.shared.resume(stop);
        self.marking.add_roots(roots);
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

    fn remark(&mut self, attempt: u32, cycle: &mut Cycle) -> Outcome {
        let (shared, ledger, rules) = (self.shared, &self.shared.ledger, &self.shared.rules);
        rules.reached(Moment::Remarking);
        let stop = shared.stop();
        let deadline = (attempt < ATTEMPTS).then(|| Instant::now() + shared.options.pause_target);
        let scan = rules.holds(Rule::LastScan);
        let dirty = if scan { ledger.peek(&shared.memory, rules) } else { 0 };
        if rules.holds(Rule::LookAtExternal) {
            shared
                .memory
                .external_ranges()
                .into_iter()
                .for_each(|range| ledger.owed().insert(range));
        }
        // Waking helpers takes as long as a short remark does.
        let markers = if deadline.is_some() { 1 } else { shared.options.markers };
        self.live_objects += self.marking.run(markers, When::Stopped(deadline), |marker| {
            if rules.holds(Rule::RootsAgain) {
                shared.find_roots(&stop, &mut |root| marker.push(root));
            }
            ledger.take(rules, |pages| marker.rescan(pages));
        });
        let mut nothing_left = ledger.is_empty() && self.marking.is_done();
        if nothing_left {
            let when = When::Stopped(deadline);
            let settled = self.references.settle_stopped(&self.marking, markers, when);
            self.live_objects += settled.marked;
            nothing_left = settled.complete;
        }
        let complete = nothing_left || !rules.holds(Rule::NothingLeft);
        if complete {
            self.finish(stop, cycle);
        } else {
            shared.resume(stop);
        }
        Outcome { dirty, complete }
    }

    /// Everything is marked: what is not is garbage.
    fn finish(&mut self, stop: Stop<'_>, cycle: &mut Cycle) {
        let shared = self.shared;
        if shared.options.verify {
            verify(shared, &stop, self.marking.marks, false);
            self.references.verify(&self.marking);
        }
        if self.scope == Scope::Full {
            shared.memory.metadata.flip_marks();
        }
        shared.begin_sweep(self.scope);
        shared.end_collection();
        shared.resume(stop);
        let time = self.start.elapsed();
        shared.record_cycle(cycle, self.scope, self.cause, self.live_objects, time);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn outcome(dirty: usize, complete: bool) -> Outcome {
        Outcome { dirty, complete }
    }

    #[test]
    fn precleaning_goes_on_while_it_helps() {
        let first = Phase::Preclean { round: 0, attempt: 0, before: usize::MAX };
        let second = first.next(outcome(100_000, false));
        assert_eq!(second, Phase::Preclean { round: 1, attempt: 0, before: 100_000 });
        assert!(matches!(second.next(outcome(50_000, false)), Phase::Preclean { round: 2, .. }));
        assert_eq!(second.next(outcome(90_000, false)), Phase::Remark { attempt: 0 });
        assert_eq!(first.next(outcome(10, false)), Phase::Remark { attempt: 0 });
    }

    #[test]
    fn a_remark_that_was_late_is_tried_again_after_another_round() {
        let again = Phase::Remark { attempt: 2 }.next(outcome(5, false));
        assert!(matches!(again, Phase::Preclean { round: 0, attempt: 3, .. }));
        assert_eq!(Phase::Remark { attempt: 2 }.next(outcome(5, true)), Phase::Finished);
    }
}
