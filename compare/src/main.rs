//! Collectors compared: the same workloads on this heap, on others, and without a collector.
//!
//! ```text
//! cargo run --release -p strandline-compare -- OPTIONS
//!
//! --quick              # small sizes, a few minutes
//! --budget 25          # the usual sizes, as far as 25 minutes go
//! --budget 25 --plan   # what that would run, and for how long
//! --budget 25 --resume # 25 minutes more: first what is still missing
//! --report             # tables and plots of what was measured before
//! ```
//!
//! A round runs every job once; the collectors take turns on each job, and another one begins in each
//! round, so that all of them see the same machine. Each run is written down (`runs.jsonl`) before
//! the next one starts, and tables (Markdown, CSV) and plots (SVG) are made after every round: what was
//! measured is kept, whatever happens. A round may take several invocations, of which the report tells.
//! It is of the runs of each program as it was built last; what older ones took is only remembered to
//! tell how long the next run will take. Collectors that cannot be built here are left out by name.
//!
//! - `subject`: the collectors, how they are built and called;
//! - `plan`, `estimate`, `schedule`: what could be run, how long it takes, and what is run next;
//! - `warm`: memory, before each run;
//! - `run`, `parse`, `sample`: one run, from its command line to its figures;
//! - `invocation`: where runs come from;
//! - `figures`, `tables`, `machine`, `stop_table`, `plots`, `chart`: what becomes of them.

mod chart;
mod estimate;
mod figures;
mod invocation;
mod machine;
mod parse;
mod plan;
mod plots;
mod run;
mod sample;
mod schedule;
mod stop_table;
#[path = "../../benches/shared/stops.rs"]
mod stops;
mod subject;
mod tables;
#[cfg(test)]
mod tests;
mod warm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use estimate::Estimates;
use invocation::Invocation;
use plan::{Job, Part, Size};
use sample::{Sample, Samples, Status};
use schedule::{Counts, Planner, Turn};
use subject::{Subject, Workshop};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Compares collectors: tables and plots.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct CommandLine {
    /// Small sizes and two rounds, in six minutes at most
    #[arg(long)]
    quick: bool,
    /// Run what matters most of what can be run in so many minutes, and say what is left out
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    budget: Option<Duration>,
    /// Rounds, each of which runs everything once; those that are there count
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Only workloads whose name and arguments contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    workload: String,
    /// Where everything goes
    #[arg(long, value_name = "DIR", default_value = "target/compare")]
    out: PathBuf,
    /// Add to the runs that are there, rather than begin anew: first what has run least often
    #[arg(long)]
    resume: bool,
    /// Put the tables into this document, between its lines `<!-- results: begin -->` and
    /// `<!-- results: end -->`
    #[arg(long, value_name = "FILE")]
    publish: Option<PathBuf>,
    /// Run nothing: say what would be run, and how long it would take by the runs that are there
    #[arg(long)]
    plan: bool,
    /// Run nothing: tables and plots of the runs that are there
    #[arg(long)]
    report: bool,
    /// Touch so much memory, and nothing else: what this starts itself for.
    #[arg(long, hide = true)]
    touch_mib: Option<usize>,
}

fn minutes(text: &str) -> std::result::Result<Duration, String> {
    let minutes = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())
}

/// The directory of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this is a member of a workspace")
}

fn main() -> ExitCode {
    match compare(&CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(line: &CommandLine) -> Result<()> {
    if let Some(mib) = line.touch_mib {
        return warm::touch(mib);
    }
    std::fs::create_dir_all(&line.out)?;
    let out = line.out.canonicalize()?;
    let file = out.join("runs.jsonl");
    let earlier = sample::read(&file)?;
    let workshop = if line.report { None } else { Some(Workshop::open(&out)?) };
    let mut measuring =
        workshop.as_ref().map(|workshop| Measuring::new(line, &out, workshop, &earlier));
    if let Some(measuring) = &measuring {
        print!("{}", measuring.describe());
        if line.plan {
            return Ok(());
        }
    }
    let mut samples = Samples::open(&file, line.resume || line.report)?;
    if let Some(measuring) = &mut measuring {
        tables::note_machine(&out)?;
        measuring.all(&mut samples)?;
    }
    report(&out, &samples)?;
    if let Some(document) = &line.publish {
        tables::publish(&out, document)?;
    }
    let problems = samples.problems();
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    eprintln!("{} runs; tables and plots are in {}", samples.all().len(), line.out.display());
    if problems.is_empty() { Ok(()) } else { Err("not all runs went well, see above".into()) }
}

impl CommandLine {
    fn size(&self) -> Size {
        if self.quick { Size::Quick } else { Size::Standard }
    }

    fn is_wanted(&self, job: &Job) -> bool {
        let part = |(part, _): &(Part, f64)| self.only.contains(part);
        (self.only.is_empty() || job.parts.iter().any(part))
            && job.workload.contains(&self.workload)
    }

    fn budget(&self) -> Option<Duration> {
        self.budget.or(self.quick.then_some(Duration::from_secs(360)))
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 })
    }
}

