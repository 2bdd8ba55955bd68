//! Collectors compared: the same workloads on this heap, on others, and without a collector.
//!
//! ```text
//! cargo bench --bench compare -- --quick              # small sizes, a few minutes
//! cargo bench --bench compare -- --budget 25          # the usual sizes, as far as 25 minutes go
//! cargo bench --bench compare -- --budget 25 --plan   # what that would run, and for how long
//! cargo bench --bench compare -- --report             # tables and plots of what was measured before
//! ```
//!
//! A round runs every job once; the collectors take turns on each job, and another one begins in each
//! round, so that all of them see the same machine. Each run is written down (`runs.jsonl`) before
//! the next one starts, and tables (Markdown, CSV) and plots (SVG) are made after every round: what was
//! measured is kept, whatever happens. Collectors that cannot be built here are left out by name.
//!
//! - `subject`: the collectors, how they are built and called;
//! - `plan`, `estimate`, `schedule`: what could be run, how long it takes, and what is run;
//! - `warm`: memory, before each run;
//! - `run`, `parse`, `sample`: one run, from its command line to its figures;
//! - `figures`, `tables`, `stop_table`, `plots`, `chart`: what becomes of them.

pub(crate) mod chart;
pub(crate) mod estimate;
pub(crate) mod figures;
pub(crate) mod parse;
pub(crate) mod plan;
mod plots;
mod run;
pub(crate) mod sample;
pub(crate) mod schedule;
mod stop_table;
#[path = "../shared/stops.rs"]
pub(crate) mod stops;
pub(crate) mod subject;
pub(crate) mod tables;
mod warm;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use self::estimate::Estimates;
use self::plan::{Job, Part, Size};
use self::sample::{Samples, Status};
use self::schedule::{Schedule, Turn};
use self::subject::{Subject, Workshop};

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
    /// Rounds, each of which runs everything once
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
    /// Add to the runs that are there, rather than begin anew
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
    /// Cargo adds this.
    #[arg(long, hide = true)]
    bench: bool,
}

fn minutes(text: &str) -> std::result::Result<Duration, String> {
    let minutes = text.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())
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
    // Cargo runs a benchmark in its package; the programs that this runs have paths of their own.
    std::fs::create_dir_all(&line.out)?;
    let out = line.out.canonicalize()?;
    let file = out.join("runs.jsonl");
    // Also of runs that are dropped next, if a new set begins.
    let estimates = Estimates::new(&sample::read(&file)?);
    if line.plan {
        let workshop = Workshop::open(&out)?;
        let jobs = line.jobs();
        print!("{}", line.schedule(&jobs, &workshop, &estimates).describe(&jobs));
        return Ok(());
    }
    let mut samples = Samples::open(&file, line.resume || line.report)?;
    if !line.report {
        let workshop = Workshop::open(&out)?;
        tables::note_machine(&out)?;
        Measuring::new(line, &out, &workshop, &estimates).all(&mut samples)?;
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
    /// What may be run.
    fn jobs(&self) -> Vec<Job> {
        let wanted = |job: &Job| {
            let part = |(part, _): &(Part, f64)| self.only.contains(part);
            (self.only.is_empty() || job.parts.iter().any(part))
                && job.workload.contains(&self.workload)
        };
        let all = plan::jobs(if self.quick { Size::Quick } else { Size::Standard });
        all.into_iter().filter(wanted).collect()
    }

    fn budget(&self) -> Option<Duration> {
        self.budget.or(self.quick.then_some(Duration::from_secs(360)))
    }

    fn schedule(&self, jobs: &[Job], workshop: &Workshop, estimates: &Estimates) -> Schedule {
        let rounds = self.rounds.unwrap_or(if self.quick { 2 } else { 5 });
        Schedule::new(jobs, rounds, self.budget(), workshop.subjects(), estimates)
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
    estimates: &'a Estimates,
    jobs: Vec<Job>,
    schedule: Schedule,
    deadline: Option<Instant>,
    /// How long the last run of each took, in seconds.
    took: HashMap<(usize, Subject), f64>,
    left_out: Vec<String>,
}

impl<'a> Measuring<'a> {
    fn new(
        line: &CommandLine,
        out: &'a Path,
        workshop: &'a Workshop,
        estimates: &'a Estimates,
    ) -> Self {
        let jobs = line.jobs();
        let schedule = line.schedule(&jobs, workshop, estimates);
        eprint!("{}", schedule.describe(&jobs));
        let left_out = schedule.left_out.iter().map(|&(job, _)| jobs[job].label()).collect();
        let deadline = line.budget().map(|budget| Instant::now() + budget);
        let took = HashMap::new();
        Self { out, workshop, estimates, jobs, schedule, deadline, took, left_out }
    }

    /// Runs everything that is on the schedule; tables and plots are made anew after each round.
    fn all(&mut self, samples: &mut Samples) -> Result<()> {
        let turns = std::mem::take(&mut self.schedule.turns);
        for round in turns.chunk_by(|one, other| one.round == other.round) {
            for turn in round {
                self.turn(turn, samples)?;
            }
            tables::note_left_out(self.out, &self.left_out)?;
            report(self.out, samples)?;
        }
        tables::note_left_out(self.out, &self.left_out)?;
        self.left_out.iter().for_each(|what| eprintln!("left out for want of time: {what}"));
        Ok(())
    }

    /// All runs of a job in a round for which there is time.
    fn turn(&mut self, turn: &Turn, samples: &mut Samples) -> Result<()> {
        let mut late = Vec::new();
        for &subject in &turn.subjects {
            let job = &self.jobs[turn.job];
            let what = format!("{} {}", job.label(), subject.name());
            let expected = self.took.get(&(turn.job, subject)).copied();
            let expected = expected.unwrap_or_else(|| self.estimates.seconds(job, subject));
            let left = self.deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.as_secs_f64() < expected) {
                late.push(subject.name());
                continue;
            }
            let start = Instant::now();
            warm::warm(job, subject)?;
            let sample = run::run(self.workshop, job, subject)?;
            self.took.insert((turn.job, subject), start.elapsed().as_secs_f64());
            let said = match &sample.status {
                Status::Done => format!("{:.2} s", sample.get("run_ms").unwrap_or(0.0) / 1e3),
                other => other.to_string(),
            };
            let (round, number, all) = (turn.round + 1, turn.job + 1, self.jobs.len());
            eprintln!("round {round} job {number}/{all}: {what}: {said}");
            samples.add(sample)?;
        }
        if !late.is_empty() {
            let who =
                if late.len() == turn.subjects.len() { "all".into() } else { late.join(", ") };
            let (what, round) = (self.jobs[turn.job].label(), turn.round + 1);
            self.left_out.push(format!("{what} ({who}, round {round})"));
        }
        Ok(())
    }
}
