use std::collections::HashSet;

use crate::plan::{Job, Part, Size, jobs, live_mib, place};
use crate::subject::Subject;

fn job<'a>(jobs: &'a [Job], workload: &str, limit_mib: u64) -> &'a Job {
    let found = jobs.iter().find(|job| job.workload == workload && job.limit_mib == limit_mib);
    found.unwrap_or_else(|| panic!("{workload} at {limit_mib} MiB"))
}

#[test]
fn every_usual_workload_has_twice_and_four_times_what_is_alive() {
    let jobs = jobs(Size::Standard, &Subject::ALL);
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
            let all = Subject::ALL.into_iter();
            let expected = all.filter(|&of| of != Subject::NoCollect || workload != "bintrees 21");
            assert_eq!(job.subjects, expected.collect::<Vec<_>>());
        }
    }
}

#[test]
fn no_job_is_there_twice() {
    for size in [Size::Quick, Size::Standard] {
        let all = jobs(size, &Subject::ALL);
        let labels: HashSet<_> = all.iter().map(Job::label).collect();
        assert_eq!(labels.len(), all.len());
    }
}

#[test]
fn a_job_is_run_for_all_its_parts() {
    let all = jobs(Size::Standard, &Subject::ALL);
    let parts = [(Part::Table, 4.0), (Part::Limits, 4.0), (Part::Threads, 1.0)];
    assert_eq!(job(&all, "gcbench 5 1", 96).parts, parts);
    // The four threads are compared for the collectors only.
    assert_eq!(job(&all, "gcbench 5 4", 384).subjects, Subject::COLLECTORS);
}

#[test]
fn live_sizes_span_a_factor_of_sixteen() {
    for size in [Size::Quick, Size::Standard] {
        let live = jobs(size, &Subject::ALL).into_iter().flat_map(|job| job.parts);
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

#[test]
fn without_a_collection_nothing_is_run_that_would_take_all_memory() {
    let all = jobs(Size::Standard, &Subject::ALL);
    let without =
        |workload, limit| job(&all, workload, limit).subjects.contains(&Subject::NoCollect);
    assert!(without("bintrees 18", 64) && without("oldmut 8388608 4096 1", 1600));
    assert!(!without("bintrees 21", 512) && !without("strings 1500000", 430));
}

#[test]
fn who_cannot_be_built_is_not_in_the_plan() {
    let all = jobs(Size::Standard, &[Subject::Concurrent, Subject::Go]);
    assert_eq!(job(&all, "gcbench 5 1", 48).subjects, [Subject::Concurrent, Subject::Go]);
    assert_eq!(job(&all, "stores 256 zipf", 768).subjects, [Subject::Concurrent]);
    let go = jobs(Size::Standard, &[Subject::Go]);
    assert!(go.iter().all(|job| !job.parts.iter().any(|&(part, _)| part == Part::Stores)));
}

#[test]
fn every_job_has_a_place_among_those_of_its_part() {
    for (part, workload) in [
        (Part::Table, "gcbench 5 1"),
        (Part::Limits, "oldmut 1048576 1024 1"),
        (Part::Live, "oldmut 33554432 4096 1 100"),
        (Part::Stores, "stores 256 zipf"),
    ] {
        assert!(place(part, workload) < usize::MAX, "{workload}");
    }
    assert!(place(Part::Table, "gcbench 5 1") < place(Part::Table, "lru 1000000 2000000 20000000"));
    // Their sizes alone tell these apart.
    let live = ["4194304 512", "33554432 4096"].map(|size| format!("oldmut {size} 1 100"));
    assert_eq!(place(Part::Live, &live[0]), place(Part::Live, &live[1]));
}
