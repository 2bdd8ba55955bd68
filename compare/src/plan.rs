//! What is run: workloads, sizes, heap limits.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::subject::Subject;

use Part::{Limits, Live, Stores, Table, Threads};

/// A question that runs are to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Every workload at a limit of twice or four times what is alive
    Table,
    /// Limits from 1.3 to 6 times what is alive
    Limits,
    /// Old heaps of different sizes
    Live,
    /// 1 to 4 threads
    Threads,
    /// What a store costs
    Stores,
}

impl Part {
    /// Who is asked.
    pub(crate) fn subjects(self) -> &'static [Subject] {
        match self {
            Table | Limits => &Subject::ALL,
            Live => &Subject::FOR_LARGE_HEAPS,
            Threads => &Subject::COLLECTORS,
            Stores => &Subject::TRACKERS,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Quick,
    Standard,
}

/// A workload with its arguments at one limit, for every collector.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// What it is part of, each with what that part varies: the limit as a multiple of what is alive,
    /// old MiB, threads.
    pub(crate) parts: Vec<(Part, f64)>,
    /// As on the command line of the workloads.
    pub(crate) workload: String,
    pub(crate) limit_mib: u64,
    /// Who runs it.
    pub(crate) subjects: Vec<Subject>,
}

impl Job {
    pub(crate) fn label(&self) -> String {
        format!("{} at {} MiB", self.workload, self.limit_mib)
    }
}

/// What is the same run: who takes no limit runs a workload in the same way at each.
pub(crate) type RunKey = (String, Option<u64>, Subject);

pub(crate) fn run_key(workload: &str, limit_mib: u64, subject: Subject) -> RunKey {
    (workload.to_owned(), subject.collects().then_some(limit_mib), subject)
}

/// The number that is the argument of that place, from 1 on, of a workload of the plan.
pub(crate) fn argument(workload: &str, place: usize) -> f64 {
    let word = workload.split(' ').nth(place);
    word.and_then(|word| word.parse().ok()).expect("a number in the plan")
}

pub(crate) fn first_word(workload: &str) -> &str {
    workload.split(' ').next().unwrap_or(workload)
}

/// What is alive at once, in MiB, by the convention that limits go by: it includes what a collector
/// needs to know about objects.
pub(crate) fn live_mib(workload: &str) -> f64 {
    let number = |place| argument(workload, place);
    match first_word(workload) {
        "gcbench" => 24.0 * number(2),
        "bintrees" => 32.0 * 2_f64.powf(number(1) - 18.0),
        "oldmut" => 800.0 / 8_388_608.0 * number(1),
        "lru" => 384.0 / 1e6 * number(1),
        "gcold" => 1.1 * number(1),
        "splay" => 6e-4 * number(1),
        "strings" => 215.0,
        "server" => 4e-3 * number(1),
        "stores" => 1.5 * number(1),
        other => unreachable!("the plan has no workload {other}"),
    }
}

/// Beyond that a run without a collection would be one of a machine that is short of memory.
const MOST_WITHOUT_COLLECTION_GIB: f64 = 12.0;

/// What is allocated altogether, of workloads of which it may be much.
fn allocated_gib(workload: &str) -> f64 {
    let number = |place| argument(workload, place);
    match first_word(workload) {
        // At each of (DEPTH - 2) / 2 depths 16 times as much as the longest-lived tree.
        "bintrees" => (number(1) - 2.0) * 2_f64.powf(number(1) - 21.0),
        "strings" => 1.5e-5 * number(1),
        _ => 0.0,
    }
}

/// The plan while it is made.
#[derive(Default)]
struct Plan(Vec<Job>);

impl Plan {
    /// Adds a job, or its part to the same job.
    fn add(&mut self, part: (Part, f64), workload: &str, factor: f64) {
        let ends = |subject: &Subject| {
            *subject != Subject::NoCollect || allocated_gib(workload) < MOST_WITHOUT_COLLECTION_GIB
        };
        let subjects: Vec<_> = part.0.subjects().iter().copied().filter(ends).collect();
        // No heap is smaller than 8 MiB.
        let limit_mib = ((live_mib(workload) * factor).ceil() as u64).max(8);
        let same = |job: &&mut Job| job.workload == workload && job.limit_mib == limit_mib;
        let Some(job) = self.0.iter_mut().find(same) else {
            let (parts, workload) = (vec![part], workload.to_owned());
            self.0.push(Job { parts, workload, limit_mib, subjects });
            return;
        };
        job.parts.push(part);
        job.subjects.extend(subjects);
        job.subjects.sort_unstable();
        job.subjects.dedup();
    }
}

