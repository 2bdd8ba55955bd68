//! `strandline probe`: what this machine offers to a dirty-page tracker, and what it costs.

mod backends;
mod costs;
mod progress;
mod scratch;
mod system;
mod text;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use strandline::dirty::BackendKind;

use crate::failure::Failure;
use backends::{Backend, Choice};
use costs::Costs;
use progress::Progress;
use system::System;

/// Show what this kernel offers for tracking writes, and measure what it costs
///
/// The hardware back-end is `uffd`: userfaultfd in asynchronous write-protect mode, read by
/// `PAGEMAP_SCAN`. The `mprotect` back-end is measured beside it. The choice that is shown honours
/// the environment variable `STRANDLINE_TRACKER`, as every program on the library does.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Measure less memory, fewer times: 16 MiB, 3 rounds
    #[arg(long)]
    quick: bool,
    /// Measure on this much memory, in MiB [default: 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65536))]
    mib: Option<u32>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Exit status:
  0  the hardware back-end (uffd) works here
  1  it does not: the output says why, and has everything else that could be found out
  2  the arguments are wrong";

/// Everything that was found out; the text and the JSON are made from it.
#[derive(Serialize)]
struct Report {
    system: System,
    choice: Choice,
    backends: Vec<Backend>,
    costs: Costs,
    hardware_backend_works: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let report = Report::collect(arguments);
    let status = if report.hardware_backend_works { ExitCode::SUCCESS } else { ExitCode::from(1) };
    match report.write(arguments.json) {
        // The verdict stands, whether anyone reads the rest or not.
        Ok(()) | Err(Failure::Closed) => Ok(status),
        Err(failure) => Err(failure),
    }
}

impl Report {
    fn collect(arguments: &Arguments) -> Self {
        let progress = Progress::new();
        let system = System::collect();
        let choice = Choice::make();
        let backends = Backend::all();
        let works =
            |kind: BackendKind| backends.iter().any(|b| b.name == kind.name() && b.error.is_none());
        let hardware_backend_works = works(BackendKind::Uffd);
        let (mib, rounds) = if arguments.quick { (16, 3) } else { (128, 7) };
        let bytes = arguments.mib.unwrap_or(mib) as usize * (1 << 20);
        let costs = Costs::measure(&system, bytes, rounds, &progress);
        Self { system, choice, backends, costs, hardware_backend_works }
    }

    fn write(&self, json: bool) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            writeln!(out)?;
        } else {
            text::write(self, &mut out)?;
        }
        out.flush()?;
        Ok(())
    }
}
