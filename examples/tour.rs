//! The heap at work, in some seconds: one program, run with concurrent cycles and with the world stopped.
//!
//! ```text
//! cargo run --release --example tour
//! ```
//!
//! The program keeps one binary tree of 96 MiB. It builds small trees that die at once, and it replaces
//! and exchanges subtrees of the large one, which is old. Every store is a plain store. At the end it
//! counts the nodes: a collector that lost one would be found out.

use std::error::Error;
use std::time::{Duration, Instant};

use strandline::dirty::TRACKER_VARIABLE;
use strandline::{
    CycleReport, Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef, OutOfMemory,
    Scope, SlotVisitor, StackScan,
};

/// Levels below the root of the tree that stays, of its parts that are replaced, and of trees that die.
const DEPTH: u32 = 20;
const PART: u32 = 8;

const STEPS: u32 = 4096;
/// Trees that die at once, and pairs of old parts that are exchanged, in each step.
const TEMPORARY: u32 = 8;
const EXCHANGES: u32 = 8;

const LIMIT: usize = 256 << 20;

#[repr(C)]
struct Node {
    children: [Field; 2],
    payload: [u64; 4],
}

type Field = Option<ObjectRef>;

struct Nodes;

// SAFETY: every object is a node; the two references that it begins with are its only ones.
unsafe impl ObjectModel for Nodes {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        // SAFETY: a node has both words.
        (0..2).for_each(|index| visitor.visit(unsafe { object.slot(index) }));
    }
}

/// The place of a reference in a node.
fn child(node: ObjectRef, index: usize) -> *mut Field {
    // SAFETY: a node begins with its children, of which there are two.
    unsafe { (&raw mut (*node.as_ptr::<Node>()).children).cast::<Field>().add(index & 1) }
}

fn new_tree(mutator: &mut Mutator, depth: u32) -> Result<ObjectRef, OutOfMemory> {
    let mut children = [None; 2];
    if depth > 0 {
        // What these refer to is on the stack, which is scanned.
        children = [Some(new_tree(mutator, depth - 1)?), Some(new_tree(mutator, depth - 1)?)];
    }
    let node = mutator.allocate(Kind::Precise, size_of::<Node>())?;
    // SAFETY: a new node. These are plain stores, and nothing else is asked for.
    (0..2).for_each(|index| unsafe { child(node, index).write(children[index]) });
    Ok(node)
}

fn count(mutator: &mut Mutator, tree: ObjectRef) -> u64 {
    mutator.safepoint();
    // SAFETY: a node that is reachable.
    let children = [0, 1].map(|index| unsafe { child(tree, index).read() });
    1 + children.into_iter().flatten().map(|tree| count(mutator, tree)).sum::<u64>()
}

const fn nodes(depth: u32) -> u64 {
    (2 << depth) - 1
}

/// A random field of the large tree with a part in it.
fn field_of_a_part(tree: ObjectRef, random: &mut u64) -> *mut Field {
    *random =
        random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let (path, mut node) = ((*random >> 32) as usize, tree);
    for level in 1..DEPTH - PART {
        // SAFETY: there are nodes down to that level.
        node = unsafe { child(node, path >> level).read() }.expect("the tree is complete");
    }
    child(node, path)
}

fn program(heap: &Heap<Nodes>) -> Result<(), Box<dyn Error>> {
    let mut mutator = heap.attach(StackScan::Conservative)?;
    let (tree, mut random) = (new_tree(&mut mutator, DEPTH)?, 1);
    for _ in 0..STEPS {
        for _ in 0..TEMPORARY {
            new_tree(&mut mutator, PART)?;
        }
        let part = new_tree(&mut mutator, PART)?;
        // SAFETY: fields of nodes that are reachable; parts are all of one size and not within each other.
        unsafe {
            field_of_a_part(tree, &mut random).write(Some(part));
            for _ in 0..EXCHANGES {
                let [one, other] = [(); 2].map(|()| field_of_a_part(tree, &mut random));
                one.swap(other);
            }
        }
    }
    let (found, expected) = (count(&mut mutator, tree), nodes(DEPTH));
    if found == expected { Ok(()) } else { Err(format!("{found} nodes of {expected}").into()) }
}

/// Why it is this back-end, if no better one was refused.
fn why(heap: &Heap<Nodes>) -> &'static str {
    match std::env::var_os(TRACKER_VARIABLE) {
        Some(_) => " (as the environment asks)",
        None if heap.tracker().refused.is_empty() => " (the best one, and it works here)",
        None => "",
    }
}

/// What a run has to show.
struct Figures {
    time: Duration,
    cycles: Vec<CycleReport>,
}

impl Figures {
    fn of(mode: Mode, is_first: bool) -> Result<Self, Box<dyn Error>> {
        let heap = Heap::new(Nodes, HeapOptions { mode, limit: LIMIT, ..Default::default() })?;
        if is_first {
            println!("{}{}", heap.tracker(), why(&heap));
        }
        let start = Instant::now();
        program(&heap)?;
        Ok(Self { time: start.elapsed(), cycles: heap.cycles() })
    }

    fn cycles(&self, scope: Scope) -> usize {
        self.cycles.iter().filter(|cycle| cycle.scope == scope).count()
    }

    fn sum(&self, figure: fn(&CycleReport) -> usize) -> usize {
        self.cycles.iter().map(figure).sum()
    }

    /// All stops, the shortest first.
    fn stops(&self) -> Vec<Duration> {
        let stops = self.cycles.iter().flat_map(|cycle| &cycle.stops);
        let mut stops: Vec<_> = stops.map(|stop| stop.total).collect();
        stops.sort_unstable();
        stops
    }

    /// The lines of the table.
    fn lines(&self) -> [(&'static str, String); 7] {
        let ms = |time: Option<&Duration>| match time {
            Some(time) => format!("{:.2}", time.as_secs_f64() * 1e3),
            None => "-".to_owned(),
        };
        let stops = self.stops();
        [
            ("run time, s", format!("{:.2}", self.time.as_secs_f64())),
            ("longest stop, ms", ms(stops.last())),
            ("99 % of stops, ms", ms(stops.get((stops.len() * 99).div_ceil(100).max(1) - 1))),
            ("minor cycles", self.cycles(Scope::Minor).to_string()),
            ("full cycles", self.cycles(Scope::Full).to_string()),
            ("dirty pages", self.sum(|cycle| cycle.dirty_pages).to_string()),
            ("faults of the program on them", self.sum(|cycle| cycle.faults).to_string()),
        ]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // The first touch of memory may be dear in a virtual machine; it is not to count for the first run.
    std::hint::black_box(vec![1_u8; LIMIT]);
    let figures = [Figures::of(Mode::Concurrent, true)?, Figures::of(Mode::Stopped, false)?];
    let mib =
        |trees: u64, depth| (trees * nodes(depth) * size_of::<Node>() as u64).div_ceil(1 << 20);
    println!(
        "{} MiB stay alive; {} MiB are allocated in all; limit {} MiB; plain stores only\n",
        mib(1, DEPTH),
        mib(1, DEPTH) + mib(u64::from(STEPS * (TEMPORARY + 1)), PART),
        LIMIT >> 20,
    );
    println!("{:30} {:>12} {:>12}", "", "Concurrent", "Stopped");
    let [concurrent, stopped] = figures.map(|figures| figures.lines());
    for ((name, concurrent), (_, stopped)) in concurrent.into_iter().zip(stopped) {
        println!("{name:30} {concurrent:>12} {stopped:>12}");
    }
    Ok(())
}
