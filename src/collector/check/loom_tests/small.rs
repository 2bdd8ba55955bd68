//! A whole collector that is small enough for loom.
//!
//! Three objects of two slots, on two pages, or on pages of their own if a mutator allocates them. What
//! the real heap needs real memory for is made anew and plain: slots, tracing an object, the list of
//! blocks, sweeping. The protocol is the product's own: world, tracker with its model of the MMU, ledger
//! and owed pages, block ages and mark maps, the filter of references, the phases of a cycle and the
//! rules that tests can break.
//!
//! ```text
//!   page 0             page 1             page 2       page 4
//!   ┌────────┬─────────╫─────────┬────────┐ ┌────────┐ ┌────────┐
//!   │ A0  A1 │   ...B0 ║ B1...   │ C0  C1 │ │ C0  C1 │ │ B0  B1 │
//!   └────────┴─────────╫─────────┴────────┘ └────────┘ └────────┘
//!     block 0                                 block 1    block 2: or here, when they are allocated
//! ```

mod run;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use loom::cell::UnsafeCell;

use crate::collector::check::rules::{Rule, Rules};
use crate::collector::remembered::ledger::Ledger;
use crate::dirty::{Model, ModelMmu, Tracker};
use crate::heap::geometry::{BLOCK, CHUNK, GRANULE, Geometry};
use crate::heap::{Age, Metadata};
use crate::mutator::World;
use crate::os::{PageRange, page_size};
use crate::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const OBJECTS: usize = 3;
pub(crate) const SLOTS: usize = 2;
pub(crate) const REGISTERS: usize = 3;

/// No object, in a slot or in a register.
pub(crate) const NULL: usize = usize::MAX;

/// Blocks: the first is there from the beginning, each of the others is for one object.
const BLOCKS: usize = 3;

/// The registers of a mutator: touched by it while it runs, by the collector while it is stopped. Loom
/// reports two accesses that nothing orders.
pub(crate) struct Registers(UnsafeCell<[usize; REGISTERS]>);

// SAFETY: the protocol under test is what keeps the accesses apart; loom checks that it does.
unsafe impl Sync for Registers {}
// SAFETY: as above.
unsafe impl Send for Registers {}

impl Registers {
    pub(crate) fn new(registers: [usize; REGISTERS]) -> Self {
        Self(UnsafeCell::new(registers))
    }

    pub(crate) fn get(&self) -> [usize; REGISTERS] {
        // SAFETY: by the mutator while it runs, or in a stop.
        self.0.with(|registers| unsafe { *registers })
    }

    pub(crate) fn set(&self, register: usize, object: usize) {
        // SAFETY: by the mutator while it runs.
        self.0.with_mut(|registers| unsafe { (*registers)[register] = object });
    }
}

/// What the collector does otherwise than the product: nothing, or what a control needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// Whether remarks give up at once: one after the last scan, the next before it.
    pub(crate) late: bool,
    /// Whether every scan leaves the first page out.
    pub(crate) leave_out: bool,
    /// How many objects are there from the beginning. A is then, or never.
    pub(crate) objects: usize,
    /// Whether scans that consume are about new blocks, too, as if most of them survived.
    pub(crate) new_blocks: bool,
    pub(crate) broken: Option<Break>,
}

impl Setup {
    /// What the product does, with so many objects at the beginning.
    pub(crate) const fn with(objects: usize) -> Self {
        Self { late: false, leave_out: false, objects, new_blocks: false, broken: None }
    }
}

/// What a control breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
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
    /// A block that the first scan of a cycle has left out stays left out.
    StayOut,
    /// Which blocks have marks is asked before the trace that goes before a scan.
    AskEarly,
    /// A mark is set, and its block does not count as marked.
    Reach,
}

