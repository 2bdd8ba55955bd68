//! The whole cycle against mutators that load, store and allocate.

mod small;

use loom::sync::Arc;

use super::mark::Scope;
use super::rules::Rule;
use crate::sync::model::{check_all, refute, refute_one_of};
use small::{Break, NEW, NULL, OBJECTS, REGISTERS, Registers, SLOTS, Setup, SmallHeap};

/// One step of a mutator, which has two registers.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// register, object in register, slot
    Load(usize, usize, usize),
    /// object in register, slot, register
    Store(usize, usize, usize),
    Forget(usize),
    Allocate(usize),
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
    fn refute(mut self, complaint: &str, broken: Break) {
        self.setup.broken = Some(broken);
        refute(complaint, Some(2), move || self.run());
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
                        heap.world.unpark(&thread);
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
        for object in dead.into_iter().filter(|&o| o != NEW || self.setup.allocated) {
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
        Allocate(register) => registers.set(register, heap.allocate(processor)),
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
        setup: Setup::default(),
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
        setup: Setup { allocated: true, ..Setup::default() },
        graph: [[NULL, NEW], [NULL; SLOTS], [NULL; SLOTS]],
        ..one_mutator(&steps.concat())
    }
}

/// C is allocated, after that many safepoints, and nothing but a slot of `object` refers to it.
fn publish(safepoints: usize, object: usize) -> Program {
    // The first store fills the processor's TLB.
    let mut steps = vec![Store(object, 1, 2)];
    steps.resize(safepoints + 1, Poll);
    steps.extend([Allocate(2), Store(object, 1, 2), Forget(2), Poll]);
    one_mutator(&steps)
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
fn loom_a_cycle_that_was_cut_off_loses_nothing() {
    check_programs(Some(2), [cut_off()]);
}

const LOST: &str = "is reachable and was freed";
const UNORDERED: &str = "Causality violation";

#[test]
fn loom_control_reported_pages_are_not_owed() {
    publish(1, 0).refute(LOST, Break::Rule(Rule::OweReported));
}

#[test]
fn loom_control_what_is_left_out_is_not_owed() {
    leaving_out(publish(1, 0)).refute(LOST, Break::Rule(Rule::OweLeftOut));
}

#[test]
fn loom_control_what_was_not_done_in_time_is_not_owed() {
    late(publish(2, 1)).refute(LOST, Break::Rule(Rule::OweUnfinished));
}

#[test]
fn loom_control_an_object_that_reaches_into_a_page_is_not_looked_at() {
    publish(2, 1).refute(LOST, Break::Rule(Rule::LookInFull));
}

#[test]
fn loom_control_no_last_scan() {
    publish(2, 0).refute(LOST, Break::Rule(Rule::LastScan));
}

#[test]
fn loom_control_marking_ends_with_pages_owed() {
    late(publish(2, 1)).refute(LOST, Break::Rule(Rule::NothingLeft));
}

#[test]
fn loom_control_marking_ends_in_another_stop_than_its_last_scan() {
    publish(2, 0).refute(LOST, Break::StopToEnd);
}

#[test]
fn loom_control_the_page_of_a_slot_that_is_skipped_is_not_owed() {
    publish(1, 0).refute(LOST, Break::Rule(Rule::OweSkipped));
}

#[test]
fn loom_control_roots_are_found_once() {
    one_mutator(&[Poll, Poll, Allocate(2)]).refute(LOST, Break::Rule(Rule::RootsAgain));
}

#[test]
fn loom_control_a_cycle_that_was_cut_off_hands_nothing_back() {
    cut_off().refute(LOST, Break::Rule(Rule::OweCutOff));
}

#[test]
fn loom_control_pages_are_looked_at_before_they_are_clean() {
    publish(1, 0).refute(LOST, Break::LookAfterScan);
}

#[test]
fn loom_control_the_cycle_without_tlb_flush() {
    publish(2, 0).refute(LOST, Break::Flush);
}

#[test]
fn loom_control_objects_in_owned_blocks_are_looked_at() {
    publish(1, 0).refute(UNORDERED, Break::AskAge);
}

#[test]
fn loom_control_a_block_is_owned_after_its_first_object() {
    publish(1, 0).refute(UNORDERED, Break::OwnFirst);
}

/// Numbers that a seed determines (splitmix64; "Fast splittable pseudorandom number generators",
/// Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ bits >> 31) % end as u64) as usize
    }

    /// One of the first `objects`, or none.
    fn reference(&mut self, objects: usize) -> usize {
        Some(self.below(objects + 1)).filter(|&object| object < objects).unwrap_or(NULL)
    }

    /// Some steps that belong together. Mere loads and stores hardly ever hide an object.
    fn steps(&mut self, allocate: bool) -> Vec<Step> {
        let (from, to) = (self.below(2), self.below(2));
        let (slot, other) = (self.below(SLOTS), self.below(SLOTS));
        match self.below(4) {
            _ if allocate => vec![Allocate(2), Store(to, slot, 2), Forget(2)],
            0 => vec![Load(from, to, slot)],
            1 => vec![Store(from, slot, to)],
            // A reference moves from one slot to another.
            _ => vec![Load(2, from, slot), Store(to, other, 2), Forget(2), Store(from, slot, 2)],
        }
    }
}

