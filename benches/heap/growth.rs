//! What a minor cycle costs as the old heap grows and the program's work stays the same: as many
//! pages written, as many young objects that survive. Beside it, a scan of the same memory when
//! all of it is clean, which is what must grow.
//!
//! Cycles run while the program waits for them, so that nothing else is in their times.

use std::time::{Duration, Instant};

use strandline::dirty::PageSet;
use strandline::os::PageRange;
use strandline::{CycleReport, Scope};

use crate::graph::{Graph, NODE, graph_bytes, options};
use crate::median;

const OLD_MIB: [usize; 5] = [256, 512, 1024, 2048, 4096];
const NURSERY_MIB: usize = 16;
const STORES_PER_MIB: usize = 256;

/// Pages that are written between two cycles, one store each.
const PAGES: usize = NURSERY_MIB * STORES_PER_MIB;
const NODES_PER_PAGE: usize = 4096 / NODE;
const ROUNDS: usize = 7;

/// Where the pages are that are written.
#[derive(Debug, Clone, Copy)]
enum Pattern {
    /// In one place, another one in each round.
    Together,
    /// All over the old heap, evenly; the same ones in each round.
    Spread,
}

/// Medians, in milliseconds where they are times.
struct Figures {
    cycle: f64,
    tracing: f64,
    stop_scans: f64,
    others: f64,
    longest_stop: f64,
    dirty: f64,
    rescanned: f64,
    clean_scan: f64,
}

pub(crate) fn run() {
    println!(
        "growth: a minor cycle with {PAGES} old pages written and as many young nodes that survive, medians of {ROUNDS} in ms"
    );
    println!(
        "  {:>7} {:<8} | {:>8} {:>8} {:>10} {:>8} | {:>12} | {:>8} {:>9} | {:>10}",
        "old MiB",
        "pages",
        "cycle",
        "tracing",
        "stop scans",
        "others",
        "longest stop",
        "dirty",
        "rescanned",
        "clean scan"
    );
    // Together first: it leaves most huge pages whole, which the other splits.
    let rows = OLD_MIB.map(|old| {
        let limit = graph_bytes(old) + (1 << 30);
        let mut graph = Graph::new(old, options(limit));
        [Pattern::Together, Pattern::Spread].map(|pattern| {
            let figures = measure(&mut graph, pattern);
            print(old, pattern, &figures);
            figures
        })
    });
    let [smallest, .., largest] = &rows;
    for (pattern, (small, large)) in
        [Pattern::Together, Pattern::Spread].iter().zip(smallest.iter().zip(largest))
    {
        println!(
            "  {pattern:?}: the cycle has grown by {:.2} ms, the clean scan by {:.2}",
            large.cycle - small.cycle,
            large.clean_scan - small.clean_scan
        );
    }
}

fn measure(graph: &mut Graph, pattern: Pattern) -> Figures {
    let range = nodes_of(graph);
    let (mut reports, mut clean) = (Vec::new(), Vec::new());
    // The first cycle finds what was written before.
    for round in 0.. {
        let report = cycle(graph, pattern, round);
        // Now and then it is a full one.
        if round > 0 && report.scope == Scope::Minor {
            reports.push(report);
            clean.push(ms(clean_scan(graph, range)));
        }
        if reports.len() == ROUNDS {
            break;
        }
    }
    let of = |figure: fn(&CycleReport) -> f64| median(reports.iter().map(figure).collect());
    Figures {
        cycle: of(|report| ms(report.time)),
        tracing: of(|report| ms(report.tracing)),
        stop_scans: of(|report| ms(report.stops.iter().map(|stop| stop.scan).sum())),
        others: of(|report| {
            let stops = report.stops.iter().map(|stop| stop.total).sum::<Duration>();
            ms(report.time.saturating_sub(report.tracing + stops))
        }),
        longest_stop: of(|report| {
            ms(report.longest_stop().map_or(Duration::ZERO, |stop| stop.total))
        }),
        dirty: of(|report| report.dirty_pages as f64),
        rescanned: of(|report| report.rescanned_pages as f64),
        clean_scan: median(clean),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The addresses of all nodes.
fn nodes_of(graph: &Graph) -> PageRange {
    let addresses = (0..graph.count()).map(|number| graph.node(number).address());
    let (start, end) =
        addresses.fold((usize::MAX, 0), |(low, high), node| (low.min(node), high.max(node + NODE)));
    PageRange::covering(start, end - start).expect("a graph has nodes")
}

/// One round of the program, and the cycle after it.
fn cycle(graph: &mut Graph, pattern: Pattern, round: usize) -> CycleReport {
    let apart = match pattern {
        Pattern::Together => NODES_PER_PAGE,
        Pattern::Spread => graph.count() / PAGES,
    };
    let (count, first) = (graph.count(), round * PAGES * NODES_PER_PAGE + round);
    let mut numbers = (0..PAGES).map(|page| (first + page * apart) % count);
    for _ in 0..NURSERY_MIB {
        graph.mutate_these(STORES_PER_MIB, || numbers.next().expect("one for each page"));
    }
    let before = graph.heap.stats().collections;
    graph.mutator.collect_young();
    graph.cycles_since(before).pop().expect("a cycle has just ended")
}

/// A scan that finds next to nothing, because a cycle has just ended. It changes nothing.
fn clean_scan(graph: &Graph, range: PageRange) -> Duration {
    let found = PageSet::new(range);
    let start = Instant::now();
    graph.heap.tracker().tracker.peek(range, &found).expect("all nodes are in tracked memory");
    start.elapsed()
}

fn print(old: usize, pattern: Pattern, figures: &Figures) {
    println!(
        "  {old:7} {:<8} | {:8.2} {:8.2} {:10.3} {:8.2} | {:12.3} | {:8} {:9} | {:10.3}",
        format!("{pattern:?}").to_lowercase(),
        figures.cycle,
        figures.tracing,
        figures.stop_scans,
        figures.others,
        figures.longest_stop,
        figures.dirty,
        figures.rescanned,
        figures.clean_scan,
    );
}
