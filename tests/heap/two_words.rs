//! Values of two words, as a Rust enum has, that a program changes while they are looked at. Their numbers
//! look like addresses of everything that there is in a heap.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{
    Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef, Root, SlotVisitor, StackScan,
};

use crate::stress::stress_seconds;

/// The tag of a reference; zero is a number's.
const REFERENCE: usize = 1;

/// In every header, beside the number of values: memory that is no object does not begin so.
const MADE: usize = 0x5eed << 32;

/// Values of a small object, and of the large ones.
const FEW: usize = 6;
const MANY: usize = 3000;

/// Small objects of a thread, and values that it leaves half written at a time.
const OBJECTS: usize = 1000;
const BATCH: usize = 64;

/// Values that are stored at least, and values that are to be seen half written.
const STORES: u64 = 100_000;
const TORN: u64 = 50;

/// Collections, at least.
const COLLECTIONS: u64 = 6;

/// A header, then values.
#[derive(Default)]
struct Values {
    /// Tags of a reference that were seen with an odd payload, which is a number.
    torn: AtomicU64,
}

fn word(object: ObjectRef, index: usize) -> &'static AtomicUsize {
    // SAFETY: the caller's object has the word and is alive, and the heap outlives every use.
    unsafe { AtomicUsize::from_ptr(object.as_ptr::<usize>().add(index)) }
}

fn length(object: ObjectRef) -> usize {
    let header = word(object, 0).load(Relaxed);
    assert_eq!(header & !0xffff, MADE, "{object:?} is no object, and was traced as one");
    header & 0xffff
}

// SAFETY: every object says how many values it has before the next safepoint, and a value is a reference only
// if its tag says so.
unsafe impl ObjectModel for Values {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for value in 0..length(object) {
            if word(object, 1 + 2 * value).load(Relaxed) == REFERENCE {
                let odd = word(object, 2 + 2 * value).load(Relaxed) & 1;
                self.torn.fetch_add(odd as u64, Relaxed);
                // SAFETY: the object has the value.
                visitor.visit_checked(unsafe { object.slot(2 + 2 * value) });
            }
        }
    }
}

/// A thread of the program.
struct Program<'a> {
    heap: &'a Heap<Values>,
    mutator: Mutator,
    /// A large object whose values refer to all others.
    table: Root,
    random: u64,
    /// A number that was a reference before, and whose object may be gone.
    stale: usize,
}

impl<'a> Program<'a> {
    fn new(heap: &'a Heap<Values>, seed: u64) -> Self {
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let table = allocate(&mut mutator, OBJECTS);
        let table = mutator.root(table);
        let mut program = Self { heap, mutator, table, random: seed, stale: 0 };
        for index in 0..OBJECTS {
            let length = if index % 250 == 0 { MANY } else { FEW };
            let object = allocate(&mut program.mutator, length);
            program.set(program.table.get(), index, REFERENCE, object.address());
        }
        program
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % bound as u64) as usize
    }

    fn any(&mut self) -> ObjectRef {
        let index = self.below(OBJECTS);
        reference(self.table.get(), index).expect("every value of the table is one")
    }

    fn set(&self, object: ObjectRef, value: usize, tag: usize, payload: usize) {
        self.set_word(object, 1 + 2 * value, tag);
        self.set_word(object, 2 + 2 * value, payload);
    }

    fn set_word(&self, object: ObjectRef, index: usize, word_now: usize) {
        word(object, index).store(word_now, Relaxed);
        if let Some(cards) = self.heap.tracker().tracker.cards() {
            cards.mark(object.address() + 8 * index);
        }
    }

    /// A number that looks like something in the heap.
    fn number(&mut self) -> usize {
        let address = self.any().address();
        match self.below(12) {
            0 => address,
            1 => address + 16,
            // Odd, as most of them are, so that they can be counted.
            2 => self.table.get().address() + 4097,
            3 => self.stale,
            // Whatever is in the blocks and chunks beside it.
            4 => (address + (64 << 10)) & !0xffff,
            5 => (address + (2 << 20)) & !0x1f_ffff,
            _ => address + 1,
        }
    }

    /// Changes values at random: first one word of each, then the other. No safepoint is reached between.
    fn change(&mut self) {
        let tag_first = self.below(2) == 0;
        let new = allocate(&mut self.mutator, FEW).address();
        let mut changes = Vec::new();
        for _ in 0..BATCH {
            let object = self.any();
            let value = self.below(length(object));
            self.stale = reference(object, value).map_or(self.stale, ObjectRef::address);
            let (tag, payload) = match self.below(3) {
                0 => (REFERENCE, self.any().address()),
                1 => (REFERENCE, new),
                _ => (0, self.number()),
            };
            let (tag, payload) = ((1 + 2 * value, tag), (2 + 2 * value, payload));
            changes.push((object, if tag_first { [tag, payload] } else { [payload, tag] }));
        }
        changes.sort_by_key(|(object, [first, second])| (*object, first.0.min(second.0)));
        changes.dedup_by_key(|(object, [first, second])| (*object, first.0.min(second.0)));
        for half in 0..2 {
            for (object, words) in &changes {
                let (index, now) = words[half];
                self.set_word(*object, index, now);
            }
            // The values are half written for as long as everything else takes.
            (0..if half == 0 { 20 * BATCH } else { 0 }).for_each(|step| _ = black_box(step));
        }
    }

    /// Replaces an object.
    fn replace(&mut self) {
        let (index, length) = (self.below(OBJECTS), if self.below(500) == 0 { MANY } else { FEW });
        let object = allocate(&mut self.mutator, length);
        self.set(self.table.get(), index, REFERENCE, object.address());
    }

    /// Follows references from an object.
    fn walk(&mut self) {
        let mut next = Some(self.any());
        for _ in 0..100 {
            let Some(object) = next else { break };
            let value = self.below(length(object));
            next = reference(object, value);
        }
    }
}

