//! Where runs come from: medians may be of runs that were not made together, and then the report says so.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::figures::Group;
use crate::sample::Sample;
use crate::subject::Subject;

/// A call of this program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invocation {
    /// When it began, in UTC.
    pub(crate) began: String,
    pub(crate) arguments: String,
    /// The commit of this repository, with a plus sign if programs were built from more than that. Empty if
    /// it is not known.
    pub(crate) commit: String,
}

impl Invocation {
    /// This one.
    pub(crate) fn now() -> Self {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let began = said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M:%S"]));
        Self { began: began.unwrap_or_default(), arguments: arguments.join(" "), commit: commit() }
    }
}

/// What a command writes, if it can be run and ends well.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn commit() -> String {
    let git =
        |arguments: &[&str]| said(Command::new("git").current_dir(crate::root()).args(arguments));
    let sources = ["src", "examples", "compare", "Cargo.toml", "Cargo.lock"];
    let changes = git(&[&["status", "--porcelain", "--"], &sources[..]].concat());
    let mut commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    if changes.is_some_and(|changes| !changes.is_empty()) {
        commit.push('+');
    }
    commit
}

/// The calls that the runs were made in, in the order in which they first made one.
fn invocations<'a>(samples: &[&'a Sample]) -> Vec<&'a Invocation> {
    let mut seen = HashSet::new();
    let all = samples.iter().map(|sample| &sample.invocation);
    all.filter(|invocation| seen.insert(&invocation.began)).collect()
}

/// Says when and by which command the runs were made, and if there are several which are of which.
pub(crate) fn write(text: &mut String, samples: &[&Sample], groups: &[Group<'_>]) {
    let all = invocations(samples);
    if let [one] = all[..] {
        let _ = writeln!(text, "\nMeasured {}.", described(one));
        return;
    }
    if all.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nMeasured in {} parts:\n", all.len());
    for (number, invocation) in all.iter().enumerate() {
        let _ = writeln!(text, "- {}: {}", letter(number), described(invocation));
    }
    table(text, &all, groups);
}

fn described(invocation: &Invocation) -> String {
    let Invocation { began, arguments, commit } = invocation;
    if began.is_empty() {
        return "at a time that was not written down".into();
    }
    let of = if commit.is_empty() { String::new() } else { format!(" of commit {commit}") };
    format!("{began} UTC, `cargo run --release -p strandline-compare -- {arguments}`{of}")
}

/// How a part is called in the table: a, b, and so on to z, then a1.
pub(crate) fn letter(number: usize) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    if number < 26 { letter.into() } else { format!("{letter}{}", number / 26) }
}

/// The numbers of runs of each job and collector, by part.
fn table(text: &mut String, all: &[&Invocation], groups: &[Group<'_>]) {
    let ran = |subject: &Subject| groups.iter().any(|group| group.runs.contains_key(subject));
    let subjects: Vec<_> = Subject::ALL.into_iter().filter(ran).collect();
    let names: Vec<_> = subjects.iter().map(|subject| subject.name()).collect();
    let _ = write!(
        text,
        "\n### In which part runs were made, and how many if more than one\n\n| | limit | {} |\n",
        names.join(" | ")
    );
    let _ = writeln!(text, "|---|--:|{}", "---|".repeat(subjects.len()));
    let mut seen = HashSet::new();
    for group in groups.iter().filter(|group| seen.insert((group.workload, group.limit_mib))) {
        let cells: Vec<_> = subjects.iter().map(|&subject| cell(all, group, subject)).collect();
        let _ =
            writeln!(text, "| {} | {} | {} |", group.workload, group.limit_mib, cells.join(" | "));
    }
}

/// `a 3b`: one run of the first part and three of the second.
fn cell(all: &[&Invocation], group: &Group<'_>, subject: Subject) -> String {
    let runs = group.runs.get(&subject).map_or(&[][..], Vec::as_slice);
    let count = |invocation: &Invocation| {
        runs.iter().filter(|run| run.invocation.began == invocation.began).count()
    };
    let of_part = |(number, &invocation): (usize, &&Invocation)| match count(invocation) {
        0 => None,
        1 => Some(letter(number)),
        count => Some(format!("{count}{}", letter(number))),
    };
    all.iter().enumerate().filter_map(of_part).collect::<Vec<_>>().join(" ")
}
