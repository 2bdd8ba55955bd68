//! Nothing but pointer stores into old objects, while collections go on: what a store costs, faults
//! and stops included.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use strandline::{Heap, Mutator, ObjectRef, StackScan};

use crate::driver::{Failure, Outcome, Workload};
use crate::graph::{NODES_PER_MIB, SharedArray, new_nodes, node};
use crate::model::{Array, Records};
use crate::operations::Operations;
use crate::options::Options;
use crate::random::{Locality, Picks};
use crate::write::Writer;

/// Pointer stores into old objects, and no allocation, with ten collections a second
#[derive(Debug, Args)]
pub(crate) struct Stores {
    /// MiB of old objects
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    mib: u32,
    /// Which of them are written to
    pattern: Locality,
    /// What the collections look at
    #[arg(default_value = "minor")]
    cycles: Cycles,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cycles {
    /// New objects, and old ones on dirty pages
    Minor,
    /// All objects
    Full,
}

/// Time from one collection to the next. Those that are due while one is under way are left out.
const PERIOD: Duration = Duration::from_millis(100);

/// The stores are drawn beforehand, so that drawing is not what is measured, and done in many
/// passes.
const STORES: usize = 1 << 20;
const PASSES: usize = 128;

/// Stores that are timed as one operation, and that follow one safepoint.
const OPERATION: usize = 1024;

impl Stores {
    fn nodes(&self) -> usize {
        self.mib as usize * NODES_PER_MIB as usize
    }

    /// The numbers of the nodes that are written to, in order. Whole operations.
    fn targets(&self, seed: u64) -> Vec<u32> {
        let mut picks = Picks::new(self.pattern, self.nodes(), seed, (0, 1));
        (0..STORES.min(self.nodes())).map(|_| picks.next() as u32).collect()
    }
}

/// Stores into each target the one before. Returns the operations.
fn store<W: Writer>(
    mutator: &mut Mutator,
    writer: W,
    targets: &[ObjectRef],
    mut operations: Operations,
) -> Operations {
    let mut before = *targets.last().expect("there are nodes");
    for operation in (0..PASSES).flat_map(|_| targets.chunks(OPERATION)) {
        for &target in operation {
            // SAFETY: all targets are nodes, kept alive by the array that they were found in.
            unsafe { writer.write(&raw mut (*node(target)).young, Some(before)) };
            before = target;
        }
        mutator.safepoint();
        operations.lap();
    }
    operations
}

/// Collects at a fixed rate until the other end of `ended` is gone.
fn collect_steadily(
    heap: &Heap<Records>,
    cycles: Cycles,
    ended: &Receiver<()>,
) -> Result<(), Failure> {
    let mut mutator = heap.attach(StackScan::None)?;
    let mut due = Instant::now() + PERIOD;
    loop {
        let wait = || ended.recv_timeout(due.saturating_duration_since(Instant::now()));
        if mutator.blocking(wait) == Err(RecvTimeoutError::Disconnected) {
            return Ok(());
        }
        match cycles {
            Cycles::Minor => mutator.collect_young(),
            Cycles::Full => mutator.collect(),
        }
        while due <= Instant::now() {
            due += PERIOD;
        }
    }
}

/// The sum of what was stored, by number.
fn sum(nodes: Array) -> u64 {
    let stored = |index| {
        // SAFETY: the nodes of an array that is alive, and what they refer to.
        unsafe { (*node(nodes.get(index)?)).young.map(|young| (*node(young)).id) }
    };
    (0..nodes.length()).filter_map(stored).sum()
}

impl Workload for Stores {
    const NAME: &'static str = "stores";
    type Model = Records;

    fn run<W: Writer>(
        &self,
        heap: &Heap<Records>,
        writer: W,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let nodes = SharedArray::build(heap, |mutator| new_nodes(mutator, writer, self.nodes()))?;
        let nodes = || nodes.get();
        let find = |target| nodes().get(target as usize).expect("the array is full");
        let targets: Vec<_> = self.targets(options.seed).into_iter().map(find).collect();
        let setup = start.elapsed();

        let mut mutator = heap.attach(StackScan::None)?;
        let start = Instant::now();
        let stored = std::thread::scope(|scope| {
            let (end, ended) = channel();
            let collecting = (!options.no_collect)
                .then(|| scope.spawn(move || collect_steadily(heap, self.cycles, &ended)));
            let operations = store(&mut mutator, writer, &targets, Operations::new(start, 0));
            let run = start.elapsed();
            drop(end);
            let collecting = collecting.map(|thread| mutator.blocking(|| thread.join()));
            collecting.transpose().expect("the collecting thread does not panic").transpose()?;
            Ok::<_, Failure>((operations, run))
        });
        let (operations, run) = stored?;
        Ok(Outcome {
            threads: 1,
            setup: Some(setup),
            run,
            operations: Some(operations),
            store_ns: Some(run.as_nanos() as f64 / (PASSES * targets.len()) as f64),
            sum: sum(nodes()),
            ..Outcome::default()
        })
    }

    /// The last store into each node, in the last pass.
    fn expected_sum(&self, seed: u64) -> u64 {
        let targets = self.targets(seed);
        let mut seen = vec![false; self.nodes()];
        let last_stores = (0..targets.len())
            .rev()
            .filter(|&index| !std::mem::replace(&mut seen[targets[index] as usize], true));
        let stored = |index: usize| targets[(index + targets.len() - 1) % targets.len()];
        last_stores.map(|index| u64::from(stored(index))).sum()
    }
}
