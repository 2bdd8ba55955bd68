//! How long the program is stopped, with more and more memory alive. A thread allocates, and stores
//! few or many of its new nodes into old ones; cycles come as they do in a program, by pacing.

use std::time::{Duration, Instant};

use strandline::HeapOptions;

use crate::graph::{Graph, graph_bytes, options};
use crate::random::{Locality, Picks, SEED};
use crate::stops::records::{CycleRecord, StopRecord};
use crate::stops::{PARTS, Stops};

/// GiB of old nodes, if no others are asked for.
const LIVE_GIB: [usize; 4] = [1, 2, 4, 8];

/// What programs do, and what is hardest.
const STORES_PER_MIB: [usize; 2] = [20, 1000];

/// At least so long, and so many cycles.
const TIME: Duration = Duration::from_secs(8);
const CYCLES: u64 = 3;

/// The largest heap limit.
const LARGEST: usize = 13 << 30;

pub(crate) fn run(asked_gib: &[usize]) {
    println!("stops: one mutator, {} s and {CYCLES} cycles each at least, in ms", TIME.as_secs());
    println!(
        "  {:>8} {:>10} | {:>5} {:>4} | {:>5} {:>7} {:>7} {:>7} | {:>9}",
        "live GiB", "stores/MiB", "minor", "full", "stops", "median", "p99", "longest", "preempted"
    );
    for &gib in if asked_gib.is_empty() { &LIVE_GIB } else { asked_gib } {
        match limit(gib) {
            Ok(limit) => measure(gib, limit),
            Err(reason) => println!("  {gib:8} left out: {reason}"),
        }
    }
}

/// The heap limit for so much alive.
fn limit(gib: usize) -> Result<usize, String> {
    let memory = HeapOptions::default().limit * 2;
    if memory < gib << 31 {
        return Err(format!(
            "{gib} GiB of nodes want a machine with {} GiB of memory, and there are {}",
            gib * 2,
            memory >> 30
        ));
    }
    let limit = (graph_bytes(gib << 10) + (gib << 30)).min(LARGEST);
    if limit < graph_bytes(gib << 10) + (1 << 30) {
        return Err(format!("the heap would need more than {} GiB", LARGEST >> 30));
    }
    Ok(limit)
}

fn measure(gib: usize, limit: usize) {
    let mut graph = Graph::new(gib << 10, options(limit));
    for stores in STORES_PER_MIB {
        let mut picks = Picks::new(Locality::Uniform, graph.count(), SEED, (0, 1));
        let (before, preempted) = (graph.heap.stats().collections, preemptions());
        let start = Instant::now();
        while start.elapsed() < TIME || graph.heap.stats().collections < before + CYCLES {
            graph.mutate(stores, &mut picks);
        }
        let preempted = preemptions() - preempted;
        let cycles: Vec<_> = graph.cycles_since(before).iter().map(CycleRecord::from).collect();
        print(&cycles, (gib, stores), preempted);
    }
}

fn print(cycles: &[CycleRecord], (gib, stores): (usize, usize), preempted: i64) {
    let full = cycles.iter().filter(|cycle| cycle.scope == "Full").count();
    let stops = Stops::new(cycles.iter().flat_map(|cycle| &cycle.stops));
    let ms = |part| stops.quantile(part).map_or(0.0, |stop| stop.total_us / 1e3);
    println!(
        "  {gib:8} {stores:10} | {:5} {full:4} | {:5} {:7.3} {:7.3} {:7.3} | {preempted:9}",
        cycles.len() - full,
        stops.count(),
        ms(0.5),
        ms(0.99),
        ms(1.0),
    );
    let remarks = cycles.iter().flat_map(|cycle| &cycle.stops);
    let remarks = Stops::new(remarks.filter(|stop| stop.purpose == "Remark"));
    for (name, stop) in [("longest stop", stops.longest()), ("longest remark", remarks.longest())] {
        stop.into_iter().for_each(|stop| print_parts(name, stop));
    }
}

fn print_parts(name: &str, stop: &StopRecord) {
    let parts = PARTS.map(|(part, us)| format!("{part} {:.3}", us(stop) / 1e3)).join(", ");
    println!("           {name:<14} ({}) {:.3}: {parts}", stop.purpose, stop.total_us / 1e3);
}

/// How often a thread of this process had to make way for another, or for another process: where that
/// is often, the longest stops are the scheduler's.
fn preemptions() -> i64 {
    // SAFETY: all zeros is a value of this plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a structure of ours.
    let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert_eq!(status, 0, "getrusage: {}", std::io::Error::last_os_error());
    usage.ru_nivcsw
}
