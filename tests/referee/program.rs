//! Programs over a heap with a referee, which know what it has to report.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{
    BarrierCheck, BarrierTarget, Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef,
    Root, Sizing, SlotVisitor, StackScan,
};

pub(crate) const TRACKERS: [BackendKind; 3] =
    [BackendKind::Uffd, BackendKind::Mprotect, BackendKind::AllDirty];

/// Entries of the table, which is a large object.
pub(crate) const TABLE: usize = 3000;
pub(crate) const NODES: usize = 40;
const SLOTS: usize = 3;
const WORDS: usize = 700;

/// The number of slots, then the slots.
pub(crate) struct Slots;

// SAFETY: the first word of a precise object is the number of its slots, which follow.
unsafe impl ObjectModel for Slots {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        // SAFETY: every object of the test has a first word, and as many slots as that says.
        for index in 1..=unsafe { object.as_ptr::<usize>().read() } {
            // SAFETY: as above.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

pub(crate) fn word(object: ObjectRef, index: usize) -> usize {
    // SAFETY: the objects of these tests have the words that are asked for.
    unsafe { object.as_ptr::<usize>().add(index).read_volatile() }
}

pub(crate) fn write(object: ObjectRef, index: usize, word: usize) {
    // SAFETY: as above; a plain store.
    unsafe { object.as_ptr::<usize>().add(index).write_volatile(word) };
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) mode: Mode,
    pub(crate) tracker: BackendKind,
    pub(crate) check: BarrierCheck,
}

impl Setting {
    fn heap(self) -> Heap<Slots> {
        let tracker = TrackerOptions { backend: Some(self.tracker), ..TrackerOptions::default() };
        let options = HeapOptions {
            limit: 32 << 20,
            sizing: Sizing::Fixed,
            mode: self.mode,
            referee: Some(self.check),
            verify: true,
            tracker,
            ..HeapOptions::default()
        };
        Heap::new(Slots, options).unwrap()
    }
}

pub(crate) fn settings() -> impl Iterator<Item = Setting> {
    let checks =
        [(8, BarrierTarget::Slot), (512, BarrierTarget::Slot), (128, BarrierTarget::Object)];
    [Mode::Stopped, Mode::Concurrent].into_iter().flat_map(move |mode| {
        TRACKERS.into_iter().flat_map(move |tracker| {
            checks.into_iter().map(move |(card_bytes, target)| {
                let check = BarrierCheck { card_bytes, target };
                Setting { mode, tracker, check }
            })
        })
    })
}

/// What a program stores to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder {
    Node(usize),
    Table,
    Array,
    Words,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A store of a reference to a node, of null or of a number.
    Store {
        to: Holder,
        slot: usize,
        value: Value,
        barrier: bool,
    },
    /// A new node in the place of another, with its barrier.
    Renew(usize),
    /// A new array, initialised without barriers, which it does not need yet.
    RenewArray(usize),
    Collect,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    Node(usize),
    Null,
    /// Only where anything may be stored.
    Number,
}

pub(crate) fn steps(barrier: BoxedStrategy<bool>) -> impl Strategy<Value = Vec<Step>> {
    let holder = prop_oneof![
        4 => (0..NODES).prop_map(Holder::Node),
        1 => Just(Holder::Table),
        1 => Just(Holder::Array),
        1 => Just(Holder::Words),
    ];
    let value = prop_oneof![
        8 => (0..NODES).prop_map(Value::Node),
        1 => Just(Value::Null),
        1 => Just(Value::Number),
    ];
    let store = (holder, 0..TABLE, value, barrier)
        .prop_map(|(to, slot, value, barrier)| Step::Store { to, slot, value, barrier });
    let renew = (0..NODES).prop_map(Step::Renew);
    let array = (0..NODES).prop_map(Step::RenewArray);
    let step = prop_oneof![20 => store, 3 => renew, 1 => array, 1 => Just(Step::Collect)];
    prop::collection::vec(step, 0..200)
}

/// A new array: a large object.
fn array(mutator: &mut Mutator) -> ObjectRef {
    let array = mutator.allocate(Kind::Precise, 8 * (TABLE + 1)).unwrap();
    write(array, 0, TABLE);
    array
}

/// A program and what the referee must say about it.
pub(crate) struct Program {
    pub(crate) heap: Heap<Slots>,
    setting: Setting,
    pub(crate) mutator: Mutator,
    /// Entries 1 to [`NODES`] are the nodes; the rest are for stores.
    pub(crate) table: Root,
    array: Root,
    words: Root,
    /// Objects that were alive at the last collection.
    known: HashSet<ObjectRef>,
    /// Slots of these that were written since: the object and what was there before.
    before: BTreeMap<usize, (ObjectRef, usize)>,
    marked: HashSet<usize>,
    pub(crate) missed: usize,
}

