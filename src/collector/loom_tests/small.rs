//! A whole collector that is small enough for loom.
//!
//! Three objects of two slots, on two pages and one that a mutator allocates on. What the real heap
//! needs real memory for is made anew and plain: slots, tracing an object, sweeping. The protocol is
//! the product's own: world, tracker with its model of the MMU, ledger and owed pages, block ages and
//! mark maps, the filter of references, the phases of a cycle and the rules that tests can break.
//!
//! ```text
//!   page 0             page 1             page 2
//!   ┌────────┬─────────╫─────────┬────────┐ ┌────────┐
//!   │ A0  A1 │   ...B0 ║ B1...   │ C0  C1 │ │ C0  C1 │
//!   └────────┴─────────╫─────────┴────────┘ └────────┘
//!     block 0: old                            block 1: or here, when it is allocated
//! ```

use std::cell::RefCell;
use std::sync::Arc;

use loom::cell::UnsafeCell;

use crate::collector::cycle::{Outcome, Phase};
use crate::collector::ledger::{Ledger, Looked, Portion};
use crate::collector::mark::Scope;
use crate::collector::mark::trace::Filter;
use crate::collector::rules::{Rule, Rules};
use crate::dirty::{Model, ModelMmu, Tracker};
use crate::heap::geometry::{BLOCK, CHUNK, GRANULE, Geometry};
use crate::heap::{Age, Bitmap, Metadata, Watched};
use crate::mutator::{Stopped, World};
use crate::os::{PageRange, page_size};
use crate::sync::atomic::{AtomicUsize, Ordering};

pub(super) const OBJECTS: usize = 3;
pub(super) const SLOTS: usize = 2;
pub(super) const REGISTERS: usize = 3;

/// No object, in a slot or in a register.
pub(super) const NULL: usize = usize::MAX;

/// The object that may be allocated.
pub(super) const NEW: usize = 2;

/// The registers of a mutator: touched by it while it runs, by the collector while it is stopped. Loom
/// reports two accesses that nothing orders.
pub(super) struct Registers(UnsafeCell<[usize; REGISTERS]>);

// SAFETY: the protocol under test is what keeps the accesses apart; loom checks that it does.
unsafe impl Sync for Registers {}
// SAFETY: as above.
unsafe impl Send for Registers {}

impl Registers {
    pub(super) fn new(registers: [usize; REGISTERS]) -> Self {
        Self(UnsafeCell::new(registers))
    }

    pub(super) fn get(&self) -> [usize; REGISTERS] {
        // SAFETY: by the mutator while it runs, or in a stop.
        self.0.with(|registers| unsafe { *registers })
    }

    pub(super) fn set(&self, register: usize, object: usize) {
        // SAFETY: by the mutator while it runs.
        self.0.with_mut(|registers| unsafe { (*registers)[register] = object });
    }
}

/// What the collector does otherwise than the product: nothing, or what a control needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Setup {
    /// Whether remarks give up at once: one after the last scan, the next before it.
    pub(super) late: bool,
    /// Whether every scan leaves the first page out.
    pub(super) leave_out: bool,
    /// Whether the third object is there from the beginning.
    pub(super) allocated: bool,
    pub(super) broken: Option<Break>,
}

/// What a control breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// One of the rules of the product.
    Rule(Rule),
    /// Scans do not flush TLBs.
    Flush,
    /// Pages are looked at before the scan that makes them clean.
    LookAfterScan,
    /// The last scan is not in the stop that ends marking.
    StopToEnd,
    /// A block is owned before its first object can be published.
    OwnFirst,
    /// A reference leads to an object that is initialised, as its block is not owned.
    AskAge,
}

pub(super) struct SmallHeap {
    pub(super) world: World<Registers>,
    mmu: Arc<ModelMmu>,
    tracker: Tracker,
    ledger: Ledger,
    metadata: Metadata,
    rules: Rules,
    setup: Setup,
    slots: [[AtomicUsize; SLOTS]; OBJECTS],
    /// Written when an object is allocated, read when it is traced.
    headers: [UnsafeCell<bool>; OBJECTS],
    /// The collector's: marked objects that are still to be traced.
    grey: RefCell<Vec<usize>>,
    freed: RefCell<[bool; OBJECTS]>,
}

// SAFETY: headers are what loom checks; the rest is touched by the collector's thread only.
unsafe impl Sync for SmallHeap {}
// SAFETY: as above.
unsafe impl Send for SmallHeap {}

