//! Several heaps, several threads that fork, and heaps that come and go meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use strandline::dirty::BackendKind;
use strandline::{Heap, HeapOptions, Mode, Root, StackScan};

use crate::graph::{Graph, heap};
use crate::options;
use crate::process::{alone, in_child};
use crate::program::{Program, check_table};

const FORKS: usize = 8;

/// Two heaps, and handles that are kept as long.
fn two_heaps() -> ([Heap<Graph>; 2], [Root; 2]) {
    let heaps = [
        heap(options(Mode::Concurrent, BackendKind::Mprotect)),
        heap(options(Mode::Stopped, BackendKind::Uffd)),
    ];
    let leaves = heaps.each_ref().map(Program::room_for_leaves);
    (heaps, leaves)
}

#[test]
fn all_threads_of_two_heaps_fork_at_once() {
    alone(|| {
        let (heaps, _leaves) = two_heaps();
        let (tables, running) = (Mutex::new(Vec::new()), AtomicUsize::new(4));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (heap, tables, running) = (&heaps[thread % 2], &tables, &running);
                scope.spawn(move || {
                    let (mut program, table) = Program::new(heap, 7 + thread as u64);
                    program.mutator.blocking(|| tables.lock().unwrap().push(table));
                    for _ in 0..FORKS {
                        program.steps(400);
                        let child = in_child(|| {
                            assert_eq!(heap.attached_threads(), 1);
                            program.collect_by_allocating(1);
                            program.mutator.collect();
                            program.check();
                        });
                        program.mutator.blocking(|| child.wait());
                        program.check();
                    }
                    running.fetch_sub(1, SeqCst);
                    // The others still fork.
                    while running.load(SeqCst) > 0 {
                        program.steps(50);
                    }
                });
            }
        });
        tables.into_inner().unwrap().iter().for_each(|table| check_table(table.get()));
    });
}

#[test]
fn a_thread_of_two_heaps_forks() {
    alone(|| {
        let (heaps, _leaves) = two_heaps();
        for round in 0..FORKS {
            let programs = heaps.each_ref().map(|heap| Program::new(heap, 5 + round as u64));
            let child = in_child(|| {
                // The thread is in a blocking region of the one heap while it uses the other.
                let [(mut first, _), (mut second, _)] = programs;
                second.mutator.blocking(|| first.collect_by_allocating(2));
                first.mutator.blocking(|| second.collect_by_allocating(2));
                second.mutator.blocking(|| first.mutator.collect());
                first.check();
                second.check();
            });
            child.wait();
        }
    });
}

#[test]
fn heaps_come_and_go() {
    alone(|| {
        let heap = heap(options(Mode::Concurrent, BackendKind::Uffd));
        let _leaf = Program::room_for_leaves(&heap);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for backend in [BackendKind::Uffd, BackendKind::Mprotect] {
                let stop = &stop;
                scope.spawn(move || {
                    while !stop.load(SeqCst) {
                        let limit = 8 << 20;
                        let heap = Heap::new(
                            Graph,
                            HeapOptions { limit, ..options(Mode::Concurrent, backend) },
                        )
                        .unwrap();
                        heap.attach(StackScan::None).unwrap().collect();
                    }
                });
            }
            let (mut program, _table) = Program::new(&heap, 6);
            for _ in 0..4 * FORKS {
                program.steps(100);
                let child = in_child(|| {
                    program.mutator.collect();
                    let other = crate::graph::heap(options(Mode::Concurrent, BackendKind::Uffd));
                    other.attach(StackScan::None).unwrap().collect();
                    program.check();
                });
                program.mutator.blocking(|| child.wait());
            }
            stop.store(true, SeqCst);
        });
    });
}
