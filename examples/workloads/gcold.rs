//! GCOld, by Detlefs, after Clinger's variant: old trees that are replaced by new ones and exchange
//! their branches, beside trees that die at once. Exchanges write to pages all over the old trees.

use std::time::Instant;

use clap::Args;
use strandline::{Heap, Mutator, ObjectRef, OutOfMemory, StackScan};

use crate::driver::{Failure, Outcome, Workload};
use crate::graph::SharedArray;
use crate::levels::{self, level_sum};
use crate::model::{Array, Records};
use crate::operations::Operations;
use crate::options::Options;
use crate::random::{Lehmer, MODULUS};
use crate::trees::tree_size;
use crate::write::Writer;

/// Old trees are replaced, and exchange their branches, beside trees that die at once (GCOld)
#[derive(Debug, Args)]
pub(crate) struct GcOld {
    /// Old trees, of 1 MiB each
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    live_mib: u32,
    /// Random numbers drawn for each allocation: work without an allocation
    work: u32,
    /// MiB of trees that die at once, for each old tree that is replaced
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    ratio: u32,
    /// Exchanges of branches between old trees, for each allocation
    mutation: u32,
    /// Old trees to replace
    steps: u32,
}

/// An old tree: 1 MiB in nodes of 32 bytes.
const OLD: u32 = 14;

/// A tree that dies at once: 32 KiB.
const YOUNG: u32 = 9;
const YOUNG_PER_MIB: u32 = 32;

/// Exchanges between safepoints.
const EXCHANGES: u64 = 32;

struct Program<'a, W> {
    mutator: &'a mut Mutator,
    writer: W,
    trees: Array,
    random: Lehmer,
    work: Lehmer,
}

impl<W: Writer> Program<'_, W> {
    /// What follows so many allocations.
    fn after(&mut self, nodes: u64, workload: &GcOld) {
        for number in 0..nodes * u64::from(workload.mutation) {
            if number.is_multiple_of(EXCHANGES) {
                self.mutator.safepoint();
            }
            self.exchange();
        }
        for _ in 0..nodes * u64::from(workload.work) {
            self.work.below(2);
        }
        self.mutator.safepoint();
    }

    /// Exchanges two branches, at the same height, of two old trees.
    fn exchange(&mut self) {
        let mut tree = || self.trees.get(self.random.below(self.trees.length()));
        let (first, second) = (tree().expect("it is full"), tree().expect("it is full"));
        // A branch is what is to the left of a node that is not just above the leaves.
        let depth = self.random.below(OLD as usize - 1);
        let path = self.random.below(MODULUS as usize);
        let (first, second) =
            (levels::descend(first, depth, path), levels::descend(second, depth, path >> 15));
        levels::exchange_left(first, second, self.writer);
    }

    /// A tree that dies at once. Not inlined, so that nothing on the stack remembers it.
    #[inline(never)]
    fn young(&mut self) -> Result<u64, OutOfMemory> {
        Ok(levels::left_spine(levels::tree(self.mutator, self.writer, YOUNG)?))
    }

    fn step(&mut self, workload: &GcOld, operations: &mut Operations) -> Result<u64, OutOfMemory> {
        let mut sum = 0;
        for _ in 0..workload.ratio * YOUNG_PER_MIB {
            sum += self.young()?;
            self.after(tree_size(YOUNG), workload);
            operations.lap();
        }
        let at = self.random.below(self.trees.length());
        let tree = levels::tree(self.mutator, self.writer, OLD)?;
        self.trees.set(at, Some(tree), self.writer);
        self.after(tree_size(OLD), workload);
        operations.lap();
        Ok(sum)
    }
}

fn build<W: Writer>(mutator: &mut Mutator, writer: W, count: usize) -> Result<Array, OutOfMemory> {
    let trees = Array::new(mutator, count)?;
    for index in 0..count {
        let tree: ObjectRef = levels::tree(mutator, writer, OLD)?;
        trees.set(index, Some(tree), writer);
    }
    Ok(trees)
}

impl Workload for GcOld {
    const NAME: &'static str = "gcold";
    type Model = Records;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Records>,
        writer: W,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let trees =
            SharedArray::build(heap, |mutator| build(mutator, writer, self.live_mib as usize))?;
        let setup = start.elapsed();

        let mut mutator = heap.attach(StackScan::Conservative)?;
        let (start, trees) = (Instant::now(), trees.get());
        let (random, work) = (Lehmer::of_thread(options.seed, 0), Lehmer::new(options.seed));
        let mut program = Program { mutator: &mut mutator, writer, trees, random, work };
        let (mut operations, mut sum) = (Operations::new(start, 0), 0);
        for _ in 0..self.steps {
            sum += program.step(self, &mut operations)?;
        }
        sum += program.work.below(MODULUS as usize) as u64;
        let run = start.elapsed();
        for index in 0..trees.length() {
            sum += levels::sum(trees.get(index).expect("it is full"));
            mutator.safepoint();
        }
        let (setup, operations) = (Some(setup), Some(operations));
        Ok(Outcome { threads: 1, setup, run, operations, sum, ..Outcome::default() })
    }

    /// The left edges of the young trees, the heights of all nodes of the old ones (exchanges are of
    /// branches of the same height), and the random number that the work ends with.
    fn expected_sum(&self, seed: u64) -> u64 {
        let (steps, young) = (u64::from(self.steps), u64::from(self.ratio * YOUNG_PER_MIB));
        let nodes = steps * (young * tree_size(YOUNG) + tree_size(OLD));
        let mut work = Lehmer::new(seed);
        for _ in 0..nodes * u64::from(self.work) {
            work.below(2);
        }
        steps * young * u64::from(YOUNG + 1)
            + u64::from(self.live_mib) * level_sum(OLD)
            + work.below(MODULUS as usize) as u64
    }
}
