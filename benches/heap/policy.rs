//! What hot chunks and huge pages are worth, for programs that write to old memory in different ways.
//!
//! Four heaps with the same graph take turns: one with both policies, its twin, one without each. In
//! a round a thread allocates a nursery and stores some of it into old nodes. A minor cycle deals with
//! that either beside the next round, asked for by another thread (`policy`), or between two rounds,
//! while the thread waits (`policy-between`). The total of processor time tells which side wins: both
//! policies move work between the program and the collector. How far the twins differ is what the
//! machine adds by itself.

use std::sync::Arc;
use std::thread;

use strandline::{HeapOptions, Scope, StackScan};

use crate::graph::{Graph, NODES_PER_MIB, graph_bytes, options};
use crate::random::{Locality, Picks, SEED};
use crate::{median, process_ns};

const OLD_MIB: [usize; 3] = [64, 256, 1024];
const STORES_PER_MIB: usize = 1000;

/// When cycles run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cycles {
    Beside,
    Between,
}

/// Room for young nodes: two nurseries, and what is left of blocks with survivors. Enough for nothing
/// but the rounds to ask for cycles, and for none to be full.
const ROOM: usize = 3 << 29;

/// A chunk becomes hot after two warm cycles, and the first cycle of a heap finds everything written.
const WARM_UP: usize = 3;

/// As many as hot chunks have cycles from one sample to the next, so that one of them is in it.
const ROUNDS: usize = 16;

/// A smaller part of a difference is no win, nor is one that the twins have, too.
const EVEN: f64 = 0.05;

const SIDES: [(&str, bool, bool); 4] = [
    ("both", true, true),
    ("both, twin", true, true),
    ("no hot chunks", false, true),
    ("no huge pages", true, false),
];

/// Sums over the rounds, but for the times of cycles.
#[derive(Default)]
struct Figures {
    stores: usize,
    nodes: usize,
    storing_ns: f64,
    allocating_ns: f64,
    process_ns: f64,
    rounds: usize,
    cycles: usize,
    faults: usize,
    rescanned: usize,
    cycle_ms: Vec<f64>,
}

struct Side {
    graph: Graph,
    picks: Picks,
    figures: Figures,
}

pub(crate) fn beside() {
    run("policy", Cycles::Beside, &[64, 256]);
}

pub(crate) fn between() {
    run("policy-between", Cycles::Between, &[256]);
}

fn run(part: &str, cycles: Cycles, nurseries_mib: &[usize]) {
    println!(
        "{part}: {STORES_PER_MIB} stores of young nodes into old ones for each MiB allocated, {ROUNDS} rounds; a \
         mutator's processor time for a store and for a new node, cycles, and the processor time of all threads"
    );
    println!(
        "  {:>7} {:>7} {:<7} {:<13} | {:>8} {:>6} | {:>8} {:>9} {:>8} | {:>8} | processor time beside that of both twins",
        "old MiB",
        "nursery",
        "stores",
        "policies",
        "store ns",
        "new ns",
        "faults",
        "rescanned",
        "cycle ms",
        "all ms"
    );
    for old in OLD_MIB {
        for locality in [Locality::Uniform, Locality::Zipf, Locality::Cluster] {
            let mut sides = SIDES.map(|(_, hot_chunks, huge_pages)| {
                Side::new(old, locality, hot_chunks, huge_pages)
            });
            for &nursery in nurseries_mib {
                compare(&mut sides, nursery, cycles);
                print(&sides, (old, nursery, locality));
            }
        }
    }
}

fn compare(sides: &mut [Side; 4], nursery: usize, cycles: Cycles) {
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            sides.iter_mut().for_each(|side| side.figures = Figures::default());
        }
        // Each goes first in its turn.
        for turn in 0..sides.len() {
            sides[(round + turn) % 4].round(nursery, cycles);
        }
    }
}

impl Side {
    fn new(old_mib: usize, locality: Locality, hot_chunks: bool, huge_pages: bool) -> Self {
        let limit = graph_bytes(old_mib) + ROOM;
        let graph = Graph::new(old_mib, HeapOptions { hot_chunks, huge_pages, ..options(limit) });
        let picks = Picks::new(locality, graph.count(), SEED, (0, 1));
        Self { graph, picks, figures: Figures::default() }
    }

    fn round(&mut self, nursery_mib: usize, cycles: Cycles) {
        let before = self.graph.heap.stats().collections;
        let begin = process_ns();
        match cycles {
            Cycles::Beside => self.mutate_beside_a_cycle(nursery_mib),
            Cycles::Between => {
                self.mutate(nursery_mib);
                self.graph.mutator.collect_young();
            }
        }
        let reports = self.graph.cycles_since(before);
        let figures = &mut self.figures;
        figures.stores += nursery_mib * STORES_PER_MIB;
        figures.nodes += nursery_mib * NODES_PER_MIB;
        // What died old is found by a full cycle, once in eight times the live size: not what is compared.
        if reports.iter().any(|report| report.scope == Scope::Full) {
            return;
        }
        figures.rounds += 1;
        figures.process_ns += process_ns() - begin;
        for report in reports {
            figures.cycles += 1;
            figures.faults += report.faults;
            figures.rescanned += report.rescanned_pages;
            figures.cycle_ms.push(report.time.as_secs_f64() * 1e3);
        }
    }

    fn mutate_beside_a_cycle(&mut self, nursery_mib: usize) {
        // The heap is shared, the mutator is not.
        let heap = Arc::clone(&self.graph.heap);
        let cycle = thread::spawn(move || {
            heap.attach(StackScan::None).expect("a mutator").collect_young();
        });
        self.mutate(nursery_mib);
        let mutator = &mut self.graph.mutator;
        mutator.blocking(|| cycle.join()).expect("the collecting thread does not panic");
    }

    fn mutate(&mut self, nursery_mib: usize) {
        for _ in 0..nursery_mib {
            let work = self.graph.mutate(STORES_PER_MIB, &mut self.picks);
            self.figures.allocating_ns += work.allocating;
            self.figures.storing_ns += work.storing;
        }
    }
}

fn print(sides: &[Side; 4], (old, nursery, locality): (usize, usize, Locality)) {
    let a_round = |side: &Side| side.figures.process_ns / side.figures.rounds.max(1) as f64;
    let [with, twin, ..] = sides.each_ref().map(a_round);
    let noise = (twin / with - 1.0).abs().max(EVEN);
    for (side, (name, ..)) in sides.iter().zip(SIDES) {
        let figures = &side.figures;
        let each = |sum: usize| sum / figures.cycles.max(1);
        print!(
            "  {old:7} {nursery:7} {:<7} {name:<13} | {:8.1} {:6.1} | {:8} {:9} {:8.2} | {:8.1} |",
            format!("{locality:?}").to_lowercase(),
            figures.storing_ns / figures.stores as f64,
            figures.allocating_ns / figures.nodes as f64,
            each(figures.faults),
            each(figures.rescanned),
            median(figures.cycle_ms.clone()),
            a_round(side) / 1e6,
        );
        let ratio = a_round(side) / ((with + twin) / 2.0);
        match name.strip_prefix("no ") {
            None => println!(" {ratio:.2}"),
            Some(policy) if ratio > 1.0 + noise => println!(" {ratio:.2}: {policy} win"),
            Some(policy) if ratio < 1.0 - noise => println!(" {ratio:.2}: {policy} lose"),
            Some(_) => println!(" {ratio:.2}: even"),
        }
    }
}
