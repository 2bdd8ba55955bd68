//! Everything at once, from several threads, on every tracker, with the verifier.
//!
//! The program keeps a model of its own: what it holds by a handle must be found through every weak
//! reference, ephemeron and map; what it does not hold is found whole or not at all, and never again
//! after it was not; and every guarded object is handed over once.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{
    Clearing, Ephemeron, Guardian, Heap, HeapOptions, Mode, Mutator, ObjectRef, Root, StackScan,
    Weak, WeakMap, WeakOptions,
};

use crate::graph::{Graph, get, heap, node, store};

const SLOTS: usize = 2;
const ENTRIES: usize = 600;
const MAGIC: usize = 0x5eed_0bec_7000_0002;

fn options(backend: BackendKind, mode: Mode) -> HeapOptions {
    let tracker =
        TrackerOptions { backend: Some(backend), barriers: true, ..TrackerOptions::default() };
    HeapOptions { limit: 48 << 20, verify: true, mode, tracker, ..HeapOptions::default() }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % bound
    }
}

/// What the threads share.
struct Shared {
    heap: Heap<Graph>,
    map: WeakMap,
    guardian: Guardian,
    next_id: AtomicUsize,
    guarded: AtomicUsize,
    taken: Mutex<HashSet<usize>>,
}

impl Shared {
    fn store(&self, object: ObjectRef, slot: usize, value: Option<ObjectRef>) {
        store(&self.heap, object, slot, value);
    }

    /// Takes what the guardian was handed; now and then an object is kept and guarded again.
    fn finalize(&self, mutator: &Mutator, random: &mut Random) -> Option<Root> {
        let object = self.guardian.take(mutator)?;
        let id = id(object);
        if random.below(4) == 0 {
            self.guardian.register(object);
            return Some(mutator.root(object));
        }
        assert!(self.taken.lock().unwrap().insert(id), "object {id} was handed over twice");
        None
    }
}

fn id(object: ObjectRef) -> usize {
    // SAFETY: objects of this test have two words of payload.
    let [magic, id] = [1, 2].map(|i| unsafe { object.as_ptr::<usize>().add(SLOTS + i).read() });
    assert_eq!(magic, MAGIC, "{object:?} was freed while it could be reached");
    id
}

/// One key of the model with everything that refers to it.
struct Entry {
    id: usize,
    /// While the program holds it.
    root: Option<Root>,
    weak: [Weak; 2],
    /// Whether a weak reference was seen cleared.
    gone: [bool; 2],
    ephemeron: Ephemeron,
}

struct Program<'a> {
    shared: &'a Shared,
    mutator: Mutator,
    random: Random,
    entries: Vec<Entry>,
    revived: Vec<Root>,
}

impl<'a> Program<'a> {
    fn new(shared: &'a Shared, seed: u64) -> Self {
        let mutator = shared.heap.attach(StackScan::Conservative).unwrap();
        Self { shared, mutator, random: Random(seed), entries: Vec::new(), revived: Vec::new() }
    }

    fn object(&mut self) -> ObjectRef {
        let object = node(&mut self.mutator, SLOTS, 2);
        let id = self.shared.next_id.fetch_add(1, Relaxed);
        // SAFETY: the object has two words of payload.
        unsafe {
            object.as_ptr::<usize>().add(1 + SLOTS).write(MAGIC);
            object.as_ptr::<usize>().add(2 + SLOTS).write(id);
        }
        object
    }

    fn entry(&mut self) -> Entry {
        let key = self.object();
        let value = self.object();
        // Values refer to their keys, and some keys to other keys, so that handing over one revives
        // several.
        self.shared.store(value, 0, Some(key));
        if let Some(other) = self.any_root() {
            self.shared.store(key, 0, Some(other));
        }
        let references = self.shared.heap.references();
        let late = WeakOptions { clearing: Clearing::WhenGone, ..Default::default() };
        self.shared.map.insert(&self.mutator, key, value);
        if self.random.below(3) == 0 {
            self.shared.guardian.register(key);
            self.shared.guarded.fetch_add(1, Relaxed);
        }
        Entry {
            id: id(key),
            root: Some(self.mutator.root(key)),
            weak: [references.weak(key), references.weak_with(key, late)],
            gone: [false; 2],
            ephemeron: references.ephemeron(key, value),
        }
    }

    fn any_root(&mut self) -> Option<ObjectRef> {
        let index = self.random.below(self.entries.len().max(1));
        self.entries.get(index)?.root.as_ref().map(Root::get)
    }

