//! A program that acts at chosen moments of a cycle.
//!
//! The cycle runs on a thread of its own. At each moment it waits for the program, which runs as a
//! mutator does, and so every interleaving here happens each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule};
use crate::dirty::{BackendKind, TrackerOptions};
use crate::heap::geometry::BLOCK;
use crate::mutator::{Cause, Mutator, Root, StackScan};
use crate::object::{Kind, ObjectModel, ObjectRef, Slot, SlotVisitor};
use crate::os::{PageRange, page_size};
use crate::{Heap, HeapOptions, Mode, Sizing};

/// In the first word of an object that is initialised, beside the number of slots.
const MADE: usize = 1 << 32;
/// The only slot is outside the heap, where the second word says.
const OUTSIDE: usize = 1 << 33;

/// The slots are values of two words, a tag and a payload.
const TAGGED: usize = 1 << 34;
/// The tag of a payload that is a reference.
const REFERENCE: usize = 1;

/// Values of the object that has them. Its header is one word, so some have their words on two pages.
const VALUES: usize = 2000;

/// Pages of old objects, one object on each. All of them are in one slice of the ledger, which one
/// marker takes at once.
const PAGES: usize = 3000;
const PAGE_OBJECT: usize = 4064;

/// Slots of such an object: many, so that no stop has time for what a marker takes at once.
const SLOTS: usize = 100;

/// Objects with a header that says whether they are initialised.
#[derive(Default)]
pub(crate) struct Model {
    /// The program is changing what is outside the heap.
    pub(crate) outside_changes: AtomicBool,
    /// In values of two words the payload comes before the tag.
    payload_first: AtomicBool,
}

impl Model {
    /// The words of a value: its tag and its payload.
    fn words_of(&self, value: usize) -> [usize; 2] {
        let first = 1 + 2 * value;
        if self.payload_first.load(Ordering::Relaxed) {
            [first + 1, first]
        } else {
            [first, first + 1]
        }
    }
}

// SAFETY: the header tells the slots; the heap may trace an object only when it has one.
unsafe impl ObjectModel for Model {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        let header = word(object, 0).load(Ordering::Relaxed);
        assert!(header & MADE != 0, "{object:?} was traced before it was initialised");
        if header & OUTSIDE != 0 {
            let changes = self.outside_changes.load(Ordering::Relaxed);
            assert!(!changes, "{object:?} was traced while what it owns was being moved");
            let outside = word(object, 1).load(Ordering::Relaxed);
            // SAFETY: the program keeps the word outside for as long as the heap.
            visitor.visit(unsafe { Slot::at_address(outside) });
            return;
        }
        let length = header & (MADE - 1);
        if header & TAGGED != 0 {
            for [tag, payload] in (0..length).map(|value| self.words_of(value)) {
                if word(object, tag).load(Ordering::Relaxed) == REFERENCE {
                    // SAFETY: the header says that the object has this value.
                    visitor.visit_checked(unsafe { object.slot(payload) });
                }
            }
            return;
        }
        for index in 1..=length {
            // SAFETY: the header says that the object has this word.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

fn word(object: ObjectRef, index: usize) -> &'static AtomicUsize {
    // SAFETY: the caller's object has the word, and the heap outlives every use in these tests.
    unsafe { &*object.as_ptr::<AtomicUsize>().add(index) }
}

/// A plain store.
pub(crate) fn set(object: ObjectRef, slot: usize, value: ObjectRef) {
    word(object, slot).store(value.address(), Ordering::Relaxed);
}

/// The object that a slot refers to.
pub(crate) fn get(object: ObjectRef, slot: usize) -> ObjectRef {
    let address = word(object, slot).load(Ordering::Relaxed);
    // SAFETY: the caller's slot holds an object.
    unsafe { ObjectRef::from_address(address) }.expect("the slot is not empty")
}

/// How far a cycle has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    pub(crate) moment: Moment,
    /// Traces that have ended, and stops that might have been the last.
    pub(crate) traced: usize,
    pub(crate) remarks: usize,
}

impl Progress {
    /// Before the first dirty pages are consumed after the first trace.
    pub(crate) fn is_first_preclean(self) -> bool {
        self.moment == Moment::Consuming && self.traced == 1
    }

    /// Before the first stop that might be the last.
    pub(crate) fn is_first_remark(self) -> bool {
        self.moment == Moment::Remarking && self.remarks == 1
    }
}

/// What the program does until the next moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Parked,
    /// It has not reached a safepoint: its last object need not be initialised.
    Running,
}

enum Event {
    Reached(Moment),
    Ended(Result<(), String>),
}

