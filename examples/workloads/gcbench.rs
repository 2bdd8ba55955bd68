//! GCBench, by Ellis, Kovac and Boehm: trees built from above and from below while a tree and an
//! array stay.

use std::hint::black_box;
use std::time::Instant;

use clap::Args;
use strandline::{Heap, Kind, Mutator, ObjectRef, OutOfMemory, StackScan};

use crate::driver::{Failure, Outcome, Workload, on_threads};
use crate::model::Nodes;
use crate::options::Options;
use crate::trees::{Children, Tree, forget, tree_size};
use crate::write::Writer;

/// Binary trees built from above and below while a tree and an array stay (GCBench)
#[derive(Debug, Args)]
pub(crate) struct GcBench {
    /// Times to run the whole program in each thread
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    reps: u32,
    /// Threads, with trees of their own
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
}

/// Left, right, i, j: 32 bytes.
#[repr(C)]
struct Node {
    children: Children,
    payload: [u64; 2],
}

const STRETCH: u32 = 18;
const LONG_LIVED: u32 = 16;
const ARRAY: usize = 500_000;

/// The depths of the trees that come and go, and how many of each are built in either way.
fn rounds() -> impl Iterator<Item = (u32, u64)> {
    (4..=16).step_by(2).map(|depth| (depth, 2 * tree_size(STRETCH) / tree_size(depth)))
}

/// The length of the left edge of a tree that is dropped at once. Functions of their own, so that their
/// frames are gone when the stack is overwritten.
#[inline(never)]
fn from_below<W: Writer>(mutator: &mut Mutator, writer: W, depth: u32) -> Result<u64, OutOfMemory> {
    Ok(Tree::<Node>::bottom_up(mutator, writer, depth)?.left_spine())
}

#[inline(never)]
fn from_above<W: Writer>(mutator: &mut Mutator, writer: W, depth: u32) -> Result<u64, OutOfMemory> {
    Ok(Tree::<Node>::top_down(mutator, writer, depth)?.left_spine())
}

/// An array of doubles, the first half filled in. It holds no references.
fn new_array(mutator: &mut Mutator) -> Result<ObjectRef, OutOfMemory> {
    let array = mutator.allocate(Kind::Leaf, ARRAY * size_of::<f64>())?;
    for index in 0..ARRAY / 2 {
        // SAFETY: the array has that element.
        unsafe { array.as_ptr::<f64>().add(index).write(1.0 / (index + 1) as f64) };
    }
    Ok(array)
}

/// How many elements of the array are what they should be.
fn check_array(array: ObjectRef) -> u64 {
    let right = |&index: &usize| {
        // SAFETY: the array has that element, and is reachable from the caller's stack.
        let element = unsafe { array.as_ptr::<f64>().add(index).read() };
        element == if index < ARRAY / 2 { 1.0 / (index + 1) as f64 } else { 0.0 }
    };
    (0..ARRAY).filter(right).count() as u64
}

/// The whole program, once.
#[inline(never)]
fn program<W: Writer>(mutator: &mut Mutator, writer: W) -> Result<u64, OutOfMemory> {
    let mut sum = from_below(mutator, writer, STRETCH)?;
    forget(STRETCH);
    let long_lived = Tree::<Node>::top_down(mutator, writer, LONG_LIVED)?;
    let array = new_array(mutator)?;
    for (depth, count) in rounds() {
        for _ in 0..count {
            sum += from_above(mutator, writer, depth)?;
            forget(depth);
        }
        for _ in 0..count {
            sum += from_below(mutator, writer, depth)?;
            forget(depth);
        }
    }
    Ok(sum + black_box(long_lived).count(mutator) + check_array(black_box(array)))
}

impl Workload for GcBench {
    const NAME: &'static str = "gcbench";
    type Model = Nodes;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Nodes>,
        writer: W,
        _: &Options,
    ) -> Result<Outcome, Failure> {
        let (threads, start) = (usize::from(self.threads), Instant::now());
        let sums = on_threads(threads, |_| {
            let mut mutator = heap.attach(StackScan::Conservative)?;
            (0..self.reps).try_fold(0, |sum, _| {
                let more = program(&mut mutator, writer)?;
                forget(STRETCH);
                Ok(sum + more)
            })
        })?;
        let (run, sum, repetitions) =
            (start.elapsed(), sums.iter().sum(), Some(self.reps as usize));
        Ok(Outcome { threads, repetitions, run, sum, ..Outcome::default() })
    }

    /// The nodes on the left edges of all trees that went, all nodes of those that stayed, and the
    /// elements of the arrays.
    fn expected_sum(&self, _seed: u64) -> u64 {
        let edge = |depth: u32| u64::from(depth) + 1;
        let passing: u64 = rounds().map(|(depth, count)| 2 * count * edge(depth)).sum();
        let program = edge(STRETCH) + passing + tree_size(LONG_LIVED) + ARRAY as u64;
        program * u64::from(self.reps) * u64::from(self.threads)
    }
}
