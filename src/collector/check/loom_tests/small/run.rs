//! A cycle of the small collector: the product's phases, and what stands for the work in each.

use std::cell::Cell;

use super::{BLOCKS, Break, NULL, OBJECTS, Registers, SLOTS, SmallHeap};
use crate::collector::Scope;
use crate::collector::check::rules::Rule;
use crate::collector::cycle::{Outcome, Phase};
use crate::collector::mark::trace::Filter;
use crate::collector::remembered::ledger::{Looked, Portion};
use crate::heap::geometry::WORDS_PER_BLOCK;
use crate::heap::{Age, Marks, Watched};
use crate::mutator::Stopped;
use crate::os::{PageRange, page_size};
use crate::sync::atomic::Ordering;

impl SmallHeap {
    /// A cycle of the product's phases.
    pub(crate) fn cycle(&self, scope: Scope) {
        let run = Run::new(self, scope);
        let mut phase = Phase::Roots;
        while phase != Phase::Finished {
            phase = phase.next(run.perform(phase));
        }
    }

    /// In a forked child: a minor cycle was going on, which had consumed dirty pages.
    pub(crate) fn cut_off_cycle(&self) {
        let run = Run::new(self, Scope::Minor);
        run.perform(Phase::Roots);
        run.consume(self.setup.new_blocks);
        // The thread that took these pages to look at them is not in the child.
        self.ledger.slices().take(false, &self.rules, |_, _| Looked::AtAll);
        let stop = self.stop();
        self.grey.borrow_mut().clear();
        if self.rules.holds(Rule::OweCutOff) {
            self.ledger.owe_all(self.watched(|_| true));
        }
        drop(stop);
    }

    fn stop(&self) -> Stopped<'_, Registers> {
        let stopped = self.world.stop();
        for block in (0..BLOCKS).filter(|&block| self.metadata.age(block) == Age::Owned) {
            self.metadata.set_age(block, Age::Young);
            self.new[block].set(true);
        }
        stopped
    }

    /// What the pool says for the real heap: blocks, and those that are owned apart.
    fn watched(&self, is_wanted: impl Fn(usize) -> bool) -> Watched {
        let mut watched = Watched::default();
        for block in (0..BLOCKS).filter(|&block| is_wanted(block)) {
            match self.metadata.age(block) {
                Age::Owned => watched.left_out.push(self.pages_of(block)),
                _ => watched.quiet.push(self.pages_of(block)),
            }
        }
        watched
    }
}

struct Run<'a> {
    heap: &'a SmallHeap,
    scope: Scope,
    marks: &'a Marks,
    /// For a control: the blocks that had marks at some time before.
    before: Cell<Option<[bool; BLOCKS]>>,
}

impl<'a> Run<'a> {
    fn new(heap: &'a SmallHeap, scope: Scope) -> Self {
        let marks = match scope {
            Scope::Minor => heap.metadata.current_marks(),
            Scope::Full => heap.metadata.next_marks(),
        };
        Self { heap, scope, marks, before: Cell::default() }
    }
}

