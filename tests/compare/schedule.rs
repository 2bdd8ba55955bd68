use std::time::Duration;

use crate::compare::estimate::Estimates;
use crate::compare::plan::{Size, jobs};
use crate::compare::sample::Status;
use crate::compare::schedule::Schedule;
use crate::compare::subject::Subject;
use crate::{job, run};

const TWO: [Subject; 2] = [Subject::Concurrent, Subject::Malloc];

/// Runs of workloads that took so many seconds.
fn estimates(took: &[(&str, Subject, f64)]) -> Estimates {
    let run = |&(workload, subject, s): &(&str, _, f64)| {
        run(workload, 0, subject, &[("wall_ms", s * 1e3)])
    };
    Estimates::new(&took.iter().map(run).collect::<Vec<_>>())
}

/// The turns of a schedule: round, job, subjects.
fn turns(schedule: &Schedule) -> Vec<(usize, usize, &[Subject])> {
    schedule.turns.iter().map(|turn| (turn.round, turn.job, &turn.subjects[..])).collect()
}

#[test]
fn without_a_budget_everything_is_run_in_each_round_and_another_begins() {
    let jobs = [job("strings 10", 64, &TWO)];
    let schedule = Schedule::new(&jobs, 2, None, &Subject::ALL, &Estimates::default());
    let swapped = [Subject::Malloc, Subject::Concurrent];
    assert_eq!(turns(&schedule), [(0, 0, &TWO[..]), (1, 0, &swapped[..])]);
    assert!(schedule.left_out.is_empty());
}

#[test]
fn who_takes_no_limit_runs_a_workload_once_a_round() {
    let jobs = [job("strings 10", 64, &TWO), job("strings 10", 128, &TWO)];
    let schedule = Schedule::new(&jobs, 1, None, &Subject::ALL, &Estimates::default());
    assert_eq!(turns(&schedule), [(0, 0, &TWO[..]), (0, 1, &TWO[..1])]);
}

#[test]
fn a_job_that_does_not_fit_is_left_out_by_name_and_a_smaller_one_is_not() {
    let jobs = [
        job("strings 10", 64, &[Subject::Go]),
        job("strings 20", 64, &[Subject::Go]),
        job("strings 30", 64, &[Subject::Go]),
    ];
    let took = [("strings 10", 30.0), ("strings 20", 40.0), ("strings 30", 20.0)];
    let estimates = estimates(&took.map(|(workload, s)| (workload, Subject::Go, s)));
    let budget = Some(Duration::from_secs(60));
    let schedule = Schedule::new(&jobs, 3, budget, &Subject::ALL, &estimates);
    let go = &[Subject::Go][..];
    assert_eq!(turns(&schedule), [(0, 0, go), (0, 2, go)]);
    assert_eq!(schedule.left_out.iter().map(|of| of.0).collect::<Vec<_>>(), [1]);
    let text = schedule.describe(&jobs);
    assert!(text.contains("left out: strings 20 at 64 MiB, 0.7 minutes"), "{text}");
    assert!(text.contains("  0.5     1  strings 10 at 64 MiB (table)"), "{text}");
}

#[test]
fn who_cannot_be_built_is_not_on_the_schedule() {
    let jobs = [job("strings 10", 64, &TWO), job("strings 20", 64, &[Subject::Go])];
    let schedule = Schedule::new(&jobs, 1, None, &TWO, &Estimates::default());
    assert_eq!(turns(&schedule), [(0, 0, &TWO[..])]);
}

#[test]
fn runs_take_as_long_as_before_or_in_proportion() {
    let of = |workload| job(workload, 0, &TWO);
    let guess = Estimates::default().seconds(&of("gcbench 4 1"), Subject::Go);
    let before = estimates(&[("gcbench 2 1", Subject::Go, 3.0), ("gcbench 2 1", Subject::Go, 5.0)]);
    let touching = guess - 1.0;
    let seconds = |workload, subject| before.seconds(&of(workload), subject) - touching;
    assert!((seconds("gcbench 2 1", Subject::Go) - 4.0).abs() < 1e-9);
    assert!((seconds("gcbench 4 1", Subject::Go) - 8.0).abs() < 1e-9);
    assert!((seconds("gcbench 4 1", Subject::Malloc) - 1.0).abs() < 1e-9);
    // No run is let run for longer.
    assert!((seconds("gcbench 4000 1", Subject::Go) - 180.0).abs() < 1e-9);
}

#[test]
fn how_long_a_failure_took_says_nothing() {
    let mut failed = run("gcbench 2 1", 8, Subject::Go, &[("wall_ms", 1.0)]);
    failed.status = Status::OutOfMemory;
    let job = job("gcbench 2 1", 8, &TWO);
    let (with, without) = (Estimates::new([&failed]), Estimates::default());
    assert_eq!(with.seconds(&job, Subject::Go), without.seconds(&job, Subject::Go));
}

#[test]
fn there_is_a_guess_for_every_job_of_the_plan() {
    for size in [Size::Quick, Size::Standard] {
        for job in jobs(size) {
            let seconds = Estimates::default().seconds(&job, Subject::Concurrent);
            assert!((0.2..180.0).contains(&seconds), "{}: {seconds} s", job.label());
        }
    }
}

#[test]
fn the_usual_table_fits_into_25_minutes() {
    let jobs = jobs(Size::Standard);
    let budget = Some(Duration::from_secs(25 * 60));
    let schedule = Schedule::new(&jobs, 5, budget, &Subject::ALL, &Estimates::default());
    for (number, job) in jobs.iter().enumerate() {
        let table = job.parts.iter().any(|(part, _)| format!("{part:?}") == "Table");
        assert!(!table || schedule.turns.iter().any(|turn| turn.job == number), "{}", job.label());
    }
    assert!(schedule.turns.iter().map(|turn| turn.seconds).sum::<f64>() <= 25.0 * 60.0);
}
