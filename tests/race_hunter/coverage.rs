//! How much was tried, and what was lost.

use std::fmt;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// When a hunt ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// After this many rounds.
    Rounds(u64),
    /// At the end of the first round past this time.
    Time(Duration),
    /// When something was lost, or else after this many rounds: for the negative controls.
    Loss(u64),
}

impl Limit {
    pub(crate) fn reached(self, coverage: &Coverage, start: Instant) -> bool {
        match self {
            Self::Rounds(rounds) => coverage.rounds >= rounds,
            Self::Time(time) => start.elapsed() >= time,
            Self::Loss(rounds) => coverage.lost > 0 || coverage.rounds >= rounds,
        }
    }
}

/// What one hunt, or several, did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage {
    pub(crate) rounds: u64,
    pub(crate) writes: u64,
    pub(crate) scans: u64,
    /// What outsiders did.
    pub(crate) acts: u64,
    pub(crate) kernel_calls: u64,
    pub(crate) pages_reported: u64,
    /// Reported, and no word had changed: a store that had faulted and was not done yet, a page
    /// that was unprotected in bulk.
    pub(crate) pages_spurious: u64,
    pub(crate) words_checked: u64,
    /// Huge pages that were made whole between rounds.
    pub(crate) collapsed: u64,
    pub(crate) lost: u64,
    pub(crate) seconds: f64,
    /// The first losses, described.
    pub(crate) examples: Vec<String>,
}

const EXAMPLES: usize = 3;

impl Coverage {
    /// Notes that a word was lost.
    pub(crate) fn lose(&mut self, describe: impl FnOnce(u64) -> String) {
        self.lost += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(describe(self.rounds));
        }
    }

    pub(crate) const HEADER: &'static str = "  rounds     writes    /s     acts    scans  \
        ioctls/calls  pages reported   (spurious)  words checked  re-huged   lost  seconds";

    fn writes_per_second(&self) -> f64 {
        self.writes as f64 / self.seconds.max(f64::EPSILON)
    }
}

impl AddAssign<&Self> for Coverage {
    fn add_assign(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.writes += other.writes;
        self.acts += other.acts;
        self.scans += other.scans;
        self.kernel_calls += other.kernel_calls;
        self.pages_reported += other.pages_reported;
        self.pages_spurious += other.pages_spurious;
        self.words_checked += other.words_checked;
        self.collapsed += other.collapsed;
        self.lost += other.lost;
        self.seconds += other.seconds;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:8} {:10} {:5.0}k {:8} {:8} {:13} {:15} {:12} {:14} {:9} {:6} {:8.1}",
            self.rounds,
            self.writes,
            self.writes_per_second() / 1e3,
            self.acts,
            self.scans,
            self.kernel_calls,
            self.pages_reported,
            self.pages_spurious,
            self.words_checked,
            self.collapsed,
            self.lost,
            self.seconds,
        )
    }
}
