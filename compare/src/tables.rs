//! Tables: `results.md` for people, `results.csv` for programs.

use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::figures::{Group, groups};
use crate::invocation;
use crate::machine;
use crate::plan::Part;
use crate::sample::{Samples, Status};
use crate::stop_table;
use crate::subject::Subject;

/// A figure of the tables: its name, its field, and what the field is divided by.
const FIGURES: [(&str, &str, f64); 8] = [
    ("Run time, s", "run_ms", 1e3),
    ("Processor time of the whole process, s", "cpu_ms", 1e3),
    ("Longest stop of the world, ms", "pause_max_ms", 1.0),
    ("99 % of stops of the world, ms", "pause_p99_ms", 1.0),
    ("Longest operation, ms", "max_us", 1e3),
    ("99.9 % of operations, ms", "p999_us", 1e3),
    ("Median operation, us", "p50_us", 1.0),
    ("Peak resident memory, MiB", "rss_mib", 1.0),
];

const WINDOWS_MS: [u64; 5] = [1, 5, 20, 100, 1000];

/// Figures that are given for each limit, live size and number of threads as well.
const FIGURES_BY_PART: [(&str, &str, f64); 7] = [
    FIGURES[0],
    FIGURES[1],
    FIGURES[2],
    FIGURES[3],
    FIGURES[4],
    ("A minor cycle, ms", "minor_cycle_ms", 1.0),
    ("A full cycle, ms", "full_cycle_ms", 1.0),
];

pub(crate) fn write(out: &Path, samples: &Samples) -> Result<()> {
    let current = samples.current();
    let groups = groups(current.iter().copied());
    let read = |file| std::fs::read_to_string(out.join(file)).unwrap_or_default();
    let mut text = read(MACHINE) + &read(MISSING);
    invocation::write(&mut text, &current, &groups);
    text += &markdown(&groups);
    std::fs::write(out.join("results.md"), text)?;
    std::fs::write(out.join("results.csv"), csv(&groups))?;
    Ok(())
}

