//! The referee of a heap: random programs with and without all of their barriers.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{
    BarrierCheck, BarrierReport, BarrierTarget, Heap, HeapOptions, Kind, Mode, Mutator,
    ObjectModel, ObjectRef, Root, Sizing, SlotVisitor, StackScan,
};

const TRACKERS: [BackendKind; 3] =
    [BackendKind::Uffd, BackendKind::Mprotect, BackendKind::AllDirty];

/// Entries of the table, which is a large object.
const TABLE: usize = 3000;
const NODES: usize = 40;
const SLOTS: usize = 3;
const WORDS: usize = 700;

/// The number of slots, then the slots.
struct Slots;

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

fn word(object: ObjectRef, index: usize) -> usize {
    // SAFETY: the objects of these tests have the words that are asked for.
    unsafe { object.as_ptr::<usize>().add(index).read_volatile() }
}

fn write(object: ObjectRef, index: usize, word: usize) {
    // SAFETY: as above; a plain store.
    unsafe { object.as_ptr::<usize>().add(index).write_volatile(word) };
}

#[derive(Debug, Clone, Copy)]
struct Setting {
    mode: Mode,
    tracker: BackendKind,
    check: BarrierCheck,
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

fn settings() -> impl Iterator<Item = Setting> {
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
enum Holder {
    Node(usize),
    Table,
    Array,
    Words,
}

#[derive(Debug, Clone, Copy)]
enum Step {
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
enum Value {
    Node(usize),
    Null,
    /// Only where anything may be stored.
    Number,
}

fn steps(barrier: BoxedStrategy<bool>) -> impl Strategy<Value = Vec<Step>> {
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
struct Program {
    heap: Heap<Slots>,
    setting: Setting,
    mutator: Mutator,
    /// Entries 1 to [`NODES`] are the nodes; the rest are for stores.
    table: Root,
    array: Root,
    words: Root,
    /// Objects that were alive at the last collection.
    known: HashSet<ObjectRef>,
    /// Slots of these that were written since: the object and what was there before.
    before: BTreeMap<usize, (ObjectRef, usize)>,
    marked: HashSet<usize>,
    missed: usize,
}

impl Program {
    fn new(setting: Setting) -> Self {
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

    fn node(&self, index: usize) -> ObjectRef {
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

    fn step(&mut self, step: Step) {
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
    fn collect(&mut self) {
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

fn check(cases: u32, strategy: impl Strategy<Value = Vec<Step>>, test: impl Fn(Vec<Step>)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |steps| {
            test(steps);
            Ok(())
        })
        .unwrap();
}

/// Runs a program between two collections. Returns how many barriers it missed.
fn run(setting: Setting, steps: &[Step]) -> usize {
    let mut program = Program::new(setting);
    program.collect();
    steps.iter().for_each(|&step| program.step(step));
    program.collect();
    program.missed
}

#[test]
fn programs_with_all_barriers_get_a_clean_report() {
    for setting in settings() {
        check(6, steps(Just(true).boxed()), |steps| assert_eq!(run(setting, &steps), 0));
    }
}

#[test]
fn exactly_the_references_without_a_barrier_are_reported() {
    let missed = Cell::new(0);
    for setting in settings() {
        check(6, steps(prop::bool::weighted(0.8).boxed()), |steps| {
            missed.set(missed.get() + run(setting, &steps));
        });
    }
    assert!(missed.get() > 500, "{missed:?}: these programs miss too few to tell anything");
}

/// All barriers but one, whichever it is, of a store that changes its slot for good.
#[test]
fn every_single_dropped_barrier_is_reported() {
    for setting in settings().filter(|setting| setting.check.card_bytes == 8) {
        let all = (steps(Just(true).boxed()), any::<prop::sample::Index>());
        let all = all.prop_map(|(mut steps, at)| {
            // A slot that no other step stores to.
            let dropped = Step::Store {
                to: Holder::Table,
                slot: TABLE - NODES - 1,
                value: Value::Node(7),
                barrier: false,
            };
            steps.retain(|step| !matches!(step, Step::Store { to: Holder::Table, .. }));
            steps.insert(at.index(steps.len() + 1), dropped);
            steps
        });
        check(6, all, |steps| assert_eq!(run(setting, &steps), 1));
    }
}

/// What the report says, to a reader.
#[test]
fn a_report_names_object_slot_and_words() {
    let setting = settings().next().unwrap();
    let mut program = Program::new(setting);
    program.collect();
    let (holder, value) = (program.node(3), program.node(4));
    write(holder, 2, value.address());
    program.mutator.collect();
    let report = program.heap.take_barrier_report().unwrap();
    let (object, slot, value) = (holder.address(), holder.address() + 16, value.address());
    let text = format!(
        "missed barrier: object {object:#x}, slot {slot:#x} (offset 16) was 0x0 and is {value:#x}, \
         which refers to object {value:#x}"
    );
    assert!(report.to_string().contains(&text), "{report}");
    let again = program.heap.take_barrier_report().unwrap();
    assert!(again.checks == 0 && again.missed.is_empty(), "a report is taken once");
}

#[test]
fn a_heap_without_a_referee_has_no_report() {
    let heap = Heap::new(Slots, HeapOptions::default()).unwrap();
    assert!(heap.take_barrier_report().is_none());
    let cards = heap.tracker().tracker.cards().is_some();
    assert_eq!(cards, heap.tracker().tracker.kind() == BackendKind::Cards);
}

#[test]
fn barriers_that_mark_what_was_not_stored_to_are_idle() {
    for tracker in [BackendKind::Uffd, BackendKind::Mprotect] {
        let setting = Setting { mode: Mode::Stopped, tracker, check: BarrierCheck::default() };
        let mut program = Program::new(setting);
        program.collect();
        program.collect();
        let cards = program.heap.tracker().tracker.cards().unwrap();
        cards.mark(program.table.get().address() + 8 * TABLE);
        program.mutator.collect();
        let report: BarrierReport = program.heap.take_barrier_report().unwrap();
        assert!(report.is_clean() && report.idle_cards == 1, "{report}");
    }
}

/// The control for the other half: a write that the tracker cannot see. `/proc/self/mem` writes to
/// protected memory without a fault that a handler could take.
#[test]
fn a_write_that_the_tracker_does_not_see_is_found_out_by_the_barrier() {
    for mode in [Mode::Stopped, Mode::Concurrent] {
        let check = BarrierCheck::default();
        let mut program = Program::new(Setting { mode, tracker: BackendKind::Mprotect, check });
        // Alive at the first; protected by the next two in either mode.
        (0..3).for_each(|_| program.collect());
        let (holder, value) = (program.node(3), program.node(4).address());
        let slot = holder.address() + 8;
        let memory = std::fs::File::options().write(true).open("/proc/self/mem").unwrap();
        memory.write_all_at(&value.to_ne_bytes(), slot as u64).unwrap();
        program.heap.tracker().tracker.cards().unwrap().mark(slot);
        program.mutator.collect();
        let report = program.heap.take_barrier_report().unwrap();
        assert_eq!(report.unseen_stores, 1, "{mode:?}: {report}");
        assert_eq!((report.unseen[0].object, report.unseen[0].slot), (holder, slot));
        assert!(!report.is_clean() && report.to_string().contains("lost write: object"));
    }
}
