//! The mark rate beside a bare prefetching walk of the same graph. Two markers share one graph; two
//! walks go over it side by side, each for itself, which shows what the memory gives two threads.

use std::time::Instant;

use strandline::{
    Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef, Sizing, SlotVisitor, StackScan,
};

use crate::random::{Lehmer, SEED};
use crate::{median, process_ns};

const NODES: usize = 8 << 20;
const NODE_BYTES: usize = 64;
const ROUNDS: usize = 5;

/// Three references, then payload.
pub(crate) struct Node;

/// As [`Node`], the references visited with a check.
struct Checked;

// SAFETY: as for `Node`.
unsafe impl ObjectModel for Checked {
    #[inline]
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in 0..3 {
            // SAFETY: a node has 8 words.
            visitor.visit_checked(unsafe { object.slot(index) });
        }
    }
}

// SAFETY: the first three words are references or null; there are no others.
unsafe impl ObjectModel for Node {
    #[inline]
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in 0..3 {
            // SAFETY: a node has 8 words.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

pub(crate) fn run() {
    println!("mark: {NODES} nodes of {NODE_BYTES} bytes, two random references each");
    let alone = measure(Node, 1);
    let both = measure(Node, 2);
    println!(
        "  on two threads {:.2} times faster; {:.2} by processor time, shared evenly",
        alone.pause / both.pause,
        2.0 * alone.busy / both.busy
    );
    println!("  the same, each slot visited with a check");
    let checked = measure(Checked, 1);
    // Two of the three slots of a node hold a reference.
    println!(
        "  {:.2} ns of processor time more for each reference",
        (checked.busy - alone.busy) / 2.0
    );
}

/// Nanoseconds a node.
struct Figures {
    pause: f64,
    /// In processor time of all threads.
    busy: f64,
}

fn measure(model: impl ObjectModel, markers: usize) -> Figures {
    // One stop, which is all of the marking.
    let (mode, sizing) = (Mode::Stopped, Sizing::Fixed);
    let options = HeapOptions { limit: 2 << 30, markers, mode, sizing, ..HeapOptions::default() };
    let heap = Heap::new(model, options).unwrap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let nodes = graph(&mut mutator);
    let root = mutator.root(nodes[0]);
    let addresses = || nodes.iter().map(|node| node.address());
    let base = addresses().min().unwrap();
    let bytes = addresses().max().unwrap() + NODE_BYTES - base;
    drop(nodes);
    let mut seen: Vec<_> = (0..markers).map(|_| vec![0_u8; bytes / 16]).collect();
    let (mut pauses, mut busy, mut floors, mut reached) = (vec![], vec![], vec![], 0);
    for _ in 0..ROUNDS {
        seen.iter_mut().for_each(|seen| seen.fill(0));
        let address = root.get().address();
        let start = Instant::now();
        std::thread::scope(|scope| {
            let walks: Vec<_> = seen
                .iter_mut()
                .map(|seen| scope.spawn(move || walk(address, base, seen)))
                .collect();
            reached = walks.into_iter().map(|walk| walk.join().unwrap()).next().unwrap();
        });
        floors.push(start.elapsed().as_nanos() as f64 / reached as f64);
        let start = process_ns();
        mutator.collect();
        busy.push((process_ns() - start) / reached as f64);
        let stats = heap.stats();
        assert_eq!(stats.live_objects, reached);
        pauses.push(stats.last_pause.as_nanos() as f64 / reached as f64);
    }
    let (figures, floor) = (Figures { pause: median(pauses), busy: median(busy) }, median(floors));
    println!(
        "  {markers} marker(s): {:6.2} ns a node ({reached} reached), {:.2} in processor time; {markers} bare \
         walk(s) at once {floor:6.2} ns, ratio {:.2}",
        figures.pause,
        figures.busy,
        figures.pause * markers as f64 / floor
    );
    figures
}

fn graph(mutator: &mut Mutator) -> Vec<ObjectRef> {
    let nodes: Vec<_> =
        (0..NODES).map(|_| mutator.allocate(Kind::Precise, NODE_BYTES).unwrap()).collect();
    let mut random = Lehmer::new(SEED);
    for &node in &nodes {
        for slot in 0..2 {
            let target = nodes[random.below(NODES)].address();
            // SAFETY: a node has 8 words.
            unsafe { node.as_ptr::<usize>().add(slot).write(target) };
        }
    }
    nodes
}

/// A bare walk: a stack, two prefetch rings, a byte for each granule. Returns how many it reached.
fn walk(root: usize, base: usize, seen: &mut [u8]) -> usize {
    let mut stack = vec![root];
    let (mut first, mut second) = ([0_usize; 32], [0_usize; 64]);
    let (mut f, mut s, mut idle, mut reached) = (0, 0, 0, 0);
    while idle < 200 {
        let next = stack.pop().unwrap_or(0);
        idle = if next == 0 { idle + 1 } else { 0 };
        prefetch(seen.as_ptr().addr() + next.wrapping_sub(base) / 16);
        let candidate = std::mem::replace(&mut first[f % 32], next);
        f += 1;
        let mut fresh = 0;
        if candidate != 0 {
            let byte = &mut seen[(candidate - base) / 16];
            if *byte == 0 {
                *byte = 1;
                reached += 1;
                fresh = candidate;
                prefetch(fresh);
            }
        }
        if fresh != 0 || next == 0 {
            let object = std::mem::replace(&mut second[s % 64], fresh);
            s += 1;
            if object != 0 {
                for slot in 0..3 {
                    // SAFETY: a node has 8 words, and nothing is collected meanwhile.
                    let child = unsafe {
                        std::ptr::with_exposed_provenance::<usize>(object).add(slot).read()
                    };
                    if child != 0 {
                        stack.push(child);
                    }
                }
            }
        }
    }
    reached
}

fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address at all is harmless.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address));
    }
}