fn allocate(mutator: &mut Mutator, length: usize) -> ObjectRef {
    let object = mutator.allocate(Kind::Precise, 8 + 16 * length).unwrap();
    word(object, 0).store(MADE | length, Relaxed);
    object
}

/// The object that a value of the program's refers to.
fn reference(object: ObjectRef, value: usize) -> Option<ObjectRef> {
    let [tag, payload] = [1, 2].map(|index| word(object, index + 2 * value).load(Relaxed));
    // SAFETY: the tag says that it is a reference; the program sees its own values whole.
    if tag == REFERENCE { unsafe { ObjectRef::from_address(payload) } } else { None }
}

/// Runs the program on two threads beside one cycle after the other, until there were so many stores, and
/// values were seen half written, and for a time.
fn run(backend: BackendKind) {
    let tracker =
        TrackerOptions { backend: Some(backend), barriers: true, ..TrackerOptions::default() };
    let options = HeapOptions {
        limit: 96 << 20,
        verify: true,
        mode: Mode::Concurrent,
        tracker,
        ..HeapOptions::default()
    };
    let (heap, start) = (Heap::new(Values::default(), options).unwrap(), Instant::now());
    let time = Duration::from_secs(stress_seconds().unwrap_or(0));
    let (stores, torn) = (AtomicU64::new(0), || heap.model().torn.load(Relaxed));
    let is_over = || {
        let enough = stores.load(Relaxed) >= STORES && torn() >= TORN;
        enough && heap.stats().collections >= COLLECTIONS && start.elapsed() >= time
    };
    std::thread::scope(|scope| {
        for seed in [1, 2] {
            let (heap, stores, is_over) = (&heap, &stores, &is_over);
            scope.spawn(move || {
                let mut program = Program::new(heap, 12345 * seed);
                // For ever, if none is seen half written.
                while !is_over() {
                    program.change();
                    program.replace();
                    program.walk();
                    stores.fetch_add(BATCH as u64, Relaxed);
                }
            });
        }
        let mut mutator = heap.attach(StackScan::None).unwrap();
        while !is_over() {
            mutator.collect_young();
            mutator.collect();
        }
    });
    println!("{backend}: {} values were seen half written; {}", torn(), heap.stats());
}

#[test]
fn values_that_are_half_written_lead_nowhere_with_uffd() {
    run(BackendKind::Uffd);
}

#[test]
fn values_that_are_half_written_lead_nowhere_with_mprotect() {
    run(BackendKind::Mprotect);
}

#[test]
fn values_that_are_half_written_lead_nowhere_with_cards() {
    run(BackendKind::Cards);
}