/// A program whose old objects lie one to a page.
pub(crate) struct Program {
    pub(crate) heap: Heap<Model>,
    pub(crate) mutator: Mutator,
    table: Root,
    /// The old object with the highest address, which the ledger gives out last.
    pub(crate) last: ObjectRef,
    /// An old object without a layout, and one with its slot outside the heap.
    pub(crate) conservative: Root,
    /// An old object that reaches from one page into the next; the slot there.
    straddling: Option<(Root, usize)>,
    /// An old object with values of two words.
    values: Root,
    pub(crate) external: Root,
    pub(crate) outside: Box<AtomicUsize>,
    /// A handle that refers to what the test wants.
    pub(crate) root: Root,
    /// The object that the test has made last.
    pub(crate) made: Option<ObjectRef>,
    /// Passes the next [`Moment::Resolving`] on.
    pub(crate) resolving: Arc<AtomicBool>,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self::with_tracker(None)
    }

    /// A program with a tracker back-end of choice.
    pub(crate) fn with_tracker(backend: Option<BackendKind>) -> Self {
        Self::with(backend, Duration::from_micros(50))
    }

    /// A program whose stops have as much time as they need.
    pub(crate) fn patient() -> Self {
        Self::with(None, Duration::from_secs(1))
    }

    fn with(backend: Option<BackendKind>, pause_target: Duration) -> Self {
        let options = HeapOptions {
            tracker: TrackerOptions { backend, ..TrackerOptions::default() },
            mode: Mode::Concurrent,
            limit: 64 << 20,
            sizing: Sizing::Fixed,
            verify: true,
            markers: 1,
            pause_target,
            ..HeapOptions::default()
        };
        let heap = Heap::new(Model::default(), options).unwrap();
        assert!(heap.shared.concurrent, "these tests need a tracker that tells dirty pages");
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let table = mutator.allocate(Kind::Precise, 8 * (PAGES + 1)).unwrap();
        word(table, 0).store(MADE | PAGES, Ordering::Relaxed);
        let table = mutator.root(table);
        let mut last = table.get();
        for index in 1..=PAGES {
            let object = mutator.allocate(Kind::Precise, PAGE_OBJECT).unwrap();
            word(object, 0).store(MADE | SLOTS, Ordering::Relaxed);
            set(table.get(), index, object);
            last = if index == 1 { object } else { last.max(object) };
        }
        let outside = Box::new(AtomicUsize::new(0));
        let external = mutator.allocate(Kind::External, 16).unwrap();
        let address = std::ptr::from_ref(&*outside).expose_provenance();
        word(external, 0).store(MADE | OUTSIDE, Ordering::Relaxed);
        word(external, 1).store(address, Ordering::Relaxed);
        let external = mutator.root(external);
        let conservative = mutator.allocate(Kind::Conservative, 64).unwrap();
        let conservative = mutator.root(conservative);
        let values = mutator.allocate(Kind::Precise, 8 + 16 * VALUES).unwrap();
        word(values, 0).store(MADE | TAGGED | VALUES, Ordering::Relaxed);
        let values = mutator.root(values);
        let root = mutator.root(last);
        let mut program = Self {
            heap,
            mutator,
            table,
            last,
            conservative,
            straddling: None,
            values,
            external,
            outside,
            root,
            made: None,
            resolving: Arc::default(),
        };
        // The first cycle makes everything old, the second one protects it.
        for scope in [Scope::Full, Scope::Minor] {
            program.cycle(scope, |_, _| Until::Parked).unwrap();
        }
        program
    }

    /// Makes an object that reaches from one page into the next.
    pub(crate) fn straddle(&mut self) {
        let object = (0..PAGES).map(|_| self.unmade(PAGE_OBJECT)).find(|object| {
            let (first, last) = (object.address(), object.address() + PAGE_OBJECT - 1);
            first / page_size() != last / page_size()
        });
        let object = object.expect("blocks have several pages");
        let last = PAGE_OBJECT / 8 - 1;
        word(object, 0).store(MADE | last, Ordering::Relaxed);
        self.straddling = Some((self.mutator.root(object), last));
    }

    /// Stores to the page that this object only reaches into.
    pub(crate) fn store_across(&mut self, value: ObjectRef) {
        let (root, slot) = self.straddling.as_ref().expect("`straddle` was called");
        set(root.get(), *slot, value);
    }

    /// Stores to a page in the middle of the table, which is a large object.
    pub(crate) fn store_into_the_table(&mut self, value: ObjectRef) {
        set(self.table.get(), PAGES / 2, value);
    }

    /// The middle of the table, which is a large object.
    pub(super) fn inside_the_table(&self) -> usize {
        self.table.get().address() + 8 * (PAGES / 2)
    }

    /// A value of which one word is the last of a page, and the other the first of the next.
    pub(super) fn value_on_two_pages(&self) -> usize {
        let second = |value| self.values.get().address() + 8 * (2 + 2 * value);
        (0..VALUES).find(|&value| second(value) % page_size() == 0).expect("some are")
    }

    /// Has payloads before their tags, from now on.
    pub(super) fn put_payloads_first(&mut self) {
        self.heap.model().payload_first.store(true, Ordering::Relaxed);
    }

    /// Stores whether the payload of a value is a reference.
    pub(super) fn set_tag(&self, value: usize, is_reference: bool) {
        let tag = if is_reference { REFERENCE } else { 0 };
        let [index, _] = self.heap.model().words_of(value);
        word(self.values.get(), index).store(tag, Ordering::Relaxed);
    }

    /// Stores the payload of a value.
    pub(super) fn set_payload(&self, value: usize, payload: usize) {
        let [_, index] = self.heap.model().words_of(value);
        word(self.values.get(), index).store(payload, Ordering::Relaxed);
    }

    /// Breaks a rule from now on.
    pub(crate) fn without(self, rule: Rule) -> Self {
        *self.heap.shared.rules.broken.lock().unwrap() = Some(rule);
        self
    }

    pub(crate) fn mutator(&self) -> &Mutator {
        &self.mutator
    }

    /// An object that nothing refers to, with one slot, and its header still to be written.
    pub(crate) fn unmade(&mut self, bytes: usize) -> ObjectRef {
        self.mutator.allocate(Kind::Precise, bytes).unwrap()
    }

    pub(crate) fn make(&mut self, object: ObjectRef) {
        word(object, 0).store(MADE | 1, Ordering::Relaxed);
        self.made = Some(object);
    }

    /// Writes to the last object, and no reference, as a thread that is not attached.
    pub(crate) fn write_to_the_last_elsewhere(&self) {
        let header = word(self.last, 0);
        // Two steps: to add nothing would be compiled to a load.
        let write = || header.store(header.load(Ordering::Relaxed), Ordering::Relaxed);
        std::thread::scope(|scope| scope.spawn(write).join().expect("it only writes"));
    }

    /// An object that nothing refers to.
    pub(crate) fn fresh(&mut self) -> ObjectRef {
        let object = self.unmade(64);
        self.make(object);
        object
    }

    fn old(&self, index: usize) -> ObjectRef {
        get(self.table.get(), index)
    }

    /// Old objects, some of each chunk that has any.
    pub(crate) fn some_old(&self) -> Vec<ObjectRef> {
        (1..=PAGES).step_by(PAGES / 32).map(|index| self.old(index)).collect()
    }

    /// Writes to every page but that of the last object.
    pub(crate) fn dirty_all_but_the_last(&mut self) {
        for index in 1..=PAGES {
            let object = self.old(index);
            if object != self.last {
                set(object, 2, self.last);
            }
        }
    }

    /// Has scans leave out the block of the last object, as if there were a reason.
    pub(crate) fn leave_out_the_last(&mut self) {
        let start = self.last.address() / BLOCK * BLOCK;
        let block = PageRange::new(start, start + BLOCK).unwrap();
        *self.heap.shared.rules.left_out.lock().unwrap() = Some(block);
    }

    /// Has the time be up in so many stops when it is the turn of the last object's page.
    pub(crate) fn interrupt_at_the_last(&mut self, stops: u32) {
        let interrupted = (self.last.address(), stops);
        *self.heap.shared.rules.interrupted.lock().unwrap() = interrupted;
    }

    /// Runs a cycle, with `act` at every moment of it. The error is the complaint.
    pub(crate) fn cycle(
        &mut self,
        scope: Scope,
        mut act: impl FnMut(&mut Self, Progress) -> Until,
    ) -> Result<(), String> {
        let (events, inbox) = channel();
        let (go_on, may_go_on) = channel();
        let (moments, resolving) = (events.clone(), Arc::clone(&self.resolving));
        let hook = move |moment| {
            if moment == Moment::Resolving && !resolving.swap(false, Ordering::Relaxed) {
                return;
            }
            moments.send(Event::Reached(moment)).unwrap();
            may_go_on.recv().unwrap();
        };
        let shared = Arc::clone(&self.heap.shared);
        *shared.rules.hook.lock().unwrap() = Some(Box::new(hook));
        let thread = std::thread::spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| {
                let mut cycle = shared.cycle.lock().expect("a complaint ends the program");
                shared.finish_sweep(&mut cycle);
                shared.run_cycle(&mut cycle, scope, Cause::Request);
            }));
            let result =
                result.map_err(|panic| crate::collector::threads::driver::panic_message(&*panic));
            events.send(Event::Ended(result)).unwrap();
        });
        let mut progress = Progress { moment: Moment::Consuming, traced: 0, remarks: 0 };
        let mut until = Until::Parked;
        let result = loop {
            let event = match until {
                Until::Running => inbox.recv(),
                Until::Parked => self.mutator.blocking(|| inbox.recv()),
            };
            match event.unwrap() {
                Event::Ended(result) => break result,
                Event::Reached(moment) => {
                    progress.moment = moment;
                    progress.traced += usize::from(moment == Moment::Traced);
                    progress.remarks += usize::from(moment == Moment::Remarking);
                    until = act(self, progress);
                    go_on.send(()).unwrap();
                }
            }
        };
        *self.heap.shared.rules.hook.lock().unwrap_or_else(PoisonError::into_inner) = None;
        thread.join().unwrap();
        result
    }
}
