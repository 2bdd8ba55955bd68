//! What a heap is made with, from the program and from the environment.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::collector::check::referee::BarrierCheck;
use crate::dirty::TrackerOptions;
use crate::os::limits::{available_memory, processors};

/// The environment variable with the heap limit: bytes, or with a suffix `k`, `m`, `g`.
pub const MAX_HEAP_VARIABLE: &str = "STRANDLINE_MAX_HEAP";
/// The environment variable with the number of marker threads.
pub const MARKERS_VARIABLE: &str = "STRANDLINE_MARKERS";
/// The environment variable that turns on the log: `1` for a line on standard error for each cycle.
pub const LOG_VARIABLE: &str = "STRANDLINE_LOG";

const PAUSE_TARGET: Duration = Duration::from_micros(500);
const IDLE_AFTER: Duration = Duration::from_secs(5);
const PAUSE_TARGETS: RangeInclusive<Duration> = Duration::from_micros(50)..=Duration::from_secs(1);

/// The smallest heap limit.
const SMALLEST_LIMIT: usize = 8 << 20;

/// When the heap is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// While the program runs, and by generations. Where the tracker cannot tell which pages were
    /// written (`all-dirty`) this is the same as [`Stopped`](Self::Stopped).
    #[default]
    Concurrent,
    /// All of it, with the world stopped.
    Stopped,
}

/// How the size of the heap follows what is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sizing {
    /// By the MemBalancer rule: room in proportion to the square root of live size times
    /// allocation rate over collection speed, up to the limit.
    #[default]
    Balanced,
    /// The heap is as large as its limit from the beginning, whatever is alive.
    Fixed,
}

/// What a heap is made with.
///
/// | variable | goes before | value |
/// |---|---|---|
/// | `STRANDLINE_MAX_HEAP` | [`limit`](Self::limit) | bytes, or with `k`, `m`, `g` |
/// | `STRANDLINE_TRACKER` | [`tracker`](Self::tracker) | `auto`, `uffd`, `mprotect`, `cards`, `all-dirty` |
/// | `STRANDLINE_MARKERS` | [`markers`](Self::markers) | 1 to 64 |
/// | `STRANDLINE_LOG` | [`log`](Self::log) | `1` for a line for each cycle on standard error, `0` for none |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapOptions {
    /// Bytes that the heap may commit, metadata included. By default half of the memory that the
    /// machine has or the control group allows. At least 8 MiB.
    pub limit: usize,
    /// Bytes that the heap should stay below for as long as it can, by collecting more often: at least
    /// 8 MiB and at most the limit. None by default.
    pub soft_limit: Option<usize>,
    /// How the size of the heap follows what is alive.
    pub sizing: Sizing,
    /// When it is collected.
    pub mode: Mode,
    /// The time after which a stop of a concurrent cycle gives up and lets the program go on, to
    /// try again later. 50 microseconds to 1 second; 500 microseconds by default.
    pub pause_target: Duration,
    /// Threads that mark, 1 to 64. By default one for each processor, at most 4.
    pub markers: usize,
    /// Keep less room, and give idle memory back at once, while the kernel says that tasks wait for
    /// memory (pressure stall information: 10 % of the last ten seconds, here or in the control
    /// group). On by default.
    pub heed_pressure: bool,
    /// How long after the last collection memory that is not used goes back to the system; `None` for
    /// only after some collections. 5 seconds by default.
    pub idle_after: Option<Duration>,
    /// Ask the kernel for huge pages.
    pub huge_pages: bool,
    /// Leave memory unprotected between cycles where the program writes to most pages anyway. Saves
    /// faults, and makes minor cycles look at more.
    pub hot_chunks: bool,
    /// How dirty pages are tracked.
    pub tracker: TrackerOptions,
    /// Check the write barriers of a runtime that has some, in the last stop of every cycle;
    /// [`Heap::take_barrier_report`](crate::Heap::take_barrier_report) has what was found. Not with
    /// the `cards` tracker, which sees nothing else.
    pub referee: Option<BarrierCheck>,
    /// Check every collection: mark again with a simple marker, compare, and check all metadata.
    /// Slow; a difference is a panic that says what is wrong where.
    pub verify: bool,
    /// Collect at every n-th allocation. Very slow; finds references that are not rooted.
    pub stress: Option<u32>,
    /// Write a line for each cycle to standard error.
    pub log: bool,
}

