//! What of the plan is run next, in the time there is.
//!
//! What has run least often comes first, in the order of the plan: nothing is repeated while something is
//! missing, however many invocations that takes. The collectors of a job take turns within a few minutes,
//! so that they see the same machine; so a job is not begun if there is no time for all of them.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::estimate::Estimates;
use crate::plan::{Job, RunKey, run_key};
use crate::sample::Sample;
use crate::subject::Subject;

/// How often each has run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(HashMap<RunKey, usize>);

impl Counts {
    pub(crate) fn new<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut counts = Self::default();
        samples.into_iter().for_each(|sample| *counts.0.entry(sample.key()).or_default() += 1);
        counts
    }

    pub(crate) fn add(&mut self, job: &Job, subject: Subject) {
        *self.0.entry(run_key(&job.workload, job.limit_mib, subject)).or_default() += 1;
    }

    fn of(&self, job: &Job, subject: Subject) -> usize {
        let key = run_key(&job.workload, job.limit_mib, subject);
        self.0.get(&key).copied().unwrap_or(0)
    }

    /// How often all of a job have run.
    fn of_all(&self, job: &Job) -> usize {
        job.subjects.iter().map(|&subject| self.of(job, subject)).min().unwrap_or(0)
    }

    /// What of the jobs has not run at all, for people: by workload.
    pub(crate) fn missing(&self, jobs: &[Job]) -> Vec<String> {
        let mut missing: Vec<(&str, Vec<String>)> = Vec::new();
        for job in jobs {
            let never = |subject: &Subject| self.of(job, *subject) == 0;
            let who: Vec<_> = job.subjects.iter().copied().filter(never).collect();
            // Who takes no limit has run at others, perhaps.
            let mut at_this_limit = job.subjects.iter().filter(|subject| subject.collects());
            let limit = match who.len() {
                0 => continue,
                _ if at_this_limit.all(never) => job.limit_mib.to_string(),
                _ => {
                    let names: Vec<_> = who.into_iter().map(Subject::name).collect();
                    format!("{} ({})", job.limit_mib, names.join(", "))
                }
            };
            match missing.iter_mut().find(|(workload, _)| *workload == job.workload) {
                Some((_, limits)) => limits.push(limit),
                None => missing.push((&job.workload, vec![limit])),
            }
        }
        let described = |(workload, limits): (&str, Vec<String>)| {
            format!("{workload} at {} MiB", limits.join(", "))
        };
        missing.into_iter().map(described).collect()
    }
}

/// A job's turn in a round.
#[derive(Debug)]
pub(crate) struct Turn {
    /// How often all of it have run before.
    pub(crate) round: usize,
    /// The place of the job in the plan.
    pub(crate) job: usize,
    /// Who runs it, in that order.
    pub(crate) subjects: Vec<Subject>,
    /// How long it will take.
    pub(crate) seconds: f64,
}

/// What turns are chosen from, and by.
#[derive(Clone, Copy)]
pub(crate) struct Planner<'a> {
    pub(crate) jobs: &'a [Job],
    pub(crate) estimates: &'a Estimates,
    /// How often each is run at most, with the runs that are there.
    pub(crate) rounds: usize,
    /// Seconds for all turns together.
    pub(crate) budget: f64,
}

impl Planner<'_> {
    /// The next turn in the seconds that are left: the first job of those that have run least often for
    /// which there is time.
    pub(crate) fn next(&self, counts: &Counts, left: f64) -> Option<Turn> {
        let round = self.jobs.iter().map(|job| counts.of_all(job)).min()?;
        if round >= self.rounds {
            return None;
        }
        let mut due = (0..self.jobs.len()).filter(|&job| counts.of_all(&self.jobs[job]) == round);
        due.find_map(|job| self.turn(round, job, counts, left))
    }

    /// The turn of a job, if there is time for it. One that is longer than the whole budget is split.
    fn turn(&self, round: usize, number: usize, counts: &Counts, left: f64) -> Option<Turn> {
        let job = &self.jobs[number];
        let is_due = |subject: Subject| counts.of(job, subject) <= round;
        // Who takes no limit need not run the same workload for each.
        let runs = |subject: &Subject| subject.collects() || is_due(*subject);
        let mut subjects: Vec<_> = job.subjects.iter().copied().filter(runs).collect();
        let first = round % subjects.len();
        subjects.rotate_left(first);
        if self.seconds(job, &subjects) > self.budget {
            let mut room = left;
            subjects.retain(|&subject| {
                let after = room - self.estimates.seconds(job, subject);
                let fits = is_due(subject) && after >= 0.0;
                room = if fits { after } else { room };
                fits
            });
        }
        let seconds = self.seconds(job, &subjects);
        let fits = !subjects.is_empty() && seconds <= left;
        fits.then_some(Turn { round, job: number, subjects, seconds })
    }

    fn seconds(&self, job: &Job, subjects: &[Subject]) -> f64 {
        subjects.iter().map(|&subject| self.estimates.seconds(job, subject)).sum()
    }

    /// All turns, if each takes as long as it is thought to.
    pub(crate) fn schedule(self, mut counts: Counts) -> Schedule {
        let (mut turns, mut left) = (Vec::new(), self.budget);
        while let Some(turn) = self.next(&counts, left) {
            turn.subjects.iter().for_each(|&subject| counts.add(&self.jobs[turn.job], subject));
            left -= turn.seconds;
            turns.push(turn);
        }
        Schedule { turns, counts }
    }

    /// The schedule for people.
    pub(crate) fn describe(&self, schedule: &Schedule) -> String {
        let mut text = String::from(" times  minutes  runs  job\n");
        let totals = |turns: &[&Turn]| {
            let minutes = turns.iter().map(|turn| turn.seconds).sum::<f64>() / 60.0;
            (minutes, turns.iter().map(|turn| turn.subjects.len()).sum::<usize>())
        };
        for (number, job) in self.jobs.iter().enumerate() {
            let of_job = |turn: &&Turn| turn.job == number;
            let turns: Vec<_> = schedule.turns.iter().filter(of_job).collect();
            if turns.is_empty() {
                continue;
            }
            let (minutes, runs) = totals(&turns);
            let parts: Vec<_> =
                job.parts.iter().map(|(part, _)| format!("{part:?}").to_lowercase()).collect();
            let (label, parts) = (job.label(), parts.join(", "));
            let _ = writeln!(text, "{:6}  {minutes:7.1}  {runs:4}  {label} ({parts})", turns.len());
        }
        let (minutes, runs) = totals(&schedule.turns.iter().collect::<Vec<_>>());
        let _ = writeln!(text, "        {minutes:7.1}  {runs:4}  in all");
        let (mut complete, mut missing_s) = (0, 0.0);
        for job in self.jobs {
            let never = |subject: &Subject| schedule.counts.of(job, *subject) == 0;
            let missing: Vec<_> = job.subjects.iter().copied().filter(never).collect();
            complete += usize::from(missing.is_empty());
            missing_s += self.seconds(job, &missing);
        }
        let (all, minutes) = (self.jobs.len(), missing_s / 60.0);
        let _ =
            writeln!(text, "then {complete} of {all} jobs have run, {minutes:.1} minutes missing");
        for what in schedule.counts.missing(self.jobs) {
            let _ = writeln!(text, "missing: {what}");
        }
        text
    }
}

/// The turns that would be taken, and how often each has run then.
pub(crate) struct Schedule {
    pub(crate) turns: Vec<Turn>,
    pub(crate) counts: Counts,
}
