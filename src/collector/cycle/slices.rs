//! The stops of a cycle that do more than find roots: the brake, and the remark that ends it.
//!
//! Each has a deadline. What is not done by then is owed, as it was, and the program goes on.

use std::time::{Duration, Instant};

use super::{Outcome, Run};
use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};
use crate::collector::check::verify::verify;
use crate::collector::cycle::collect::Stop;
use crate::collector::mark::{Marker, When};
use crate::collector::remembered::ledger::Portion;
use crate::collector::report::StopPurpose;
use crate::heap::Where;
use crate::object::ObjectModel;
use crate::os::PageRange;

/// Stops that give up at the deadline, at least, and for each further GiB of the heap; the one after these
/// does not. To look at all pages of a GiB takes some 200.
const ATTEMPTS: u32 = 1000;

/// How long the program runs between two stops of a cycle, at first. Half as long after each last
/// scan that has found too much.
const GAP: Duration = Duration::from_micros(64);

/// Last scans that may find too much. After each further one the stop may last twice as long: what
/// it has to do may be more than writes of the program, such as a great many roots.
pub(crate) const PATIENCE: u32 = 3;

/// How many pages tell what looking at one takes.
const TYPICAL: usize = 64;

/// Work that is worth waking helpers for in a stop.
const WORTH_HELP: Duration = Duration::from_micros(200);

/// How many stops of a cycle may give up, in a heap of so many bytes.
pub(crate) fn attempts(bytes: usize) -> u32 {
    ATTEMPTS.saturating_mul(1 + u32::try_from(bytes >> 30).unwrap_or(u32::MAX - 1))
}

impl<'a, M: ObjectModel> Run<'a, M> {
    /// Begins a stop with a deadline; the last one has none. Returns the deadline, too.
    fn begin_slice(&self, attempt: u32) -> (Stop<'a>, Option<Instant>) {
        // Until the last stop began the program ran, too, and may do so for as long again.
        let before = self.report.stops.last().map_or(Duration::ZERO, |stop| stop.to_safepoint);
        let gap = (GAP / 2_u32.saturating_pow(self.late)).saturating_sub(before);
        if attempt > 0 && !gap.is_zero() {
            std::thread::sleep(gap);
        }
        let stop = self.shared.stop(StopPurpose::Slice);
        let deadline = stop.deadline((self.shared.options.pause_target / 5 * 4) * self.longer());
        (stop, (attempt < self.attempts).then_some(deadline))
    }

    /// How many times as long as they should be stops are, after last scans that have found too much.
    fn longer(&self) -> u32 {
        let late = self.late.saturating_sub(PATIENCE);
        if late == 0 && self.late > 0 && !self.felt { 2 } else { 2_u32.saturating_pow(late) }
    }

    /// How many pages can be looked at until then.
    fn pages_until(&self, end: Instant) -> usize {
        self.pages_in(end.saturating_duration_since(Instant::now()))
    }

    /// Consumes dirty pages with the world stopped and looks at them, as many as there is time for.
    ///
    /// What comes later stays as it is, and costs the program nothing until its turn comes.
    pub(crate) fn brake(&mut self, attempt: u32, from: usize) -> Outcome {
        let (shared, ledger) = (self.shared, &self.shared.ledger);
        let (mut stop, deadline) = self.begin_slice(attempt);
        let (memory, rules, marks) = (&shared.memory, &shared.rules, self.marking.marks);
        let span = ledger.owed().span();
        let from = from.max(span.start());
        let left =
            PageRange::new(span.start(), from).map_or(0, |done| ledger.owed().count_in(done));
        let pages = deadline.map_or(usize::MAX, |end| self.pages_until(end).saturating_sub(left));
        let portion = Portion { from, deadline, pages };
        let done = ledger.consume_portion(portion, Where::Marked(marks), memory, rules);
        ledger.forgive_unmarked(memory, marks, rules);
        stop.laps.lap(|report| &mut report.scan);
        // What is found behind is still dirty and will be found again, or is owed by what was found.
        let looked_at = PageRange::new(span.start(), done.rest.unwrap_or(span.end()));
        if let Ok(looked_at) = looked_at {
            self.look_at_owed_in(looked_at, &mut stop, deadline);
        }
        self.report.stops.push(shared.resume(stop));
        self.report.scanned(done);
        done.rest.map_or(Outcome::Done, Outcome::ConsumedUntil)
    }

    pub(crate) fn remark(&mut self, attempt: u32) -> Outcome {
        let (shared, target) = (self.shared, self.shared.options.pause_target);
        shared.rules.reached(Moment::Remarking);
        let (mut stop, deadline) = self.begin_slice(attempt);
        if !self.look_at_owed(&mut stop, deadline) {
            self.report.stops.push(shared.resume(stop));
            // After the brake the program hardly runs any more, so that this will end.
            return if attempt == 0 { self.retreat() } else { Outcome::LateBeforeScan };
        }
        stop.laps.report.purpose = StopPurpose::Remark;
        self.last_scan(&mut stop);
        let time = (target / 2).saturating_mul(self.longer());
        let deadline = deadline.filter(|_| !self.is_hopeless()).map(|_| Instant::now() + time);
        if !self.mark_the_rest(&mut stop, deadline) {
            self.report.stops.push(shared.resume(stop));
            return self.retreat();
        }
        self.finish(stop);
        Outcome::Done
    }

    /// Too much was left for a stop.
    fn retreat(&mut self) -> Outcome {
        self.late += 1;
        if self.late > PATIENCE || !self.is_felt() {
            return Outcome::LateAfterScan;
        }
        self.shared.pacer.press();
        Outcome::MuchLeft
    }

