//! The whole cycle against mutators that load, store and allocate.

mod controls;
mod random;
mod small;

use loom::sync::Arc;

use crate::collector::Scope;
use crate::sync::model::{check_all, refute};
use small::{Break, NULL, OBJECTS, REGISTERS, Registers, SLOTS, Setup, SmallHeap};

/// One step of a mutator, which has two registers.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// register, object in register, slot
    Load(usize, usize, usize),
    /// object in register, slot, register
    Store(usize, usize, usize),
    Forget(usize),
    /// register, which object
    Allocate(usize, usize),
    Poll,
}
use Step::*;

/// An initial graph, the mutators' registers at the beginning, and what they do.
#[derive(Debug, Clone)]
struct Program {
    setup: Setup,
    graph: [[usize; SLOTS]; OBJECTS],
    mutators: Vec<([usize; REGISTERS], Vec<Step>)>,
    cycles: Vec<Cycle>,
}

impl Program {
    fn refute(self, complaint: &str, broken: Break) {
        self.refute_within(2, complaint, broken);
    }

    fn refute_within(mut self, preemptions: usize, complaint: &str, broken: Break) {
        self.setup.broken = Some(broken);
        refute(complaint, Some(preemptions), move || self.run());
    }

    fn run(&self) {
        let heap = Arc::new(SmallHeap::new(self.setup, self.graph));
        let registers: Vec<_> = self.mutators.iter().map(|(registers, _)| *registers).collect();
        let dead = heap.unreachable(&registers);
        let mut running = Vec::new();
        for (processor, (registers, steps)) in self.mutators.iter().enumerate() {
            let thread = heap.world.attach("mutator".into(), Registers::new(*registers));
            let (heap, steps) = (Arc::clone(&heap), steps.clone());
            running.push(loom::thread::spawn(move || {
                let registers = &thread.local;
                steps.iter().for_each(|&step| {
                    perform(&heap, processor, registers, step);
                    if matches!(step, Poll) && thread.should_park() {
                        heap.world.park(&thread);
                        heap.world.unpark(&thread, || false);
                    }
                });
                heap.world.park(&thread);
            }));
        }
        for &cycle in &self.cycles {
            match cycle {
                Cycle::Whole(scope) => heap.cycle(scope),
                Cycle::CutOff => heap.cut_off_cycle(),
            }
        }
        running.into_iter().for_each(|thread| thread.join().unwrap());
        for object in dead.into_iter().filter(|&object| object < self.setup.objects) {
            assert!(heap.is_freed(object), "object {object} was garbage and was not freed");
        }
    }
}

fn perform(heap: &SmallHeap, processor: usize, registers: &Registers, step: Step) {
    let get = |register: usize| registers.get()[register];
    match step {
        Load(to, object, slot) if get(object) != NULL => {
            registers.set(to, heap.load(get(object), slot));
        }
        Store(object, slot, from) if get(object) != NULL => {
            heap.store(processor, (get(object), slot), get(from));
        }
        Forget(register) => registers.set(register, NULL),
        Allocate(register, object) => {
            heap.allocate(processor, object);
            registers.set(register, object);
        }
        Load(..) | Store(..) | Poll => {}
    }
}

fn check_programs(preemptions: Option<usize>, programs: impl IntoIterator<Item = Program>) {
    check_all(preemptions, programs.into_iter().map(|program| move || program.run()));
}

/// A cycle, or one that a fork cuts off.
#[derive(Debug, Clone, Copy)]
enum Cycle {
    Whole(Scope),
    CutOff,
}

const FULL: Cycle = Cycle::Whole(Scope::Full);
const MINOR: Cycle = Cycle::Whole(Scope::Minor);

fn one_mutator(steps: &[Step]) -> Program {
    Program {
        setup: Setup::with(2),
        graph: [[NULL, NULL], [NULL; SLOTS], [NULL; SLOTS]],
        mutators: vec![([0, 1, NULL], steps.to_vec())],
        cycles: vec![FULL],
    }
}

/// The only reference to C goes from A to B and back: behind the marker's back, if it looks at the
/// one just before and at the other just after.
fn hide() -> Program {
    let steps = [
        [Poll, Load(2, 0, 1), Store(1, 1, 2), Forget(2), Store(0, 1, 2)],
        [Poll, Load(2, 1, 1), Store(0, 1, 2), Forget(2), Store(1, 1, 2)],
    ];
    Program {
        setup: Setup::with(3),
        graph: [[NULL, 2], [NULL; SLOTS], [NULL; SLOTS]],
        ..one_mutator(&steps.concat())
    }
}

/// C is allocated, after that many safepoints, and nothing but a slot of `object` refers to it.
fn publish(safepoints: usize, object: usize) -> Program {
    // The first store fills the processor's TLB.
    let mut steps = vec![Store(object, 1, 2)];
    steps.resize(safepoints + 1, Poll);
    steps.extend([Allocate(2, 2), Store(object, 1, 2), Forget(2), Poll]);
    one_mutator(&steps)
}

/// B is allocated between the first two stops, so it is marked after the scan between the second and the
/// last; then C is, and nothing but a slot of B refers to it. There is no A. In a full cycle no step
/// can be spared, nor one of three preemptions: the mutator must go on twice while it is the collector's
/// turn, and must not get to C before the second stop.
fn publish_in_new() -> Program {
    let b = [Poll, Allocate(1, 1), Poll];
    let c = [Allocate(2, 2), Store(1, 1, 2), Forget(2)];
    let mut program = one_mutator(&[&b[..], &c].concat());
    program.setup = Setup::with(0);
    program.mutators[0].0 = [NULL; REGISTERS];
    program
}

fn minor(program: Program) -> Program {
    Program { cycles: vec![MINOR], ..program }
}

/// Scans that consume are about new blocks, too.
fn new_blocks(program: Program) -> Program {
    Program { setup: Setup { new_blocks: true, ..program.setup }, ..program }
}

fn late(program: Program) -> Program {
    Program { setup: Setup { late: true, ..program.setup }, ..program }
}

fn leaving_out(program: Program) -> Program {
    Program { setup: Setup { leave_out: true, ..program.setup }, ..program }
}

fn cut_off() -> Program {
    Program { cycles: vec![FULL, Cycle::CutOff, MINOR], ..publish(3, 0) }
}

#[test]
fn loom_an_object_that_is_moved_about_is_not_lost() {
    check_programs(Some(2), [hide(), late(hide())]);
}

#[test]
fn loom_a_new_object_is_not_lost() {
    let kinds = |object| {
        let program = |safepoints| publish(safepoints, object);
        [program(1), program(2), late(program(1)), late(program(2)), leaving_out(program(1))]
    };
    check_programs(Some(3), [0, 1].into_iter().flat_map(kinds));
}

#[test]
fn loom_what_refers_to_a_new_object_from_a_block_without_marks_is_seen() {
    let minor = [publish_in_new(), publish(1, 0), publish(2, 0)].map(minor);
    let programs = minor.into_iter().chain([publish_in_new()]).flat_map(|program| {
        [
            program.clone(),
            new_blocks(program.clone()),
            late(program.clone()),
            new_blocks(late(program)),
        ]
    });
    check_programs(Some(3), programs);
}

#[test]
fn loom_a_cycle_that_was_cut_off_loses_nothing() {
    check_programs(Some(2), [cut_off()]);
}
