//! Runs that were made: a line of JSON each, in a file that only grows.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::invocation::Invocation;
use crate::plan::{Job, Part, RunKey, run_key};
use crate::stops::records::CycleRecord;
use crate::subject::Subject;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Done,
    OutOfMemory,
    /// It was ended after so many seconds.
    TooLong(u64),
    Failed(String),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::TooLong(seconds) => write!(f, "over {seconds} s"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// As of the job.
    pub(crate) parts: Vec<(Part, f64)>,
    pub(crate) workload: String,
    pub(crate) limit_mib: u64,
    pub(crate) subject: Subject,
    #[serde(default)]
    pub(crate) invocation: Invocation,
    /// Differs if the program does. Empty if it is not known, as for runs of older versions.
    #[serde(default)]
    pub(crate) build: String,
    pub(crate) status: Status,
    /// The numbers of the RESULT line, what is derived from them, and `cpu_ms`, `wall_ms` and
    /// `rss_mib` of the whole process, and `warm_ms`, which came before it.
    pub(crate) fields: BTreeMap<String, f64>,
    /// The check value: too large for a floating-point number.
    pub(crate) sum: String,
    /// Lengths of stops in nanoseconds, and how many there were of each.
    pub(crate) pauses_ns: Vec<(u64, u64)>,
    /// Operations that took long: thread, start since the run began, and length, in nanoseconds.
    pub(crate) long: Vec<(u64, u64, u64)>,
    /// The last cycles of a heap of ours.
    pub(crate) cycles: Vec<CycleRecord>,
}

impl Sample {
    /// A run of which nothing is known yet but how it ended.
    pub(crate) fn new(job: &Job, subject: Subject, status: Status) -> Self {
        Self {
            parts: job.parts.clone(),
            workload: job.workload.clone(),
            limit_mib: job.limit_mib,
            subject,
            invocation: Invocation::default(),
            build: String::new(),
            status,
            fields: BTreeMap::new(),
            sum: String::new(),
            pauses_ns: Vec::new(),
            long: Vec::new(),
            cycles: Vec::new(),
        }
    }

    pub(crate) fn get(&self, field: &str) -> Option<f64> {
        self.fields.get(field).copied()
    }

    pub(crate) fn key(&self) -> RunKey {
        run_key(&self.workload, self.limit_mib, self.subject)
    }
}

/// The runs of each program as it was built last. What an older one did is no figure of this one, and half
/// of it would be a figure of nothing.
pub(crate) fn of_last_builds(all: &[Sample]) -> Vec<&Sample> {
    let builds = all.iter().map(|sample| (sample.subject.program(), &sample.build));
    let last: HashMap<_, _> = builds.collect();
    all.iter().filter(|sample| last[sample.subject.program()] == &sample.build).collect()
}

/// The runs that are in a file, if it is there.
pub(crate) fn read(path: &Path) -> Result<Vec<Sample>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        match serde_json::from_str(line) {
            Ok(sample) => all.push(sample),
            // One that was cut off, or of an older version.
            Err(error) => unreadable.push(format!("line {}: {error}", number + 1)),
        }
    }
    if let Some(first) = unreadable.first() {
        let (path, count) = (path.display(), unreadable.len());
        eprintln!("{path}: {count} runs cannot be read and are passed over, the first in {first}");
    }
    Ok(all)
}

/// All runs.
pub(crate) struct Samples {
    file: File,
    all: Vec<Sample>,
}

impl Samples {
    /// Opens the file; what is in it is dropped, or else kept.
    pub(crate) fn open(path: &Path, keep: bool) -> Result<Self> {
        let all = if keep { read(path)? } else { Vec::new() };
        let mut file = File::options();
        if keep {
            file.append(true)
        } else {
            file.write(true).truncate(true)
        };
        let mut file = file.create(true).open(path)?;
        if keep {
            // Whatever was cut off stays on a line of its own.
            writeln!(file)?;
        }
        Ok(Self { file, all })
    }

    pub(crate) fn add(&mut self, sample: Sample) -> Result<()> {
        let mut line = serde_json::to_string(&sample)?;
        line.push('\n');
        self.file.write_all(line.as_bytes())?;
        self.all.push(sample);
        Ok(())
    }

    pub(crate) fn all(&self) -> &[Sample] {
        &self.all
    }

    /// Those that figures are of.
    pub(crate) fn current(&self) -> Vec<&Sample> {
        of_last_builds(&self.all)
    }

    /// Runs that failed, and check values that differ between collectors.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut sums: HashMap<&str, &Sample> = HashMap::new();
        for sample in self.current() {
            let who = format!("{}: {}", sample.workload, sample.subject.name());
            if let Status::Failed(why) = &sample.status {
                problems.push(format!("{who} failed: {why}"));
            }
            if sample.status != Status::Done {
                continue;
            }
            let first = sums.entry(&sample.workload).or_insert(sample);
            if first.sum != sample.sum {
                let (other, sum) = (first.subject.name(), &first.sum);
                problems.push(format!("{who} has the sum {}, {other} {sum}", sample.sum));
            }
        }
        problems
    }
}