impl Default for HeapOptions {
    fn default() -> Self {
        let processors = processors();
        Self {
            limit: (available_memory() / 2).max(SMALLEST_LIMIT),
            soft_limit: None,
            sizing: Sizing::default(),
            mode: Mode::default(),
            pause_target: PAUSE_TARGET,
            markers: processors.min(4),
            heed_pressure: true,
            idle_after: Some(IDLE_AFTER),
            huge_pages: true,
            hot_chunks: true,
            tracker: TrackerOptions::default(),
            referee: None,
            verify: false,
            stress: None,
            log: false,
        }
    }
}

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// The limit is too small.
    #[error("a heap limit of {0} bytes; it must be at least 8 MiB")]
    Limit(usize),
    /// The soft limit is too small, or larger than the limit.
    #[error("a soft limit of {0} bytes; it must be at least 8 MiB and at most the limit")]
    SoftLimit(usize),
    /// The number of markers is out of range.
    #[error("{0} marker threads; there must be 1 to 64")]
    Markers(usize),
    /// The pause target is out of range.
    #[error("a pause target of {0:?}; it must be 50 microseconds to 1 second")]
    PauseTarget(Duration),
    /// The stress interval is zero.
    #[error("a stress interval of 0; 1 collects at every allocation, None never for stress")]
    Stress,
    /// A variable has a value that means nothing.
    #[error("{variable}={value:?}: {wanted}")]
    Variable {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
}

impl HeapOptions {
    /// Applies the environment variables and checks the result.
    pub(crate) fn effective(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, OptionError> {
        let parsed = |name, wanted, parse: fn(&str) -> Option<usize>| {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
                return Ok(None);
            };
            let parsed = parse(&value);
            parsed.map(Some).ok_or(OptionError::Variable { variable: name, value, wanted })
        };
        let bytes = "bytes, or a number with the suffix k, m or g";
        self.limit = parsed(MAX_HEAP_VARIABLE, bytes, parse_bytes)?.unwrap_or(self.limit);
        let number = "a number of threads from 1 to 64";
        let markers = parsed(MARKERS_VARIABLE, number, |text| text.parse().ok())?;
        self.markers = markers.unwrap_or(self.markers);
        let log = parsed(LOG_VARIABLE, "0 or 1", |text| text.parse().ok().filter(|&n| n < 2))?;
        self.log = log.map_or(self.log, |log| log == 1);
        self.check()
    }

    fn check(self) -> Result<Self, OptionError> {
        if self.limit < SMALLEST_LIMIT {
            return Err(OptionError::Limit(self.limit));
        }
        if let Some(soft) = self.soft_limit
            && !(SMALLEST_LIMIT..=self.limit).contains(&soft)
        {
            return Err(OptionError::SoftLimit(soft));
        }
        if !(1..=64).contains(&self.markers) {
            return Err(OptionError::Markers(self.markers));
        }
        if !PAUSE_TARGETS.contains(&self.pause_target) {
            return Err(OptionError::PauseTarget(self.pause_target));
        }
        if self.stress == Some(0) {
            return Err(OptionError::Stress);
        }
        Ok(self)
    }
}

/// A number of bytes with an optional suffix of 1024s.
fn parse_bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<HeapOptions, OptionError> {
        HeapOptions::default().effective(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn variables_go_before_options() {
        assert_eq!(with(MAX_HEAP_VARIABLE, "64m").unwrap().limit, 64 << 20);
        assert_eq!(with(MAX_HEAP_VARIABLE, "2G").unwrap().limit, 2 << 30);
        assert_eq!(with(MAX_HEAP_VARIABLE, "16777216").unwrap().limit, 16 << 20);
        assert_eq!(with(MARKERS_VARIABLE, "3").unwrap().markers, 3);
        assert!(with(LOG_VARIABLE, "1").unwrap().log);
        assert_eq!(with(LOG_VARIABLE, "").unwrap(), HeapOptions::default());
    }

    #[test]
    fn wrong_settings_are_refused_with_the_reason() {
        for (name, value) in [
            (MAX_HEAP_VARIABLE, "lots"),
            (MAX_HEAP_VARIABLE, "64q"),
            (MAX_HEAP_VARIABLE, "99999999999g"),
            (MARKERS_VARIABLE, "-1"),
            (LOG_VARIABLE, "2"),
        ] {
            let error = with(name, value).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
        assert_eq!(with(MAX_HEAP_VARIABLE, "4k").unwrap_err(), OptionError::Limit(4096));
        assert_eq!(with(MARKERS_VARIABLE, "65").unwrap_err(), OptionError::Markers(65));
        for soft in [1 << 20, 65 << 20] {
            let options =
                HeapOptions { limit: 64 << 20, soft_limit: Some(soft), ..Default::default() };
            assert_eq!(options.effective(|_| None).unwrap_err(), OptionError::SoftLimit(soft));
        }
        let stress = HeapOptions { stress: Some(0), ..HeapOptions::default() };
        assert_eq!(stress.effective(|_| None).unwrap_err(), OptionError::Stress);
    }
}
