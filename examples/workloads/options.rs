//! The options that all workloads have, and what they mean to the heap.
//!
//! The only place that knows what the library can do.

use std::time::Duration;

use clap::{Args, ValueEnum};
use strandline::dirty::{BackendKind, TrackerOptions, UnknownBackend};
use strandline::{HeapOptions, Sizing};

use crate::random;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Marks while the program runs
    Concurrent,
    /// Marks with the program stopped
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HugePages {
    /// What the library thinks best
    Auto,
    Always,
    Never,
}

/// A back-end by name; `None` for the best one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tracker(Option<BackendKind>);

#[derive(Debug, Args)]
#[command(next_help_heading = "Options for every workload")]
pub(crate) struct Options {
    /// Memory that the heap may commit, metadata included, all of which it then uses. Without this
    /// it sizes itself, up to half of the machine's memory
    #[arg(long, value_name = "N", global = true)]
    max_heap_mib: Option<usize>,
    /// auto, uffd, mprotect, cards or all-dirty
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = tracker, global = true)]
    tracker: Tracker,
    /// Threads that mark
    #[arg(long, value_name = "N", global = true)]
    markers: Option<usize>,
    /// The longest stop to aim for
    #[arg(long, value_name = "N", global = true)]
    pause_target_us: Option<u64>,
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    huge_pages: HugePages,
    /// How marking and the program share the time
    #[arg(long, global = true)]
    mode: Option<Mode>,
    /// Never collect, for a lower bound; a heap that would have to is out of memory
    #[arg(long, global = true)]
    pub(crate) no_collect: bool,
    /// Print the result as a JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Where the random numbers begin
    #[arg(
        long,
        value_name = "N",
        default_value_t = random::SEED,
        value_parser = clap::value_parser!(u64).range(1..random::MODULUS),
        global = true
    )]
    pub(crate) seed: u64,
}

fn tracker(name: &str) -> Result<Tracker, String> {
    match name.parse() {
        _ if name == "auto" => Ok(Tracker(None)),
        Ok(BackendKind::Model) => Err("model watches no real memory".into()),
        Ok(kind) => Ok(Tracker(Some(kind))),
        Err(UnknownBackend(_)) => Err("auto, uffd, mprotect, cards or all-dirty".into()),
    }
}

impl Options {
    /// The options of the heap.
    pub(crate) fn heap(&self) -> HeapOptions {
        let default = HeapOptions::default();
        let (limit, sizing) = self.size(default.limit);
        HeapOptions {
            limit,
            sizing,
            mode: self.mode.map_or(default.mode, |mode| match mode {
                Mode::Concurrent => strandline::Mode::Concurrent,
                Mode::Stopped => strandline::Mode::Stopped,
            }),
            pause_target: self.pause_target_us.map_or(default.pause_target, Duration::from_micros),
            markers: self.markers.unwrap_or(default.markers),
            huge_pages: match self.huge_pages {
                HugePages::Auto => default.huge_pages,
                HugePages::Always => true,
                HugePages::Never => false,
            },
            // Every workload calls the barrier if there is a card table: see `write`.
            tracker: TrackerOptions { backend: self.tracker.0, barriers: true, ..default.tracker },
            ..default
        }
    }

    /// The limit and the sizing policy; by default the limit is half of the memory that there is.
    fn size(&self, half_of_memory: usize) -> (usize, Sizing) {
        match self.max_heap_mib {
            // Collectors are compared at equal limits: the room is there to be used.
            Some(mib) => (mib.saturating_mul(1 << 20), Sizing::Fixed),
            None if self.no_collect => (half_of_memory * 2, Sizing::Fixed),
            None => (half_of_memory, Sizing::Balanced),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &str) -> Options {
        let arguments = arguments.split_whitespace();
        Line::try_parse_from(std::iter::once("test").chain(arguments)).unwrap().options
    }

    #[test]
    fn all_of_a_given_limit_is_used() {
        let heap = options("--max-heap-mib 96").heap();
        assert_eq!((heap.limit, heap.sizing), (96 << 20, Sizing::Fixed));
        let heap = options("").heap();
        assert_eq!(heap.sizing, Sizing::Balanced);
        assert!(options("--no-collect").heap().limit > heap.limit);
    }

    #[test]
    fn the_mode_and_the_pause_target_are_passed_on() {
        let heap = options("--mode concurrent --pause-target-us 700").heap();
        assert_eq!(heap.mode, strandline::Mode::Concurrent);
        assert_eq!(heap.pause_target, Duration::from_micros(700));
        assert_eq!(options("--mode stopped").heap().mode, strandline::Mode::Stopped);
    }

    #[test]
    fn the_model_is_no_tracker_for_real_memory() {
        assert!(tracker("model").is_err() && tracker("none").is_err());
        assert!(tracker("auto").unwrap().0.is_none());
        assert_eq!(tracker("all-dirty").unwrap().0, Some(BackendKind::AllDirty));
    }
}
