//! Pacing: when a cycle begins, and what mutators do while one is behind.
//!
//! Bytes are charged by the block. A cycle begins when the program has allocated its nursery, or
//! earlier when, by what was allocated during the cycles before, it would not end before the limit.
//! While a cycle runs and room gets short, whoever takes a block first helps to mark, the longer
//! the less room there is; and as long as may be where marking does not keep up with what the program
//! writes and allocates. Only at the limit do mutators wait.
//!
//! In a short cycle of a program that allocates fast they help from the first block on: what it would make
//! meanwhile would have to be marked, too, and it is over in a fraction of the time.

pub(crate) mod give_back;
pub(crate) mod history;
pub(crate) mod pressure;
mod sizing;

use std::time::{Duration, Instant};

use crate::sync::process::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The longest that a mutator helps for one block.
const LONGEST_TAX: Duration = Duration::from_micros(300);

/// How long a cycle is short: everybody may help from its beginning, and at most for so long.
pub(crate) const SHORT: Duration = Duration::from_millis(10);

/// Bytes that more are allowed for after a cycle that was late, besides a quarter.
const MORE: usize = 1 << 20;

/// What a mutator that has taken memory should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    /// Nothing.
    GoOn,
    /// Ask for a cycle.
    Collect,
    /// Help with the cycle that is going on, for so long.
    Assist(Duration),
}

/// The accounts of one heap.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Bytes charged since the last cycle ended.
    allocated: AtomicUsize,
    /// How many make it time for a cycle; from how many on mutators help; and how many there can be.
    trigger: AtomicUsize,
    taxed_from: AtomicUsize,
    wall: AtomicUsize,
    running: AtomicBool,
    /// Bytes charged when the cycle began that is going on.
    at_begin: AtomicUsize,
    /// Whether mutators had to help or wait in this cycle.
    late: AtomicBool,
    /// Bytes charged when it was asked last whether there is anybody to hold up.
    asked_at: AtomicUsize,
    /// Whether everybody helps as long as may be for each block, however much room there is.
    pressing: AtomicBool,
    /// Until when they do so because the cycle is likely to be short, in nanoseconds after `epoch`.
    short_until: AtomicU64,
    epoch: Instant,
    /// Whether the next cycle is likely to be short.
    next_is_short: AtomicBool,
}

/// What room there is for a program between two cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes that are to be allocated between two cycles if there is time.
    pub(crate) nursery: usize,
    /// Bytes until the limit.
    pub(crate) free: usize,
    /// Bytes that are likely to be allocated during the next cycle.
    pub(crate) during: usize,
}

/// What was allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocated {
    /// Since the cycle before ended, in bytes.
    pub(crate) total: usize,
    /// Of that, during the cycle.
    pub(crate) during: usize,
    /// Whether more would have been, had mutators not had to help or to wait.
    pub(crate) late: bool,
}

impl Allocated {
    /// What is likely to be allocated during the next cycle, when so much was thought of this one.
    pub(crate) fn next(self, thought: usize) -> usize {
        let seen = self.during;
        // Where there was no room for as much as was thought, a still larger thought is no help.
        let too_little = self.late && seen >= thought;
        if too_little { seen / 4 * 5 + MORE } else { seen.midpoint(thought) }
    }
}

impl Room {
    /// Bytes that are allocated when the next cycle is to begin: with an eighth more to spare than it is
    /// likely to need. To be late is no harm: mutators help then, and it is over sooner. A cycle that begins
    /// at once has no garbage to find.
    pub(crate) fn trigger(self) -> usize {
        let latest = self.free.saturating_sub(self.during / 8 * 9);
        self.nursery.min(latest.max(self.free / 2))
    }
}

impl Pacer {
    /// A pacer for a heap with that much room.
    pub(crate) fn new(room: Room) -> Self {
        let pacer = Self {
            allocated: AtomicUsize::new(0),
            trigger: AtomicUsize::new(0),
            taxed_from: AtomicUsize::new(0),
            wall: AtomicUsize::new(0),
            running: AtomicBool::new(false),
            at_begin: AtomicUsize::new(0),
            late: AtomicBool::new(false),
            asked_at: AtomicUsize::new(0),
            pressing: AtomicBool::new(false),
            short_until: AtomicU64::new(0),
            epoch: Instant::now(),
            next_is_short: AtomicBool::new(false),
        };
        pacer.set(room, false);
        pacer
    }

    /// Takes note of `bytes` more.
    #[inline]
    pub(crate) fn charge(&self, bytes: usize) -> Charge {
        let allocated = self.allocated.fetch_add(bytes, Relaxed) + bytes;
        if allocated <= self.trigger.load(Relaxed) {
            Charge::GoOn
        } else if self.running.load(Relaxed) {
            self.tax(allocated)
        } else {
            Charge::Collect
        }
    }

