//! How long runs will take: as long as such runs took before, or else a guess.

use std::collections::HashMap;

use crate::figures::median;
use crate::plan::{Job, RunKey, argument, first_word, run_key};
use crate::run::LONGEST;
use crate::sample::{Sample, Status};
use crate::subject::Subject;
use crate::warm;

type ByWorkload = HashMap<(String, Subject), Vec<f64>>;

/// What runs took, in seconds.
#[derive(Default)]
pub(crate) struct Estimates {
    exact: HashMap<RunKey, Vec<f64>>,
    /// By workload with its arguments, at whatever limit.
    at_any_limit: ByWorkload,
    /// As a multiple of the guess, by the workload's name.
    scaled: ByWorkload,
    /// Seconds for each MiB that was touched before a run.
    warming: Vec<f64>,
}

impl Estimates {
    pub(crate) fn new<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut estimates = Self::default();
        samples.into_iter().for_each(|sample| estimates.add(sample));
        estimates
    }

    /// Learns from a run.
    pub(crate) fn add(&mut self, sample: &Sample) {
        let (workload, subject) = (&sample.workload, sample.subject);
        if let Some(ms) = sample.get("warm_ms") {
            let mib = warm::wanted_mib(sample.limit_mib, subject);
            self.warming.push(ms / 1e3 / mib as f64);
        }
        let Some(seconds) = sample.get("wall_ms").map(|ms| ms / 1e3) else { return };
        self.exact.entry(sample.key()).or_default().push(seconds);
        // Whoever failed would have taken any time with more memory.
        if matches!(sample.status, Status::Done | Status::TooLong(_)) {
            let key = (workload.clone(), subject);
            self.at_any_limit.entry(key).or_default().push(seconds);
            let key = (first_word(workload).to_owned(), subject);
            self.scaled.entry(key).or_default().push(seconds / guess(workload));
        }
    }

    /// The seconds that a run will take, with what comes before it.
    pub(crate) fn seconds(&self, job: &Job, subject: Subject) -> f64 {
        let exact = self.exact.get(&run_key(&job.workload, job.limit_mib, subject));
        let at_any_limit = || self.at_any_limit.get(&(job.workload.clone(), subject));
        let known = exact.or_else(at_any_limit).and_then(|times| median(times.clone()));
        let guess = || {
            let scaled = self.scaled.get(&(first_word(&job.workload).to_owned(), subject));
            let scale = scaled.and_then(|scales| median(scales.clone())).unwrap_or(1.0);
            guess(&job.workload) * scale
        };
        let run = known.unwrap_or_else(guess).min(LONGEST.as_secs_f64());
        // The process that touches it, and all of the processes' beginnings and ends.
        const STARTING: f64 = 0.1;
        // Half a second a GiB.
        let warming = median(self.warming.clone()).unwrap_or(0.5 / 1024.0);
        STARTING + warming * warm::wanted_mib(job.limit_mib, subject) as f64 + run
    }
}

/// The seconds that a run takes with any collector, more or less, on two processors of 2020 or so.
fn guess(workload: &str) -> f64 {
    let number = |place| argument(workload, place);
    match first_word(workload) {
        "gcbench" => 0.25 * number(1) * number(2),
        "bintrees" => 0.8 * 2_f64.powf(number(1) - 18.0),
        "oldmut" => 3e-7 * number(1) + 2e-3 * number(2),
        "lru" => 8e-7 * number(3),
        "gcold" => 0.04 * number(3) * number(5) / 4.0,
        "splay" => 3e-6 * (number(1) + number(2)),
        "strings" => 1.5e-6 * number(1),
        "server" => 0.3 + number(2),
        "stores" => 8e-3 * number(1),
        other => unreachable!("the plan has no workload {other}"),
    }
}
