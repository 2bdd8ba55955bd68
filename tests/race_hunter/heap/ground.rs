//! A heap full of old objects, with slots all over it that new objects go to.

use std::sync::atomic::AtomicU64;

use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{Heap, HeapOptions, Kind, Mutator, ObjectRef, Root, StackScan};

use super::graph::{Graph, get, node, set, store};

/// What heap is hunted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) backend: BackendKind,
    /// Over 300 MiB of old objects, so that all is in use that is only worth while there; or 8 MiB.
    pub(crate) big: bool,
    pub(crate) huge_pages: bool,
}

impl Site {
    /// Bytes of old objects, bytes of one, and the limit.
    fn sizes(self) -> [usize; 3] {
        if self.big { [320 << 20, 1040, 640 << 20] } else { [8 << 20, 144, 64 << 20] }
    }
}

/// Slots of one kind that the program stores to, on as many pages as there can be.
#[derive(Default)]
pub(crate) struct Fields {
    /// Their addresses.
    pub(crate) slots: Vec<usize>,
    /// What is written in the object that each slot refers to; zero if it refers to none.
    pub(crate) shadow: Vec<u64>,
}

impl Fields {
    fn add(&mut self, object: ObjectRef, slot: usize) {
        self.slots.push(object.address() + 8 * (1 + slot));
        self.shadow.push(0);
    }
}

/// Few, so that all are stored to in every cycle, and each of them once more in the next.
const SLOTS: usize = 1536;

/// Slots in one large object, and the words from one to the next: a page.
const LARGE_SLOTS: usize = 128;
const STRIDE: usize = 512;

/// Old objects that are searched word by word, two on a page.
const CONSERVATIVE: usize = 256;
const CONSERVATIVE_BYTES: usize = 2048;

/// The heap and what lives there.
pub(crate) struct Ground {
    pub(crate) heap: Heap<Graph>,
    /// Slots of Precise objects, small ones and a large one.
    pub(crate) precise: Fields,
    /// Slots of Conservative objects.
    pub(crate) conservative: Fields,
    /// Stores that were made, which numbers them.
    pub(crate) sequence: u64,
    _roots: Vec<Root>,
}

impl Ground {
    pub(crate) fn new(site: Site) -> Self {
        let [_, _, limit] = site.sizes();
        let backend = Some(site.backend);
        let tracker = TrackerOptions { backend, barriers: true, ..TrackerOptions::default() };
        let huge_pages = site.huge_pages;
        let options = HeapOptions { limit, huge_pages, tracker, ..HeapOptions::default() };
        let heap = super::graph::heap(options);
        let mut mutator = heap.attach(StackScan::None).expect("no stack is scanned");
        let (mut precise, mut conservative) = (Fields::default(), Fields::default());
        let mut roots = vec![fill(site, &heap, &mut mutator, &mut precise)];
        let large = node(&mut mutator, LARGE_SLOTS * STRIDE, 0);
        roots.push(mutator.root(large));
        (0..LARGE_SLOTS).for_each(|slot| precise.add(large, slot * STRIDE));
        for _ in 0..CONSERVATIVE {
            let object = mutator.allocate(Kind::Conservative, CONSERVATIVE_BYTES);
            let object = object.expect("half of the heap is room");
            roots.push(mutator.root(object));
            conservative.add(object, 0);
        }
        // The first collection makes everything old, the second one protects it.
        mutator.collect();
        mutator.collect();
        drop(mutator);
        Self { heap, precise, conservative, sequence: 0, _roots: roots }
    }
}

/// Small objects with a slot each; some are what is stored to.
fn fill(site: Site, heap: &Heap<Graph>, mutator: &mut Mutator, fields: &mut Fields) -> Root {
    let [total, each, _] = site.sizes();
    let count = total / each;
    let all = node(mutator, count, 0);
    let root = mutator.root(all);
    for index in 0..count {
        let object = node(mutator, 1, each / 8 - 2);
        set(object, 0, None);
        store(heap, all, index, Some(object));
    }
    for index in (0..count).step_by(count / SLOTS) {
        fields.add(get(all, index).expect("it was stored"), 0);
    }
    root
}

/// A word that is only accessed as an atomic, and from outside the language.
pub(crate) fn word(address: usize) -> &'static AtomicU64 {
    let word = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: aligned, and mapped for as long as the hunt, which ends before its memory does.
    unsafe { AtomicU64::from_ptr(word) }
}