    fn helpers_for(&self, work: Duration) -> usize {
        if work > WORTH_HELP { self.shared.options.markers - 1 } else { 0 }
    }

    /// Looks at what is owed already. Whether all of it was, with time left for the last scan.
    fn look_at_owed(&mut self, stop: &mut Stop<'_>, deadline: Option<Instant>) -> bool {
        let (ledger, marking) = (&self.shared.ledger, &self.marking);
        if ledger.is_empty() && marking.is_done() {
            return true;
        }
        self.look_at_owed_in(ledger.owed().span(), stop, deadline);
        ledger.is_empty()
            && self.marking.is_done()
            && deadline.is_none_or(|deadline| Instant::now() + self.scan_time / 2 < deadline)
    }

    /// Looks at what is owed there. Takes note of what a page takes.
    fn look_at_owed_in(
        &mut self,
        range: PageRange,
        stop: &mut Stop<'_>,
        deadline: Option<Instant>,
    ) {
        let (start, ledger) = (Instant::now(), &self.shared.ledger);
        let slices = ledger.slices_in(range);
        let work = self.page_time * ledger.owed().count_in(range) as u32;
        let helpers = self.helpers_for(self.trace_time.max(work));
        let tally = self.rescan(&slices, helpers, When::Stopped(deadline));
        stop.laps.lap(|report| &mut report.rescan);
        self.report.add(tally);
        if tally.rescanned >= TYPICAL {
            self.page_time = start.elapsed() / tally.rescanned as u32;
        }
    }

    /// The last scan, and what is not found by scans.
    fn last_scan(&mut self, stop: &mut Stop<'_>) {
        let (shared, ledger, rules) = (self.shared, &self.shared.ledger, &self.shared.rules);
        if rules.holds(Rule::LastScan) {
            // Who spins now does so until the scan begins, and a helper is woken where nobody does.
            shared.crew.expect_job(true);
            let helpers = self.helpers_for(self.scan_time).saturating_sub(stop.world.lingering());
            let help = Some((&shared.crew, helpers));
            ledger.peek(&shared.memory, self.marking.marks, rules, help);
            shared.crew.expect_job(false);
            self.heed_canaries();
            ledger.forgive_unmarked(&shared.memory, self.marking.marks, &shared.rules);
        }
        if rules.holds(Rule::LookAtExternal) {
            let external = shared.memory.external_ranges();
            external.into_iter().for_each(|range| ledger.owed().insert(range));
        }
        stop.laps.lap(|report| &mut report.scan);
    }

    /// Roots, owed pages, and what both lead to. Whether everything is marked.
    fn mark_the_rest(&mut self, stop: &mut Stop<'_>, deadline: Option<Instant>) -> bool {
        let (shared, ledger, rules) = (self.shared, &self.shared.ledger, &self.shared.rules);
        if deadline.is_some_and(|end| ledger.owed().len() / 2 > self.pages_until(end)) {
            // These pages are still dirty: to look at some of them is for nothing.
            return !rules.holds(Rule::NothingLeft);
        }
        let slices = ledger.slices();
        let seed = |marker: &mut Marker<'_, '_, M>| marker.rescan_owed(&slices);
        let helpers = self.helpers_for(self.trace_time);
        let tally = self.marking.run(helpers, When::Stopped(deadline), &seed, |first| {
            if rules.holds(Rule::RootsAgain) {
                shared.find_roots(&stop.world, &mut |root| first.push(root));
            }
            stop.laps.lap(|report| &mut report.roots);
            seed(first);
            stop.laps.lap(|report| &mut report.rescan);
        });
        stop.laps.lap(|report| &mut report.drain);
        self.report.add(tally);
        let mut nothing_left = ledger.is_empty() && self.marking.is_done();
        if nothing_left {
            nothing_left = self.settle(stop, helpers, deadline);
        }
        nothing_left || !rules.holds(Rule::NothingLeft)
    }

    /// Everything is marked that does not depend on the side tables: decides about these. Whether
    /// there was time to mark what is alive because of that.
    fn settle(&mut self, stop: &mut Stop<'_>, helpers: usize, deadline: Option<Instant>) -> bool {
        let when = When::Stopped(deadline);
        let settled = self.references.settle_stopped(&self.marking, helpers, when);
        stop.laps.lap(|report| &mut report.references);
        self.report.add(settled.tally);
        settled.complete
    }

    /// Everything is marked: what is not is garbage.
    fn finish(&mut self, mut stop: Stop<'_>) {
        let (shared, scope) = (self.shared, self.report.scope);
        if let Some(referee) = &shared.referee {
            referee.check(shared, &stop.world, self.marking.marks);
        }
        if shared.options.verify {
            verify(shared, &stop.world, self.marking.marks, None);
            self.references.verify(&self.marking);
        }
        if scope == Scope::Full {
            shared.memory.metadata.flip_marks();
        }
        shared.begin_sweep(scope);
        self.report.end(shared.end_collection(), shared.pacer.cycle_ends());
        stop.laps.lap(|report| &mut report.finish);
        self.report.stops.push(shared.resume(stop));
        shared.crew.send_away();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// With 8 GiB alive, all written while nothing is allocated, the last one took 142 ms.
    #[test]
    fn a_large_heap_is_not_finished_in_one_stop_before_it_was_looked_at() {
        assert_eq!(attempts(8 << 20), ATTEMPTS);
        assert_eq!(attempts(12 << 30), 13 * ATTEMPTS);
        assert_eq!(attempts(usize::MAX), u32::MAX);
    }
}