impl Program {
    /// Two mutators, any graph, any loads and stores.
    fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let setup = Setup {
            late: random.below(4) == 0,
            leave_out: random.below(4) == 0,
            allocated: random.below(2) == 0,
            broken: None,
        };
        let objects = if setup.allocated { OBJECTS } else { OBJECTS - 1 };
        let mut graph = [[NULL; SLOTS]; OBJECTS];
        for slot in graph[..objects].iter_mut().flatten() {
            *slot = random.reference(objects);
        }
        let mutators = (0..2).map(|mutator| {
            let registers = [random.reference(objects), random.reference(objects), NULL];
            let mut steps = vec![Poll];
            for round in 0..2 {
                if random.below(2) == 0 {
                    steps.push(Poll);
                }
                let allocate = mutator == 0 && round == 1 && !setup.allocated;
                steps.extend(random.steps(allocate));
            }
            (registers, steps)
        });
        let mutators = mutators.collect();
        let cycles = [vec![FULL], vec![MINOR, FULL], vec![FULL, MINOR]];
        Self { setup, graph, mutators, cycles: cycles[random.below(3)].clone() }
    }
}

/// How many random programs every day, and where to begin: `STRANDLINE_LOOM_SEEDS=first..end`.
const SEEDS: std::ops::Range<u64> = 0..16;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("STRANDLINE_LOOM_SEEDS") else { return SEEDS };
    let parse = |text: &str| text.parse().ok();
    let ends = text.split_once("..").and_then(|(a, b)| Some(parse(a)?..parse(b)?));
    ends.unwrap_or_else(|| panic!("STRANDLINE_LOOM_SEEDS={text}: not like 0..100"))
}

#[test]
fn loom_random_programs_of_two_mutators() {
    let programs = seeds().map(|seed| {
        let program = Program::random(seed);
        // Shown when it fails.
        eprintln!("seed {seed}: {program:?}");
        program
    });
    check_programs(Some(1), programs);
}

/// That random programs need the rules.
fn refute_random(broken: Break) {
    let programs = SEEDS.map(|seed| {
        let mut program = Program::random(seed);
        program.setup.broken = Some(broken);
        move || program.run()
    });
    refute_one_of(LOST, Some(1), programs);
}

#[test]
fn loom_control_random_programs_whose_reported_pages_are_not_owed() {
    refute_random(Break::Rule(Rule::OweReported));
}

#[test]
fn loom_control_random_programs_without_a_last_scan() {
    refute_random(Break::Rule(Rule::LastScan));
}