impl Program {
    pub(crate) fn new(setting: Setting) -> Self {
        let heap = setting.heap();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let [table, array] = [(); 2].map(|()| {
            let array = array(&mut mutator);
            mutator.root(array)
        });
        let words = mutator.allocate(Kind::Conservative, 8 * WORDS).unwrap();
        let words = mutator.root(words);
        let (known, before, marked) = Default::default();
        let mut program =
            Self { heap, setting, mutator, table, array, words, known, before, marked, missed: 0 };
        (0..NODES).for_each(|index| program.renew(index));
        program
    }

    pub(crate) fn node(&self, index: usize) -> ObjectRef {
        // SAFETY: these entries of the table hold nodes.
        unsafe { ObjectRef::from_address(word(self.table.get(), 1 + index)) }.unwrap()
    }

    fn renew(&mut self, index: usize) {
        let node = self.mutator.allocate(Kind::Precise, 8 * (1 + SLOTS)).unwrap();
        write(node, 0, SLOTS);
        self.store(self.table.get(), 1 + index, node.address(), true);
    }

    fn store(&mut self, object: ObjectRef, index: usize, value: usize, barrier: bool) {
        let address = object.address() + 8 * index;
        let old = word(object, index);
        write(object, index, value);
        if self.known.contains(&object) {
            self.before.entry(address).or_insert((object, old));
        }
        if barrier {
            let cards = self.heap.tracker().tracker.cards().expect("the referee has cards");
            let target = match self.setting.check.target {
                BarrierTarget::Slot => address,
                BarrierTarget::Object => object.address(),
            };
            cards.mark(target);
            self.marked.insert(target / self.setting.check.card_bytes);
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Renew(index) => self.renew(index),
            Step::RenewArray(node) => {
                self.array.set(array(&mut self.mutator));
                for index in [1, 1000, TABLE] {
                    self.store(self.array.get(), index, self.node(node).address(), false);
                }
            }
            Step::Collect => self.collect(),
            Step::Store { to, slot, value, barrier } => {
                let (object, index) = match to {
                    Holder::Node(node) => (self.node(node), 1 + slot % SLOTS),
                    Holder::Table => (self.table.get(), 1 + NODES + slot % (TABLE - NODES)),
                    Holder::Array => (self.array.get(), 1 + slot),
                    Holder::Words => (self.words.get(), slot % WORDS),
                };
                let value = match value {
                    Value::Node(node) => self.node(node).address(),
                    Value::Number if matches!(to, Holder::Words) => 12345,
                    Value::Null | Value::Number => 0,
                };
                self.store(object, index, value, barrier);
            }
        }
    }

    /// Collects; the report must be what this program knows it to be.
    pub(crate) fn collect(&mut self) {
        let mut expected = Vec::new();
        for (&slot, &(object, old)) in &self.before {
            let new = word(object, (slot - object.address()) / 8);
            let target = match self.setting.check.target {
                BarrierTarget::Slot => slot,
                BarrierTarget::Object => object.address(),
            };
            let marked = self.marked.contains(&(target / self.setting.check.card_bytes));
            if old != new && new > 12345 && !marked {
                expected.push((object, slot, old, new));
            }
        }
        self.mutator.collect();
        let report = self.heap.take_barrier_report().expect("the heap has a referee");
        let mut found: Vec<_> = report
            .missed
            .iter()
            .map(|change| (change.object, change.slot, change.old, change.new))
            .collect();
        found.sort_unstable_by_key(|&(_, slot, _, _)| slot);
        assert_eq!(found, expected, "{:?}: {report}", self.setting);
        assert_eq!(report.unseen_stores, 0, "{:?}: {report}", self.setting);
        assert_eq!(report.is_clean(), expected.is_empty());
        self.missed += found.len();
        self.before.clear();
        self.marked.clear();
        self.known = self.reachable();
    }

    fn reachable(&self) -> HashSet<ObjectRef> {
        let arrays = [&self.table, &self.array].map(|root| (root.get(), 1..=TABLE));
        let roots = [arrays[0].clone(), arrays[1].clone(), (self.words.get(), 0..=WORDS - 1)];
        let mut found: HashSet<_> = roots.iter().map(|(root, _)| *root).collect();
        let mut stack = roots.to_vec();
        while let Some((object, slots)) = stack.pop() {
            for value in slots.map(|index| word(object, index)).filter(|&word| word > 12345) {
                // SAFETY: larger words are addresses of nodes in these programs.
                let node = unsafe { ObjectRef::from_address(value) }.unwrap();
                if found.insert(node) {
                    stack.push((node, 1..=SLOTS));
                }
            }
        }
        found
    }
}