impl Run<'_> {
    fn perform(&self, phase: Phase) -> Outcome {
        let heap = self.heap;
        match phase {
            Phase::Roots => self.find_roots(&heap.stop()),
            Phase::Trace => {
                if self.scope == Scope::Minor {
                    self.consume(heap.setup.new_blocks);
                }
                self.trace();
            }
            Phase::Preclean { .. } => {
                self.find_roots(&heap.stop());
                if heap.setup.broken == Some(Break::LookAfterScan) {
                    self.peek();
                    self.trace();
                    self.consume(heap.setup.new_blocks);
                    heap.ledger.owed().clear();
                } else {
                    self.consume(heap.setup.new_blocks);
                    self.trace();
                }
                return Outcome::Precleaned { time: std::time::Duration::ZERO, quick: true };
            }
            Phase::Brake { .. } => {
                let _stop = heap.stop();
                self.consume(false);
            }
            Phase::Remark { attempt } => return self.remark(attempt),
            Phase::Finished => {}
        }
        Outcome::Done
    }

    fn find_roots(&self, stop: &Stopped<'_, Registers>) {
        let roots = stop.threads.iter().flat_map(|thread| thread.local.get());
        self.heap.grey.borrow_mut().extend(roots.filter(|&root| root != NULL));
    }

    /// Where something is marked, and in new blocks if these are wanted.
    fn consume(&self, new: bool) {
        let (heap, marked) = (self.heap, self.marked());
        let watched = heap.watched(|block| marked[block] || new && heap.new[block].get());
        heap.ledger.consume_these(watched, Portion::ALL, &heap.tracker, &heap.rules);
        self.forgive();
    }

    fn peek(&self) {
        let (heap, marked) = (self.heap, self.marked());
        let watched = heap.watched(|block| marked[block]);
        heap.ledger.peek_these(watched, &heap.tracker, &heap.rules, None);
        self.forgive();
    }

    /// As the pool does for the real heap after a scan: new blocks without a mark need no look.
    fn forgive(&self) {
        let (heap, holds) = (self.heap, self.heap.rules.holds(Rule::ForgiveNew));
        for block in 0..BLOCKS {
            let words = block * WORDS_PER_BLOCK..(block + 1) * WORDS_PER_BLOCK;
            let is_blank = heap.new[block].take() && self.marks.is_clear(words);
            if heap.metadata.age(block) == Age::Young && (is_blank || !holds) {
                heap.ledger.owed().remove(heap.pages_of(block));
            }
        }
    }

    /// The blocks with a marked object.
    fn marked(&self) -> [bool; BLOCKS] {
        let now = std::array::from_fn(|block| self.marks.is_reached(block));
        if self.heap.setup.broken == Some(Break::StayOut) && self.before.get().is_none() {
            self.before.set(Some(now));
        }
        self.before.get().unwrap_or(now)
    }

    fn remark(&self, attempt: u32) -> Outcome {
        let heap = self.heap;
        let mut stop = heap.stop();
        let in_time = |late| !heap.setup.late || attempt != late;
        self.look(in_time(2));
        if !in_time(2) {
            return Outcome::LateBeforeScan;
        }
        if heap.rules.holds(Rule::LastScan) {
            self.peek();
        }
        if heap.setup.broken == Some(Break::StopToEnd) {
            drop(stop);
            stop = heap.stop();
        }
        if heap.rules.holds(Rule::RootsAgain) {
            self.find_roots(&stop);
        }
        self.drain();
        self.look(in_time(0));
        let nothing_left = heap.ledger.is_empty() && heap.grey.borrow().is_empty();
        if !nothing_left && heap.rules.holds(Rule::NothingLeft) {
            return Outcome::LateAfterScan;
        }
        self.finish(&stop);
        Outcome::Done
    }

    /// Looks at owed pages, if there is time for that, and traces from there.
    fn look(&self, in_time: bool) {
        let heap = self.heap;
        heap.ledger.slices().take(false, &heap.rules, |range, _| {
            if !in_time {
                return Looked::Until(range.start());
            }
            range.pieces(page_size()).for_each(|page| self.rescan(page));
            Looked::AtAll
        });
        self.drain();
    }

    fn trace(&self) {
        if self.heap.setup.broken == Some(Break::AskEarly) {
            self.before.set(None);
            self.before.set(Some(self.marked()));
        }
        self.drain();
        self.look(true);
    }

    fn drain(&self) {
        let next = || self.heap.grey.borrow_mut().pop();
        while let Some(object) = next() {
            if self.mark(object) {
                self.trace_object(object);
            }
        }
    }

    fn rescan(&self, page: PageRange) {
        let (metadata, geometry) = (&self.heap.metadata, self.heap.metadata.geometry);
        let (first, end) = (geometry.granule(page.start()), geometry.granule(page.end() - 1) + 1);
        if self.heap.rules.holds(Rule::LookInFull)
            && let Some(address) = metadata.spanning_into(page.start(), self.marks)
        {
            self.trace_object(self.heap.object_at(geometry.granule(address)));
        }
        self.marks.for_each_set(first, end, |granule| {
            self.trace_object(self.heap.object_at(granule));
        });
    }

    fn trace_object(&self, object: usize) {
        let heap = self.heap;
        // SAFETY: the object is initialised, as its block was not owned; loom checks that.
        heap.headers[object].with(|header| assert!(unsafe { *header }));
        let filter = Filter {
            metadata: &heap.metadata,
            scope: self.scope,
            owed: heap.ledger.owed(),
            rules: &heap.rules,
        };
        for slot in 0..SLOTS {
            // As `Slot::load`.
            let to = heap.slots[object][slot].load(Ordering::Acquire);
            if to != NULL
                && (filter.wants(heap.address(to), heap.slot_address(object, slot))
                    || heap.setup.broken == Some(Break::AskAge))
            {
                heap.grey.borrow_mut().push(to);
            }
        }
    }

    /// Whether the object was not marked before.
    fn mark(&self, object: usize) -> bool {
        let granule = self.heap.extent(object).0;
        let first = !self.marks.get(granule);
        if first {
            self.marks.set_owned(granule);
            if self.heap.setup.broken != Some(Break::Reach) {
                self.marks.reach(self.heap.block(object));
            }
        }
        first
    }

    /// Everything is marked: what is not is garbage.
    fn finish(&self, stop: &Stopped<'_, Registers>) {
        let heap = self.heap;
        let registers: Vec<_> = stop.threads.iter().map(|thread| thread.local.get()).collect();
        let dead = heap.unreachable(&registers);
        if self.scope == Scope::Full {
            heap.metadata.flip_marks();
        }
        let marks = heap.metadata.current_marks();
        for object in 0..OBJECTS {
            let (first, last) = heap.extent(object);
            if heap.metadata.starts.get(first) && !marks.get(first) {
                assert!(dead.contains(&object), "object {object} is reachable and was freed");
                heap.metadata.starts.clear_owned(first);
                heap.metadata.ends.clear_owned(last);
                heap.freed.borrow_mut()[object] = true;
            }
        }
        (0..BLOCKS).for_each(|block| heap.metadata.set_age(block, Age::Old));
        heap.new.iter().for_each(|new| new.set(false));
        // As the sweep does, before the next cycle.
        if self.scope == Scope::Full {
            let marks = heap.metadata.next_marks();
            (0..OBJECTS).for_each(|object| marks.clear_owned(heap.extent(object).0));
            (0..BLOCKS).for_each(|block| marks.leave(block));
        }
    }
}
