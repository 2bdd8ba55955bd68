use super::{job, run};
use crate::estimate::Estimates;
use crate::plan::{Job, Part, Size, jobs};
use crate::sample::{Sample, Status};
use crate::schedule::{Counts, Planner, Schedule, Turn};
use crate::subject::Subject;

const TWO: [Subject; 2] = [Subject::Concurrent, Subject::Malloc];
const PAIR: [Subject; 2] = [Subject::Concurrent, Subject::Go];

/// Runs of workloads that took so many seconds.
fn estimates(took: &[(&str, Subject, f64)]) -> Estimates {
    let run = |&(workload, subject, s): &(&str, _, f64)| {
        run(workload, 0, subject, &[("wall_ms", s * 1e3)])
    };
    Estimates::new(&took.iter().map(run).collect::<Vec<_>>())
}

/// What is run of these jobs, in rounds that are not limited by time.
fn schedule(jobs: &[Job], rounds: usize, before: &[Sample]) -> Schedule {
    let estimates = Estimates::default();
    Planner { jobs, estimates: &estimates, rounds, budget: f64::INFINITY }
        .schedule(Counts::new(before))
}

/// The turns of a schedule: round, job, subjects.
fn turns(schedule: &Schedule) -> Vec<(usize, usize, &[Subject])> {
    schedule.turns.iter().map(|turn| (turn.round, turn.job, &turn.subjects[..])).collect()
}

/// Jobs of these seconds for each of two collectors, one after the other in the plan.
fn jobs_that_take(seconds: &[f64]) -> (Vec<Job>, Estimates) {
    let name = |number| format!("strings {}", number + 1);
    let jobs: Vec<_> = (0..seconds.len()).map(|number| job(&name(number), 0, &PAIR)).collect();
    let nothing = Estimates::default();
    let mut estimates = Estimates::default();
    for (job, s) in jobs.iter().zip(seconds) {
        for subject in PAIR {
            let guess = run(&job.workload, 0, subject, &[("wall_ms", 0.0)]);
            let besides = Estimates::new([&guess]).seconds(job, subject);
            assert!(besides < nothing.seconds(job, subject));
            let wall_ms = (s - besides) * 1e3;
            estimates.add(&run(&job.workload, 0, subject, &[("wall_ms", wall_ms)]));
        }
    }
    (jobs, estimates)
}

/// The jobs and collectors that invocations with a budget run, one after the other.
fn invocations(
    (jobs, estimates): &(Vec<Job>, Estimates),
    budget: f64,
    count: usize,
) -> Vec<Vec<(usize, Vec<Subject>)>> {
    let mut counts = Counts::default();
    let mut all = Vec::new();
    for _ in 0..count {
        let schedule = Planner { jobs, estimates, rounds: 2, budget }.schedule(counts);
        let seconds: f64 = schedule.turns.iter().map(|turn| turn.seconds).sum();
        assert!(seconds <= budget, "{seconds}");
        all.push(schedule.turns.into_iter().map(|turn| (turn.job, turn.subjects)).collect());
        counts = schedule.counts;
    }
    all
}

#[test]
fn without_a_budget_everything_is_run_in_each_round_and_another_begins() {
    let jobs = [job("strings 10", 64, &TWO)];
    let schedule = schedule(&jobs, 2, &[]);
    let swapped = [Subject::Malloc, Subject::Concurrent];
    assert_eq!(turns(&schedule), [(0, 0, &TWO[..]), (1, 0, &swapped[..])]);
    assert!(schedule.counts.missing(&jobs).is_empty());
}

#[test]
fn who_takes_no_limit_runs_a_workload_once_a_round() {
    let jobs = [job("strings 10", 64, &TWO), job("strings 10", 128, &TWO)];
    let once = &TWO[..1];
    let expected = [(0, 0, &TWO[..]), (0, 1, once)];
    assert_eq!(turns(&schedule(&jobs, 1, &[])), expected);
    // Once more in the second one, whoever begins.
    let malloc_first = [Subject::Malloc, Subject::Concurrent];
    let expected = [expected[0], expected[1], (1, 0, &malloc_first[..]), (1, 1, once)];
    assert_eq!(turns(&schedule(&jobs, 2, &[])), expected);
}