    /// Whether so much was allocated that it is time for a cycle.
    pub(crate) fn is_time(&self) -> bool {
        self.allocated.load(Relaxed) > self.trigger.load(Relaxed)
    }

    /// How long a mutator that has asked for a cycle waits for it, to help: for a short one, so that its
    /// processor is the driver's, which might else not run before the room is used up.
    pub(crate) fn awaited(&self) -> Option<Duration> {
        self.next_is_short.load(Relaxed).then_some(LONGEST_TAX)
    }

    /// Whether it will be time for a cycle when an eighth more has been allocated.
    pub(crate) fn is_nearly_time(&self) -> bool {
        self.allocated.load(Relaxed) > self.trigger.load(Relaxed) / 8 * 7
    }

    /// In a forked child: a cycle that was going on is not.
    pub(crate) fn cut_off(&self) {
        self.running.store(false, Relaxed);
        self.relax();
    }

    fn relax(&self) {
        self.pressing.store(false, Relaxed);
        self.short_until.store(0, Relaxed);
    }

    /// A mutator has to wait.
    pub(crate) fn note_late(&self) {
        self.late.store(true, Relaxed);
    }

    /// Whether memory was taken in this cycle since this was asked last: a program that only writes
    /// cannot be held up where it takes blocks.
    pub(crate) fn is_felt(&self) -> bool {
        let allocated = self.allocated.load(Relaxed);
        self.asked_at.swap(allocated, Relaxed) != allocated
    }

    /// Marking does not keep up with the program: until the end of the cycle whoever takes a block helps
    /// to mark, as long as may be. Whether that is new.
    pub(crate) fn press(&self) -> bool {
        !self.pressing.swap(true, Relaxed)
    }

    /// Whether a cycle is going on.
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Relaxed)
    }

    /// Help grows from nothing to its most, at three quarters of the way to the wall.
    fn tax(&self, allocated: usize) -> Charge {
        let (from, wall) = (self.taxed_from.load(Relaxed), self.wall.load(Relaxed));
        let pressing = self.pressing.load(Relaxed) || self.is_short();
        if allocated <= from {
            return if pressing { Charge::Assist(LONGEST_TAX) } else { Charge::GoOn };
        }
        self.late.store(true, Relaxed);
        let part = (allocated - from) as f64 / ((wall.saturating_sub(from) / 4 * 3).max(1)) as f64;
        let part = if pressing { 1.0 } else { part.min(1.0) };
        Charge::Assist(LONGEST_TAX.mul_f64(part))
    }

    /// Whether the cycle was to be short and is not old yet.
    fn is_short(&self) -> bool {
        let until = self.short_until.load(Relaxed);
        until > 0 && self.epoch.elapsed() < Duration::from_nanos(until)
    }

    /// Sets when the next cycle is to begin, and whether it is likely to be short.
    pub(crate) fn set(&self, room: Room, short: bool) {
        let trigger = room.trigger();
        let rest = room.free.saturating_sub(trigger);
        let untaxed = untaxed(room.during as f64, rest as f64) as usize;
        self.trigger.store(trigger, Relaxed);
        self.taxed_from.store(trigger + untaxed, Relaxed);
        self.wall.store(room.free, Relaxed);
        self.next_is_short.store(short, Relaxed);
    }

    /// A cycle begins now. If it is a `short` one, whoever takes a block helps from now on.
    pub(crate) fn cycle_begins(&self, short: bool) {
        let allocated = self.allocated.load(Relaxed);
        self.at_begin.store(allocated, Relaxed);
        self.asked_at.store(allocated, Relaxed);
        let until = if short { (self.epoch.elapsed() + SHORT).as_nanos() as u64 } else { 0 };
        self.short_until.store(until, Relaxed);
        self.running.store(true, Relaxed);
    }

    /// A cycle ends now.
    pub(crate) fn cycle_ends(&self) -> Allocated {
        self.running.store(false, Relaxed);
        self.relax();
        let total = self.allocated.swap(0, Relaxed);
        let late = self.late.swap(false, Relaxed);
        Allocated { total, during: total - self.at_begin.load(Relaxed), late }
    }
}

/// Bytes that may be allocated during a cycle before mutators help, of `rest` that there are: what is
/// likely to be allocated anyway, if that leaves a third; the less, the less of it fits.
fn untaxed(during: f64, rest: f64) -> f64 {
    let most = rest / 3.0 * 2.0;
    if during <= most { during.max(rest / 3.0) } else { rest / 3.0 * (most / during) }
}

#[cfg(all(test, not(loom)))]
mod tests;
