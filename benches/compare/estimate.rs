//! How long runs will take: as long as such runs took before, or else a guess.

use std::collections::HashMap;

use super::figures::median;
use super::plan::{Job, argument, first_word};
use super::run::LONGEST;
use super::sample::{Sample, Status};
use super::subject::Subject;

/// What runs took, in seconds.
#[derive(Default)]
pub(crate) struct Estimates {
    /// By workload with its arguments.
    exact: HashMap<(String, Subject), f64>,
    /// As a multiple of the guess, by the workload's name.
    scaled: HashMap<(String, Subject), f64>,
}

impl Estimates {
    pub(crate) fn new<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let (mut exact, mut scaled) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for sample in samples {
            let Some(seconds) = sample.get("wall_ms").map(|ms| ms / 1e3) else { continue };
            // Whoever failed might have taken any time.
            if matches!(sample.status, Status::Done | Status::TooLong(_)) {
                let (workload, subject) = (&sample.workload, sample.subject);
                exact.entry((workload.clone(), subject)).or_default().push(seconds);
                let key = (first_word(workload).to_owned(), subject);
                scaled.entry(key).or_default().push(seconds / guess(workload));
            }
        }
        let medians = |all: HashMap<_, Vec<f64>>| {
            all.into_iter().filter_map(|(key, times)| Some((key, median(times)?))).collect()
        };
        Self { exact: medians(exact), scaled: medians(scaled) }
    }

    /// The seconds that a run will take, with what comes before it.
    pub(crate) fn seconds(&self, job: &Job, subject: Subject) -> f64 {
        let guess = || {
            let key = (first_word(&job.workload).to_owned(), subject);
            guess(&job.workload) * self.scaled.get(&key).unwrap_or(&1.0)
        };
        let run = self.exact.get(&(job.workload.clone(), subject)).copied().unwrap_or_else(guess);
        run.min(LONGEST.as_secs_f64()) + warming(job)
    }
}

/// Touching the memory: half a second a GiB.
fn warming(job: &Job) -> f64 {
    0.2 + job.limit_mib as f64 / 2048.0
}

/// The seconds that a run takes with any collector, more or less, on two processors of 2020 or so.
fn guess(workload: &str) -> f64 {
    let number = |place| argument(workload, place);
    match first_word(workload) {
        "gcbench" => 0.25 * number(1) * number(2),
        "bintrees" => 0.8 * 2_f64.powf(number(1) - 18.0),
        "oldmut" => 3e-7 * number(1) + 2e-3 * number(2),
        "lru" => 8e-7 * number(3),
        "gcold" => 0.025 * number(3) * number(5),
        "splay" => 5e-6 * (number(1) + number(2)),
        "strings" => 7e-6 * number(1),
        "server" => 0.3 + number(2),
        "stores" => 8e-3 * number(1),
        other => unreachable!("the plan has no workload {other}"),
    }
}
