use std::collections::HashSet;

use crate::compare::plan::{Job, Part, Size, jobs, live_mib};
use crate::compare::subject::Subject;

fn job<'a>(jobs: &'a [Job], workload: &str, limit_mib: u64) -> &'a Job {
    let found = jobs.iter().find(|job| job.workload == workload && job.limit_mib == limit_mib);
    found.unwrap_or_else(|| panic!("{workload} at {limit_mib} MiB"))
}

#[test]
fn every_usual_workload_has_twice_and_four_times_what_is_alive() {
    let jobs = jobs(Size::Standard);
    for (workload, limits) in [
        ("gcbench 5 1", [48, 96]),
        ("gcbench 5 2", [96, 192]),
        ("bintrees 18", [64, 128]),
        ("bintrees 21", [512, 1024]),
        ("oldmut 8388608 4096 1", [1600, 3200]),
        ("oldmut 8388608 4096 2", [1600, 3200]),
        ("lru 1000000 2000000 20000000", [768, 1536]),
    ] {
        for (limit, factor) in limits.into_iter().zip([2.0, 4.0]) {
            let job = job(&jobs, workload, limit);
            assert!(job.parts.contains(&(Part::Table, factor)), "{job:?}");
            assert_eq!(job.subjects, Subject::ALL);
        }
    }
}

#[test]
fn no_job_is_there_twice() {
    for size in [Size::Quick, Size::Standard] {
        let all = jobs(size);
        let labels: HashSet<_> = all.iter().map(Job::label).collect();
        assert_eq!(labels.len(), all.len());
    }
}

#[test]
fn a_job_is_run_for_all_its_parts() {
    let all = jobs(Size::Standard);
    let parts = [(Part::Table, 4.0), (Part::Threads, 1.0), (Part::Limits, 4.0)];
    assert_eq!(job(&all, "gcbench 5 1", 96).parts, parts);
    // The four threads are compared for the collectors only.
    assert_eq!(job(&all, "gcbench 5 4", 384).subjects, Subject::COLLECTORS);
}

#[test]
fn live_sizes_span_a_factor_of_sixteen() {
    for size in [Size::Quick, Size::Standard] {
        let live = jobs(size).into_iter().flat_map(|job| job.parts);
        let live: Vec<_> = live.filter(|(part, _)| *part == Part::Live).map(|(_, x)| x).collect();
        let least = live.iter().copied().fold(f64::INFINITY, f64::min);
        let most = live.iter().copied().fold(0.0, f64::max);
        assert_eq!(most / least, 16.0, "{live:?}");
    }
}

#[test]
fn what_is_alive_follows_from_the_arguments() {
    assert_eq!(live_mib("gcbench 5 2"), 48.0);
    assert_eq!(live_mib("bintrees 20"), 128.0);
    assert_eq!(live_mib("oldmut 4194304 64 1 100"), 400.0);
}