impl SmallHeap {
    /// A heap with that graph. Every page counts as dirty.
    pub(super) fn new(setup: Setup, graph: [[usize; SLOTS]; OBJECTS]) -> Self {
        let geometry = Geometry::new(PageRange::new(CHUNK, 2 * CHUNK).unwrap());
        let span = PageRange::new(CHUNK, CHUNK + 2 * BLOCK).unwrap();
        assert_eq!(BLOCK, 2 * page_size(), "the layout is made for blocks of two pages");
        let flushes = setup.broken != Some(Break::Flush);
        let mmu = if flushes { ModelMmu::new } else { ModelMmu::without_flush };
        let mmu = Arc::new(mmu(span, 2));
        let tracker = Tracker::new(span, Box::new(Model::new(Arc::clone(&mmu))));
        // SAFETY: no memory is behind the addresses of a model.
        unsafe { tracker.register(span) }.unwrap();
        let rules = Rules::default();
        if let Some(Break::Rule(rule)) = setup.broken {
            *rules.broken.lock().unwrap() = Some(rule);
        }
        if setup.leave_out {
            *rules.left_out.lock().unwrap() = Some(span.subrange(0, 1));
        }
        let heap = Self {
            world: World::new(),
            mmu,
            tracker,
            ledger: Ledger::new(span),
            metadata: Metadata::new(geometry).unwrap(),
            rules,
            setup,
            slots: graph.map(|slots| slots.map(AtomicUsize::new)),
            headers: [(); OBJECTS].map(|()| UnsafeCell::new(true)),
            grey: RefCell::default(),
            freed: RefCell::default(),
        };
        (0..OBJECTS).filter(|&o| o != NEW || setup.allocated).for_each(|o| heap.set_extent(o));
        (0..2).for_each(|block| heap.metadata.set_age(block, Age::Young));
        heap
    }

    /// First and last granule of an object.
    fn extent(&self, object: usize) -> (usize, usize) {
        let page = page_size() / GRANULE;
        match object {
            0 => (0, 1),
            1 => (page - 1, page),
            _ if self.setup.allocated => (2 * page - 2, 2 * page - 1),
            _ => (2 * page, 2 * page + 1),
        }
    }

    fn set_extent(&self, object: usize) {
        let (first, last) = self.extent(object);
        self.metadata.starts.set_owned(first);
        self.metadata.ends.set_owned(last);
    }

    fn address(&self, object: usize) -> usize {
        self.metadata.geometry.granule_address(self.extent(object).0)
    }

    fn slot_address(&self, object: usize, slot: usize) -> usize {
        self.address(object) + slot * GRANULE
    }

    fn object_at(&self, granule: usize) -> usize {
        (0..OBJECTS).find(|&object| self.extent(object).0 == granule).expect("an object")
    }

    fn new_block(&self) -> usize {
        self.metadata.geometry.block(self.address(NEW))
    }
}

/// What mutators do.
impl SmallHeap {
    pub(super) fn load(&self, object: usize, slot: usize) -> usize {
        self.slots[object][slot].load(Ordering::Relaxed)
    }

    /// A plain store, on a processor.
    pub(super) fn store(&self, processor: usize, (object, slot): (usize, usize), value: usize) {
        let store = || self.slots[object][slot].store(value, Ordering::Relaxed);
        self.mmu.store(processor, self.slot_address(object, slot), store);
    }

    /// The third object, in a block that the caller owns from now on.
    pub(super) fn allocate(&self, processor: usize) -> usize {
        let own = || self.metadata.set_age(self.new_block(), Age::Owned);
        if self.setup.broken != Some(Break::OwnFirst) {
            own();
        }
        self.mmu.store(processor, self.address(NEW), || {
            // SAFETY: nobody else knows the object; loom checks that.
            self.headers[NEW].with_mut(|header| unsafe { *header = true });
        });
        self.set_extent(NEW);
        NEW
    }
}

/// What the collector does.
impl SmallHeap {
    /// A cycle of the product's phases.
    pub(super) fn cycle(&self, scope: Scope) {
        let marks = match scope {
            Scope::Minor => self.metadata.current_marks(),
            Scope::Full => self.metadata.next_marks(),
        };
        let run = Run { heap: self, scope, marks };
        let mut phase = Phase::Roots;
        while phase != Phase::Finished {
            phase = phase.next(run.perform(phase));
        }
    }

