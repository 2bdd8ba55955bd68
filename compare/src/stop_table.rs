//! What this heap's stops consist of.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::figures::Group;
use crate::plan::Part;
use crate::stops::{PARTS, Stops};
use crate::subject::Subject;
use crate::tables::rounded;

/// The longest stop of each job and the one at the 99th percentile, of all runs together.
pub(crate) fn write(text: &mut String, groups: &[Group<'_>]) {
    let parts = PARTS.map(|(name, _)| name).join(" | ");
    let (mut rows, mut seen) = (String::new(), HashSet::new());
    for group in groups {
        let asked = matches!(group.part, Part::Table | Part::Live | Part::Threads);
        // A job is here only once, whatever it is part of.
        if asked && seen.insert((group.workload, group.limit_mib)) {
            rows_of(&mut rows, group);
        }
    }
    if rows.is_empty() {
        return;
    }
    let _ = write!(
        text,
        "\n### What strandline's stops consist of, ms\n\nOf the last cycles of each run, which are some \
         thousands.\n\n| | limit | stops | | for | all of it | {parts} |\n|---|--:|--:|---|---|--:|{}\n{rows}",
        "--:|".repeat(PARTS.len()),
    );
}

fn rows_of(rows: &mut String, group: &Group<'_>) {
    let cycles = group.done(Subject::Concurrent).flat_map(|run| &run.cycles);
    let stops = Stops::new(cycles.flat_map(|cycle| &cycle.stops));
    let (workload, limit, count) = (group.workload, group.limit_mib, stops.count());
    for (which, stop) in [("longest", stops.longest()), ("p99", stops.quantile(0.99))] {
        let Some(stop) = stop else { continue };
        let ms = |us: f64| rounded(us / 1e3);
        let parts = PARTS.map(|(_, us)| ms(us(stop))).join(" | ");
        let (purpose, total) = (stop.purpose.to_lowercase(), ms(stop.total_us));
        let _ = writeln!(
            rows,
            "| {workload} | {limit} | {count} | {which} | {purpose} | {total} | {parts} |"
        );
    }
}