#[test]
fn what_has_run_least_often_comes_first() {
    let jobs = ["strings 10", "strings 20", "strings 30"].map(|name| job(name, 64, &PAIR));
    let ran = |number: usize, subject| run(&jobs[number].workload, 64, subject, &[]);
    let [one, other] = PAIR;
    // All of the first one twice, the second one once, and half of the third one.
    let before = [(0, one), (0, other), (0, one), (0, other), (1, one), (1, other), (2, one)];
    let before = before.map(|(number, subject)| ran(number, subject));
    let order = |rounds| {
        let schedule = schedule(&jobs, rounds, &before);
        schedule.turns.iter().map(|turn| (turn.round, turn.job)).collect::<Vec<_>>()
    };
    // What is missing is not run without what it is compared with.
    assert_eq!(turns(&schedule(&jobs, 1, &before)), [(0, 2, &PAIR[..])]);
    assert_eq!(order(2), [(0, 2), (1, 1), (1, 2)]);
    assert_eq!(order(3), [(0, 2), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]);
}

#[test]
fn a_limit_that_has_not_run_is_missing_whatever_others_have() {
    let jobs = [job("strings 10", 64, &TWO), job("strings 10", 128, &TWO)];
    let before = TWO.map(|subject| run("strings 10", 64, subject, &[]));
    assert_eq!(turns(&schedule(&jobs, 1, &before)), [(0, 1, &TWO[..1])]);
}

#[test]
fn a_job_that_does_not_fit_is_left_to_the_next_invocation_and_a_smaller_one_is_not() {
    let jobs = jobs_that_take(&[15.0, 20.0, 10.0]);
    let all = |number| (number, PAIR.to_vec());
    let swapped = |number| (number, [PAIR[1], PAIR[0]].to_vec());
    // There are ten seconds at the end of the first one, but nothing is repeated in them.
    let expected = [
        vec![all(0), all(2)],
        vec![all(1)],
        vec![swapped(0), swapped(2)],
        vec![swapped(1)],
        vec![],
    ];
    assert_eq!(invocations(&jobs, 59.5, 5), expected);
}

#[test]
fn a_job_is_not_split_unless_it_is_longer_than_a_whole_budget() {
    let jobs = jobs_that_take(&[10.0, 25.0, 10.0]);
    let [one, other] = PAIR;
    let both = |number| (number, PAIR.to_vec());
    let alone = |number, subject| (number, vec![subject]);
    // Each of the second one alone, and neither of the last one alone though there is time for it.
    let runs = invocations(&jobs, 46.0, 2);
    assert_eq!(runs[0], [both(0), alone(1, one)]);
    assert_eq!(runs[1], [alone(1, other), both(2)]);
    assert_eq!(invocations(&jobs, 52.0, 2)[0], [both(0), both(2)]);
    assert_eq!(invocations(&jobs, 52.0, 2)[1], [both(1)]);
}

#[test]
fn what_has_never_run_is_named_by_workload() {
    let jobs = [
        job("strings 10", 64, &TWO),
        job("strings 10", 128, &TWO),
        job("strings 10", 256, &PAIR),
        job("strings 20", 64, &[Subject::Go]),
        job("strings 30", 64, &[Subject::Go]),
    ];
    let ran = |workload, limit, subject| run(workload, limit, subject, &[]);
    let before = [
        ran("strings 10", 64, Subject::Malloc),
        ran("strings 10", 256, Subject::Go),
        ran("strings 30", 64, Subject::Go),
    ];
    let expected = [
        "strings 10 at 64, 128, 256 (strandline) MiB".to_owned(),
        "strings 20 at 64 MiB".to_owned(),
    ];
    assert_eq!(Counts::new(&before).missing(&jobs), expected);
}