pub(crate) struct SmallHeap {
    pub(crate) world: World<Registers>,
    mmu: Arc<ModelMmu>,
    tracker: Tracker,
    ledger: Ledger,
    metadata: Metadata,
    rules: Rules,
    setup: Setup,
    slots: [[AtomicUsize; SLOTS]; OBJECTS],
    /// Written when an object is allocated, read when it is traced.
    headers: [UnsafeCell<bool>; OBJECTS],
    /// The collector's: references to follow.
    grey: RefCell<Vec<usize>>,
    /// The collector's: blocks that were retired since the last scan.
    new: [Cell<bool>; BLOCKS],
    freed: RefCell<[bool; OBJECTS]>,
}

// SAFETY: headers are what loom checks; the rest is touched by the collector's thread only.
unsafe impl Sync for SmallHeap {}
// SAFETY: as above.
unsafe impl Send for SmallHeap {}

impl SmallHeap {
    /// A heap with that graph. Every page counts as dirty.
    pub(crate) fn new(setup: Setup, graph: [[usize; SLOTS]; OBJECTS]) -> Self {
        let geometry = Geometry::new(PageRange::new(CHUNK, 2 * CHUNK).unwrap());
        let span = PageRange::new(CHUNK, CHUNK + BLOCKS * BLOCK).unwrap();
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
            new: Default::default(),
            freed: RefCell::default(),
        };
        (0..setup.objects).for_each(|object| heap.set_extent(object));
        heap.metadata.set_age(0, Age::Young);
        heap.new[0].set(true);
        heap
    }

    /// First and last granule of an object.
    fn extent(&self, object: usize) -> (usize, usize) {
        let page = page_size() / GRANULE;
        match object {
            0 => (0, 1),
            _ if object >= self.setup.objects => {
                let first = (OBJECTS - object) * 2 * page;
                (first, first + 1)
            }
            1 => (page - 1, page),
            _ => (2 * page - 2, 2 * page - 1),
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

    fn block(&self, object: usize) -> usize {
        self.metadata.geometry.block(self.address(object))
    }

    fn pages_of(&self, block: usize) -> PageRange {
        let start = self.metadata.geometry.block_address(block);
        PageRange::new(start, start + BLOCK).unwrap()
    }
}

/// What mutators do.
impl SmallHeap {
    pub(crate) fn load(&self, object: usize, slot: usize) -> usize {
        self.slots[object][slot].load(Ordering::Relaxed)
    }

    /// A plain store, on a processor.
    pub(crate) fn store(&self, processor: usize, (object, slot): (usize, usize), value: usize) {
        let store = || self.slots[object][slot].store(value, Ordering::Relaxed);
        self.mmu.store(processor, self.slot_address(object, slot), store);
    }

    /// An object that is not there yet, in a block that the caller owns from now on.
    pub(crate) fn allocate(&self, processor: usize, object: usize) {
        let own = || self.metadata.set_age(self.block(object), Age::Owned);
        if self.setup.broken != Some(Break::OwnFirst) {
            own();
        }
        self.mmu.store(processor, self.address(object), || {
            // SAFETY: nobody else knows the object; loom checks that.
            self.headers[object].with_mut(|header| unsafe { *header = true });
        });
        self.set_extent(object);
    }
}

/// What tests ask.
impl SmallHeap {
    /// Which objects cannot be reached, from registers and by slots.
    pub(crate) fn unreachable(&self, registers: &[[usize; REGISTERS]]) -> Vec<usize> {
        let mut seen = [false; OBJECTS];
        let mut open: Vec<_> = registers.iter().flatten().copied().collect();
        while let Some(object) = open.pop() {
            if object != NULL && !std::mem::replace(&mut seen[object], true) {
                open.extend((0..SLOTS).map(|slot| self.load(object, slot)));
            }
        }
        (0..OBJECTS).filter(|&object| !seen[object]).collect()
    }

    pub(crate) fn is_freed(&self, object: usize) -> bool {
        self.freed.borrow()[object]
    }
}
