//! What is known from one collection to the next.

use std::time::{Duration, Instant};

use crate::collector::Scope;
use crate::collector::options::HeapOptions;
use crate::collector::pacing::sizing::Balancer;
use crate::collector::pacing::{Allocated, SHORT};
use crate::collector::report::CycleReport;

/// Bytes that are allocated for each that is alive, or that there is room for if that is more, before a
/// cycle is a full one, whatever minor ones have left. What died old is found then, which costs an eighth
/// of a byte marked for each allocated at most; the more room there is, the less would that add to it.
const FULL_AFTER: usize = 8;

/// A full cycle has some use when minor ones have left one part in so many of the room.
const USE: usize = 4;

/// How much dearer than cycles are on the average a minor one may be. A full one may find no more garbage than
/// it would, and begins too late if more is allocated during it than during the last one.
const DOUBT: f64 = 1.25;

/// A live size below which that is not worth a thought.
const SMALL: usize = 16 << 20;

/// Bytes a second from which on a program allocates fast: about half of what a thread can mark.
const FAST: f64 = (1 << 30) as f64;

/// What is known from one collection to the next.
#[derive(Debug, Clone)]
pub(crate) struct Cycle {
    pub(crate) balancer: Balancer,
    pub(crate) ended: Instant,
    pub(crate) unobserved: Option<Unobserved>,
    /// The size that the heap should have.
    pub(crate) target: usize,
    /// How much of the heap the next cycle has to look at.
    pub(crate) next: Scope,
    /// The last full one, and what came after it.
    full: Since,
    /// The last minor one.
    minor: Option<Yield>,
    /// Bytes that are alive, or were before the last minor cycle.
    live: usize,
    /// Bytes that were allocated during the last minor cycle, and during the last full one for each
    /// that was alive.
    pub(crate) during_minor: usize,
    pub(crate) during_full: f64,
    /// Bytes a second that the program allocated before the last cycle.
    rate: f64,
    /// What asking for dirty pages took at the end of the last cycle.
    pub(crate) scan_time: Duration,
    /// Whether the program wrote pages again as soon as they had been looked at, when that was last
    /// seen.
    pub(crate) rewrites: bool,
}

/// A full cycle and the minor ones that followed.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    /// The time that it took, and what it found alive.
    time: Duration,
    live: usize,
    /// The time that the minor ones took.
    minors: Duration,
    /// Bytes allocated between all of them.
    allocated: usize,
}

/// What a minor cycle took, and what it left of what was allocated before it.
#[derive(Debug, Clone, Copy)]
struct Yield {
    time: Duration,
    allocated: usize,
    kept: usize,
}

/// A collection that was not yet taken note of, because its live size is not known before the sweep.
#[derive(Debug, Clone)]
pub(crate) struct Unobserved {
    pub(crate) scope: Scope,
    /// The time since the one before.
    pub(crate) since: Duration,
    /// The time that it took.
    pub(crate) collecting: Duration,
    pub(crate) bytes: Allocated,
}

impl Cycle {
    /// Before the first cycle of a heap that has `initial` bytes at first. The guesses of what is
    /// allocated during a cycle are corrected soon.
    pub(crate) fn first(options: &HeapOptions, initial: usize) -> Self {
        Self {
            balancer: Balancer::default(),
            ended: Instant::now(),
            unobserved: None,
            target: initial,
            next: Scope::Full,
            full: Since::default(),
            minor: None,
            live: 0,
            during_minor: options.limit / 5,
            during_full: 0.25,
            rate: 0.0,
            scan_time: Duration::ZERO,
            rewrites: false,
        }
    }

    /// Takes note of a cycle that has just ended.
    pub(crate) fn observe(&mut self, report: &CycleReport) {
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
        let alone = self.ended.elapsed().saturating_sub(report.time).as_secs_f64();
        self.rate = (report.allocated_bytes - report.allocated_meanwhile) as f64 / alone;
        self.ended = Instant::now();
    }

    /// Whether the next cycle is likely to be short and the program allocates fast, so that it is better to
    /// have it over.
    pub(crate) fn is_short(&self, scope: Scope) -> bool {
        let time = match scope {
            Scope::Minor => self.minor.map_or(self.full.time, |minor| minor.time),
            Scope::Full => self.full_time(self.live),
        };
        self.rate >= FAST && time <= SHORT
    }

    /// What a full cycle takes that finds so much alive.
    fn full_time(&self, live: usize) -> Duration {
        self.full.time.mul_f64(live as f64 / self.full.live.max(1) as f64)
    }

    /// Takes note of what a cycle has left alive.
    pub(crate) fn settle(&mut self, seen: &Unobserved, live: usize) {
        let (time, allocated) = (seen.collecting, seen.bytes.total);
        match seen.scope {
            Scope::Full => {
                self.full = Since { time, live, minors: Duration::ZERO, allocated: 0 };
            }
            Scope::Minor => {
                self.full.minors += time;
                self.full.allocated += allocated;
                let kept = live.saturating_sub(self.live);
                if allocated > 0 {
                    self.minor = Some(Yield { time, allocated, kept });
                }
            }
        }
        self.live = live;
    }

