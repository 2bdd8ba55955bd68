//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use strandline::dirty::{BackendKind, TrackerOptions, UnknownBackend};
use strandline::{HeapOptions, Sizing};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Marks while the program runs, by generations
    Concurrent,
    /// Marks with the program stopped
    Stopped,
}

/// A back-end by name; `None` for the best one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tracker(Option<BackendKind>);

/// An R7RS Scheme on a heap that needs no write barrier.
#[derive(Debug, Parser)]
#[command(name = "scheme", max_term_width = 100)]
pub(crate) struct Options {
    /// The program, a prompt if there is none; and what it finds in (command-line), options too
    #[arg(value_names = ["FILE", "ARGUMENT"], num_args = 0.., trailing_var_arg = true)]
    program: Vec<OsString>,
    /// Evaluate an expression and print its value
    #[arg(short, long, value_name = "EXPRESSION", conflicts_with = "program")]
    pub(crate) eval: Option<String>,
    /// The most memory that the heap may have: bytes, or with k, m or g
    #[arg(long, value_name = "SIZE", value_parser = size)]
    heap: Option<usize>,
    /// How written pages are found: auto, uffd, mprotect or all-dirty
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = tracker)]
    tracker: Tracker,
    /// Threads that mark
    #[arg(long, value_name = "N")]
    markers: Option<usize>,
    /// How marking and the program share the time
    #[arg(long)]
    mode: Option<Mode>,
    /// A line on standard error for each cycle
    #[arg(long)]
    gc_log: bool,
    /// Write every cycle and stop to a file, for Perfetto or Chrome
    #[arg(long, value_name = "FILE")]
    pub(crate) gc_timeline: Option<PathBuf>,
    /// Collect at every N-th allocation
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    gc_stress: Option<u32>,
    /// Check every collection by marking again
    #[arg(long)]
    gc_verify: bool,
    /// Print a summary of the collector's work at the end
    #[arg(long)]
    pub(crate) gc_stats: bool,
}

fn tracker(name: &str) -> Result<Tracker, String> {
    let known = "auto, uffd, mprotect or all-dirty";
    match name.parse() {
        _ if name == "auto" => Ok(Tracker(None)),
        Ok(BackendKind::Cards) => Err("the interpreter has no write barrier for cards".into()),
        Ok(BackendKind::Model) | Err(UnknownBackend(_)) => Err(known.into()),
        Ok(kind) => Ok(Tracker(Some(kind))),
    }
}

fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return Err("bytes, or a number with k, m or g".into()),
    };
    let bytes = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| "bytes, or a number with k, m or g".into())
}

impl Options {
    pub(crate) fn file(&self) -> Option<&Path> {
        self.program.first().map(Path::new)
    }

    /// The program's command line: its name first.
    pub(crate) fn command_line(&self) -> Vec<String> {
        self.program.iter().map(|part| part.to_string_lossy().into_owned()).collect()
    }

    /// The options of the heap.
    pub(crate) fn heap(&self) -> HeapOptions {
        let default = HeapOptions::default();
        HeapOptions {
            limit: self.heap.unwrap_or(default.limit),
            sizing: Sizing::Balanced,
            mode: self.mode.map_or(default.mode, |mode| match mode {
                Mode::Concurrent => strandline::Mode::Concurrent,
                Mode::Stopped => strandline::Mode::Stopped,
            }),
            markers: self.markers.unwrap_or(default.markers),
            tracker: TrackerOptions { backend: self.tracker.0, ..default.tracker },
            verify: self.gc_verify,
            stress: self.gc_stress,
            log: self.gc_log,
            ..default
        }
    }
}