    /// In a forked child: a minor cycle was going on, which had consumed dirty pages.
    pub(super) fn cut_off_cycle(&self) {
        let marks = self.metadata.current_marks();
        let run = Run { heap: self, scope: Scope::Minor, marks };
        run.perform(Phase::Roots);
        run.consume();
        // The thread that took these pages to look at them is not in the child.
        self.ledger.slices().take(false, &self.rules, |_, _| Looked::AtAll);
        let stop = self.stop();
        self.grey.borrow_mut().clear();
        if self.rules.holds(Rule::OweCutOff) {
            self.ledger.owe_all(self.watched());
        }
        drop(stop);
    }

    /// Which objects cannot be reached, from registers and by slots.
    pub(super) fn unreachable(&self, registers: &[[usize; REGISTERS]]) -> Vec<usize> {
        let mut seen = [false; OBJECTS];
        let mut open: Vec<_> = registers.iter().flatten().copied().collect();
        while let Some(object) = open.pop() {
            if object != NULL && !std::mem::replace(&mut seen[object], true) {
                open.extend((0..SLOTS).map(|slot| self.load(object, slot)));
            }
        }
        (0..OBJECTS).filter(|&object| !seen[object]).collect()
    }

    pub(super) fn is_freed(&self, object: usize) -> bool {
        self.freed.borrow()[object]
    }

    fn stop(&self) -> Stopped<'_, Registers> {
        let stopped = self.world.stop();
        let block = self.new_block();
        if self.metadata.age(block) == Age::Owned {
            self.metadata.set_age(block, Age::Young);
        }
        stopped
    }

    /// What the pool says for the real heap: blocks, and those that are owned apart.
    fn watched(&self) -> Watched {
        let mut watched = Watched::default();
        for block in 0..2 {
            let start = self.metadata.geometry.block_address(block);
            let range = PageRange::new(start, start + BLOCK).unwrap();
            match self.metadata.age(block) {
                Age::Owned => watched.left_out.push(range),
                _ => watched.quiet.push(range),
            }
        }
        watched
    }
}

struct Run<'a> {
    heap: &'a SmallHeap,
    scope: Scope,
    marks: &'a Bitmap,
}

impl Run<'_> {
    fn perform(&self, phase: Phase) -> Outcome {
        let heap = self.heap;
        match phase {
            Phase::Roots => self.find_roots(&heap.stop()),
            Phase::Trace => {
                if self.scope == Scope::Minor {
                    self.consume();
                }
                self.trace();
            }
            Phase::Preclean { .. } => {
                self.find_roots(&heap.stop());
                if heap.setup.broken == Some(Break::LookAfterScan) {
                    heap.ledger.peek_these(heap.watched(), &heap.tracker, &heap.rules, None);
                    self.trace();
                    self.consume();
                    heap.ledger.owed().clear();
                } else {
                    self.consume();
                    self.trace();
                }
                return Outcome::Precleaned { time: std::time::Duration::ZERO, quick: true };
            }
            Phase::Brake { .. } => {
                let _stop = heap.stop();
                self.consume();
            }
            Phase::Remark { attempt } => return self.remark(attempt),
            Phase::Finished => {}
        }
        Outcome::Done
    }

    fn find_roots(&self, stop: &Stopped<'_, Registers>) {
        for thread in &stop.threads {
            thread.local.get().into_iter().filter(|&root| root != NULL).for_each(|o| self.mark(o));
        }
    }

    fn consume(&self) {
        let heap = self.heap;
        heap.ledger.consume_these(heap.watched(), Portion::ALL, &heap.tracker, &heap.rules);
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
            heap.ledger.peek_these(heap.watched(), &heap.tracker, &heap.rules, None);
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
        self.drain();
        self.look(true);
    }

    fn drain(&self) {
        let next = || self.heap.grey.borrow_mut().pop();
        while let Some(object) = next() {
            self.trace_object(object);
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
                self.mark(to);
            }
        }
    }

    fn mark(&self, object: usize) {
        let granule = self.heap.extent(object).0;
        if !self.marks.get(granule) {
            self.marks.set_owned(granule);
            self.heap.grey.borrow_mut().push(object);
        }
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
        (0..2).for_each(|block| heap.metadata.set_age(block, Age::Old));
        // As the sweep does, before the next cycle.
        if self.scope == Scope::Full {
            (0..OBJECTS).for_each(|o| heap.metadata.next_marks().clear_owned(heap.extent(o).0));
        }
    }
}
