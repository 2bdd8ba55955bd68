//! The binary trees of the benchmarks game: trees of all sizes come and go while a large one stays.

use std::hint::black_box;
use std::time::Instant;

use clap::Args;
use strandline::{Heap, Mutator, OutOfMemory, StackScan};

use crate::driver::{Failure, Outcome, Workload};
use crate::model::Nodes;
use crate::options::Options;
use crate::trees::{Children, Tree, forget, tree_size};
use crate::write::Writer;

/// Binary trees come and go, counted node by node, while a large one stays (benchmarks game)
#[derive(Debug, Args)]
pub(crate) struct BinTrees {
    /// Levels of the tree that stays
    #[arg(value_parser = clap::value_parser!(u32).range(6..=28))]
    depth: u32,
}

/// Two references, and what a header would take elsewhere, rounded up: 32 bytes.
#[repr(C)]
struct Node {
    children: Children,
    payload: [u64; 2],
}

const SMALLEST: u32 = 4;

impl BinTrees {
    /// The depths of the trees that come and go, and how many there are of each.
    fn rounds(&self) -> impl Iterator<Item = (u32, u64)> {
        let most = self.depth;
        (SMALLEST..=most).step_by(2).map(move |depth| (depth, 1 << (most - depth + SMALLEST)))
    }
}

/// A tree that is dropped at once.
fn passing<W: Writer>(mutator: &mut Mutator, writer: W, depth: u32) -> Result<u64, OutOfMemory> {
    let count = counted(mutator, writer, depth);
    forget(depth);
    count
}

/// A function of its own, so that its frame is gone when the stack is overwritten.
#[inline(never)]
fn counted<W: Writer>(mutator: &mut Mutator, writer: W, depth: u32) -> Result<u64, OutOfMemory> {
    let tree = Tree::<Node>::bottom_up(mutator, writer, depth)?;
    Ok(tree.count(mutator))
}

impl Workload for BinTrees {
    const NAME: &'static str = "bintrees";
    type Model = Nodes;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Nodes>,
        writer: W,
        _: &Options,
    ) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach(StackScan::Conservative)?;
        let start = Instant::now();
        let mut sum = passing(&mut mutator, writer, self.depth + 1)?;
        let long_lived = Tree::<Node>::bottom_up(&mut mutator, writer, self.depth)?;
        for (depth, count) in self.rounds() {
            for _ in 0..count {
                sum += passing(&mut mutator, writer, depth)?;
            }
        }
        sum += black_box(long_lived).count(&mut mutator);
        Ok(Outcome { threads: 1, run: start.elapsed(), sum, ..Outcome::default() })
    }

    /// The number of nodes of all trees.
    fn expected_sum(&self, _seed: u64) -> u64 {
        let passing: u64 = self.rounds().map(|(depth, count)| count * tree_size(depth)).sum();
        tree_size(self.depth + 1) + passing + tree_size(self.depth)
    }
}