fn report(out: &Path, samples: &Samples) -> Result<()> {
    tables::write(out, samples)?;
    plots::write(out, samples)
}

/// Runs that are being made.
struct Measuring<'a> {
    out: &'a Path,
    workshop: &'a Workshop,
    invocation: Invocation,
    /// Everything that could be run here.
    plan: Vec<Job>,
    /// What of it is wanted.
    jobs: Vec<Job>,
    rounds: usize,
    /// In seconds.
    budget: f64,
    estimates: Estimates,
    /// Of runs of the programs as they are.
    counts: Counts,
}

impl<'a> Measuring<'a> {
    fn new(line: &CommandLine, out: &'a Path, workshop: &'a Workshop, earlier: &[Sample]) -> Self {
        let plan = plan::jobs(line.size(), workshop.subjects());
        let counts = |run: &&Sample| line.resume && run.build == workshop.build_of(run.subject);
        Self {
            out,
            workshop,
            invocation: Invocation::now(),
            jobs: plan.iter().filter(|job| line.is_wanted(job)).cloned().collect(),
            plan,
            rounds: line.rounds(),
            budget: line.budget().map_or(f64::INFINITY, |budget| budget.as_secs_f64()),
            // Also by runs that are dropped next, if a new set begins.
            estimates: Estimates::new(earlier),
            counts: Counts::new(earlier.iter().filter(counts)),
        }
    }

    fn planner(&self) -> Planner<'_> {
        let Self { jobs, estimates, rounds, budget, .. } = self;
        Planner { jobs, estimates, rounds: *rounds, budget: *budget }
    }

    fn describe(&self) -> String {
        let planner = self.planner();
        planner.describe(&planner.schedule(self.counts.clone()))
    }

    /// Runs whatever there is time for; tables and plots are made anew after each round.
    fn all(&mut self, samples: &mut Samples) -> Result<()> {
        let (start, mut round) = (Instant::now(), None);
        let left = |budget: f64| budget - start.elapsed().as_secs_f64();
        while let Some(turn) = self.planner().next(&self.counts, left(self.budget)) {
            if round.replace(turn.round).is_some_and(|before| before != turn.round) {
                self.report(samples)?;
            }
            self.turn(&turn, left, samples)?;
        }
        self.report(samples)
    }

    fn report(&self, samples: &Samples) -> Result<()> {
        tables::note_missing(self.out, &self.counts.missing(&self.plan))?;
        report(self.out, samples)
    }

    /// All runs of a job in a round. If they take longer than they were thought to, the last ones are left
    /// to another time.
    fn turn(
        &mut self,
        turn: &Turn,
        left: impl Fn(f64) -> f64,
        samples: &mut Samples,
    ) -> Result<()> {
        /// By how much of itself a budget may be exceeded.
        const GRACE: f64 = 0.05;
        let job = self.jobs[turn.job].clone();
        for &subject in &turn.subjects {
            let what = format!("{} {}", job.label(), subject.name());
            if left(self.budget * (1.0 + GRACE)) < self.estimates.seconds(&job, subject) {
                eprintln!("{what}: no time is left");
                continue;
            }
            let sample = self.run(&job, subject)?;
            let said = match &sample.status {
                Status::Done => format!("{:.2} s", sample.get("run_ms").unwrap_or(0.0) / 1e3),
                other => other.to_string(),
            };
            let (round, number, all) = (turn.round + 1, turn.job + 1, self.jobs.len());
            eprintln!("round {round} job {number}/{all}: {what}: {said}");
            self.estimates.add(&sample);
            self.counts.add(&job, subject);
            samples.add(sample)?;
        }
        Ok(())
    }

    fn run(&self, job: &Job, subject: Subject) -> Result<Sample> {
        let start = Instant::now();
        warm::warm(job, subject)?;
        let warm_ms = start.elapsed().as_secs_f64() * 1e3;
        let mut sample = run::run(self.workshop, job, subject)?;
        sample.fields.insert("warm_ms".into(), warm_ms);
        sample.invocation = self.invocation.clone();
        sample.build = self.workshop.build_of(subject).to_owned();
        Ok(sample)
    }
}
