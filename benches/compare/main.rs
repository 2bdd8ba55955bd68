//! Collectors compared: the same workloads on this heap, on others, and without a collector.
//!
//! ```text
//! cargo bench --bench compare -- --quick              # small sizes, a few minutes
//! cargo bench --bench compare -- --budget 15          # the usual sizes, as far as 15 minutes go
//! cargo bench --bench compare -- --report             # tables and plots of what was measured before
//! ```
//!
//! A round runs every job once; the collectors take turns on each job, and another one begins in each
//! round, so that all of them see the same machine. Each run is written down (`runs.jsonl`) before
//! the next one starts, and tables (Markdown, CSV) and plots (SVG) are made after every round: what was
//! measured is kept, whatever happens. Collectors that cannot be built here are left out by name.
//!
//! - `subject`: the collectors, how they are built and called;
//! - `plan`: what is run;
//! - `warm`: memory, before each run;
//! - `run`: one run, from its command line to its figures;
//! - `figures`, `tables`, `plots`: what becomes of them.

mod figures;
mod plan;
mod plots;
mod run;
mod sample;
mod subject;
mod tables;
mod warm;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use plan::{Job, Part, Size};
use sample::{Samples, Status};
use subject::Workshop;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Compares collectors: tables and plots.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct CommandLine {
    /// Small sizes and two rounds, in six minutes at most
    #[arg(long)]
    quick: bool,
    /// Begin no run that is not expected to end within so many minutes
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
    let mut samples = Samples::open(&out.join("runs.jsonl"), line.resume || line.report)?;
    if !line.report {
        let size = if line.quick { Size::Quick } else { Size::Standard };
        let workshop = Workshop::open(&out)?;
        tables::note_machine(&out)?;
        let jobs: Vec<_> = plan::jobs(size)
            .into_iter()
            .filter(|job| line.only.is_empty() || line.only.contains(&job.part))
            .filter(|job| job.workload.contains(&line.workload))
            .collect();
        let budget = line.budget.or(line.quick.then_some(Duration::from_secs(360)));
        let rounds = line.rounds.unwrap_or(if line.quick { 2 } else { 5 });
        let mut measuring = Measuring::new(&workshop, budget);
        for round in 0..rounds {
            measuring.round(round, &jobs, &mut samples)?;
            report(&out, &samples)?;
        }
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

fn report(out: &std::path::Path, samples: &Samples) -> Result<()> {
    tables::write(out, samples)?;
    plots::write(out, samples)
}

struct Measuring<'a> {
    workshop: &'a Workshop,
    deadline: Option<Instant>,
    /// How long the last run of each took.
    took: HashMap<String, Duration>,
}

impl<'a> Measuring<'a> {
    fn new(workshop: &'a Workshop, budget: Option<Duration>) -> Self {
        let deadline = budget.map(|budget| Instant::now() + budget);
        Self { workshop, deadline, took: HashMap::new() }
    }

    /// Runs everything once.
    fn round(&mut self, round: usize, jobs: &[Job], samples: &mut Samples) -> Result<()> {
        for (number, job) in jobs.iter().enumerate() {
            let subjects = self.workshop.subjects_for(job);
            for turn in 0..subjects.len() {
                let subject = subjects[(turn + round) % subjects.len()];
                let what = format!("{} {}", job.label(), subject.name());
                let left = self.deadline.map(|end| end.saturating_duration_since(Instant::now()));
                let expected = self.took.get(&what).copied().unwrap_or_default();
                if left.is_some_and(|left| left.is_zero() || left < expected) {
                    continue;
                }
                let start = Instant::now();
                warm::warm(job, subject)?;
                let sample = run::run(self.workshop, job, subject)?;
                self.took.insert(what.clone(), start.elapsed());
                let said = match &sample.status {
                    Status::Done => format!("{:.2} s", sample.get("run_ms").unwrap_or(0.0) / 1e3),
                    other => other.to_string(),
                };
                eprintln!("round {} job {}/{}: {what}: {said}", round + 1, number + 1, jobs.len());
                samples.add(sample)?;
            }
        }
        Ok(())
    }
}
