use super::run;
use crate::figures::{Group, groups, median, most_covered, pause_distribution, utilisation};
use crate::plan::Part;
use crate::sample::{Sample, Status};
use crate::subject::Subject;

#[test]
fn a_median_is_the_middle_one_or_half_way_between_two() {
    assert_eq!(median(vec![]), None);
    assert_eq!(median(vec![3.0]), Some(3.0));
    assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![10.0, 1.0, 2.0, 4.0]), Some(3.0));
}

#[test]
fn stops_of_several_runs_are_one_distribution() {
    let mut runs = [0, 1].map(|_| run("gcbench 1 1", 96, Subject::Concurrent, &[]));
    runs[0].pauses_ns = vec![(3_000_000, 1), (1_000_000, 2)];
    runs[1].pauses_ns = vec![(2_000_000, 1), (9_000_000, 0)];
    assert_eq!(pause_distribution(&runs), [(1.0, 0.5), (2.0, 0.75), (3.0, 1.0)]);
    assert_eq!(pause_distribution([]), []);
}

#[test]
fn a_window_covers_parts_of_the_intervals_at_its_ends() {
    let intervals = [(10, 20), (25, 30), (100, 104)];
    // From 10 on: all of the first and 3 of the second.
    assert_eq!(most_covered(&intervals, 18), 13);
    // Up to 30: 5 of the second and 7 of the first.
    assert_eq!(most_covered(&[(10, 20), (24, 34)], 16), 12);
    assert_eq!(most_covered(&intervals, 5), 5);
    assert_eq!(most_covered(&intervals, 1000), 19);
    assert_eq!(most_covered(&[], 5), 0);
}

/// The least utilisation, tried at every point in time.
fn utilisation_by_trying(lost: &[(u64, u64)], window: u64) -> f64 {
    let covered = |time: &u64| lost.iter().any(|(start, end)| (start..end).contains(&time));
    let end = lost.iter().map(|&(_, end)| end).max().unwrap_or(0);
    let worst = (0..end).map(|at| (at..at + window).filter(|time| covered(time)).count()).max();
    1.0 - worst.unwrap_or(0) as f64 / window as f64
}

#[test]
fn utilisation_is_what_trying_all_windows_finds() {
    let mut run = run("oldmut 1000 1 2", 8, Subject::Go, &[("p50_us", 0.01), ("run_ms", 1.0)]);
    // An operation loses what it takes beyond the usual 10 ns.
    run.long = vec![(0, 5, 30), (1, 10, 40), (0, 60, 15), (1, 55, 35), (0, 90, 60)];
    let lost = [vec![(5, 25), (60, 65), (90, 140)], vec![(10, 40), (55, 80)]];
    for window in [1, 7, 20, 33, 50, 70, 150] {
        let tried = lost.iter().map(|lost| utilisation_by_trying(lost, window));
        let least = tried.min_by(f64::total_cmp);
        assert_eq!(utilisation(&run, window), least, "in {window} ns");
    }
}

#[test]
fn utilisation_does_not_apply_to_due_times_or_windows_longer_than_the_run() {
    let fields = [("p50_us", 0.01), ("run_ms", 1.0)];
    assert_eq!(utilisation(&run("server 10 1", 8, Subject::Go, &fields), 100), None);
    let short = run("lru 1 2 3", 8, Subject::Go, &fields);
    assert_eq!(utilisation(&short, 1_000_001), None);
    assert_eq!(utilisation(&short, 1_000_000), Some(1.0));
    assert_eq!(utilisation(&run("gcbench 1 1", 8, Subject::Go, &[]), 100), None);
}

fn cpu(limit_mib: u64, subject: Subject, cpu_ms: f64, stopped_ms: f64) -> Sample {
    run("lru 1 2 3", limit_mib, subject, &[("cpu_ms", cpu_ms), ("pause_sum_ms", stopped_ms)])
}

fn group_at<'a>(groups: &'a [Group<'a>], limit_mib: u64) -> &'a Group<'a> {
    groups.iter().find(|group| group.limit_mib == limit_mib).unwrap()
}

