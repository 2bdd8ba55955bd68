//! Does a tracker ever lose a write, or a [heap](heap) an object? Threads write, scanners scan, and every write must be found.
//!
//! Writers store increasing sequence numbers at random pages, each writer to a word of its own on
//! every page. Scanners consume what is dirty into an owed set and copy the words of *these pages
//! only* to a shadow, after the scan has returned. A round ends with the writers parked at a
//! barrier and a last scan; then the shadow must equal the memory in every word. In other words:
//! every last write lies on a page that was reported after it. Rounds are short, because a later
//! write to the same page hides a loss.
//!
//! Beside the writers there are [outsiders](outsiders), who make pages writable: that must not change
//! anything. Where the kernel writes through pinned pages, writes may be lost as the contract says: they are
//! counted; none may be when they are told ([`Tracker::written`]).
//!
//! Negative controls show that the hunter can find something: a back-end that drops one reported
//! range in a thousand, one that believes a log of the writers' page faults, a scanner that copies
//! first and protects afterwards, one that makes no last scan.
//!
//! An ordinary run hunts for [`ROUNDS`] rounds in every configuration. To hunt for a given time in
//! every configuration instead:
//!
//! ```text
//! STRANDLINE_HUNT_SECONDS=120 cargo test --release --test race_hunter [-- NAME_PART]
//! ```

mod broken;
mod coverage;
mod disturb;
mod engine;
mod field;
#[path = "../heap/graph.rs"]
mod graph;
mod heap;
mod outsiders;
mod plans;
mod random;
#[path = "../common/ring.rs"]
mod ring;

use std::sync::Mutex;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use strandline::dirty::Tracker;

use coverage::{Coverage, Limit};
use field::{Field, Memory};
use plans::{Candidate, Expected};

/// Rounds in each configuration, unless a time is given.
const ROUNDS: u64 = 200;

/// The same beside an outsider, of whom there are many, or where one writes as slowly as they do.
const ROUNDS_BESIDE: u64 = 20;

/// Rounds in which a negative control has to be caught; it usually takes one or two.
const CONTROL_ROUNDS: u64 = 5000;

const SECONDS_VARIABLE: &str = "STRANDLINE_HUNT_SECONDS";

/// What was done, by name, for the table at the end.
static DONE: Mutex<Vec<(String, Coverage)>> = Mutex::new(Vec::new());

fn main() {
    outsiders::play_if_asked();
    let mut arguments = Arguments::from_args();
    // Each hunt wants all processors to itself.
    arguments.test_threads.get_or_insert(1);
    let limit = limit();
    let mut refused = Vec::new();
    let mut trials: Vec<_> = plans::candidates()
        .into_iter()
        .map(|candidate| {
            let why_not = candidate.refusal();
            let ignored = why_not.is_some();
            refused.extend(why_not.map(|reason| (candidate.name.clone(), reason)));
            let name = candidate.name.clone();
            Trial::test(name, move || hunt(&candidate, limit)).with_ignored_flag(ignored)
        })
        .collect();
    trials.extend(heap::trials(limit));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        let writes = report(&refused);
        let stores = heap::report();
        println!("racing stores in all, without the controls: {}", writes + stores);
    }
    conclusion.exit();
}

fn limit() -> Limit {
    let Ok(text) = std::env::var(SECONDS_VARIABLE) else { return Limit::Rounds(ROUNDS) };
    let seconds = text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    Limit::Time(seconds.unwrap_or_else(|| panic!("{SECONDS_VARIABLE}={text}: not a time")))
}

/// Runs one configuration and judges it.
fn hunt(candidate: &Candidate, limit: Limit) -> Result<(), Failed> {
    let plan = candidate.plan;
    let field = Field::new(plan.memory, plan.writers, plan.store);
    let tracker = Tracker::new(field.range(), candidate.open(&field)?);
    // SAFETY: the field is readable and writable, ours, and dropped after the tracker.
    unsafe { tracker.register(field.range()) }?;
    let huge = field.huge_pages();
    if plan.memory == Memory::Huge && huge == Some(0) {
        println!("{}: the kernel gave no huge page; hunting on base pages", candidate.name);
    }
    let limit = match (candidate.expected, limit) {
        (Expected::Caught, _) => Limit::Loss(CONTROL_ROUNDS),
        (_, Limit::Rounds(_)) if plan.outsider.is_some() || plan.store.is_pinned() => {
            Limit::Rounds(ROUNDS_BESIDE)
        }
        _ => limit,
    };
    let mut coverage = engine::run(plan, &tracker, &field, limit);
    coverage.kernel_calls = tracker.stats().kernel_calls;
    DONE.lock().unwrap().push((candidate.name.clone(), coverage.clone()));
    match (candidate.expected, coverage.lost) {
        (Expected::NothingLost, 0) | (Expected::Counted, _) => Ok(()),
        (Expected::NothingLost, lost) => {
            Err(format!("{lost} words lost: {}", coverage.examples.join("; ")).into())
        }
        (Expected::Caught, 0) => {
            Err("the hunter did not notice what this broken tracker loses".into())
        }
        (Expected::Caught, _) => Ok(()),
    }
}

/// What was covered, what was not and why. Returns how many writes were made.
fn report(refused: &[(String, String)]) -> u64 {
    let done = DONE.lock().unwrap();
    let mut total = Coverage::default();
    println!("{:45}{}", "", Coverage::HEADER);
    for (name, coverage) in done.iter() {
        println!("{name:45}{coverage}");
        if name.starts_with(plans::CONTROL) {
            println!("{:45}  caught: {}", "", coverage.examples.join("; "));
        } else if !name.starts_with(plans::COUNTED) {
            total += coverage;
        }
    }
    println!("{:45}{total}", "total of those in which nothing may be lost");
    for (name, reason) in refused {
        println!("not run: {name}: {reason}");
    }
    total.writes
}
