//! The mark rate beside a bare prefetching walk of the same graph.

use std::time::Instant;

use strandline::{Heap, HeapOptions, Kind, ObjectModel, ObjectRef, Sizing, SlotVisitor, StackScan};

use crate::{Lehmer, median};

const NODES: usize = 8 << 20;
const NODE_BYTES: usize = 64;
const ROUNDS: usize = 5;

/// Three references, then payload.
struct Node;

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
    for markers in [1, 2] {
        let heap = Heap::new(
            Node,
            HeapOptions {
                limit: 2 << 30,
                markers,
                sizing: Sizing::Fixed,
                ..HeapOptions::default()
            },
        )
        .unwrap();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let nodes: Vec<_> =
            (0..NODES).map(|_| mutator.allocate(Kind::Precise, NODE_BYTES).unwrap()).collect();
        let mut random = Lehmer(12345);
        for &node in &nodes {
            for slot in 0..2 {
                // SAFETY: a node has 8 words.
                unsafe {
                    node.as_ptr::<usize>().add(slot).write(nodes[random.below(NODES)].address())
                };
            }
        }
        let root = mutator.root(nodes[0]);
        let (base, end) = (nodes[0].address(), nodes[NODES - 1].address() + NODE_BYTES);
        let base = base.min(nodes[NODES - 1].address());
        drop(nodes);
        let mut seen = vec![0_u8; (end.max(base) - base) / 16 + (64 << 20)];
        let (mut ours, mut floors, mut reached) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            seen.fill(0);
            let start = Instant::now();
            reached = walk(root.get().address(), base, &mut seen);
            floors.push(start.elapsed().as_nanos() as f64 / reached as f64);
            mutator.collect();
            let stats = heap.stats();
            assert_eq!(stats.live_objects, reached);
            ours.push(mutator_pause(&heap) / reached as f64);
        }
        let (ours, floor) = (median(ours), median(floors));
        println!(
            "  {markers} marker(s): {ours:6.2} ns a node ({reached} reached), bare walk on one thread \
             {floor:6.2} ns, ratio {:.2}",
            ours / floor
        );
        drop(mutator);
    }
}

/// The last pause in nanoseconds: nearly all of it is marking.
fn mutator_pause(heap: &Heap<Node>) -> f64 {
    heap.stats().last_pause.as_nanos() as f64
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
