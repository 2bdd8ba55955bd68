//! An interpreter of random programs, over a heap and over a plain graph beside it.
//!
//! Whatever the program can still reach must be there with its contents, kind, size and alignment,
//! after any collection; and where all roots are precise nothing else may be. The interpreter also
//! knows when the heap may say that it is full: not while a chunk could be free.
//!
//! The file is shared with the fuzz target, so it uses the public interface only.

pub(crate) mod nodes;
pub(crate) mod program;
mod roots;
pub(crate) mod shapes;
pub(crate) mod together;

use std::collections::HashSet;

use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{
    BarrierCheck, Heap, HeapOptions, Kind, Mode, Mutator, ObjectRef, OutOfMemory, Root, Sizing,
    StackScan,
};

use nodes::{Graph, Id, Reference, bytes_of};
use program::{Code, Operation, Path, Place, Shape};
use roots::Table;
use shapes::Shapes;

/// How a program is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) limit: usize,
    pub(crate) sizing: Sizing,
    pub(crate) mode: Mode,
    pub(crate) markers: usize,
    pub(crate) stress: Option<u32>,
    pub(crate) tracker: BackendKind,
    pub(crate) scan: StackScan,
    /// Bytes of garbage that are allocated after each step, in a heap with room for it: without any,
    /// hardly a cycle is minor, because one for want of room, or that a program asks for, is full.
    pub(crate) garbage: usize,
    /// Have the barriers checked, where the tracker sees more than barriers.
    pub(crate) referee: bool,
}

impl Setup {
    /// As this, with minor cycles.
    pub(crate) fn roomy(self) -> Self {
        Self { limit: 96 << 20, garbage: 6 << 20, stress: None, ..self }
    }

    /// The heap's options; every collection is verified.
    pub(crate) fn options(&self) -> HeapOptions {
        HeapOptions {
            limit: self.limit,
            sizing: self.sizing,
            mode: self.mode,
            markers: self.markers,
            stress: self.stress,
            tracker: TrackerOptions {
                backend: Some(self.tracker),
                barriers: self.tracker == BackendKind::Cards,
                ..TrackerOptions::default()
            },
            referee: (self.referee && self.tracker != BackendKind::Cards)
                .then(BarrierCheck::default),
            verify: true,
            ..HeapOptions::default()
        }
    }
}

const CHUNK: usize = 2 << 20;

/// Chunks of 2 MiB that fit into a limit, with a sixteenth for tables.
fn chunks_within(limit: usize) -> usize {
    limit / (CHUNK + CHUNK / 32 + 64)
}

/// Runs any bytes as a program: the first eight choose the setup. What the fuzz target does.
#[allow(dead_code, reason = "the tests and the fuzz target share this file and use parts of it")]
pub(crate) fn run_bytes(bytes: &[u8]) {
    let (codes, _) = bytes.as_chunks::<8>();
    let Some((first, program)) = codes.split_first() else { return };
    let pick = |byte: usize, choices: usize| usize::from(first[byte]) % choices;
    let trackers =
        [BackendKind::AllDirty, BackendKind::Uffd, BackendKind::Mprotect, BackendKind::Cards];
    let stress = [None, None, Some(1 + u32::from(first[4]))][pick(3, 3)];
    let setup = Setup {
        limit: if stress.is_some() { 8 << 20 } else { [8 << 20, 13 << 20, 48 << 20][pick(0, 3)] },
        sizing: [Sizing::Balanced, Sizing::Fixed][pick(1, 2)],
        mode: [Mode::Stopped, Mode::Concurrent][pick(7, 2)],
        markers: 1 + pick(2, 2),
        stress,
        tracker: trackers[pick(5, 4)],
        scan: [StackScan::None, StackScan::Conservative][pick(6, 2)],
        garbage: 0,
        referee: pick(7, 4) >= 2,
    };
    let roomy = stress.is_none() && pick(7, 8) >= 4;
    let setup = if roomy { setup.roomy() } else { setup };
    run(setup, program);
}

/// Runs a program.
///
/// # Panics
/// When the heap and the reference model differ.
pub(crate) fn run(setup: Setup, program: &[Code]) {
    let heap = Heap::new(Shapes, setup.options()).unwrap();
    let alone = true;
    Machine::with(&heap, setup, alone, |machine| {
        machine.run(program);
        machine.collect();
        machine.roots.clear_all();
        machine.collect();
    });
}

