//! What stopping and concurrent collections have in common, and the former.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::collector::Scope;
use crate::collector::check::verify::verify;
use crate::collector::mark::references::References;
use crate::collector::mark::{Marking, When};
use crate::collector::pacing::Charge;
use crate::collector::pacing::history::Cycle;
use crate::collector::report::{CycleReport, Laps, StopPurpose, StopReport};
use crate::collector::shared::Shared;
use crate::collector::threads::crew::JobNumber;
use crate::collector::threads::requests::Answer;
use crate::heap::{Marks, Unready};
use crate::mutator::{Cause, CollectOnDemand, Local, MoreRoom, OutOfMemory, Stopped, words};
use crate::object::{ObjectModel, ObjectRef, Slot, SlotVisitor};
use crate::sync::process::atomic::Ordering;

/// The stopped world, and how long what took there.
pub(crate) struct Stop<'a> {
    pub(crate) world: Stopped<'a, Local>,
    pub(crate) laps: Laps,
}

impl Stop<'_> {
    /// When it should be over that is to last for so long. Who runs up to a safepoint does not wait.
    pub(crate) fn deadline(&self, time: Duration) -> Instant {
        (self.world.first + time).max(Instant::now() + time / LEAST)
    }
}

/// The part of its time that a stop has even if threads were late at their safepoints: it would be for
/// nothing otherwise.
const LEAST: u32 = 4;

/// How long a mutator that waits for the end of a cycle helps with it at a time.
const TURN: Duration = Duration::from_millis(1);

impl<M: ObjectModel> CollectOnDemand for Shared<M> {
    fn collect(&self, cause: Cause, seen: u64) {
        if self.concurrent && self.have_workers() {
            match self.wait_for_cycle(cause) {
                Answer::Served => {
                    if cause == Cause::Allocation
                        && let Some(time) = self.pacer.awaited()
                    {
                        self.assist(time);
                    }
                    return;
                }
                Answer::Failed(message) => panic!("the collector has stopped: {message}"),
                Answer::ShutDown => {}
            }
        }
        let mut cycle = self.cycle.lock().expect("no panic in a collection");
        if self.collections() != seen {
            return;
        }
        // Everything is swept before the marks are replaced. That also tells how large the heap
        // should be, which may be larger than was thought when the collection was asked for.
        self.finish_sweep(&mut cycle);
        if cause == Cause::Allocation && !self.pacer.is_time() {
            return;
        }
        self.collect_stopped(&mut cycle, cause);
    }

    fn collections(&self) -> u64 {
        self.collections.load(Ordering::Acquire)
    }

    fn charge(&self, bytes: usize) -> MoreRoom {
        match self.pacer.charge(bytes) {
            Charge::GoOn => MoreRoom::Granted,
            Charge::Collect => MoreRoom::Collect,
            Charge::Assist(time) => MoreRoom::Assist(time),
        }
    }

    fn grown(&self) {
        if !self.pacer.is_running() && !self.is_pressed() {
            self.sweeping.populate();
        }
    }

    fn prepare(&self, memory: &Unready) {
        self.memory.prepare(memory);
    }

    fn assist(&self, time: Duration) {
        let start = Instant::now();
        let (end, mut last) = (start + time, JobNumber::default());
        // Between two runs of the markers there is nobody to help. Who went on then would make the
        // next one as long as the last.
        let is_expected = || self.pacer.is_running() || self.pacer.is_time();
        while is_expected() && Instant::now() < end {
            if !self.crew.assist(end, &mut last) {
                self.crew.await_job(end, last, is_expected);
            }
        }
        self.lock_recorder().stalled(start.elapsed());
    }

    #[inline]
    fn assist_stop(&self, last: &mut u64) -> bool {
        let mut job = JobNumber(*last);
        let is_wanted = self.crew.assist_spinning(TURN, &mut job);
        *last = job.0;
        is_wanted
    }

    fn is_marking(&self) -> bool {
        self.pacer.is_running()
    }

    fn precede(&self) {
        self.precedence.take();
    }

    fn fall_in(&self) {
        self.precedence.end();
    }

    fn is_preceded(&self) -> bool {
        self.precedence.is_taken()
    }

    fn let_precede(&self) {
        drop(self.precedence.wait());
    }

    fn out_of_memory(&self, error: &OutOfMemory) -> bool {
        self.ask_for_memory(error)
    }

    fn stress(&self) -> Option<bool> {
        let interval = self.options.stress?;
        Some(self.stress_count.fetch_add(1, Ordering::Relaxed).is_multiple_of(interval))
    }
}

impl<M: ObjectModel> Shared<M> {
    /// Asks for what `cause` needs, and helps with the cycle until that is done.
    fn wait_for_cycle(&self, cause: Cause) -> Answer {
        let start = Instant::now();
        if cause == Cause::Exhaustion && self.pacer.is_running() {
            self.pacer.note_late();
        }
        let (wish, mut last) = (self.requests.ask(cause), JobNumber::default());
        let answer = loop {
            if let Some(answer) = self.requests.answer(wish) {
                break answer;
            }
            // Nobody to help: between two runs of the markers, or before the first.
            if !self.crew.assist(Instant::now() + TURN, &mut last) {
                self.requests.wait(wish, TURN / 4);
            }
        };
        let stall = matches!(cause, Cause::Exhaustion | Cause::LastResort);
        if stall && answer == Answer::Served {
            self.lock_recorder().stalled(start.elapsed());
        }
        answer
    }

