//! What is run: workloads, sizes, heap limits.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::subject::Subject;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Quick,
    Standard,
}

/// A workload with its arguments at one limit, for every collector.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) part: Part,
    /// As on the command line of the workloads.
    pub(crate) workload: String,
    pub(crate) limit_mib: u64,
    /// What the part varies: the limit as a multiple of what is alive, old MiB, threads.
    pub(crate) x: f64,
    /// Who runs it.
    pub(crate) subjects: &'static [Subject],
}

impl Job {
    pub(crate) fn label(&self) -> String {
        format!("{} at {} MiB", self.workload, self.limit_mib)
    }
}

/// What is alive at once, in MiB, by the convention that limits go by: it includes what a collector
/// needs to know about objects.
fn live_mib(workload: &str) -> f64 {
    let words: Vec<_> = workload.split(' ').collect();
    let number = |index: usize| words[index].parse::<f64>().expect("a number in the plan");
    match words[0] {
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

fn job(part: Part, workload: &str, factor: f64, x: f64, subjects: &'static [Subject]) -> Job {
    // No heap is smaller than 8 MiB.
    let limit_mib = ((live_mib(workload) * factor).ceil() as u64).max(8);
    Job { part, workload: workload.to_owned(), limit_mib, x, subjects }
}

/// All jobs, what matters most first.
pub(crate) fn jobs(size: Size) -> Vec<Job> {
    let [table, limits, live, threads, stores] = match size {
        Size::Quick => QUICK,
        Size::Standard => STANDARD,
    };
    let mut jobs = Vec::new();
    for line in table {
        let (factor, workload) = line.split_once(' ').expect("a factor and a workload");
        let factor = factor.parse().expect("a factor in the plan");
        jobs.push(job(Part::Table, workload, factor, factor, &Subject::ALL));
    }
    for workload in limits {
        for factor in [1.3, 2.0, 3.0, 4.0, 6.0] {
            jobs.push(job(Part::Limits, workload, factor, factor, &Subject::ALL));
        }
    }
    for workload in live {
        let x = live_mib(workload);
        jobs.push(job(Part::Live, workload, 2.0, x, &Subject::COLLECTORS));
    }
    for workload in threads {
        let x = workload.split(' ').next_back().and_then(|threads| threads.parse().ok());
        let x = x.expect("the threads are the last argument");
        jobs.push(job(Part::Threads, workload, 4.0, x, &Subject::COLLECTORS));
    }
    for workload in stores {
        jobs.push(job(Part::Stores, workload, 2.0, 0.0, &Subject::TRACKERS));
    }
    jobs
}

type Lines = &'static [&'static str];

/// Table, limits, live, threads, stores. Lines of the table begin with the limit as a multiple.
const QUICK: [Lines; 5] = [
    &[
        "4 gcbench 1 1",
        "4 bintrees 16",
        "2 oldmut 1048576 512 1",
        "2 oldmut 1048576 512 1 20",
        "2 oldmut 1048576 512 1 1000 zipf",
        "2 oldmut 1048576 512 1 1000 cluster",
        "2 lru 100000 200000 2000000",
        "2 gcold 64 1 4 1 20",
        "2 splay 50000 200000",
        "2 strings 60000",
        "2 server 20000 2",
    ],
    &["gcbench 1 1", "oldmut 524288 256 1"],
    &["oldmut 262144 256 1 100", "oldmut 1048576 256 1 100", "oldmut 4194304 256 1 100"],
    &["gcbench 1 1", "gcbench 1 2", "gcbench 1 4"],
    &["stores 128 uniform", "stores 128 zipf", "stores 128 cluster"],
];

const STANDARD: [Lines; 5] = [
    &[
        "4 gcbench 5 1",
        "4 gcbench 5 2",
        "4 bintrees 18",
        "2 oldmut 8388608 4096 1",
        "2 oldmut 8388608 4096 1 20",
        "2 oldmut 8388608 4096 1 1000 zipf",
        "2 oldmut 8388608 4096 1 1000 cluster",
        "2 lru 1000000 2000000 20000000",
        "2 oldmut 8388608 4096 2",
        "2 gcold 512 1 4 1 100",
        "2 splay 200000 1000000",
        "2 strings 300000",
        "2 server 50000 10",
        "4 bintrees 21",
        "4 lru 1000000 2000000 20000000",
    ],
    &["gcbench 5 1", "oldmut 1048576 1024 1", "lru 200000 400000 4000000", "bintrees 18"],
    &[
        "oldmut 1048576 1024 1 100",
        "oldmut 4194304 1024 1 100",
        "oldmut 16777216 1024 1 100",
        "oldmut 33554432 1024 1 100",
    ],
    &["gcbench 3 1", "gcbench 3 2", "gcbench 3 4"],
    &["stores 512 uniform", "stores 512 zipf", "stores 512 cluster"],
];
