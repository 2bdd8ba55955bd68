//! How long the program is stopped, with more and more memory alive. A thread allocates, and stores
//! few or many of its new nodes into old ones; cycles come as they do in a program, by pacing.

use std::time::{Duration, Instant};

use strandline::{HeapOptions, Scope, StopPurpose, StopReport};

use crate::graph::{Graph, graph_bytes, options};
use crate::random::{Locality, Picks, SEED};

/// GiB of old nodes, if no others are asked for.
const LIVE_GIB: [usize; 4] = [1, 2, 4, 8];

/// What programs do, and what is hardest.
const STORES_PER_MIB: [usize; 2] = [20, 1000];

const TIME: Duration = Duration::from_secs(8);

/// The largest heap limit.
const LARGEST: usize = 13 << 30;

pub(crate) fn run(asked_gib: &[usize]) {
    println!("stops: one mutator, {} s each, in ms", TIME.as_secs());
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
        while start.elapsed() < TIME {
            graph.mutate(stores, &mut picks);
        }
        let preempted = preemptions() - preempted;
        let reports = graph.cycles_since(before);
        let full = reports.iter().filter(|report| report.scope == Scope::Full).count();
        let mut stops: Vec<_> = reports.iter().flat_map(|report| &report.stops).collect();
        stops.sort_by_key(|stop| stop.total);
        print!("  {gib:8} {stores:10} | {:5} {full:4} | ", reports.len() - full);
        let Some(longest) = stops.last() else {
            println!("no cycle has ended");
            continue;
        };
        println!(
            "{:5} {:7.3} {:7.3} {:7.3} | {preempted:9}",
            stops.len(),
            ms(quantile(&stops, 0.5).total),
            ms(quantile(&stops, 0.99).total),
            ms(longest.total)
        );
        print_parts("longest stop", longest);
        let remark = stops.iter().rfind(|stop| stop.purpose == StopPurpose::Remark);
        remark.into_iter().for_each(|remark| print_parts("longest remark", remark));
    }
}

/// The stop that as large a part of them, in order of their times, does not exceed.
fn quantile<'a>(stops: &[&'a StopReport], part: f64) -> &'a StopReport {
    let rank = (stops.len() as f64 * part).ceil() as usize;
    stops[rank.clamp(1, stops.len()) - 1]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn print_parts(name: &str, stop: &StopReport) {
    println!(
        "           {name:<14} ({:?}) {:.3}: to safepoint {:.3}, scan {:.3}, roots {:.3}, rescan {:.3}, drain {:.3}, \
         finish {:.3}, resume {:.3}",
        stop.purpose,
        ms(stop.total),
        ms(stop.to_safepoint),
        ms(stop.scan),
        ms(stop.roots),
        ms(stop.rescan),
        ms(stop.drain),
        ms(stop.finish),
        ms(stop.resume),
    );
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