    fn step(&mut self) {
        for _ in 0..3 {
            self.object();
        }
        if self.entries.len() < ENTRIES {
            let entry = self.entry();
            self.entries.push(entry);
            return;
        }
        let index = self.random.below(ENTRIES);
        match self.random.below(12) {
            0..=1 => {
                let entry = self.entry();
                self.entries[index] = entry;
            }
            2..=4 => self.entries[index].root = None,
            5 => self.revive(index),
            6 => self.change_value(index),
            7 => {
                let kept = self.shared.finalize(&self.mutator, &mut self.random);
                self.revived.extend(kept);
                self.revived.truncate(20);
            }
            _ => self.check(index),
        }
    }

    /// A weak reference that still gives the object makes it one that the program holds again.
    fn revive(&mut self, index: usize) {
        let object = self.entries[index].weak[0].get(&self.mutator);
        if let Some(object) = object {
            assert_eq!(id(object), self.entries[index].id);
            self.entries[index].root = Some(self.mutator.root(object));
        }
    }

    fn change_value(&mut self, index: usize) {
        let value = self.object();
        let entry = &self.entries[index];
        let Some(key) = entry.ephemeron.key(&self.mutator) else { return };
        self.shared.store(value, 0, Some(key));
        assert!(entry.ephemeron.set_value(value), "no safepoint since the key was there");
        self.shared.map.insert(&self.mutator, key, value);
    }

    fn check(&mut self, index: usize) {
        let (mutator, shared) = (&self.mutator, self.shared);
        let entry = &mut self.entries[index];
        for (weak, gone) in entry.weak.iter().zip(&mut entry.gone) {
            let object = weak.get(mutator);
            assert!(!*gone || object.is_none(), "{weak:?} was cleared and came back");
            assert!(object.is_none_or(|object| id(object) == entry.id));
            *gone = object.is_none();
        }
        let value = entry.ephemeron.value(mutator);
        if let Some(value) = value {
            let key = get(value, 0).expect("a value refers to its key");
            assert_eq!((id(key), id(value) > id(key)), (entry.id, true));
        }
        if let Some(root) = &entry.root {
            let value = value.expect("the key is held");
            assert_eq!(entry.gone, [false, false], "the object is held");
            assert_eq!(entry.ephemeron.key(mutator), Some(root.get()));
            let mapped = shared.map.get(mutator, root.get()).expect("the key is held");
            assert_eq!(get(mapped, 0).map(id), Some(entry.id));
            assert!(id(value) > 0);
        }
    }
}

/// Runs the program on some threads until there have been so many collections.
fn run(options: HeapOptions, threads: u64, collections: u64) {
    let heap = heap(options);
    let references = heap.references();
    let (map, guardian) = (references.weak_map(), references.guardian());
    let [next_id, guarded] = std::array::from_fn(|_| AtomicUsize::new(1));
    let taken = Mutex::default();
    let shared = Shared { heap, map, guardian, next_id, guarded, taken };
    shared.guarded.store(0, Relaxed);
    std::thread::scope(|scope| {
        for seed in 1..=threads {
            let shared = &shared;
            scope.spawn(move || {
                let mut program = Program::new(shared, 0x9e37_79b9 * seed);
                while shared.heap.stats().collections < collections {
                    for _ in 0..200 {
                        program.step();
                    }
                    if program.random.below(8) == 0 {
                        program.mutator.collect();
                    }
                }
            });
        }
    });
    drain(&shared);
    println!("{}: {}", shared.heap.tracker(), shared.heap.stats());
}

/// Everything that is left is taken, and nothing remains.
fn drain(shared: &Shared) {
    let mut mutator = shared.heap.attach(StackScan::None).unwrap();
    for _ in 0..3 {
        mutator.collect();
        while let Some(object) = shared.guardian.take(&mutator) {
            assert!(shared.taken.lock().unwrap().insert(id(object)));
        }
    }
    assert_eq!(shared.taken.lock().unwrap().len(), shared.guarded.load(Relaxed));
    mutator.collect();
    assert!(shared.map.is_empty(&mutator));
    assert_eq!((shared.heap.references().count(), shared.heap.stats().live_objects), (0, 0));
}

#[test]
fn torture_with_uffd() {
    run(options(BackendKind::Uffd, Mode::Concurrent), 3, 60);
}

#[test]
fn torture_with_mprotect() {
    run(options(BackendKind::Mprotect, Mode::Concurrent), 3, 40);
}

#[test]
fn torture_with_cards() {
    run(options(BackendKind::Cards, Mode::Concurrent), 3, 40);
}

#[test]
fn torture_with_all_dirty() {
    run(options(BackendKind::AllDirty, Mode::Concurrent), 3, 40);
}

#[test]
fn torture_with_the_world_stopped_under_stress() {
    let options = options(BackendKind::Uffd, Mode::Stopped);
    run(HeapOptions { stress: Some(50), markers: 3, ..options }, 3, 150);
}

#[test]
fn torture_of_concurrent_cycles_under_stress() {
    let options = options(BackendKind::Uffd, Mode::Concurrent);
    run(HeapOptions { stress: Some(50), markers: 3, ..options }, 3, 150);
}
