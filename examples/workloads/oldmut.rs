//! A large old graph, new objects that die young, and stores of new objects into old ones: what
//! generations are about, and what page-sized cards make hard.

use std::time::Instant;

use clap::Args;
use strandline::{Heap, Mutator, OutOfMemory, StackScan};

use crate::driver::{Failure, Outcome, Workload, on_threads};
use crate::graph::{NODES_PER_MIB, SharedArray, new_node, new_nodes, node};
use crate::model::{Array, Records};
use crate::operations::Operations;
use crate::options::Options;
use crate::random::{Lehmer, Locality, Picks};
use crate::write::Writer;

/// Threads allocate beside a large old graph and store some of the new objects into it
#[derive(Debug, Args)]
pub(crate) struct OldMut {
    /// Old objects
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    nodes: u32,
    /// MiB to allocate, by all threads together
    alloc_mib: u32,
    /// Threads
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Of the objects in each MiB, how many are stored into an old one
    #[arg(default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=NODES_PER_MIB as i64))]
    stores: u32,
    /// Which old ones
    #[arg(default_value = "uniform")]
    locality: Locality,
}

/// New objects that a thread remembers.
const RING: usize = 1024;

/// Allocations that are timed as one operation.
const OPERATION: usize = 1000;

/// Decides when a new object is stored: evenly, so many times in each MiB.
struct Stores {
    per_mib: u32,
    due: u32,
}

impl Stores {
    fn is_due(&mut self) -> bool {
        self.due += self.per_mib;
        let due = self.due >= NODES_PER_MIB;
        self.due -= if due { NODES_PER_MIB } else { 0 };
        due
    }
}

impl OldMut {
    fn nodes(&self) -> usize {
        self.nodes as usize
    }

    /// Allocations of a thread.
    fn share(&self, thread: usize) -> usize {
        let (total, threads) =
            (self.alloc_mib as usize * NODES_PER_MIB as usize, usize::from(self.threads));
        total / threads + usize::from(thread < total % threads)
    }

    fn picks(&self, seed: u64, thread: usize) -> (Stores, Picks) {
        let of = (thread, usize::from(self.threads));
        let picks = Picks::new(self.locality, self.nodes(), seed, of);
        (Stores { per_mib: self.stores, due: 0 }, picks)
    }

    /// The old graph: an array of nodes, each with two random ones.
    fn build<W: Writer>(
        &self,
        mutator: &mut Mutator,
        writer: W,
        seed: u64,
    ) -> Result<Array, OutOfMemory> {
        let nodes = new_nodes(mutator, writer, self.nodes())?;
        let mut random = Lehmer::new(seed);
        for index in 0..self.nodes() {
            if index.is_multiple_of(OPERATION) {
                mutator.safepoint();
            }
            let node = node(nodes.get(index).expect("the array is full"));
            let mut any = || nodes.get(random.below(self.nodes()));
            // SAFETY: the node is reachable from the array, which is on this thread's stack.
            unsafe {
                writer.write(&raw mut (*node).left, any());
                writer.write(&raw mut (*node).right, any());
            }
        }
        Ok(nodes)
    }

    /// What one thread does. Returns the times of its operations.
    fn mutate<W: Writer>(
        &self,
        mutator: &mut Mutator,
        writer: W,
        nodes: Array,
        (mut stores, mut picks): (Stores, Picks),
        count: usize,
        mut operations: Operations,
    ) -> Result<Operations, OutOfMemory> {
        let ring = Array::new(mutator, RING)?;
        for turn in 0..count {
            let new = new_node(mutator, turn as u64)?;
            ring.set(turn % RING, Some(new), writer);
            if stores.is_due() {
                let owner = picks.next();
                let old = nodes.get(owner).expect("the array is full");
                // SAFETY: both are nodes, and reachable from arrays on this thread's stack.
                unsafe {
                    (*node(new)).owner = owner as u64;
                    writer.write(&raw mut (*node(old)).young, Some(new));
                }
            }
            if turn % OPERATION == OPERATION - 1 {
                operations.lap();
            }
        }
        Ok(operations)
    }

    /// The sum of all that can be reached from the array in one step, and itself.
    fn sum(&self, mutator: &mut Mutator, nodes: Array) -> u64 {
        let sum = |index: usize| {
            if index.is_multiple_of(OPERATION) {
                mutator.safepoint();
            }
            let old = node(nodes.get(index)?);
            // SAFETY: the node is reachable from the array, and with it those that it refers to,
            // which are nodes as well.
            unsafe {
                let neighbours = (*node((*old).left?)).id + (*node((*old).right?)).id;
                let young = (*old).young.map_or(0, |young| (*node(young)).owner + 1);
                Some((*old).id + neighbours + young)
            }
        };
        (0..self.nodes()).filter_map(sum).sum()
    }
}

impl Workload for OldMut {
    const NAME: &'static str = "oldmut";
    type Model = Records;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Records>,
        writer: W,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        let (seed, start) = (options.seed, Instant::now());
        let nodes = SharedArray::build(heap, |mutator| self.build(mutator, writer, seed))?;
        let setup = start.elapsed();

        let (threads, start) = (usize::from(self.threads), Instant::now());
        let operations = on_threads(threads, |thread| {
            let mut mutator = heap.attach(StackScan::Conservative)?;
            let (picks, count) = (self.picks(seed, thread), self.share(thread));
            let operations = Operations::new(start, thread);
            Ok(self.mutate(&mut mutator, writer, nodes.get(), picks, count, operations)?)
        })?;
        let run = start.elapsed();

        let mut mutator = heap.attach(StackScan::None)?;
        Ok(Outcome {
            threads,
            setup: Some(setup),
            run,
            operations: Operations::all(operations),
            sum: self.sum(&mut mutator, nodes.get()),
            ..Outcome::default()
        })
    }

    /// Which threads stored into a node last is a matter of chance, but not into which nodes: the
    /// new objects there are summed by their owners.
    fn expected_sum(&self, seed: u64) -> u64 {
        let mut random = Lehmer::new(seed);
        let neighbours = (0..2 * self.nodes()).map(|_| random.below(self.nodes()) as u64);
        let mut sum = (0..u64::from(self.nodes)).sum::<u64>() + neighbours.sum::<u64>();
        let mut owners = vec![false; self.nodes()];
        for thread in 0..usize::from(self.threads) {
            let (mut stores, mut picks) = self.picks(seed, thread);
            for _ in (0..self.share(thread)).filter(|_| stores.is_due()) {
                let owner = picks.next();
                if !std::mem::replace(&mut owners[owner], true) {
                    sum += owner as u64 + 1;
                }
            }
        }
        sum
    }
}
