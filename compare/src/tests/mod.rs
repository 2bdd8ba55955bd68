//! Figures that are worked out, what is chosen to run, and what is read from what runs print.

mod chart;
mod figures;
mod invocation;
mod parse;
mod plan;
mod sample;
mod schedule;
mod stops;
mod tables;

use crate::plan::{Job, Part};
use crate::sample::{Sample, Status};
use crate::subject::Subject;

/// A job of the table.
fn job(workload: &str, limit_mib: u64, subjects: &[Subject]) -> Job {
    Job {
        parts: vec![(Part::Table, 2.0)],
        workload: workload.to_owned(),
        limit_mib,
        subjects: subjects.to_vec(),
    }
}

/// A run that came to its end, with these figures.
fn run(workload: &str, limit_mib: u64, subject: Subject, fields: &[(&str, f64)]) -> Sample {
    let mut sample = Sample::new(&job(workload, limit_mib, &[subject]), subject, Status::Done);
    sample.fields = fields.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    sample
}
