//! What is known from one collection to the next.

use std::time::{Duration, Instant};

use super::mark::Scope;
use super::options::HeapOptions;
use super::pacing::Allocated;
use super::report::CycleReport;
use super::sizing::Balancer;

/// Bytes that are allocated for each that is alive before a cycle is a full one, whatever minor ones
/// have left. What died old is found then, which costs an eighth of a byte marked for each allocated.
const FULL_AFTER: usize = 8;

/// A live size below which that is not worth a thought.
const SMALL: usize = 16 << 20;

/// What is known from one collection to the next.
#[derive(Debug, Clone)]
pub(super) struct Cycle {
    pub(super) balancer: Balancer,
    pub(super) ended: Instant,
    pub(super) unobserved: Option<Unobserved>,
    /// The size that the heap should have, and the live size at which the next cycle is a full one.
    pub(super) target: usize,
    pub(super) full_at: usize,
    /// Bytes allocated since the last full one ended.
    since_full: usize,
    /// Bytes that were allocated during the last minor cycle, and during the last full one for each
    /// that was alive.
    pub(super) during_minor: usize,
    pub(super) during_full: f64,
    /// Whether the program wrote pages again as soon as they had been looked at, when that was last
    /// seen.
    pub(super) rewrites: bool,
}

/// A collection that was not yet taken note of, because its live size is not known before the sweep.
#[derive(Debug, Clone)]
pub(super) struct Unobserved {
    pub(super) scope: Scope,
    /// The time since the one before.
    pub(super) since: Duration,
    /// The time that it took.
    pub(super) collecting: Duration,
    pub(super) bytes: Allocated,
}

impl Cycle {
    /// Before the first cycle of a heap that has `initial` bytes at first. The guesses of what is
    /// allocated during a cycle are corrected soon.
    pub(super) fn first(options: &HeapOptions, initial: usize) -> Self {
        Self {
            balancer: Balancer::default(),
            ended: Instant::now(),
            unobserved: None,
            target: initial,
            full_at: 0,
            since_full: 0,
            during_minor: options.limit / 5,
            during_full: 0.25,
            rewrites: false,
        }
    }

    /// Takes note of a cycle that has just ended.
    pub(super) fn observe(&mut self, report: &CycleReport) {
        self.unobserved = Some(Unobserved {
            scope: report.scope,
            since: self.ended.elapsed(),
            collecting: report.time,
            bytes: Allocated {
                total: report.allocated_bytes,
                during: report.allocated_meanwhile,
                late: report.late,
            },
        });
        self.ended = Instant::now();
        self.since_full = match report.scope {
            Scope::Full => 0,
            Scope::Minor => self.since_full + report.allocated_bytes,
        };
    }

    /// How much of the heap the next cycle has to look at, with so many bytes alive.
    pub(super) fn next_scope(&self, live: usize) -> Scope {
        let overdue = self.since_full / FULL_AFTER >= live.max(SMALL);
        if live >= self.full_at || overdue { Scope::Full } else { Scope::Minor }
    }

    /// Bytes that are likely to be allocated during the next cycle.
    pub(super) fn during_next(&self, live: usize) -> usize {
        match self.next_scope(live) {
            Scope::Minor => self.during_minor,
            Scope::Full => (self.during_full * live as f64) as usize,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::mutator::Cause;

    #[test]
    fn what_died_old_is_found_after_a_while() {
        let mut cycle = Cycle::first(&HeapOptions::default(), 0);
        cycle.full_at = usize::MAX;
        let mut minor = CycleReport::new(Scope::Minor, Cause::Allocation);
        minor.allocated_bytes = 64 << 20;
        for _ in 0..8 {
            assert_eq!(cycle.next_scope(64 << 20), Scope::Minor);
            cycle.observe(&minor);
        }
        assert_eq!(cycle.next_scope(64 << 20), Scope::Full);
        cycle.observe(&CycleReport::new(Scope::Full, Cause::Allocation));
        assert_eq!(cycle.next_scope(64 << 20), Scope::Minor);
    }
}
