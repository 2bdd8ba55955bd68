//! Figures from runs: medians, pauses as a distribution, utilisation.

use std::collections::BTreeMap;

use crate::plan::{Part, place};
use crate::sample::{Sample, Status};
use crate::subject::Subject;

/// The runs of one job, by collector, for one part. Runs of who takes no limit are in the groups of all
/// limits.
pub(crate) struct Group<'a> {
    pub(crate) part: Part,
    pub(crate) workload: &'a str,
    pub(crate) limit_mib: u64,
    pub(crate) x: f64,
    pub(crate) runs: BTreeMap<Subject, Vec<&'a Sample>>,
    /// Those of the same workload at any limit that came to their end.
    any_limit: Vec<&'a Sample>,
}

/// All runs by part and job, in the order of the plan.
pub(crate) fn groups<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Vec<Group<'a>> {
    let samples: Vec<&Sample> = samples.into_iter().collect();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for first in &samples {
        for &(part, x) in &first.parts {
            let (workload, limit_mib) = (first.workload.as_str(), first.limit_mib);
            let same = |group: &Group<'_>| {
                (group.part, group.workload, group.limit_mib) == (part, workload, limit_mib)
            };
            if groups.iter().any(same) {
                continue;
            }
            let (mut runs, mut any_limit) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
            for &run in samples.iter().filter(|run| run.workload == workload) {
                let asked = part.subjects().contains(&run.subject);
                if asked && (run.limit_mib == limit_mib || !run.subject.collects()) {
                    runs.entry(run.subject).or_default().push(run);
                }
                if run.status == Status::Done {
                    any_limit.push(run);
                }
            }
            groups.push(Group { part, workload, limit_mib, x, runs, any_limit });
        }
    }
    groups.sort_by(|one, other| {
        let place = |group: &Group<'_>| (group.part, place(group.part, group.workload));
        place(one).cmp(&place(other)).then(one.x.total_cmp(&other.x))
    });
    groups
}

impl Group<'_> {
    /// The runs of a collector that came to their end.
    pub(crate) fn done(&self, subject: Subject) -> impl Iterator<Item = &Sample> {
        let runs = self.runs.get(&subject).map_or(&[][..], Vec::as_slice);
        runs.iter().copied().filter(|run| run.status == Status::Done)
    }

    /// The median of a field.
    pub(crate) fn median(&self, subject: Subject, field: &str) -> Option<f64> {
        median(self.done(subject).filter_map(|run| run.get(field)).collect())
    }

    /// How the last run of a collector ended, if none came to its end.
    pub(crate) fn failure(&self, subject: Subject) -> Option<&Status> {
        let last = self.runs.get(&subject)?.last()?;
        self.done(subject).next().is_none().then_some(&last.status)
    }

    /// What a collector needed as a multiple of a lower bound for what the program needs without one: the
    /// least that any of its family took at any limit, less its stops. ("Distilling the real cost of production
    /// garbage collectors", Cai and others, 2022.) A family shares its compiler and its allocator, and so
    /// what else the program costs. Of a stop as much processor time counts as one thread would use.
    pub(crate) fn over_lower_bound(&self, subject: Subject, field: &str) -> Option<f64> {
        let family = |run: &&&Sample| run.subject.family() == subject.family();
        let runs = self.any_limit.iter().filter(family).copied();
        let without_stops =
            |run: &Sample| Some(run.get(field)? - run.get("pause_sum_ms").unwrap_or(0.0));
        // On a machine that is not idle a stop may last longer than the processor was had.
        let least = runs.filter_map(without_stops).filter(|&ms| ms > 0.0).min_by(f64::total_cmp)?;
        Some(self.median(subject, field)? / least)
    }

    /// The smallest utilisation of a mutator in any window of `window_ns`: the median over the runs.
    pub(crate) fn utilisation(&self, subject: Subject, window_ns: u64) -> Option<f64> {
        median(self.done(subject).filter_map(|run| utilisation(run, window_ns)).collect())
    }
}

pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => None,
        count if count % 2 == 1 => Some(figures[middle]),
        _ => Some((figures[middle - 1] + figures[middle]) / 2.0),
    }
}

/// Stops by length in milliseconds: for each, what share of all is not longer.
pub(crate) fn pause_distribution<'a>(
    runs: impl IntoIterator<Item = &'a Sample>,
) -> Vec<(f64, f64)> {
    let mut pauses: Vec<(u64, u64)> = runs
        .into_iter()
        .flat_map(|run| &run.pauses_ns)
        .copied()
        .filter(|&(_, count)| count > 0)
        .collect();
    pauses.sort_unstable();
    let total: u64 = pauses.iter().map(|&(_, count)| count).sum();
    let mut so_far = 0;
    let share = |(ns, count): (u64, u64)| {
        so_far += count;
        (ns as f64 / 1e6, so_far as f64 / total as f64)
    };
    pauses.into_iter().map(share).collect()
}

/// The smallest share of any window of that length that a mutator had for itself.
///
/// A collector's own idea of a pause leaves out faults, assists and waits. So this takes what the
/// program sees: an operation of 0.1 ms or more has lost what it took beyond the median one. `None`
/// where operations are not timed, or have due times, or where the window is longer than the run.
pub(crate) fn utilisation(run: &Sample, window_ns: u64) -> Option<f64> {
    let usual = (run.get("p50_us")? * 1e3) as u64;
    let run_ns = (run.get("run_ms")? * 1e6) as u64;
    if run.workload.starts_with("server") || window_ns > run_ns {
        return None;
    }
    let threads = run.long.iter().map(|&(thread, ..)| thread).max().map_or(0, |last| last + 1);
    let lost = |thread| {
        let lost: Vec<_> = run
            .long
            .iter()
            .filter(|&&(of, ..)| of == thread)
            .map(|&(_, start, time)| (start, start + time.saturating_sub(usual)))
            .collect();
        most_covered(&lost, window_ns)
    };
    let worst = (0..threads).map(lost).max().unwrap_or(0);
    Some(1.0 - worst as f64 / window_ns as f64)
}

/// The most of any window of that length that intervals, in order and apart, cover. A window that
/// covers most begins where one of them does, or ends where one does.
pub(crate) fn most_covered(intervals: &[(u64, u64)], window: u64) -> u64 {
    let mut before = vec![0];
    for &(start, end) in intervals {
        before.push(before[before.len() - 1] + (end - start));
    }
    // What is covered up to a point in time.
    let up_to = |time: u64| {
        let index = intervals.partition_point(|&(start, _)| start < time);
        match index.checked_sub(1) {
            None => 0,
            Some(last) => before[last] + time.min(intervals[last].1) - intervals[last].0,
        }
    };
    let windows = intervals.iter().flat_map(|&(start, end)| [start, end.saturating_sub(window)]);
    windows.map(|start| up_to(start + window) - up_to(start)).max().unwrap_or(0)
}
