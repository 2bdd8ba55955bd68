//! Forks at any moment, from threads of all kinds, while two others change the graph.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use strandline::dirty::BackendKind;
use strandline::{Heap, Mode, Root};

use crate::graph::{Graph, heap};
use crate::options;
use crate::process::{alone, end, in_child, split, stress_time};
use crate::program::{Program, Random, check_table};

/// Forks in each test, at least: `STRANDLINE_STRESS_SECONDS` makes it go on for longer.
const FORKS: usize = 36;

/// Two threads that change the graph, with the tables of their graphs.
fn beside_two_mutators(heap: &Heap<Graph>, body: impl FnOnce(&[Root])) {
    let (stop, ready) = (AtomicBool::new(false), Barrier::new(3));
    let (tables, arrived) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for seed in [11, 22] {
            let (stop, ready, tables) = (&stop, &ready, tables.clone());
            scope.spawn(move || {
                let (mut program, table) = Program::new(heap, seed);
                tables.send(table).unwrap();
                program.mutator.blocking(|| ready.wait());
                while !stop.load(Relaxed) {
                    program.steps(50);
                }
                program.check();
            });
        }
        let tables: Vec<_> = arrived.into_iter().take(2).collect();
        ready.wait();
        body(&tables);
        stop.store(true, Relaxed);
    });
}

/// What a child does with a heap of which it is the only thread.
fn use_alone(heap: &Heap<Graph>, program: &mut Program<'_>, tables: &[Root], attached: usize) {
    assert_eq!(heap.attached_threads(), attached, "the other threads are not in this process");
    match program.random.below(3) {
        0 => program.mutator.collect(),
        1 => program.collect_by_allocating(1),
        _ => program.steps(500),
    }
    program.check();
    program.collect_by_allocating(2);
    program.mutator.collect();
    program.steps(200);
    program.collect_by_allocating(1);
    program.check();
    tables.iter().for_each(|table| check_table(table.get()));
}

/// An attached thread forks. In the child it goes on, and sometimes forks again.
fn from_a_mutator(heap: &Heap<Graph>, program: &mut Program<'_>, tables: &[Root], blocked: bool) {
    let child = |program: &mut Program<'_>| {
        program.random.0 ^= u64::from(std::process::id());
        if program.random.below(4) == 0 {
            let grandchild = in_child(|| use_alone(heap, program, tables, 1));
            program.mutator.blocking(|| grandchild.wait());
        }
        use_alone(heap, program, tables, 1);
        if program.random.below(8) == 0 {
            let grandchild = in_child(|| use_alone(heap, program, tables, 1));
            program.mutator.blocking(|| grandchild.wait());
            use_alone(heap, program, tables, 1);
        }
    };
    if blocked {
        // In the child the region ends, and the thread goes on.
        let Some(process) = program.mutator.blocking(split) else {
            child(program);
            end();
        };
        program.mutator.blocking(|| process.wait());
    } else {
        let process = in_child(|| child(program));
        // The parent goes on beside its child.
        program.steps(300);
        program.mutator.blocking(|| process.wait());
    }
}

/// A thread that is not attached forks. In the child it attaches.
fn from_an_unattached_thread(heap: &Heap<Graph>, tables: &[Root], seed: u64) {
    let process = in_child(|| {
        assert_eq!(heap.attached_threads(), 0);
        let (mut program, _table) = Program::new(heap, seed);
        use_alone(heap, &mut program, tables, 1);
    });
    process.wait();
}

fn forks(mode: Mode, backend: BackendKind) {
    alone(|| {
        let start = Instant::now();
        let heap = heap(options(mode, backend));
        let _leaf = Program::room_for_leaves(&heap);
        beside_two_mutators(&heap, |tables| {
            let mut random = Random(0x1234_5678 + backend as u64);
            for round in 0..FORKS / 3 {
                from_an_unattached_thread(&heap, tables, 3 + round as u64);
            }
            let (mut program, _table) = Program::new(&heap, 33);
            let is_time = |round| round < FORKS * 2 / 3 || start.elapsed() < stress_time();
            for round in (0..).take_while(|&round| is_time(round)) {
                program.steps(random.below(3000));
                from_a_mutator(&heap, &mut program, tables, round % 2 == 0);
                program.check();
            }
            program.collect_by_allocating(2);
            program.mutator.collect();
            program.check();
        });
    });
}

macro_rules! forks {
    ($($name:ident: $mode:ident, $backend:ident;)*) => {
        $(#[test]
        fn $name() {
            forks(Mode::$mode, BackendKind::$backend);
        })*
    };
}

forks! {
    stopped_with_uffd: Stopped, Uffd;
    stopped_with_mprotect: Stopped, Mprotect;
    stopped_with_cards: Stopped, Cards;
    stopped_with_all_dirty: Stopped, AllDirty;
    concurrent_with_uffd: Concurrent, Uffd;
    concurrent_with_mprotect: Concurrent, Mprotect;
    concurrent_with_cards: Concurrent, Cards;
    concurrent_with_all_dirty: Concurrent, AllDirty;
}
