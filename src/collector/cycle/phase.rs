//! What a cycle does next, by what came of the phase before.

use std::time::Duration;

/// Rounds of precleaning before a stop is tried, and where the program only grows.
const ROUNDS: u32 = 12;
const GROWING_ROUNDS: u32 = 100;

/// What a cycle does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Roots,
    Trace,
    Preclean {
        round: u32,
        before: Duration,
    },
    /// `from`: the address up to which pages have been consumed.
    Brake {
        attempt: u32,
        from: usize,
    },
    Remark {
        attempt: u32,
    },
    Finished,
}

/// What came of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Looking at what was owed took so long; it is quick enough for a stop.
    Precleaned {
        time: Duration,
        quick: bool,
    },
    /// Nearly all that there was to do is new: stops would not make it less.
    Growing,
    /// As many pages are dirty as were looked at just now: who looks at these, too, while the program
    /// runs, has them all to look at again.
    Rewritten,
    /// It does not get quicker, but from now on whoever allocates is held up.
    Pressed,
    /// Time was up before this address.
    ConsumedUntil(usize),
    /// Time was up before the last scan.
    LateBeforeScan,
    /// Too much was left for a stop: the program can run while it is traced.
    MuchLeft,
    /// Again, as often before.
    LateAfterScan,
}

impl Phase {
    /// The transitions, all of them.
    pub(crate) fn next(self, outcome: Outcome) -> Self {
        match (self, outcome) {
            (Self::Roots, _) => Self::Trace,
            (Self::Trace, _) => Self::Preclean { round: 0, before: Duration::MAX },
            (Self::Preclean { .. }, Outcome::Precleaned { quick: true, .. }) => {
                Self::Remark { attempt: 0 }
            }
            (Self::Preclean { round, before }, Outcome::Precleaned { time, .. })
                if gets_quicker(time, before) && round + 1 < ROUNDS =>
            {
                Self::Preclean { round: round + 1, before: time }
            }
            (Self::Preclean { round, .. }, Outcome::Growing) if round + 1 < GROWING_ROUNDS => {
                Self::Preclean { round: round + 1, before: Duration::MAX }
            }
            (Self::Preclean { round, .. }, Outcome::Pressed) if round + 1 < ROUNDS => {
                Self::Preclean { round: round + 1, before: Duration::MAX }
            }
            (Self::Preclean { .. }, _) => Self::Brake { attempt: 0, from: 0 },
            (Self::Brake { attempt, .. }, Outcome::ConsumedUntil(from)) => {
                Self::Brake { attempt: attempt + 1, from }
            }
            (Self::Brake { attempt, .. }, _) => Self::Remark { attempt: attempt + 1 },
            (Self::Remark { attempt }, Outcome::LateBeforeScan) => {
                Self::Remark { attempt: attempt + 1 }
            }
            (Self::Remark { .. }, Outcome::MuchLeft) => {
                Self::Preclean { round: 0, before: Duration::MAX }
            }
            (Self::Remark { attempt }, Outcome::LateAfterScan) => {
                Self::Brake { attempt: attempt + 1, from: 0 }
            }
            (Self::Remark { .. } | Self::Finished, _) => Self::Finished,
        }
    }
}

/// Whether a round of precleaning took so much less time than the one before that the next one is worth
/// its faults.
pub(crate) fn gets_quicker(time: Duration, before: Duration) -> bool {
    time / 2 < before / 3
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn precleaned(ms: u64, quick: bool) -> Outcome {
        Outcome::Precleaned { time: Duration::from_millis(ms), quick }
    }

    #[test]
    fn precleaning_goes_on_while_it_helps() {
        let first = Phase::Preclean { round: 0, before: Duration::MAX };
        let second = first.next(precleaned(100, false));
        assert!(matches!(second, Phase::Preclean { round: 1, .. }));
        assert!(matches!(second.next(precleaned(50, false)), Phase::Preclean { round: 2, .. }));
        assert_eq!(second.next(precleaned(90, false)), Phase::Brake { attempt: 0, from: 0 });
        assert_eq!(first.next(precleaned(10, true)), Phase::Remark { attempt: 0 });
        assert_eq!(first.next(Outcome::Rewritten), Phase::Brake { attempt: 0, from: 0 });
    }

    #[test]
    fn precleaning_goes_on_while_the_program_only_grows() {
        let mut phase = Phase::Preclean { round: 0, before: Duration::MAX };
        for _ in 1..GROWING_ROUNDS {
            phase = phase.next(Outcome::Growing);
            assert!(matches!(phase, Phase::Preclean { .. }));
        }
        assert_eq!(phase.next(Outcome::Growing), Phase::Brake { attempt: 0, from: 0 });
    }

    #[test]
    fn whoever_allocates_is_held_up_before_everybody_is_stopped() {
        let first = Phase::Preclean { round: 0, before: Duration::from_millis(100) };
        let second = first.next(Outcome::Pressed);
        assert_eq!(second, Phase::Preclean { round: 1, before: Duration::MAX });
        let last = Phase::Preclean { round: ROUNDS - 1, before: Duration::MAX };
        assert_eq!(last.next(Outcome::Pressed), Phase::Brake { attempt: 0, from: 0 });
    }

    #[test]
    fn what_is_too_much_for_a_stop_is_traced_while_the_program_runs() {
        let again = Phase::Remark { attempt: 0 }.next(Outcome::MuchLeft);
        assert_eq!(again, Phase::Preclean { round: 0, before: Duration::MAX });
    }

    #[test]
    fn a_remark_that_was_late_is_tried_again() {
        let again = Phase::Remark { attempt: 2 }.next(Outcome::LateBeforeScan);
        assert_eq!(again, Phase::Remark { attempt: 3 });
        let again = Phase::Remark { attempt: 2 }.next(Outcome::LateAfterScan);
        assert_eq!(again, Phase::Brake { attempt: 3, from: 0 });
        let again = again.next(Outcome::ConsumedUntil(4096));
        assert_eq!(again, Phase::Brake { attempt: 4, from: 4096 });
        assert_eq!(again.next(Outcome::Done), Phase::Remark { attempt: 5 });
        assert_eq!(Phase::Remark { attempt: 2 }.next(Outcome::Done), Phase::Finished);
    }
}
