//! One hunt on a heap.
//!
//! A mutator makes new objects and stores the only reference to each into an old slot at random; each has a
//! number of its own written in it, which the mutator looks for whenever it comes by, and in all of them
//! at the end. Another one has a cycle begin as soon as the last one is over. What was lost is handed out
//! again, and has another number then.

use std::fmt;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use strandline::{Heap, Mutator, ObjectRef, StackScan};

use super::graph::{Graph, node};
use super::ground::{Fields, Ground, word};
use super::random::Random;

/// Whether a hunt has done enough.
pub(crate) type Enough<'a> = &'a dyn Fn(&Tally) -> bool;

/// What a hunt did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) stores: u64,
    pub(crate) cycles: u64,
    pub(crate) acts: u64,
    pub(crate) lost: u64,
    pub(crate) seconds: f64,
    /// The first losses, described.
    pub(crate) examples: Vec<String>,
}

/// How the mutator stores a reference.
pub(crate) type Store<'a> = &'a mut dyn FnMut(&Heap<Graph>, usize, ObjectRef);

/// What an outsider does to a word; whether it could.
pub(crate) type Act<'a> = &'a mut (dyn FnMut(usize) -> bool + Send);

/// An outsider, and the stores from one of its acts to the next.
pub(crate) struct Beside<'a> {
    pub(crate) act: Act<'a>,
    pub(crate) stores: u64,
}

/// Stores between two looks at the clock.
const BATCH: u64 = 256;
/// One cycle in so many is full.
const FULL: u64 = 8;
const EXAMPLES: usize = 3;
/// Every new object: a header, its number, and room for others to be written over.
const PAYLOAD: usize = 5;

/// A plain store, with the write barrier if there is one.
pub(crate) fn plain(heap: &Heap<Graph>, slot: usize, new: ObjectRef) {
    store_word(heap, slot, new.address() as u64);
}

fn store_word(heap: &Heap<Graph>, slot: usize, value: u64) {
    word(slot).store(value, Ordering::Relaxed);
    if let Some(cards) = heap.tracker().tracker.cards() {
        cards.mark(slot);
    }
}

/// Hunts with `store` on the Precise slots, or the Conservative ones.
pub(crate) fn run(
    ground: &mut Ground,
    conservative: bool,
    enough: Enough<'_>,
    store: Store<'_>,
    beside: Option<Beside<'_>>,
) -> Tally {
    let Ground { heap, sequence, .. } = ground;
    let fields = if conservative { &mut ground.conservative } else { &mut ground.precise };
    // The word behind a slot is nobody's.
    let spares: Vec<_> = fields.slots.iter().map(|slot| slot + 8).collect();
    let (stored, acts, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (wish, wishes) = sync_channel(1);
    let heap = &*heap;
    let mut tally = thread::scope(|scope| {
        let mutator = heap.attach(StackScan::None).expect("no stack is scanned");
        let tally = Tally::default();
        let mut program =
            Program { heap, mutator, fields, sequence, tally, random: Random::new(7) };
        let collector = scope.spawn(move || collect(heap, &wishes));
        let (stored, acts, stop) = (&stored, &acts, &stop);
        let outsider =
            beside.map(|beside| scope.spawn(|| act(beside, &spares, stored, acts, stop)));
        let stopping = Stopping(stop);
        let (start, before) = (Instant::now(), heap.stats().collections);
        while !enough(&program.tally) {
            (0..BATCH).for_each(|_| program.step(store));
            program.tally.stores += BATCH;
            program.tally.seconds = start.elapsed().as_secs_f64();
            program.tally.cycles = heap.stats().collections - before;
            stored.store(program.tally.stores, Ordering::Relaxed);
            // There may be one already.
            let _ = wish.try_send(());
        }
        drop(wish);
        drop(stopping);
        program.mutator.blocking(|| {
            collector.join().expect("no panic");
            outsider.into_iter().for_each(|thread| thread.join().expect("no panic"));
        });
        program.end()
    });
    tally.acts = acts.into_inner();
    tally
}

/// Ends the outsider, also when the program panics.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Collects as often as it is wished for.
fn collect(heap: &Heap<Graph>, wishes: &Receiver<()>) {
    let mut mutator = heap.attach(StackScan::None).expect("no stack is scanned");
    for number in 1.. {
        if mutator.blocking(|| wishes.recv()).is_err() {
            return;
        }
        if number % FULL == 0 { mutator.collect() } else { mutator.collect_young() }
    }
}

/// The outsider. Where an act takes long, the program gets some way before the next one.
fn act(
    beside: Beside<'_>,
    spares: &[usize],
    stored: &AtomicU64,
    acts: &AtomicU64,
    stop: &AtomicBool,
) {
    let (mut random, mut next) = (Random::new(99), 0);
    while !stop.load(Ordering::Relaxed) {
        if stored.load(Ordering::Relaxed) < next {
            thread::sleep(Duration::from_micros(50));
            continue;
        }
        next = stored.load(Ordering::Relaxed) + beside.stores;
        let done = (beside.act)(spares[random.below(spares.len())]);
        acts.fetch_add(u64::from(done), Ordering::Relaxed);
    }
}

/// The mutator that stores.
struct Program<'a> {
    heap: &'a Heap<Graph>,
    mutator: Mutator,
    fields: &'a mut Fields,
    sequence: &'a mut u64,
    tally: Tally,
    random: Random,
}