#[test]
fn the_lower_bound_is_the_least_of_the_family_at_any_limit_without_its_stops() {
    let samples = [
        cpu(64, Subject::Concurrent, 300.0, 10.0),
        cpu(64, Subject::Concurrent, 500.0, 10.0),
        cpu(64, Subject::Go, 80.0, 0.0),
        cpu(128, Subject::Concurrent, 250.0, 10.0),
        // 240 less 40 is the bound.
        cpu(128, Subject::Stopped, 240.0, 40.0),
    ];
    let groups = groups(&samples);
    let over = |limit, subject| group_at(&groups, limit).over_lower_bound(subject, "cpu_ms");
    assert_eq!(over(64, Subject::Concurrent), Some(2.0));
    assert_eq!(over(128, Subject::Stopped), Some(1.2));
    assert_eq!(over(64, Subject::Go), Some(1.0));
    assert_eq!(over(64, Subject::Bdwgc), None);
}

#[test]
fn who_takes_no_limit_counts_at_each() {
    let samples = [
        cpu(64, Subject::Concurrent, 300.0, 0.0),
        cpu(64, Subject::Malloc, 100.0, 0.0),
        cpu(128, Subject::Concurrent, 200.0, 0.0),
    ];
    let groups = groups(&samples);
    let median = |subject| group_at(&groups, 128).median(subject, "cpu_ms");
    assert_eq!((median(Subject::Malloc), median(Subject::Concurrent)), (Some(100.0), Some(200.0)));
}

#[test]
fn a_run_counts_in_all_parts_of_its_job() {
    let mut sample = cpu(64, Subject::Go, 1.0, 0.0);
    sample.parts = vec![(Part::Table, 4.0), (Part::Threads, 1.0)];
    let samples = [sample];
    let found: Vec<_> = groups(&samples).iter().map(|group| (group.part, group.x)).collect();
    assert_eq!(found, samples[0].parts);
}

#[test]
fn who_is_not_asked_does_not_count_in_a_part() {
    let mut samples = [cpu(64, Subject::Go, 1.0, 0.0), cpu(64, Subject::Malloc, 1.0, 0.0)];
    samples[0].parts = vec![(Part::Threads, 1.0)];
    let groups = groups(&samples);
    let asked: Vec<_> = groups.iter().map(|group| (group.part, group.runs.len())).collect();
    assert_eq!(asked, [(Part::Table, 2), (Part::Threads, 1)]);
}

#[test]
fn a_collector_has_failed_if_no_run_came_to_its_end() {
    let mut samples = [cpu(64, Subject::Go, 5.0, 0.0), cpu(64, Subject::Go, 7.0, 0.0)];
    samples[1].status = Status::OutOfMemory;
    assert_eq!(groups(&samples)[0].failure(Subject::Go), None);
    assert_eq!(groups(&samples)[0].median(Subject::Go, "cpu_ms"), Some(5.0));
    samples[0].status = Status::TooLong(180);
    assert_eq!(groups(&samples)[0].failure(Subject::Go), Some(&Status::OutOfMemory));
    assert_eq!(groups(&samples)[0].median(Subject::Go, "cpu_ms"), None);
}

#[test]
fn groups_are_in_the_order_of_the_plan_whatever_ran_first() {
    let of = |workload, limit, x| {
        let mut sample = run(workload, limit, Subject::Go, &[]);
        sample.parts = vec![(Part::Table, x)];
        sample
    };
    let samples = [
        of("lru 1000000 2000000 20000000", 1536, 4.0),
        of("gcbench 5 1", 96, 4.0),
        of("lru 1000000 2000000 20000000", 768, 2.0),
        of("gcbench 5 1", 48, 2.0),
    ];
    let groups = groups(&samples);
    let limits: Vec<_> = groups.iter().map(|group| group.limit_mib).collect();
    assert_eq!(limits, [48, 96, 768, 1536]);
}