struct Machine<'a> {
    setup: Setup,
    heap: &'a Heap<Shapes>,
    mutator: Mutator,
    graph: Graph,
    roots: Table<'a>,
    /// Whether what is in the heap is all this machine's.
    alone: bool,
    /// Collections that the program has asked for.
    asked: usize,
}

impl Machine<'_> {
    /// Attaches the thread and passes a machine without objects to `body`.
    fn with<R>(
        heap: &Heap<Shapes>,
        setup: Setup,
        alone: bool,
        body: impl FnOnce(&mut Machine<'_>) -> R,
    ) -> R {
        // A table on this thread's stack, for roots that are plain locals.
        let locals = roots::Words::default();
        let locals = std::hint::black_box(&locals);
        let roots = Table::new(heap, locals, setup.scan == StackScan::Conservative);
        let mutator = heap.attach(setup.scan).unwrap();
        let graph = Graph::new(heap.tracker().tracker.cards().cloned());
        body(&mut Machine { setup, heap, mutator, graph, roots, alone, asked: 0 })
    }

    fn run(&mut self, program: &[Code]) {
        for &code in program {
            self.step(Operation::decode(code));
            self.throw_away(self.setup.garbage);
        }
    }

    fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Allocate(shape, place) => self.allocate(shape, place),
            Operation::Store { from, to, inside } => {
                if let Some(id) = self.follow(from) {
                    self.put(to, Some((id, inside)));
                }
            }
            Operation::Clear(place) => self.put(place, None),
            Operation::Garbage(shape, count) => self.garbage(shape, count),
            Operation::Fill(shape) => self.fill(shape),
            Operation::TooMuch(kind, bytes) => {
                let error = self.mutator.allocate(kind, bytes).unwrap_err();
                assert_eq!(error.bytes, bytes);
            }
            Operation::Collect => {
                self.asked += 1;
                // Every other cycle would be one that was asked for, and so a full one.
                let leave_out = self.setup.garbage > 0 && !self.asked.is_multiple_of(4);
                if leave_out { self.check() } else { self.collect() }
            }
            Operation::Check => self.check(),
            Operation::Find(path, offset) => self.find(path, offset),
            Operation::Blocking => {
                let heap = self.heap;
                let attached = self.mutator.blocking(|| heap.attached_threads());
                assert!(attached == 1 || !self.alone);
                self.mutator.safepoint();
            }
        }
    }

    /// The node at the end of a path.
    fn follow(&self, path: Path) -> Option<Id> {
        let mut id = self.roots.get(path.root)?.0;
        for step in 0..4 {
            let slot = usize::from(path.steps >> (4 * step) & 15);
            let targets = &self.graph.nodes[&id].targets;
            if slot > 0 && !targets.is_empty() {
                let Some((next, _)) = targets[slot % targets.len()] else { break };
                id = next;
            }
        }
        Some(id)
    }

    fn put(&mut self, place: Place, reference: Reference) {
        match place {
            Place::Root(index) => {
                let reference = reference.map(|(id, offset)| (id, self.graph.inside(id, offset)));
                let object = reference.map(|(id, _)| self.graph.nodes[&id].object);
                self.roots.set(index, reference, object);
            }
            Place::Slot(path, slot) => {
                let Some(id) = self.follow(path) else { return };
                let slots = self.graph.nodes[&id].targets.len();
                if slots > 0 {
                    self.graph.store(id, slot % slots, reference);
                }
            }
        }
    }

    fn allocate(&mut self, shape: Shape, place: Place) {
        // For a leaf: an address that must not keep alive what is there.
        let leaf_word =
            self.roots.get(shape.bytes).map_or(0, |(id, _)| self.graph.nodes[&id].object.address());
        match self.request(shape) {
            Ok(object) => {
                assert!(object.address().is_multiple_of(shape.alignment.max(16)));
                let id = self.graph.add(object, shape, leaf_word);
                self.put(place, Some((id, 0)));
            }
            Err(error) => self.check_full(&error, &[]),
        }
    }

    fn request(&mut self, shape: Shape) -> Result<ObjectRef, OutOfMemory> {
        self.mutator.allocate_aligned(shape.kind, bytes_of(shape), shape.alignment)
    }

    fn garbage(&mut self, shape: Shape, count: usize) {
        let budget = if self.setup.stress.is_some() { 5 } else { (64 << 20) / (shape.bytes + 64) };
        for _ in 0..count.min(budget) {
            if let Err(error) = self.request(shape) {
                self.check_full(&error, &[]);
            }
        }
    }

    fn throw_away(&mut self, bytes: usize) {
        let shape = Shape { kind: Kind::Precise, slots: 0, bytes: 8 << 10, alignment: 1 };
        for _ in 0..bytes / shape.bytes {
            if let Err(error) = self.request(shape) {
                self.check_full(&error, &[]);
            }
        }
    }

    fn fill(&mut self, shape: Shape) {
        // Of tiny objects or under stress it would take too long, and a full heap has no minor cycle.
        let shape = Shape { bytes: shape.bytes.max(3000), ..shape };
        let few = self.setup.stress.is_some() || self.setup.garbage > 0;
        let most = if few { 20 } else { usize::MAX };
        let mut held: Vec<(Root, usize)> = Vec::new();
        while held.len() < most {
            match self.request(shape) {
                Ok(object) => held.push((self.mutator.root(object), bytes_of(shape))),
                Err(error) => {
                    let extents: Vec<_> =
                        held.iter().map(|(root, bytes)| (root.get().address(), *bytes)).collect();
                    self.check_full(&error, &extents);
                    break;
                }
            }
        }
        drop(held);
        if let Err(error) = self.request(shape) {
            self.check_full(&error, &[]);
        }
    }

    /// The heap says that it is full: then no chunk may be without a live object, as far as that is
    /// known, and as far as the address range is not fragmented.
    fn check_full(&mut self, error: &OutOfMemory, held: &[(usize, usize)]) {
        self.check();
        if self.setup.scan == StackScan::Conservative || !self.alone {
            return;
        }
        let live = self.graph.nodes.values().map(|node| (node.object.address(), node.bytes));
        let chunks =
            |(start, bytes): (usize, usize)| start / CHUNK..=(start + bytes.max(1) - 1) / CHUNK;
        let used: HashSet<_> = live.chain(held.iter().copied()).flat_map(chunks).collect();
        let limit = chunks_within(self.setup.limit);
        let wanted = error.bytes.next_multiple_of(4096).div_ceil(CHUNK).max(1);
        let longest_run = (3 * limit + 8 - used.len()) / (used.len() + 1);
        assert!(
            used.len() + wanted > limit || longest_run < wanted,
            "{error}, but live objects lie in {} of {limit} chunks",
            used.len()
        );
    }

    fn find(&self, path: Path, offset: usize) {
        let Some(id) = self.follow(path) else { return };
        let node = &self.graph.nodes[&id];
        let size = node.bytes.max(1).next_multiple_of(16);
        let at = node.object.address();
        for inside in [0, offset % size, size - 1] {
            assert_eq!(self.heap.find_object(at + inside), Some(node.object));
        }
        assert_ne!(self.heap.find_object(at + size), Some(node.object));
        assert_ne!(self.heap.find_object(at - 1), Some(node.object));
    }

    fn collect(&mut self) {
        let before = self.heap.stats().collections;
        self.mutator.collect();
        self.check();
        let stats = self.heap.stats();
        assert!(stats.collections > before);
        let reachable = self.graph.nodes.len();
        if self.setup.scan == StackScan::None && self.alone {
            assert_eq!(stats.live_objects, reachable, "live objects, and reachable ones");
        } else {
            assert!(stats.live_objects >= reachable, "{} < {reachable}", stats.live_objects);
        }
        if let Some(report) = self.heap.take_barrier_report() {
            assert!(report.is_clean(), "{report}");
        }
    }

    fn check(&mut self) {
        self.graph.keep_reachable(self.roots.ids());
        self.graph.check_contents();
        self.graph.check_extents();
        for node in self.graph.nodes.values() {
            assert_eq!(self.mutator.kind_of(node.object), node.kind);
            let size = node.bytes.max(1).next_multiple_of(16);
            assert_eq!(self.mutator.size_of(node.object), size);
            assert_eq!(self.heap.find_object(node.object.address()), Some(node.object));
        }
    }
}
