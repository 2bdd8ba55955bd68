//! Programs that a seed determines.

use super::controls::LOST;
use super::*;
use crate::collector::check::rules::Rule;
use crate::sync::model::refute_one_of;

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
    fn steps(&mut self, allocate: Option<usize>) -> Vec<Step> {
        let (from, to) = (self.below(2), self.below(2));
        let (slot, other) = (self.below(SLOTS), self.below(SLOTS));
        match self.below(4) {
            _ if allocate == Some(1) => vec![Allocate(1, 1), Store(0, slot, 1)],
            _ if allocate == Some(2) => vec![Allocate(2, 2), Store(to, slot, 2), Forget(2)],
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
            objects: OBJECTS - random.below(3),
            new_blocks: random.below(2) == 0,
            broken: None,
        };
        let objects = setup.objects;
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
                let allocate = Some(round + 1).filter(|&o| mutator == 0 && o >= objects);
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
const SEEDS: std::ops::Range<u64> = 0..32;

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

#[test]
fn loom_control_random_programs_whose_blocks_stay_left_out() {
    refute_random(Break::StayOut);
}
