//! A splay tree: every look-up rearranges the path to what it finds, so old nodes are written to all
//! the time, and each insertion is followed by a removal.

use std::collections::BTreeSet;
use std::time::Instant;

use clap::Args;
use strandline::{Heap, Mutator, ObjectRef, OutOfMemory, StackScan};

use crate::driver::{Failure, Outcome, Workload};
use crate::levels;
use crate::model::Records;
use crate::operations::Operations;
use crate::options::Options;
use crate::random::{Lehmer, MODULUS};
use crate::write::Writer;

mod tree;

use tree::SplayTree;

/// A splay tree with payload: insertions and removals in turn, each timed
#[derive(Debug, Args)]
pub(crate) struct Splay {
    /// Nodes in the tree
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    nodes: u32,
    /// Insertions, each with a removal
    ops: u64,
}

/// Height of the tree that each node carries: 15 objects of 32 bytes.
const PAYLOAD: u32 = 3;

/// A key: two random numbers.
fn key(random: &mut Lehmer) -> u64 {
    let high = random.below(MODULUS as usize) as u64;
    high << 31 | random.below(MODULUS as usize) as u64
}

struct Program<'a, W> {
    mutator: &'a mut Mutator,
    tree: SplayTree<W>,
    random: Lehmer,
}

impl<W: Writer> Program<'_, W> {
    /// Inserts a node with a key that is not there yet. Returns the key.
    fn insert(&mut self, writer: W) -> Result<u64, OutOfMemory> {
        // A block of memory is enough for a hundred insertions.
        self.mutator.safepoint();
        loop {
            let key = key(&mut self.random);
            if !self.tree.find(key) {
                let payload = levels::tree(self.mutator, writer, PAYLOAD)?;
                self.tree.insert(self.mutator, key, payload)?;
                return Ok(key);
            }
        }
    }
}

impl Workload for Splay {
    const NAME: &'static str = "splay";
    type Model = Records;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Records>,
        writer: W,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        let mut mutator = heap.attach(StackScan::Conservative)?;
        let random = Lehmer::of_thread(options.seed, 0);
        let start = Instant::now();
        let mut program = Program { mutator: &mut mutator, tree: SplayTree::new(writer), random };
        for _ in 0..self.nodes {
            program.insert(writer)?;
        }
        let (setup, start) = (start.elapsed(), Instant::now());
        let mut operations = Operations::new(start, 0);
        for _ in 0..self.ops {
            let key = program.insert(writer)?;
            program.tree.remove_at_or_below(key);
            operations.lap();
        }
        let run = start.elapsed();
        let Program { mutator, tree, .. } = &mut program;
        let sum = sum(tree.nodes().map(|(key, payload)| {
            mutator.safepoint();
            (key, levels::sum(payload))
        }));
        let (setup, operations) = (Some(setup), Some(operations));
        Ok(Outcome { threads: 1, setup, run, operations, sum, ..Outcome::default() })
    }

    fn expected_sum(&self, seed: u64) -> u64 {
        let (mut keys, mut random) = (BTreeSet::new(), Lehmer::of_thread(seed, 0));
        for turn in 0..u64::from(self.nodes) + self.ops {
            let mut new = key(&mut random);
            while !keys.insert(new) {
                new = key(&mut random);
            }
            if turn >= u64::from(self.nodes) {
                let removed = keys.range(..new).next_back().copied().unwrap_or(new);
                keys.remove(&removed);
            }
        }
        sum(keys.into_iter().map(|key| (key, levels::level_sum(PAYLOAD))))
    }
}

/// The keys in order, each times its place from 1 on, and the payloads.
fn sum(nodes: impl Iterator<Item = (u64, u64)>) -> u64 {
    nodes.zip(1..).fold(0, |sum: u64, ((key, payload), place)| {
        sum.wrapping_add(key.wrapping_mul(place)).wrapping_add(payload)
    })
}

/// The objects that a node refers to.
type Children = (Option<ObjectRef>, Option<ObjectRef>);
