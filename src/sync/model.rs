//! How models are run: how far, and what is said about it.
//!
//! `cargo loom` bounds the preemptions of every model and so ends in minutes; `cargo loom-deep` sets
//! [`DEEP`] and bounds nothing. Its value may be a number: so many preemptions instead. Switches where
//! a thread waits or ends are no preemptions and are explored in full always. Every model says how far
//! it went.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Has models explored beyond the bounds of every day.
const DEEP: &str = "STRANDLINE_LOOM_DEEP";

/// Set in the process that a control runs in.
const CONTROL: &str = "STRANDLINE_LOOM_CONTROL";

/// Loom's operations in one execution, at most. An execution that needs more than this fails: it does
/// not end.
const MAX_BRANCHES: usize = 20_000;

fn bound(every_day: Option<usize>) -> Option<usize> {
    match std::env::var(DEEP) {
        Ok(number) => number.parse().ok(),
        Err(_) => every_day,
    }
}

/// Explores `model` with that many preemptions at most, or all of it.
///
/// # Panics
/// When an execution of the model does.
pub(crate) fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    check_all(preemptions, [model]);
}

/// As [`check`], with several models, about which one line is said.
///
/// # Panics
/// As [`check`].
pub(crate) fn check_all<F: Fn() + Sync + Send + 'static>(
    preemptions: Option<usize>,
    models: impl IntoIterator<Item = F>,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound(preemptions);
    builder.max_branches = MAX_BRANCHES;
    let (executions, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut count = 0;
    for model in models {
        let executions = Arc::clone(&executions);
        builder.check(move || {
            executions.fetch_add(1, Relaxed);
            model();
        });
        count += 1;
    }
    report(count, builder.preemption_bound, executions.load(Relaxed), start.elapsed());
}

fn report(models: usize, bound: Option<usize>, executions: usize, time: Duration) {
    let thread = std::thread::current();
    let name = thread.name().and_then(|name| name.rsplit("::").next()).unwrap_or("a model");
    let models = if models == 1 { String::new() } else { format!("{models} models, ") };
    let bound = bound.map_or("all".to_owned(), |bound| format!("up to {bound}"));
    let seconds = time.as_secs_f64();
    // Past the capture of the test harness: how far a model went is a part of its result.
    let _ = writeln!(
        std::io::stderr(),
        "loom: {name}: {models}{executions} executions, {bound} preemptions, {seconds:.1} s"
    );
}

/// A negative control: loom must refute `model`, with `complaint` in what it says. In a process of its
/// own, because an execution that fails need not leave one that can go on.
///
/// # Panics
/// When it does not.
pub(crate) fn refute(
    complaint: &str,
    preemptions: Option<usize>,
    model: impl Fn() + Sync + Send + 'static,
) {
    refute_one_of(complaint, preemptions, [model]);
}

/// As [`refute`], for models of which one at least must be refuted.
///
/// # Panics
/// As [`refute`].
pub(crate) fn refute_one_of<F: Fn() + Sync + Send + 'static>(
    complaint: &str,
    preemptions: Option<usize>,
    models: impl IntoIterator<Item = F>,
) {
    if std::env::var_os(CONTROL).is_some() {
        return check_all(preemptions, models);
    }
    let name = std::thread::current().name().expect("a test has its name").to_owned();
    let mut child = Command::new(std::env::current_exe().expect("a test is a program"));
    // The bounds of every day: a control that needs more is no good.
    let child = child.args(["--exact", "--nocapture", &name]).env(CONTROL, "1").env_remove(DEEP);
    let output = child.output().expect("the test program can be run again");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "loom accepts the control: the model checks nothing\n{said}");
    assert!(said.contains(complaint), "refuted for another reason than {complaint:?}:\n{said}");
}
