//! The hunter of heaps (`tests/race_hunter`), on heaps with a broken rule: it must notice.

#[path = "../../../../tests/heap/graph.rs"]
mod graph;
#[path = "../../../../tests/race_hunter/heap/ground.rs"]
mod ground;
#[path = "../../../../tests/race_hunter/heap/hunt.rs"]
mod hunt;
#[path = "../../../../tests/race_hunter/random.rs"]
mod random;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ground::{Ground, Site};
use hunt::{Enough, Tally, plain, run};

use crate::collector::check::rules::Rule;
use crate::dirty::BackendKind;

/// Cycles within which a broken rule must be noticed; it usually takes one or two.
const NOTICED_WITHIN: u64 = 200;

fn hunt_on(ground: &mut Ground, enough: Enough<'_>) -> Tally {
    run(ground, false, enough, &mut plain, None)
}

fn ground() -> Ground {
    Ground::new(Site { backend: BackendKind::Uffd, big: false, huge_pages: false })
}

#[test]
fn control_the_hunter_notices_that_there_is_no_last_scan() {
    let tally = hunt_on(&mut ground(), &|tally| tally.cycles >= 4);
    assert_eq!(tally.lost, 0, "with all rules: {:?}", tally.examples);
    let mut ground = ground();
    *ground.heap.shared.rules.broken.lock().unwrap() = Some(Rule::LastScan);
    let enough = |tally: &Tally| tally.lost > 0 || tally.cycles >= NOTICED_WITHIN;
    // A collector that follows a reference to what it has freed may notice first.
    let hunt = catch_unwind(AssertUnwindSafe(|| hunt_on(&mut ground, &enough)));
    let Ok(tally) = hunt else { return println!("the collector has stopped") };
    assert_ne!(tally.lost, 0, "{NOTICED_WITHIN} cycles without a last scan went unnoticed");
    println!("cycle {}: {:?}", tally.cycles, tally.examples);
}
