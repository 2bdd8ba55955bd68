//! Looking again at dirty pages, beside a bare read of the same pages.
//!
//! A heap of 1 GiB of old nodes of 64 bytes. Before each cycle some pages are written, and the program
//! does nothing until the cycle has ended. The bare read loads all words of the same pages in the same
//! order.

use std::hint::black_box;
use std::time::Instant;

use strandline::{CycleReport, HeapOptions, Scope};

use crate::graph::{Graph, NODE, options};
use crate::median;

const PAGE: usize = 4096;
const ROUNDS: usize = 7;

/// Writes to one node on every `step`-th page. Returns the addresses of the pages, in order.
fn dirty(graph: &Graph, step: usize) -> Vec<usize> {
    let nodes = (0..graph.count()).step_by(PAGE / NODE * step);
    let mut pages: Vec<_> = nodes.map(|number| graph.touch(number) & !(PAGE - 1)).collect();
    pages.sort_unstable();
    pages.dedup();
    pages
}

/// Nanoseconds for a page.
fn bare_read(pages: &[usize]) -> f64 {
    let (start, mut sum) = (Instant::now(), 0_usize);
    for &page in pages {
        for offset in (0..PAGE).step_by(8) {
            // SAFETY: a page of objects of the heap, which nobody writes to.
            sum = sum.wrapping_add(unsafe { *((page + offset) as *const usize) });
        }
    }
    black_box(sum);
    start.elapsed().as_nanos() as f64 / pages.len() as f64
}

fn cycle(graph: &mut Graph, scope: Scope) -> CycleReport {
    match scope {
        Scope::Minor => graph.mutator.collect_young(),
        Scope::Full => graph.mutator.collect(),
    }
    let report = graph.heap.cycles().pop().expect("a cycle has just ended");
    assert_eq!(report.scope, scope);
    report
}

fn tracing_ns(report: &CycleReport) -> f64 {
    report.tracing.as_nanos() as f64
}

pub(crate) fn run() {
    println!("rescan of dirty 4 KiB pages with 64 old nodes each, 1 GiB of nodes, one thread:");
    let options = HeapOptions { markers: 1, hot_chunks: false, ..options(6 << 30) };
    let mut graph = Graph::new(1024, options);
    cycle(&mut graph, Scope::Minor);
    for (name, step) in
        [("every page", 1), ("every 4th", 4), ("every 16th", 16), ("every 64th", 64)]
    {
        let (mut minor, mut read) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let pages = dirty(&graph, step);
            read.push(bare_read(&pages));
            let report = cycle(&mut graph, Scope::Minor);
            assert!(report.rescanned_pages >= pages.len(), "{report}");
            minor.push(tracing_ns(&report) / report.rescanned_pages as f64);
        }
        let (minor, read) = (median(minor), median(read));
        println!(
            "  {name:<12} minor {minor:5.0} ns a page, {:.2} of a bare read ({read:.0})",
            minor / read
        );
    }
    println!("  every page   full  {:5.0} ns a page", full(&mut graph));
}

/// What a full cycle takes longer for having to look at all pages again, in nanoseconds for a page.
/// With fewer pages the difference is less than that between two cycles.
fn full(graph: &mut Graph) -> f64 {
    let longer = (0..ROUNDS).map(|_| {
        let clean = cycle(graph, Scope::Full);
        dirty(graph, 1);
        let report = cycle(graph, Scope::Full);
        (tracing_ns(&report) - tracing_ns(&clean)) / report.rescanned_pages as f64
    });
    median(longer.collect())
}
