//! Allocation beside a bare bump pointer that clears the same bytes and records one object start.
//!
//! In processor time of the allocating thread, so that other users of the machine disturb less. What
//! the background sweeper does at the same time is not in it; what the thread sweeps itself is.

use strandline::{Heap, HeapOptions, Kind, ObjectModel, ObjectRef, Sizing, SlotVisitor, StackScan};

use crate::{median, thread_ns};

const BYTES: usize = 256 << 20;
const ROUNDS: usize = 11;

struct Opaque;

// SAFETY: the objects of this benchmark hold no references.
unsafe impl ObjectModel for Opaque {
    unsafe fn trace<V: SlotVisitor>(&self, _object: ObjectRef, _visitor: &mut V) {}
}

pub(crate) fn run() {
    println!("allocate: {} MiB of objects of one size, recycled memory", BYTES >> 20);
    for size in [16, 32, 64, 256, 1024] {
        let options =
            HeapOptions { limit: 2 << 30, sizing: Sizing::Fixed, ..HeapOptions::default() };
        let heap = Heap::new(Opaque, options).unwrap();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let mut bare = Bare::new();
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let count = BYTES / size;
            let start = thread_ns();
            for _ in 0..count {
                std::hint::black_box(mutator.allocate(Kind::Precise, size).unwrap());
            }
            let our = (thread_ns() - start) / count as f64;
            mutator.collect();
            let start = thread_ns();
            for _ in 0..count {
                std::hint::black_box(bare.allocate(size));
            }
            let floor = (thread_ns() - start) / count as f64;
            bare.reset();
            // The first round commits the memory, the second touches it first.
            if round > 1 {
                ours.push(our);
                floors.push(floor);
            }
        }
        let (ours, floor) = (median(ours), median(floors));
        println!("  {size:5} bytes: {ours:6.2} ns, bare {floor:6.2} ns, ratio {:.2}", ours / floor);
    }
}

/// A bump pointer in one area, cleared in pieces of 16 KiB, with a bit for each object start.
struct Bare {
    memory: Vec<u64>,
    starts: Vec<u64>,
    cursor: usize,
    limit: usize,
}

const PIECE: usize = 16 << 10;

impl Bare {
    fn new() -> Self {
        let memory = vec![1_u64; (BYTES + PIECE) / 8];
        Self { memory, starts: vec![0; BYTES / 16 / 64 + 64], cursor: 0, limit: 0 }
    }

    #[inline]
    fn allocate(&mut self, size: usize) -> *mut u8 {
        let start = self.cursor;
        if self.limit - start < size {
            self.clear();
        }
        self.cursor = start + size;
        self.starts[start / 1024] |= 1 << (start / 16 % 64);
        self.memory.as_mut_ptr().cast::<u8>().wrapping_add(start)
    }

    #[cold]
    #[inline(never)]
    fn clear(&mut self) {
        self.memory[self.limit / 8..(self.limit + PIECE) / 8].fill(0);
        self.limit += PIECE;
    }

    fn reset(&mut self) {
        (self.cursor, self.limit) = (0, 0);
        self.starts.fill(0);
    }
}