#[test]
fn a_schedule_for_people_has_what_is_run_and_what_is_still_missing() {
    let (jobs, estimates) = &jobs_that_take(&[15.0, 20.0, 10.0]);
    let planner = Planner { jobs, estimates, rounds: 1, budget: 59.0 };
    let text = planner.describe(&planner.schedule(Counts::default()));
    assert!(text.contains("     1      0.5     2  strings 1 at 0 MiB (table)"), "{text}");
    assert!(text.contains("            0.8     4  in all"), "{text}");
    assert!(text.contains("then 2 of 3 jobs have run, 0.7 minutes missing"), "{text}");
    assert!(text.contains("missing: strings 2 at 0 MiB"), "{text}");
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
fn at_the_same_limit_a_run_takes_as_long_as_there() {
    let took = |limit, s: f64| run("gcbench 2 1", limit, Subject::Go, &[("wall_ms", s * 1e3)]);
    let (tight, wide) = (took(8, 60.0), took(16, 20.0));
    let seconds = |runs: &[&Sample], limit| {
        let job = job("gcbench 2 1", limit, &TWO);
        Estimates::new(runs.iter().copied()).seconds(&job, Subject::Go).round()
    };
    assert_eq!((seconds(&[&tight, &wide], 8), seconds(&[&tight, &wide], 16)), (60.0, 20.0));
    assert_eq!(seconds(&[&tight, &wide], 24), 40.0);
    // Who takes no limit has the same time at each.
    let malloc = run("gcbench 2 1", 8, Subject::Malloc, &[("wall_ms", 9e3)]);
    let job = job("gcbench 2 1", 24, &TWO);
    assert_eq!(Estimates::new([&malloc]).seconds(&job, Subject::Malloc).round(), 9.0);
}

#[test]
fn how_long_a_failure_took_says_nothing_about_other_limits() {
    let mut failed = run("gcbench 2 1", 8, Subject::Go, &[("wall_ms", 17e3)]);
    failed.status = Status::OutOfMemory;
    let (with, without) = (Estimates::new([&failed]), Estimates::default());
    let of = |limit| job("gcbench 2 1", limit, &TWO);
    let seconds = |estimates: &Estimates, limit| estimates.seconds(&of(limit), Subject::Go);
    assert_eq!(seconds(&with, 16), seconds(&without, 16));
    // There it will fail again.
    assert_eq!(seconds(&with, 8).round(), 17.0);
}

#[test]
fn how_long_memory_takes_to_touch_is_known_from_before() {
    let mut warmed = run("gcbench 2 1", 1024, Subject::Go, &[("warm_ms", 3072.0)]);
    let of = |limit| job("gcbench 2 1", limit, &TWO);
    let seconds = |run: &Sample, limit| Estimates::new([run]).seconds(&of(limit), Subject::Go);
    let known = seconds(&warmed, 2048) - seconds(&warmed, 1024);
    // 1.25 times as much is touched, here at two milliseconds a MiB.
    assert!((known - 2.56).abs() < 1e-9, "{known}");
    warmed.fields.clear();
    assert!(seconds(&warmed, 2048) - seconds(&warmed, 1024) < known);
}

#[test]
fn there_is_a_guess_for_every_job_of_the_plan() {
    for size in [Size::Quick, Size::Standard] {
        for job in jobs(size, &Subject::ALL) {
            let seconds = Estimates::default().seconds(&job, Subject::Concurrent);
            assert!((0.2..180.0).contains(&seconds), "{}: {seconds} s", job.label());
        }
    }
}

#[test]
fn the_usual_sizes_come_first_and_all_of_the_table_before_any_sweep() {
    let jobs = &jobs(Size::Standard, &Subject::ALL);
    let schedule = schedule(jobs, 1, &[]);
    let is = |job: &Job, part| job.parts.iter().any(|&(of, _)| of == part);
    let group = |turn: &Turn| match &jobs[turn.job] {
        job if is(job, Part::Table) || is(job, Part::Stores) => 0,
        job if is(job, Part::Limits) => 1,
        job if is(job, Part::Live) => 2,
        _ => 3,
    };
    assert!(schedule.turns.iter().map(group).is_sorted());
    let labels: Vec<_> = schedule.turns.iter().map(|turn| jobs[turn.job].label()).collect();
    let place = |workload: &str| labels.iter().position(|label| label.starts_with(workload));
    assert!(place("lru 1000000") < place("gcold"), "{labels:?}");
    assert_eq!(schedule.turns.len(), jobs.len());
}
