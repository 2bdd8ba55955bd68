//! Looking again at dirty pages, beside a bare read of the same pages.
//!
//! A heap of 1 GiB of nodes of 64 bytes with three references each, all old. Before each cycle some
//! pages are written, and the program does nothing until the cycle has ended; the bare read loads
//! all words of the same pages in the same order.

use std::hint::black_box;
use std::time::Instant;

use strandline::{
    CycleReport, Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef, Root, Scope,
    Sizing, SlotVisitor, StackScan,
};

use crate::{Lehmer, median};

const NODE: usize = 64;
const NODES: usize = (1 << 30) / NODE;
const ROUNDS: usize = 7;

/// A node begins with three references; an array (which is large) is nothing but references.
struct Model;

// SAFETY: these are all precise objects of this heap.
unsafe impl ObjectModel for Model {
    #[inline]
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in 0..3 {
            // SAFETY: every small object has three slots.
            visitor.visit(unsafe { object.slot(index) });
        }
    }

    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: std::ops::Range<usize>,
        visitor: &mut V,
    ) {
        for index in part.start / 8..(part.end / 8).min(NODES) {
            // SAFETY: the only large object is the array of all nodes.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

fn store(object: ObjectRef, index: usize, value: ObjectRef) {
    // SAFETY: the object has the slot. Volatile, because some values are there already.
    unsafe { object.as_ptr::<usize>().add(index).write_volatile(value.address()) };
}

fn load(object: ObjectRef, index: usize) -> ObjectRef {
    // SAFETY: the object has the slot, and what is in it is a reference.
    unsafe { ObjectRef::from_address(object.as_ptr::<usize>().add(index).read()).unwrap() }
}

struct Graph {
    heap: Heap<Model>,
    mutator: Mutator,
    array: Root,
}

impl Graph {
    fn new() -> Self {
        let options = HeapOptions {
            limit: 6 << 30,
            sizing: Sizing::Fixed,
            mode: Mode::Concurrent,
            markers: 1,
            hot_chunks: false,
            ..HeapOptions::default()
        };
        let heap = Heap::new(Model, options).expect("a heap");
        let mut mutator = heap.attach(StackScan::None).expect("a mutator");
        let array = mutator.allocate(Kind::Precise, NODES * 8).expect("room");
        let array = mutator.root(array);
        for index in 0..NODES {
            let node = mutator.allocate(Kind::Precise, NODE).expect("room");
            store(array.get(), index, node);
        }
        let mut random = Lehmer(12345);
        for index in 0..NODES {
            let node = load(array.get(), index);
            (0..3).for_each(|slot| store(node, slot, load(array.get(), random.below(NODES))));
        }
        mutator.collect();
        Self { heap, mutator, array }
    }

    /// Writes to one node on every `step`-th page. Returns the addresses of the pages.
    fn dirty(&self, step: usize) -> Vec<usize> {
        let mut pages = Vec::new();
        for index in (0..NODES).step_by(4096 / NODE * step) {
            let node = load(self.array.get(), index);
            store(node, 2, load(node, 2));
            pages.push(node.address() & !4095);
        }
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    fn cycle(&mut self, scope: Scope) -> CycleReport {
        match scope {
            Scope::Minor => self.mutator.collect_young(),
            Scope::Full => self.mutator.collect(),
        }
        let report = self.heap.cycles().pop().expect("a cycle has just ended");
        assert_eq!(report.scope, scope);
        report
    }
}

/// Nanoseconds for a page.
fn bare_read(pages: &[usize]) -> f64 {
    let (start, mut sum) = (Instant::now(), 0_usize);
    for &page in pages {
        for offset in (0..4096).step_by(8) {
            // SAFETY: a page of objects of the heap, which nobody writes to.
            sum = sum.wrapping_add(unsafe { *((page + offset) as *const usize) });
        }
    }
    black_box(sum);
    start.elapsed().as_nanos() as f64 / pages.len() as f64
}

pub(crate) fn run() {
    println!("rescan of dirty 4 KiB pages with 64 old nodes each, 1 GiB of nodes, one thread:");
    let mut graph = Graph::new();
    graph.cycle(Scope::Minor);
    for (name, step) in
        [("every page", 1), ("every 4th", 4), ("every 16th", 16), ("every 64th", 64)]
    {
        let (mut minor, mut read, mut barren) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let pages = graph.dirty(step);
            read.push(bare_read(&pages));
            let report = graph.cycle(Scope::Minor);
            assert!(report.rescanned_pages >= pages.len(), "{report}");
            minor.push(report.tracing.as_nanos() as f64 / report.rescanned_pages as f64);
            barren = report.barren_pages;
        }
        let (minor, read) = (median(minor), median(read));
        println!(
            "  {name:<12} minor {minor:6.0} ns a page, bare read {read:6.0}: {:.2} ({barren} barren)",
            minor / read
        );
    }
    // A full cycle consumes after its trace: what that costs more for having pages to look at again.
    let (mut none, mut all) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        graph.cycle(Scope::Minor);
        let report = graph.cycle(Scope::Full);
        let time = report.tracing.as_nanos() as f64;
        if report.rescanned_pages * 8 > NODES / (4096 / NODE) { &mut all } else { &mut none }
            .push((time, report.rescanned_pages));
        println!("  {report}");
    }
}
