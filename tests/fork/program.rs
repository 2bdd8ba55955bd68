//! A mutator that changes a graph at random, and notices when a node of it is gone.

use std::collections::HashSet;

use strandline::{Heap, Kind, Mutator, ObjectRef, Root, StackScan};

use crate::graph::{Graph, get, node, store};

const SLOTS: usize = 3;
const TABLE: usize = 1500;
const MAGIC: usize = 0x5eed_0bec_7000_0002;

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A thread of the program, with a table of nodes that is a large object.
pub(crate) struct Program<'a> {
    heap: &'a Heap<Graph>,
    pub(crate) mutator: Mutator,
    table: ObjectRef,
    pub(crate) random: Random,
}

impl<'a> Program<'a> {
    /// A program, and the handle of its table.
    pub(crate) fn new(heap: &'a Heap<Graph>, seed: u64) -> (Self, Root) {
        let mut mutator = heap.attach(StackScan::Conservative).unwrap();
        let table = node(&mut mutator, TABLE, 0);
        let root = mutator.root(table);
        let mut program = Self { heap, mutator, table, random: Random(seed) };
        for index in 0..TABLE {
            let node = program.node();
            program.store(table, index, Some(node));
        }
        (program, root)
    }

    fn node(&mut self) -> ObjectRef {
        let node = node(&mut self.mutator, SLOTS, 2);
        // SAFETY: the node has two words of payload.
        unsafe { node.as_ptr::<usize>().add(1 + SLOTS).write(MAGIC) };
        node
    }

    fn store(&self, object: ObjectRef, slot: usize, value: Option<ObjectRef>) {
        store(self.heap, object, slot, value);
    }

    fn any(&mut self) -> ObjectRef {
        let node = get(self.table, self.random.below(TABLE)).expect("every entry has a node");
        check(node);
        node
    }

    /// Some changes: new nodes below old ones, subtrees that change places, nodes that become
    /// garbage.
    pub(crate) fn step(&mut self) {
        match self.random.below(8) {
            kind @ 0..=3 => {
                let (parent, slot) = (self.any(), self.random.below(SLOTS));
                let child = self.node();
                let below = get(parent, slot).filter(|_| kind == 0);
                self.store(child, 0, below);
                self.store(parent, slot, Some(child));
            }
            4 => {
                let (from, to) = (self.any(), self.any());
                let moved = get(from, 1);
                self.store(from, 1, None);
                self.node();
                self.store(to, 2, moved);
            }
            5 => {
                let (node, slot) = (self.any(), self.random.below(SLOTS));
                self.store(node, slot, None);
            }
            _ => {
                let index = self.random.below(TABLE);
                let node = self.node();
                self.store(self.table, index, Some(node));
            }
        }
        self.mutator.safepoint();
    }

    pub(crate) fn steps(&mut self, count: usize) {
        (0..count).for_each(|_| self.step());
    }

    /// Has a chunk for large leaf objects, whose nodes are then not scattered over all chunks.
    pub(crate) fn room_for_leaves(heap: &Heap<Graph>) -> Root {
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let leaf = mutator.allocate(Kind::Leaf, 200_000).unwrap();
        mutator.root(leaf)
    }

    /// Allocates until it was time for so many more collections.
    pub(crate) fn collect_by_allocating(&mut self, collections: u64) {
        let until = self.heap.stats().collections + collections;
        while self.heap.stats().collections < until {
            self.mutator.allocate(Kind::Leaf, 200_000).unwrap();
            self.steps(20);
        }
    }

    pub(crate) fn check(&self) {
        check_table(self.table);
    }
}

fn check(node: ObjectRef) {
    // SAFETY: every node has two words of payload.
    let magic = unsafe { node.as_ptr::<usize>().add(1 + SLOTS).read() };
    assert_eq!(magic, MAGIC, "{node:?} was freed while it was reachable");
}

/// Looks at every node that can be reached from a table.
pub(crate) fn check_table(table: ObjectRef) {
    let mut seen = HashSet::new();
    let mut next: Vec<_> = (0..TABLE).filter_map(|index| get(table, index)).collect();
    while let Some(node) = next.pop() {
        if seen.insert(node.address()) {
            check(node);
            next.extend((0..SLOTS).filter_map(|slot| get(node, slot)));
        }
    }
    assert!(seen.len() >= TABLE, "every entry has a node of its own");
}
