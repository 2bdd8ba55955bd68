//! Children that do something else than going on: `exec`, drop the heap, have no threads to spare.

use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use strandline::dirty::BackendKind;
use strandline::{HeapOptions, Mode, RootSource, SlotVisitor, StackScan};

use crate::graph::heap;
use crate::options;
use crate::process::{alone, end, in_child, split};
use crate::program::Program;

#[test]
fn exec() {
    alone(|| {
        let heap = heap(options(Mode::Concurrent, BackendKind::Uffd));
        let _leaf = Program::room_for_leaves(&heap);
        let (mut program, _table) = Program::new(&heap, 9);
        for _ in 0..20 {
            program.steps(300);
            let mut command = Command::new("true");
            // SAFETY: does nothing. With such a function the standard library has to fork.
            unsafe { command.pre_exec(|| Ok(())) };
            let mut process = command.spawn().expect("true");
            let status = program.mutator.blocking(|| process.wait()).unwrap();
            assert!(status.success(), "{status}");
            program.check();
        }
        program.collect_by_allocating(2);
        program.check();
    });
}

/// The handles of threads that are not in the child must not be joined, nor dropped.
#[test]
fn a_child_drops_the_heap() {
    for mode in [Mode::Stopped, Mode::Concurrent] {
        for collect in [false, true] {
            alone(|| {
                let heap = heap(options(mode, BackendKind::Uffd));
                let (mut program, table) = Program::new(&heap, 9);
                let Some(child) = split() else {
                    if collect {
                        program.mutator.collect();
                    }
                    drop((program, table));
                    drop(heap);
                    end();
                };
                program.mutator.blocking(|| child.wait());
                program.mutator.collect();
                program.check();
            });
        }
    }
}

/// A mutator outlives the handle, in the child as in the parent.
#[test]
fn a_heap_whose_handle_was_dropped_before_the_fork() {
    for mode in [Mode::Stopped, Mode::Concurrent] {
        alone(|| {
            let heap = heap(options(mode, BackendKind::Uffd));
            let mut mutator = heap.attach(StackScan::None).unwrap();
            drop(heap);
            let child = in_child(|| mutator.collect());
            mutator.blocking(|| child.wait());
            mutator.collect();
        });
    }
}

struct Panics;

impl RootSource for Panics {
    fn visit_roots(&self, _: &mut dyn SlotVisitor) {
        panic!("on purpose");
    }
}

/// A heap that a panic has made useless is no reason not to fork: the child may want to report it.
#[test]
fn a_fork_after_a_root_source_panicked() {
    alone(|| {
        drop(std::panic::take_hook());
        let heap = heap(options(Mode::Stopped, BackendKind::Uffd));
        let registration = heap.add_root_source(Arc::new(Panics));
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let collection = catch_unwind(AssertUnwindSafe(|| mutator.collect()));
        assert!(collection.is_err());
        let child = in_child(|| assert_eq!(heap.attached_threads(), 1));
        mutator.blocking(|| child.wait());
        std::mem::forget(registration);
    });
}

#[test]
fn a_child_that_may_have_no_threads_collects_with_the_world_stopped() {
    alone(|| {
        let options = HeapOptions {
            markers: 1,
            verify: false,
            ..options(Mode::Concurrent, BackendKind::Uffd)
        };
        let heap = heap(options);
        let (mut program, _table) = Program::new(&heap, 10);
        let child = in_child(|| {
            let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
            let (soft, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
            // No room for one more stack, when those of the parent's threads are used up.
            setrlimit(Resource::RLIMIT_AS, pages * 4096 + (1 << 20), hard).unwrap();
            let idle = || {
                std::thread::Builder::new().spawn(|| {
                    loop {
                        std::thread::park()
                    }
                })
            };
            while idle().is_ok() {}
            for expected in 1..=3 {
                program.mutator.collect();
                assert_eq!(heap.stats().full_collections, expected);
                program.check();
            }
            // With threads again.
            setrlimit(Resource::RLIMIT_AS, soft, hard).unwrap();
            program.mutator.collect();
            assert_eq!(heap.stats().full_collections, 4);
            program.check();
        });
        program.mutator.blocking(|| child.wait());
    });
}
