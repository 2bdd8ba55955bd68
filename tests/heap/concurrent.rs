//! Cycles that run while the program changes the graph, by plain stores, as fast as it can.

use std::time::{Duration, Instant};

use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{
    BarrierCheck, Heap, HeapOptions, HeapStats, Mode, Mutator, ObjectRef, Root, StackScan,
};

use crate::graph::{Graph, get, heap, node, store};
use crate::stress::stress_seconds;

const SLOTS: usize = 3;
const TABLE: usize = 20_000;
const MAGIC: usize = 0x5eed_0bec_7000_0001;

fn options(backend: BackendKind) -> HeapOptions {
    let tracker =
        TrackerOptions { backend: Some(backend), barriers: true, ..TrackerOptions::default() };
    HeapOptions {
        limit: 96 << 20,
        verify: true,
        // Every store has its barrier, so nothing may be reported.
        referee: (backend != BackendKind::Cards).then(BarrierCheck::default),
        mode: Mode::Concurrent,
        tracker,
        ..HeapOptions::default()
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// A thread of the program, with a table of nodes that is a large object.
struct Program<'a> {
    heap: &'a Heap<Graph>,
    mutator: Mutator,
    table: Root,
    random: Random,
}

impl<'a> Program<'a> {
    fn new(heap: &'a Heap<Graph>, seed: u64) -> Self {
        let mut mutator = heap.attach(StackScan::Conservative).unwrap();
        let table = node(&mut mutator, TABLE, 0);
        let table = mutator.root(table);
        let mut program = Self { heap, mutator, table, random: Random(seed) };
        for index in 0..TABLE {
            let node = program.node();
            program.store(program.table.get(), index, Some(node));
        }
        program
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
        let index = self.random.below(TABLE);
        let node = get(self.table.get(), index).expect("every entry has a node");
        check(node);
        node
    }

    /// Some changes of the graph: new nodes below old ones, subtrees that change places, nodes that
    /// become garbage, and a reference that is for a moment only in a local variable.
    fn step(&mut self) {
        match self.random.below(10) {
            0..=4 => {
                let (parent, slot) = (self.any(), self.random.below(SLOTS));
                let child = self.node();
                self.store(child, 0, get(parent, slot));
                self.store(parent, slot, Some(child));
            }
            5..=6 => {
                let (from, to) = (self.any(), self.any());
                let (a, b) = (self.random.below(SLOTS), self.random.below(SLOTS));
                let moved = get(from, a);
                self.store(from, a, None);
                for _ in 0..3 {
                    self.node();
                }
                if let Some(moved) = moved {
                    check(moved);
                }
                self.store(to, b, moved);
            }
            7..=8 => {
                let (node, slot) = (self.any(), self.random.below(SLOTS));
                self.store(node, slot, None);
            }
            _ => {
                let index = self.random.below(TABLE);
                let node = self.node();
                self.store(self.table.get(), index, Some(node));
            }
        }
    }

    /// Looks at a path from a node.
    fn walk(&mut self) {
        let mut next = Some(self.any());
        while let Some(node) = next {
            check(node);
            next = get(node, self.random.below(SLOTS));
        }
    }
}

fn check(node: ObjectRef) {
    // SAFETY: every node has two words of payload.
    let magic = unsafe { node.as_ptr::<usize>().add(1 + SLOTS).read() };
    assert_eq!(magic, MAGIC, "{node:?} was freed while it was reachable");
}

fn run(backend: BackendKind, collections: u64) {
    let time = Duration::from_secs(stress_seconds().unwrap_or(0));
    run_for(backend, collections, time);
}

/// Runs the program on two threads until there have been so many collections, and for a time at
/// least. Most of its cycles are minor.
pub(crate) fn run_for(backend: BackendKind, collections: u64, time: Duration) -> HeapStats {
    run_with(options(backend), collections, time)
}

fn run_with(options: HeapOptions, collections: u64, time: Duration) -> HeapStats {
    let (start, backend) = (Instant::now(), options.tracker.backend.expect("it was chosen"));
    let heap = heap(options);
    std::thread::scope(|scope| {
        for seed in [1, 2] {
            let heap = &heap;
            scope.spawn(move || {
                let mut program = Program::new(heap, 12345 * seed);
                while heap.stats().collections < collections || start.elapsed() < time {
                    for _ in 0..2000 {
                        program.step();
                    }
                    program.walk();
                }
            });
        }
    });
    println!("{backend}: {}", heap.stats());
    if let Some(report) = heap.take_barrier_report() {
        assert!(report.checks >= collections && report.is_clean(), "{backend}: {report}");
    }
    heap.stats()
}

#[test]
fn nothing_reachable_is_freed_with_uffd() {
    run(BackendKind::Uffd, 30);
}

#[test]
fn nothing_reachable_is_freed_with_mprotect() {
    run(BackendKind::Mprotect, 30);
}

#[test]
fn nothing_reachable_is_freed_with_cards() {
    run(BackendKind::Cards, 30);
}

#[test]
fn nothing_reachable_is_freed_with_all_dirty() {
    run(BackendKind::AllDirty, 30);
}
