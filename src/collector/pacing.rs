//! Pacing: when a cycle begins, and what mutators do while one is behind.
//!
//! Bytes are charged by the block. A cycle begins when the program has allocated its nursery, or
//! earlier when by the rates that were seen it would not end before the limit is reached otherwise.
//! While a cycle runs and room gets short, whoever takes a block first helps to mark, the longer
//! the less room there is. Only at the limit do mutators wait.

use std::time::{Duration, Instant};

use crate::sync::process::Mutex;
use crate::sync::process::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The longest that a mutator helps for one block.
const LONGEST_TAX: Duration = Duration::from_micros(500);

/// What a mutator that has taken memory should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charge {
    /// Nothing.
    GoOn,
    /// Ask for a cycle.
    Collect,
    /// Help with the cycle that is going on, for so long.
    Assist(Duration),
}

/// The accounts of one heap.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Bytes charged since the last cycle ended.
    allocated: AtomicUsize,
    /// How many make it time for a cycle; from how many on mutators help; and how many there can be.
    trigger: AtomicUsize,
    taxed_from: AtomicUsize,
    wall: AtomicUsize,
    running: AtomicBool,
    rates: Mutex<Rates>,
}

/// What was seen of the program and of cycles.
#[derive(Debug)]
struct Rates {
    /// When the last cycle ended.
    ended: Instant,
    /// Bytes per second that the program allocates, the greater of the last values.
    allocation: f64,
}

/// What room there is for a program between two cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes that are to be allocated between two cycles if there is time.
    pub(super) nursery: usize,
    /// Bytes until the limit.
    pub(super) free: usize,
    /// How long the next cycle is likely to take.
    pub(super) cycle: Duration,
}

impl Pacer {
    /// A pacer for a heap with that much room.
    pub(super) fn new(nursery: usize, free: usize) -> Self {
        let pacer = Self {
            allocated: AtomicUsize::new(0),
            trigger: AtomicUsize::new(0),
            taxed_from: AtomicUsize::new(0),
            wall: AtomicUsize::new(0),
            running: AtomicBool::new(false),
            rates: Mutex::new(Rates { ended: Instant::now(), allocation: 0.0 }),
        };
        pacer.set(Room { nursery, free, cycle: Duration::ZERO });
        pacer
    }

    /// Takes note of `bytes` more.
    #[inline]
    pub(super) fn charge(&self, bytes: usize) -> Charge {
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
    pub(super) fn is_time(&self) -> bool {
        self.allocated.load(Relaxed) > self.trigger.load(Relaxed)
    }

    /// Whether a cycle is going on.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Relaxed)
    }

    /// Help grows from nothing to its most, at three quarters of the way to the wall.
    fn tax(&self, allocated: usize) -> Charge {
        let (from, wall) = (self.taxed_from.load(Relaxed), self.wall.load(Relaxed));
        if allocated <= from {
            return Charge::GoOn;
        }
        let part = (allocated - from) as f64 / ((wall.saturating_sub(from) / 4 * 3).max(1)) as f64;
        Charge::Assist(LONGEST_TAX.mul_f64(part.min(1.0)))
    }

    /// Sets when the next cycle is to begin.
    pub(super) fn set(&self, room: Room) {
        let rate = self.rates.lock().expect("no panic under the pacer's lock").allocation;
        let during = (1.5 * rate * room.cycle.as_secs_f64()) as usize;
        // A cycle that begins at once has no garbage to find.
        let latest = room.free.saturating_sub(during).max(room.free / 4);
        let trigger = room.nursery.min(latest);
        self.trigger.store(trigger, Relaxed);
        self.taxed_from.store(trigger + room.free.saturating_sub(trigger) / 2, Relaxed);
        self.wall.store(room.free, Relaxed);
    }

    /// A cycle begins now.
    pub(super) fn cycle_begins(&self) {
        self.running.store(true, Relaxed);
        let mut rates = self.rates.lock().expect("no panic under the pacer's lock");
        let time = rates.ended.elapsed().as_secs_f64().max(1e-6);
        let rate = self.allocated.load(Relaxed) as f64 / time;
        rates.allocation = rate.max(0.7 * rates.allocation);
    }

    /// A cycle ends now. Returns the bytes that were allocated since the last one ended.
    pub(super) fn cycle_ends(&self) -> usize {
        self.rates.lock().expect("no panic under the pacer's lock").ended = Instant::now();
        self.running.store(false, Relaxed);
        self.allocated.swap(0, Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_begins_when_the_nursery_is_used_up() {
        let pacer = Pacer::new(100, 1000);
        assert_eq!(pacer.charge(100), Charge::GoOn);
        assert_eq!(pacer.charge(1), Charge::Collect);
        assert!(pacer.is_time());
        assert_eq!(pacer.cycle_ends(), 101);
        assert_eq!(pacer.charge(100), Charge::GoOn);
    }

    #[test]
    fn a_cycle_begins_early_when_it_takes_long() {
        let pacer = Pacer::new(900, 1000);
        pacer.charge(1_000_000);
        pacer.cycle_begins();
        pacer.cycle_ends();
        pacer.set(Room { nursery: 900, free: 1000, cycle: Duration::from_secs(3600) });
        assert_eq!(pacer.charge(250), Charge::GoOn);
        assert_eq!(pacer.charge(1), Charge::Collect);
    }

    #[test]
    fn help_grows_as_room_gets_short() {
        let pacer = Pacer::new(200, 1000);
        pacer.charge(200);
        pacer.cycle_begins();
        assert_eq!(pacer.charge(400), Charge::GoOn);
        assert_eq!(pacer.charge(150), Charge::Assist(LONGEST_TAX / 2));
        assert_eq!(pacer.charge(200), Charge::Assist(LONGEST_TAX));
        assert_eq!(pacer.charge(2000), Charge::Assist(LONGEST_TAX));
    }
}
