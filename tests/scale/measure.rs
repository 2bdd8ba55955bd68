//! What the tests have in common: their scale, taking turns, and the memory of the process.

use std::fs;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use strandline::{Heap, Mutator, ObjectModel};

pub(crate) const MIB: usize = 1 << 20;
pub(crate) const GIB: usize = 1 << 30;

/// `full` when the environment asks for it, else `small`.
pub(crate) fn scale(full: usize, small: usize) -> usize {
    let asked = std::env::var("STRANDLINE_FULL_SCALE").is_ok_and(|value| value == "1");
    if asked { full } else { small }
}

static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other test of this program runs, and begins a new peak of the process's memory.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    fs::write("/proc/self/clear_refs", "5").unwrap();
    turn
}

/// A figure in bytes from the process's status.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Bytes of memory that the process has.
pub(crate) fn resident() -> usize {
    status("VmRSS:")
}

/// The most that it had since [`alone`].
pub(crate) fn peak_resident() -> usize {
    status("VmHWM:")
}

/// Bytes of memory that the process has in the mappings that begin in a range.
pub(crate) fn resident_within(range: &Range<usize>) -> usize {
    let (mut within, mut total) = (false, 0);
    for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((start, _)) = first.split_once('-')
            && let Ok(start) = usize::from_str_radix(start, 16)
        {
            within = range.contains(&start);
        } else if within && first == "Rss:" {
            total += words.next().unwrap().parse::<usize>().unwrap() << 10;
        }
    }
    total
}

pub(crate) fn mib(bytes: usize) -> f64 {
    bytes as f64 / MIB as f64
}

/// Collects twice and prints what it took. The second collection first sweeps what the first has
/// left to sweep.
pub(crate) fn collect_and_report<M: ObjectModel>(
    what: &str,
    heap: &Heap<M>,
    mutator: &mut Mutator,
    build: Duration,
) {
    mutator.collect();
    let first = heap.stats().last_pause;
    let start = Instant::now();
    mutator.collect();
    let both = start.elapsed();
    let stats = heap.stats();
    println!(
        "{what}: built in {:.2} s, {} objects, {:.0} MiB live; pauses {:.0} and {:.0} ms, sweep {:.0} ms; \
         {:.0} MiB committed at most of {:.0}, {:.0} MiB resident at most",
        build.as_secs_f64(),
        stats.live_objects,
        mib(stats.live_bytes),
        first.as_secs_f64() * 1e3,
        stats.last_pause.as_secs_f64() * 1e3,
        (both.saturating_sub(stats.last_pause)).as_secs_f64() * 1e3,
        mib(stats.peak_bytes),
        mib(stats.limit_bytes),
        mib(peak_resident()),
    );
    assert!(stats.peak_bytes <= stats.limit_bytes, "{stats}");
}