    /// How much of the heap the next cycle has to look at, if `room` bytes are allocated before it.
    ///
    /// A minor one puts off the next full one by what can be allocated after it. It is worth while as
    /// long as it takes less time for each of these bytes than all cycles from one full one to the next have
    /// taken on the whole: the rule for replacing what wears out (renewal-reward theorem; "Applied
    /// Probability Models with Optimization Applications", Ross, 1970).
    pub(crate) fn next_scope(&self, room: usize) -> Scope {
        let since = &self.full;
        let overdue = since.allocated / FULL_AFTER >= self.live.max(room).max(SMALL);
        let is_worth_it = self.minor.is_none_or(|minor| {
            let part = room as f64 / minor.allocated as f64;
            // What it takes depends on old pages that were written, too, and these are not without end.
            let (time, kept) = (minor.time.mul_f64(part.min(2.0)), minor.kept as f64 * part);
            // What has been left since is partly garbage, which would cost nothing.
            let full = self.full_time(self.live.midpoint(since.live));
            let rate = (since.minors + full).as_secs_f64() / (since.allocated + room) as f64;
            time.as_secs_f64() <= DOUBT * rate * (room as f64 - kept)
        });
        // What minor cycles have left since is what a full one can find, and whatever died old.
        let has_use = self.live.saturating_sub(since.live) >= room / USE;
        if overdue || (has_use && !is_worth_it) { Scope::Full } else { Scope::Minor }
    }

    /// Bytes that are likely to be allocated during a cycle.
    pub(crate) fn during(&self, scope: Scope) -> usize {
        match scope {
            Scope::Minor => self.during_minor,
            Scope::Full => (self.during_full * self.live as f64) as usize,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn seen(scope: Scope, ms: u64, allocated: usize) -> Unobserved {
        let bytes = Allocated { total: allocated * MIB, during: 0, late: false };
        let since = Duration::from_millis(ms);
        Unobserved { scope, since, collecting: since, bytes }
    }

    /// A full cycle of 20 ms has found 20 MiB.
    fn after_a_full_one() -> Cycle {
        let mut cycle = Cycle::first(&HeapOptions::default(), 0);
        cycle.settle(&seen(Scope::Full, 20, 40), 20 * MIB);
        cycle
    }

    #[test]
    fn what_died_old_is_found_after_a_while() {
        let mut cycle = after_a_full_one();
        for _ in 0..8 {
            assert_eq!(cycle.next_scope(20 * MIB), Scope::Minor);
            cycle.settle(&seen(Scope::Minor, 0, 20), 20 * MIB);
        }
        assert_eq!(cycle.next_scope(20 * MIB), Scope::Full);
        cycle.settle(&seen(Scope::Full, 20, 20), 20 * MIB);
        assert_eq!(cycle.next_scope(20 * MIB), Scope::Minor);
    }

    #[test]
    fn what_died_old_is_found_later_where_it_would_add_little_to_the_room() {
        let mut cycle = after_a_full_one();
        for _ in 0..8 {
            assert_eq!(cycle.next_scope(60 * MIB), Scope::Minor);
            cycle.settle(&seen(Scope::Minor, 0, 60), 20 * MIB);
        }
        assert_eq!(cycle.next_scope(60 * MIB), Scope::Full);
    }

    #[test]
    fn a_minor_cycle_that_leaves_little_is_worth_its_time() {
        let mut cycle = after_a_full_one();
        cycle.settle(&seen(Scope::Minor, 2, 40), 21 * MIB);
        assert_eq!(cycle.next_scope(39 * MIB), Scope::Minor);
    }

    #[test]
    fn a_minor_cycle_that_leaves_no_room_is_not_nor_one_that_takes_as_long_as_a_full_one() {
        let mut cycle = after_a_full_one();
        cycle.settle(&seen(Scope::Minor, 2, 40), 60 * MIB);
        assert_eq!(cycle.next_scope(30 * MIB), Scope::Full);
        let mut cycle = after_a_full_one();
        cycle.settle(&seen(Scope::Minor, 40, 40), 31 * MIB);
        assert_eq!(cycle.next_scope(40 * MIB), Scope::Full);
        // But there would be nothing to find.
        let mut cycle = after_a_full_one();
        cycle.settle(&seen(Scope::Minor, 40, 40), 21 * MIB);
        assert_eq!(cycle.next_scope(40 * MIB), Scope::Minor);
    }

    #[test]
    fn a_cycle_is_short_if_it_was_before_and_the_program_allocates_fast() {
        let mut cycle = after_a_full_one();
        cycle.settle(&seen(Scope::Minor, 2, 40), 21 * MIB);
        assert!(!cycle.is_short(Scope::Minor));
        cycle.rate = 2.0 * FAST;
        assert!(cycle.is_short(Scope::Minor) && !cycle.is_short(Scope::Full));
        cycle.settle(&seen(Scope::Full, 9, 40), 20 * MIB);
        assert!(cycle.is_short(Scope::Full));
        // A full cycle would have twice as much to mark.
        cycle.settle(&seen(Scope::Minor, 9, 40), 40 * MIB);
        assert!(cycle.is_short(Scope::Minor) && !cycle.is_short(Scope::Full));
    }

    #[test]
    fn minor_cycles_are_tried_again_after_full_ones() {
        let mut cycle = after_a_full_one();
        cycle.settle(&seen(Scope::Minor, 60, 40), 31 * MIB);
        assert_eq!(cycle.next_scope(40 * MIB), Scope::Full);
        cycle.settle(&seen(Scope::Full, 20, 40), 31 * MIB);
        assert_eq!(cycle.next_scope(40 * MIB), Scope::Minor);
    }
}