impl Program<'_> {
    fn step(&mut self, store: Store<'_>) {
        let index = self.random.below(self.fields.slots.len());
        *self.sequence += 1;
        let new = node(&mut self.mutator, 0, PAYLOAD);
        word(number_of(new)).store(*self.sequence, Ordering::Relaxed);
        store(self.heap, self.fields.slots[index], new);
        self.fields.shadow[index] = *self.sequence;
        let other = self.random.below(self.fields.slots.len());
        if self.fields.shadow[other] != 0 {
            self.check(other, false);
        }
    }

    /// Looks for the number; for the object, too, if the heap is at rest.
    fn check(&mut self, index: usize, at_rest: bool) {
        let (slot, wanted) = (self.fields.slots[index], self.fields.shadow[index]);
        let address = word(slot).load(Ordering::Relaxed) as usize;
        // SAFETY: the slot holds what was stored there, an object's address, or zero.
        let object = unsafe { ObjectRef::from_address(address) };
        let found = object.map(|object| word(number_of(object)).load(Ordering::Relaxed));
        let gone = at_rest && self.heap.find_object(address) != object;
        if found == Some(wanted) && !gone {
            return;
        }
        self.tally.lost += 1;
        if self.tally.examples.len() < EXAMPLES {
            let cycle = self.tally.cycles;
            self.tally.examples.push(format!(
                "cycle {cycle}: slot {slot:#x} refers to {address:#x} with {found:?} instead of \
                 {wanted}, no object any more: {gone}"
            ));
        }
        self.fields.shadow[index] = 0;
        store_word(self.heap, slot, 0);
    }

    /// Checks everything once more, after a collection.
    fn end(mut self) -> Tally {
        self.mutator.collect();
        for index in 0..self.fields.slots.len() {
            if self.fields.shadow[index] != 0 {
                self.check(index, true);
            }
        }
        self.tally
    }
}

/// Where the number of an object is.
fn number_of(object: ObjectRef) -> usize {
    object.address() + 8
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        self.stores += other.stores;
        self.cycles += other.cycles;
        self.acts += other.acts;
        self.lost += other.lost;
        self.seconds += other.seconds;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stores, cycles, acts, lost, seconds, .. } = self;
        let per_second = *stores as f64 / seconds.max(f64::EPSILON) / 1e3;
        write!(f, "{stores:12}{per_second:7.0}k{cycles:8}{acts:9}{lost:6}{seconds:9.1}")
    }
}