    /// A marking with nothing done yet.
    pub(crate) fn marking<'a>(&'a self, scope: Scope, marks: &'a Marks) -> Marking<'a, M> {
        Marking {
            memory: &self.memory,
            model: &self.model,
            marks,
            scope,
            owed: self.ledger.owed(),
            references: &self.references,
            rules: &self.rules,
            crew: &self.crew,
            leftover: Mutex::default(),
        }
    }

    /// Collects the whole heap in one stop.
    pub(crate) fn collect_stopped(&self, cycle: &mut Cycle, cause: Cause) {
        let mut report = CycleReport::new(Scope::Full, cause);
        let mut stop = self.stop(StopPurpose::Collection);
        self.pacer.cycle_begins(false);
        let dropped = self.roots.dropped();
        let marks = self.memory.metadata.next_marks();
        let marking = self.marking(Scope::Full, marks);
        let helpers = self.options.markers - 1;
        let tally = marking.run(helpers, When::Stopped(None), &|_| (), |marker| {
            self.find_roots(&stop.world, &mut |root| marker.push(root));
            stop.laps.lap(|report| &mut report.roots);
        });
        stop.laps.lap(|report| &mut report.drain);
        report.add(tally);
        let mut references = References::new(Scope::Full, self.options.verify);
        let settled = references.settle_stopped(&marking, helpers, When::Stopped(None));
        stop.laps.lap(|report| &mut report.references);
        report.add(settled.tally);
        if let Some(referee) = &self.referee {
            referee.check(self, &stop.world, marks);
        }
        if self.options.verify {
            verify(self, &stop.world, marks, Some(dropped));
            references.verify(&marking);
        }
        self.memory.metadata.flip_marks();
        self.begin_sweep(Scope::Full);
        report.end(self.end_collection(), self.pacer.cycle_ends());
        stop.laps.lap(|report| &mut report.finish);
        let stop = self.resume(stop);
        report.time = stop.total;
        report.stops.push(stop);
        self.record_cycle(cycle, report);
    }

    /// Counts the collection, before any thread goes on: one that asks for a collection then must
    /// not be content with this one, which has not seen what that thread does in between.
    pub(crate) fn end_collection(&self) -> u64 {
        self.collections.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Stops the world and retires every allocation buffer.
    pub(crate) fn stop(&self, purpose: StopPurpose) -> Stop<'_> {
        self.memory.pool().retire_given_up(&self.memory.metadata);
        let mut laps = Laps::start(purpose);
        let world = self.world.stop();
        laps.stopped(&world.time_to_safepoint);
        let (metadata, mut unused) = (&self.memory.metadata, Vec::new());
        for thread in &world.threads {
            // SAFETY: the thread is parked until the world is resumed.
            unsafe { thread.local.retire(metadata, &mut unused) };
        }
        let mut pool = self.memory.pool();
        pool.take_back(unused, metadata);
        pool.retire(metadata);
        drop(pool);
        Stop { world, laps }
    }

    /// Lets the world go on, and takes note of how long it stood.
    pub(crate) fn resume(&self, stop: Stop<'_>) -> StopReport {
        let time_to_safepoint = stop.world.time_to_safepoint.clone();
        let report = stop.laps.end(stop.world.resume());
        self.lock_recorder().paused(report.total, time_to_safepoint);
        report
    }

    pub(crate) fn begin_sweep(&self, scope: Scope) {
        let full = scope == Scope::Full;
        self.memory.pool().begin_sweep(full, &self.memory.metadata);
    }

    /// The object of this heap that a slot refers to, if any.
    pub(crate) fn referent(&self, slot: Slot) -> Option<ObjectRef> {
        let object = self.model.decode(slot.load())?;
        self.memory.metadata.geometry.contains(object.address()).then_some(object)
    }

    /// Passes every object that a root refers to to `visit`.
    pub(crate) fn find_roots(&self, world: &Stopped<'_, Local>, visit: &mut dyn FnMut(ObjectRef)) {
        self.roots.handles(&mut *visit);
        self.roots.sources(&mut RootSlots { shared: self, visit });
        let mut visit_word = |word| {
            if let Some(object) = self.memory.resolve(word) {
                visit(object);
            }
        };
        self.roots.ranges(&mut visit_word);
        for stack in world.threads.iter().filter_map(|thread| thread.local.stack()) {
            // SAFETY: the stack of a thread that is parked, readable until it runs. Behind its frames
            // there may be thread-locals that it writes; the words are read atomically.
            unsafe { words(stack, &mut visit_word) };
        }
    }
}

/// Decodes the slots of root sources.
pub(crate) struct RootSlots<'a, M> {
    pub(crate) shared: &'a Shared<M>,
    pub(crate) visit: &'a mut dyn FnMut(ObjectRef),
}

impl<M: ObjectModel> SlotVisitor for RootSlots<'_, M> {
    fn visit(&mut self, slot: Slot) {
        if let Some(object) = self.shared.referent(slot) {
            (self.visit)(object);
        }
    }

    fn visit_checked(&mut self, slot: Slot) {
        self.visit(slot);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
