//! A graph of old nodes in a concurrent heap, and what a thread does beside it: it allocates nodes
//! that die young, and stores some of them into old ones, as the workload `oldmut` does.

use std::sync::Arc;

use strandline::{
    CycleReport, Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef, Root, Sizing,
    SlotVisitor, StackScan,
};

use crate::random::{Lehmer, Picks, SEED};
use crate::thread_ns;

pub(crate) const NODE: usize = 64;
pub(crate) const NODES_PER_MIB: usize = (1 << 20) / NODE;

/// The slot of an old node for a young one; the two before it refer to old ones.
const YOUNG: usize = 2;

/// The word of a new node for a number, which is no reference.
const NUMBER: usize = 3;

/// A node begins with three references; an array, which is large, is nothing but references.
pub(crate) struct Model;

// SAFETY: these are all the objects of these heaps, and the words of a fresh one are null.
unsafe impl ObjectModel for Model {
    #[inline]
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in 0..3 {
            // SAFETY: every small object is a node, which has 8 words.
            visitor.visit(unsafe { object.slot(index) });
        }
    }

    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: std::ops::Range<usize>,
        visitor: &mut V,
    ) {
        for index in part.start / 8..part.end / 8 {
            // SAFETY: every large object is an array, and the part lies in it.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

/// Writes a reference. Volatile, because some are there already.
#[inline]
fn store(object: ObjectRef, index: usize, value: ObjectRef) {
    // SAFETY: all callers stay inside the object.
    unsafe { object.as_ptr::<usize>().add(index).write_volatile(value.address()) };
}

#[inline]
fn load(array: ObjectRef, index: usize) -> ObjectRef {
    // SAFETY: all callers stay inside the array, which is full of references by then.
    unsafe { ObjectRef::from_address(array.as_ptr::<usize>().add(index).read()) }.expect("a node")
}

/// Processor time of the mutator, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Work {
    pub(crate) allocating: f64,
    pub(crate) storing: f64,
}

/// Options for a concurrent heap of that size, all of which it uses.
pub(crate) fn options(limit: usize) -> HeapOptions {
    HeapOptions { limit, sizing: Sizing::Fixed, mode: Mode::Concurrent, ..HeapOptions::default() }
}

/// Bytes of a graph of so many MiB of nodes: these, the array and metadata.
pub(crate) fn graph_bytes(mib: usize) -> usize {
    (mib << 20) / 16 * 19 + (32 << 20)
}

/// The graph. Fields are dropped in order: a heap without mutators waits for its threads, and its
/// memory is free before the next one is made.
pub(crate) struct Graph {
    pub(crate) mutator: Mutator,
    nodes: Root,
    /// The nodes of the last MiB that was allocated.
    ring: Root,
    count: usize,
    targets: Vec<ObjectRef>,
    /// Shared with threads that ask for cycles.
    pub(crate) heap: Arc<Heap<Model>>,
}

impl Graph {
    /// A graph of `mib` MiB of nodes with references to two random earlier ones each, all of them old.
    pub(crate) fn new(mib: usize, options: HeapOptions) -> Self {
        let count = mib * NODES_PER_MIB;
        let heap = Arc::new(Heap::new(Model, options).expect("a heap"));
        let mut mutator = heap.attach(StackScan::None).expect("a mutator");
        let mut array = |length: usize| {
            let array = mutator.allocate(Kind::Precise, length * 8).expect("room for an array");
            mutator.root(array)
        };
        let (nodes, ring) = (array(count), array(NODES_PER_MIB));
        // Written to before they are protected for the first time, which leaves huge pages whole.
        let mut random = Lehmer::new(SEED);
        for index in 0..count {
            let node = mutator.allocate(Kind::Precise, NODE).expect("room for the graph");
            let array = nodes.get();
            store(array, index, node);
            (0..YOUNG).for_each(|slot| store(node, slot, load(array, random.below(index + 1))));
        }
        mutator.collect();
        Self { mutator, nodes, ring, count, targets: Vec::new(), heap }
    }

    /// How many old nodes there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The old node of that number.
    pub(crate) fn node(&self, number: usize) -> ObjectRef {
        assert!(number < self.count, "node {number} of {}", self.count);
        load(self.nodes.get(), number)
    }

    /// Writes to the old node of that number, what is there already. Returns its address.
    pub(crate) fn touch(&self, number: usize) -> usize {
        let node = self.node(number);
        store(node, 0, load(node, 0));
        node.address()
    }

    /// Allocates 1 MiB of nodes, each of which lives until as many were allocated after it.
    fn allocate(&mut self) {
        let ring = self.ring.get();
        for index in 0..NODES_PER_MIB {
            let new = self.mutator.allocate(Kind::Precise, NODE).expect("room for young nodes");
            // SAFETY: a node has 8 words. Without this, fresh memory would never be touched.
            unsafe { new.as_ptr::<usize>().add(NUMBER).write(index) };
            store(ring, index, new);
        }
    }

    /// Allocates 1 MiB and stores `stores` of the new nodes into old ones, with a safepoint after
    /// each.
    pub(crate) fn mutate(&mut self, stores: usize, picks: &mut Picks) -> Work {
        self.mutate_these(stores, || picks.next())
    }

    /// As [`mutate`](Self::mutate), with the numbers of the old nodes from `next`.
    pub(crate) fn mutate_these(&mut self, stores: usize, mut next: impl FnMut() -> usize) -> Work {
        assert!((1..=NODES_PER_MIB).contains(&stores), "{stores} stores in a MiB");
        let begin = thread_ns();
        self.allocate();
        let allocating = thread_ns() - begin;
        // Found beforehand: what is measured is the store.
        let mut targets = std::mem::take(&mut self.targets);
        targets.clear();
        targets.extend((0..stores).map(|_| self.node(next())));
        let (ring, apart) = (self.ring.get(), NODES_PER_MIB / stores);
        let begin = thread_ns();
        for (index, &target) in targets.iter().enumerate() {
            store(target, YOUNG, load(ring, index * apart));
            self.mutator.safepoint();
        }
        let storing = thread_ns() - begin;
        self.targets = targets;
        Work { allocating, storing }
    }

    /// The reports of the cycles since the one of that number.
    pub(crate) fn cycles_since(&self, number: u64) -> Vec<CycleReport> {
        let mut reports = self.heap.cycles();
        reports.retain(|report| report.number > number);
        reports
    }
}
