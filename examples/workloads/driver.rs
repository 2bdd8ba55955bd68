//! Runs a workload on a heap of its own, checks what it says and reports.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use strandline::os::OsError;
use strandline::{CycleReport, Heap, HeapError, HeapStats, ObjectModel, OutOfMemory};

use crate::operations::Operations;
use crate::options::Options;
use crate::report;
use crate::write::{Carded, Plain, Writer};

/// Something that keeps a heap busy.
pub(crate) trait Workload {
    const NAME: &'static str;

    /// What its objects look like.
    type Model: ObjectModel + Default;

    /// Does the work.
    fn run<W: Writer>(
        &self,
        heap: &Heap<Self::Model>,
        writer: W,
        options: &Options,
    ) -> Result<Outcome, Failure>;

    /// What [`Outcome::sum`] must be, worked out without the heap.
    fn expected_sum(&self, seed: u64) -> u64;
}

/// What a run has to say for itself.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) threads: usize,
    pub(crate) repetitions: Option<usize>,
    pub(crate) setup: Option<Duration>,
    pub(crate) run: Duration,
    /// Times of single operations.
    pub(crate) operations: Option<Operations>,
    pub(crate) store_ns: Option<f64>,
    /// Worked out from what is in the heap: wrong if anything was lost or damaged.
    pub(crate) sum: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the check value is {sum} and must be {expected}")]
    WrongSum { sum: u64, expected: u64 },
    #[error("no heap: {0}")]
    Heap(#[from] HeapError),
    #[error("cannot attach a thread: {0}")]
    Attach(#[from] OsError),
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    #[error("out of memory without a collection: there were {0}; raise --max-heap-mib")]
    Collected(u64),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::WrongSum { .. } => 1,
            Self::Heap(_) | Self::Attach(_) => 2,
            Self::OutOfMemory(_) | Self::Collected(_) => 3,
        })
    }
}

/// Runs a workload and prints the result.
pub(crate) fn run<L: Workload>(workload: &L, options: &Options) -> Result<(), Failure> {
    let heap = Heap::new(L::Model::default(), options.heap())?;
    let outcome = work(&heap, workload, options)?;
    let (stats, cycles) = figures(&heap);
    // Beside the result: no reason to fail if it cannot be written.
    let _ = writeln!(std::io::stderr(), "{}\n{stats}", heap.tracker());
    if options.no_collect && stats.collections > 0 {
        return Err(Failure::Collected(stats.collections));
    }
    let run = report::Run {
        name: L::NAME,
        outcome: &outcome,
        stats: &stats,
        tracker: &heap.tracker().tracker,
        cycles: &cycles,
    };
    println!("{}", if options.json { run.json() } else { run.line() });
    check(workload, &outcome, options)
}

/// What the heap has counted and recorded: a cycle that ends just now is in both or in neither.
fn figures<M: ObjectModel>(heap: &Heap<M>) -> (HeapStats, Vec<CycleReport>) {
    loop {
        let (stats, cycles) = (heap.stats(), heap.cycles());
        if cycles.last().map_or(0, |cycle| cycle.number) == stats.collections {
            return (stats, cycles);
        }
        std::thread::yield_now();
    }
}

/// Has the work done with the kind of stores that the heap's tracker needs.
fn work<L: Workload>(
    heap: &Heap<L::Model>,
    workload: &L,
    options: &Options,
) -> Result<Outcome, Failure> {
    match heap.tracker().tracker.cards() {
        Some(cards) => workload.run(heap, Carded(cards), options),
        None => workload.run(heap, Plain, options),
    }
}

fn check(workload: &impl Workload, outcome: &Outcome, options: &Options) -> Result<(), Failure> {
    let (sum, expected) = (outcome.sum, workload.expected_sum(options.seed));
    if sum == expected { Ok(()) } else { Err(Failure::WrongSum { sum, expected }) }
}

/// Runs `work` on some threads, with their numbers, and collects what they return.
pub(crate) fn on_threads<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    std::thread::scope(|scope| {
        let work = &work;
        let spawn = |thread| {
            let builder = std::thread::Builder::new().name(format!("mutator {thread}"));
            builder.spawn_scoped(scope, move || work(thread)).expect("threads can be made")
        };
        let threads: Vec<_> = (0..threads).map(spawn).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        // All are joined, whether or not one of them has failed.
        threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
    })
}

#[cfg(test)]
mod tests;
