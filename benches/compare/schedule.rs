//! What of the plan is run in the time there is, and when.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::estimate::Estimates;
use super::plan::Job;
use super::subject::Subject;

/// A job's turn in a round.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) round: usize,
    /// The place of the job in the plan.
    pub(crate) job: usize,
    /// Who runs it, in that order.
    pub(crate) subjects: Vec<Subject>,
    /// How long it will take.
    pub(crate) seconds: f64,
}

/// The turns that are taken. A round has at most one for each job.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) turns: Vec<Turn>,
    /// The jobs for which there is no time, not even once, and how long each would take.
    pub(crate) left_out: Vec<(usize, f64)>,
}

impl Schedule {
    /// Takes one job after the other, in the order of the plan, if there is time for all of its runs;
    /// then all of them once more, up to so many rounds.
    pub(crate) fn new(
        jobs: &[Job],
        rounds: usize,
        budget: Option<Duration>,
        available: &[Subject],
        estimates: &Estimates,
    ) -> Self {
        let mut schedule = Self::default();
        let mut left = budget.map_or(f64::INFINITY, |budget| budget.as_secs_f64());
        for round in 0..rounds {
            // Who takes no limit need not run the same workload for each.
            let mut without_limit = HashSet::new();
            for (number, job) in jobs.iter().enumerate() {
                let again = without_limit.contains(&job.workload);
                let runs = |subject: &&Subject| {
                    available.contains(subject) && (subject.collects() || !again)
                };
                let mut subjects: Vec<_> = job.subjects.iter().filter(runs).copied().collect();
                if subjects.is_empty() {
                    continue;
                }
                let seconds = subjects.iter().map(|&of| estimates.seconds(job, of)).sum();
                if seconds <= left {
                    left -= seconds;
                    without_limit.insert(&job.workload);
                    let first = round % subjects.len();
                    subjects.rotate_left(first);
                    schedule.turns.push(Turn { round, job: number, subjects, seconds });
                } else if round == 0 {
                    schedule.left_out.push((number, seconds));
                }
            }
        }
        schedule
    }

    /// The schedule for people.
    pub(crate) fn describe(&self, jobs: &[Job]) -> String {
        let mut text = String::from(" times  minutes  runs  job\n");
        for (number, job) in jobs.iter().enumerate() {
            let turns: Vec<_> = self.turns.iter().filter(|turn| turn.job == number).collect();
            if turns.is_empty() {
                continue;
            }
            let minutes = turns.iter().map(|turn| turn.seconds).sum::<f64>() / 60.0;
            let runs = turns.iter().map(|turn| turn.subjects.len()).sum::<usize>();
            let parts: Vec<_> =
                job.parts.iter().map(|(part, _)| format!("{part:?}").to_lowercase()).collect();
            let (label, parts) = (job.label(), parts.join(", "));
            let _ = writeln!(text, "{:6}  {minutes:7.1}  {runs:4}  {label} ({parts})", turns.len());
        }
        let minutes = self.turns.iter().map(|turn| turn.seconds).sum::<f64>() / 60.0;
        let runs = self.turns.iter().map(|turn| turn.subjects.len()).sum::<usize>();
        let _ = writeln!(text, "        {minutes:7.1}  {runs:4}  in all");
        for &(number, seconds) in &self.left_out {
            let (label, minutes) = (jobs[number].label(), seconds / 60.0);
            let _ = writeln!(text, "left out: {label}, {minutes:.1} minutes");
        }
        text
    }
}