pub(crate) fn markdown(groups: &[Group<'_>]) -> String {
    let mut text = String::new();
    let of = |part| groups.iter().filter(move |group| group.part == part);
    for (title, field, unit) in FIGURES {
        table(&mut text, title, of(Part::Table), in_units(field, unit));
    }
    let cpu = |group: &Group<'_>, subject| group.over_lower_bound(subject, "cpu_ms");
    let wall = |group: &Group<'_>, subject| group.over_lower_bound(subject, "run_ms");
    table(&mut text, "Cost over the lower bound: processor time", of(Part::Table), cpu);
    table(&mut text, "Cost over the lower bound: run time", of(Part::Table), wall);
    for window in WINDOWS_MS {
        let title = format!("Least utilisation of a mutator in {window} ms");
        let value = |group: &Group<'_>, s| group.utilisation(s, window * 1_000_000);
        table(&mut text, &title, of(Part::Table), value);
    }
    tracking(&mut text, of(Part::Table));
    stop_table::write(&mut text, groups);
    for (part, title) in [
        (Part::Limits, "by heap limit, as a multiple of what is alive"),
        (Part::Live, "by live size, MiB"),
        (Part::Threads, "by threads"),
    ] {
        for (name, field, unit) in FIGURES_BY_PART {
            table(&mut text, &format!("{name}, {title}"), of(part), in_units(field, unit));
        }
    }
    let store = |group: &Group<'_>, subject| group.median(subject, "store_ns");
    table(&mut text, "A store, ns, with ten minor cycles a second", of(Part::Stores), store);
    text
}

/// The median of a field. Who never collects never stops the world.
fn in_units(field: &str, unit: f64) -> impl Fn(&Group<'_>, Subject) -> Option<f64> {
    move |group, subject| {
        let applies = subject.collects() || !field.starts_with("pause_");
        applies.then(|| group.median(subject, field))?.map(|value| value / unit)
    }
}

/// Where runs say where they were made.
const MACHINE: &str = "machine.md";

/// Where runs say what is still to be run.
const MISSING: &str = "missing.md";

/// Notes what of the plan has not been run.
pub(crate) fn note_missing(out: &Path, what: &[String]) -> Result<()> {
    let text = if what.is_empty() {
        String::new()
    } else {
        format!("\nThere was no time yet for: {}.\n", what.join("; "))
    };
    Ok(std::fs::write(out.join(MISSING), text)?)
}

/// Notes where this is measured, without names.
pub(crate) fn note_machine(out: &Path) -> Result<()> {
    Ok(std::fs::write(out.join(MACHINE), machine::describe())?)
}

/// Puts the tables into a document, between the lines that say where.
pub(crate) fn publish(out: &Path, document: &Path) -> Result<()> {
    const BEGIN: &str = "<!-- results: begin -->\n";
    const END: &str = "<!-- results: end -->";
    let text = std::fs::read_to_string(document)
        .map_err(|error| format!("{}: {error}", document.display()))?;
    let parts =
        text.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or_else(|| {
        format!("{} has no lines {} and {END} for the tables", document.display(), BEGIN.trim_end())
    })?;
    let results = std::fs::read_to_string(out.join("results.md"))?;
    Ok(std::fs::write(document, format!("{head}{BEGIN}\n{results}\n{END}{tail}"))?)
}

/// A table of jobs by collectors. Left out if there is nothing in it.
fn table<'a>(
    text: &mut String,
    title: &str,
    groups: impl Iterator<Item = &'a Group<'a>>,
    value: impl Fn(&Group<'_>, Subject) -> Option<f64>,
) {
    let groups: Vec<_> = groups.collect();
    let has = |subject: &Subject| groups.iter().any(|group| value(group, *subject).is_some());
    let subjects: Vec<_> = Subject::ALL.into_iter().filter(has).collect();
    if subjects.is_empty() {
        return;
    }
    let names: Vec<_> = subjects.iter().map(|subject| subject.name()).collect();
    let _ = write!(text, "\n### {title}\n\n| | limit | {} |\n", names.join(" | "));
    let _ = writeln!(text, "|---|--:|{}", "--:|".repeat(subjects.len()));
    for group in groups {
        if subjects.iter().all(|&subject| value(group, subject).is_none()) {
            continue;
        }
        let _ = write!(text, "| {} | {} |", group.workload, group.limit_mib);
        for &subject in &subjects {
            let cell = match (value(group, subject), group.failure(subject)) {
                (Some(value), _) => rounded(value),
                (None, Some(Status::OutOfMemory)) => "oom".into(),
                (None, Some(Status::TooLong(seconds))) => format!("> {seconds} s"),
                (None, Some(_)) => "failed".into(),
                (None, None) if group.runs.contains_key(&subject) => "-".into(),
                (None, None) => String::new(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
}

/// What tracking cost this heap.
fn tracking<'a>(text: &mut String, groups: impl Iterator<Item = &'a Group<'a>>) {
    const FIELDS: [&str; 8] = [
        "gcs",
        "minor",
        "major",
        "dirty_pages",
        "faults",
        "pause_sum_ms",
        "stall_max_ms",
        "ttsp_max_ms",
    ];
    let mut groups =
        groups.filter(|group| group.runs.contains_key(&Subject::Concurrent)).peekable();
    if groups.peek().is_none() {
        return;
    }
    let _ = write!(text, "\n### What strandline did\n\n| | limit | {} |\n", FIELDS.join(" | "));
    let _ = writeln!(text, "|---|--:|{}", "--:|".repeat(FIELDS.len()));
    for group in groups {
        let cell = |field| group.median(Subject::Concurrent, field).map_or("-".into(), rounded);
        let cells: Vec<_> = FIELDS.into_iter().map(cell).collect();
        let _ =
            writeln!(text, "| {} | {} | {} |", group.workload, group.limit_mib, cells.join(" | "));
    }
}

/// Three significant digits, whole numbers whole.
pub(crate) fn rounded(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 || v == v.trunc() => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.995 => format!("{value:.2}"),
        v if v >= 0.0995 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// Every figure of every job and collector.
pub(crate) fn csv(groups: &[Group<'_>]) -> String {
    let mut text = "part,workload,limit_mib,x,collector,figure,runs,median,least,most\n".to_owned();
    for group in groups {
        for &subject in group.runs.keys() {
            let runs: Vec<_> = group.done(subject).collect();
            let fields: std::collections::BTreeSet<_> =
                runs.iter().flat_map(|run| run.fields.keys()).collect();
            for field in fields {
                let values: Vec<_> = runs.iter().filter_map(|run| run.get(field)).collect();
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let Some(median) = crate::figures::median(values.clone()) else { continue };
                let _ = writeln!(
                    text,
                    "{:?},{},{},{},\"{}\",{field},{},{median},{least},{most}",
                    group.part,
                    group.workload,
                    group.limit_mib,
                    group.x,
                    subject.name(),
                    values.len(),
                );
            }
        }
    }
    text
}
