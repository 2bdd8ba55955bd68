//! What the heap costs, each figure beside a floor measured in the same run: `cargo bench --bench
//! heap`, or only some of it: `cargo bench --bench heap -- allocate mark`.
//!
//! Rounds alternate between the two sides; medians and their ratio are printed. The `policy` ones,
//! `growth` and `stops` take minutes and several GiB each. Numbers are GiB alive for `stops`: `-- stops 1 2`.

mod allocate;
mod graph;
mod growth;
mod mark;
mod policy;
#[allow(dead_code, reason = "its tests run with the example, and what they use is left over here")]
#[path = "../../examples/workloads/random.rs"]
mod random;
mod rescan;
mod small_costs;
mod stop_times;
#[path = "../shared/stops.rs"]
mod stops;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments = std::env::args().skip(1).filter(|name| !name.starts_with("--"));
    let (numbers, wanted): (Vec<_>, Vec<_>) =
        arguments.partition(|argument| argument.parse::<usize>().is_ok());
    let live_gib: Vec<usize> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let stops = || stop_times::run(&live_gib);
    let parts: [(&str, &dyn Fn()); 8] = [
        ("allocate", &allocate::run),
        ("mark", &mark::run),
        ("rescan", &rescan::run),
        ("costs", &small_costs::run),
        ("policy", &policy::beside),
        ("policy-between", &policy::between),
        ("growth", &growth::run),
        ("stops", &stops),
    ];
    if let Some(unknown) = wanted.iter().find(|name| parts.iter().all(|(part, _)| part != name)) {
        let names = parts.map(|(name, _)| name).join(", ");
        eprintln!("there is no benchmark {unknown:?}; there are {names}");
        return ExitCode::from(2);
    }
    for (_, run) in
        parts.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name))
    {
        run();
    }
    ExitCode::SUCCESS
}

/// The median of some figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Processor time of the calling thread in nanoseconds.
fn thread_ns() -> f64 {
    cpu_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Processor time of all threads in nanoseconds.
fn process_ns() -> f64 {
    cpu_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_ns(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(status, 0);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