/// All jobs that some of them can run, what matters most first.
pub(crate) fn jobs(size: Size, available: &[Subject]) -> Vec<Job> {
    let lines = match size {
        Size::Quick => QUICK,
        Size::Standard => STANDARD,
    };
    let mut plan = Plan::default();
    for &(part, line) in lines {
        match part {
            Table => {
                let (factors, workload) = line.split_once(' ').expect("factors and a workload");
                for factor in factors.split(',').map(|factor| factor.parse().expect("a factor")) {
                    plan.add((part, factor), workload, factor);
                }
            }
            Limits => {
                for factor in [1.3, 2.0, 3.0, 4.0, 6.0] {
                    plan.add((part, factor), line, factor);
                }
            }
            Live => plan.add((part, live_mib(line)), line, 2.0),
            Threads => plan.add((part, argument(line, 2)), line, 4.0),
            Stores => plan.add((part, 0.0), line, 2.0),
        }
    }
    for job in &mut plan.0 {
        job.subjects.retain(|subject| available.contains(subject));
    }
    plan.0.retain(|job| !job.subjects.is_empty());
    plan.0
}

/// The place of a workload in the plan, by which tables are in order; by its name alone where its
/// arguments are what a part varies.
pub(crate) fn place(part: Part, workload: &str) -> usize {
    fn name(part: Part, workload: &str) -> &str {
        if matches!(part, Live | Threads) { first_word(workload) } else { workload }
    }
    let mut lines = STANDARD.iter().chain(QUICK);
    let same = |&(of, line): &(Part, &str)| {
        let line =
            if of == Table { line.split_once(' ').map_or(line, |(_, rest)| rest) } else { line };
        name(part, line) == name(part, workload)
    };
    lines.position(same).unwrap_or(usize::MAX)
}

type Lines = &'static [(Part, &'static str)];

/// Lines of the table begin with the limits as multiples of what is alive.
const QUICK: Lines = &[
    (Table, "4 gcbench 1 1"),
    (Table, "4 bintrees 16"),
    (Table, "2 oldmut 1048576 512 1"),
    (Table, "2 oldmut 1048576 512 1 20"),
    (Table, "2 oldmut 1048576 512 1 1000 zipf"),
    (Table, "2 oldmut 1048576 512 1 1000 cluster"),
    (Table, "2 lru 100000 200000 2000000"),
    (Table, "2 gcold 64 1 4 1 20"),
    (Table, "2 splay 50000 200000"),
    (Table, "2 strings 60000"),
    (Table, "2 server 20000 2"),
    (Threads, "gcbench 1 1"),
    (Threads, "gcbench 1 2"),
    (Threads, "gcbench 1 4"),
    (Stores, "stores 128 uniform"),
    (Stores, "stores 128 zipf"),
    (Stores, "stores 128 cluster"),
    (Live, "oldmut 262144 64 1 100"),
    (Live, "oldmut 1048576 256 1 100"),
    (Live, "oldmut 4194304 1024 1 100"),
    (Limits, "gcbench 1 1"),
    (Limits, "oldmut 524288 256 1"),
];

const STANDARD: Lines = &[
    (Table, "2,4 gcbench 5 1"),
    (Table, "2,4 gcbench 5 2"),
    (Table, "2,4 bintrees 18"),
    (Table, "2,4 bintrees 21"),
    (Table, "2,4 oldmut 8388608 4096 1"),
    (Table, "2,4 oldmut 8388608 4096 2"),
    (Table, "2,4 lru 1000000 2000000 20000000"),
    // Where the pages that are written to cost most.
    (Table, "2,4 gcold 128 1 4 1 100"),
    (Table, "2,4 splay 200000 500000"),
    (Table, "2 server 50000 5"),
    (Table, "2 strings 1500000"),
    (Stores, "stores 256 uniform"),
    (Stores, "stores 256 zipf"),
    (Stores, "stores 256 cluster"),
    (Table, "2 oldmut 8388608 4096 1 20"),
    (Table, "2 oldmut 4194304 2048 1 1000 zipf"),
    (Table, "2 oldmut 4194304 2048 1 1000 cluster"),
    (Limits, "gcbench 5 1"),
    (Limits, "bintrees 18"),
    (Limits, "oldmut 1048576 1024 1"),
    (Limits, "lru 200000 400000 4000000"),
    // Twice as many bytes are allocated as are old, so that everybody collects. A few sizes that are far apart
    // first.
    (Live, "oldmut 4194304 512 1 100"),
    (Live, "oldmut 33554432 4096 1 100"),
    (Live, "oldmut 16777216 2048 1 100"),
    (Live, "oldmut 8388608 1024 1 100"),
    (Live, "oldmut 67108864 8192 1 100"),
    (Threads, "gcbench 5 1"),
    (Threads, "gcbench 5 2"),
    (Threads, "gcbench 5 4"),
];
