//! One hunt: writers, scanners and a disturber against one tracker, round by round.
//!
//! Sequence numbers of a writer only grow, so the shadow takes the maximum of what it had and what
//! a scanner read: two scanners that visit a page out of order cannot set it back.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use strandline::dirty::{PageSet, Tracker, Window};
use strandline::os::PageRange;

use super::coverage::{Coverage, Limit};
use super::disturb::{self, Disturbance};
use super::field::{Field, Memory, Store};
use super::random::Random;

/// When a scanner copies the pages that it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Consume, then read: what the contract asks for.
    ConsumeThenRead,
    /// Look, read, and only then consume, throwing the answer away. Whatever is written between
    /// the reading and the protecting is lost: the hunter must find that.
    ReadThenConsume,
    /// Consume, then read, but only at the end of a round, when nothing is being written.
    AtRest,
}

/// What to hunt on, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) memory: Memory,
    pub(crate) writers: usize,
    pub(crate) scanners: usize,
    pub(crate) store: Store,
    /// Every store happens in a window over its pages.
    pub(crate) in_windows: bool,
    pub(crate) order: Order,
    pub(crate) disturbances: &'static [Disturbance],
}

impl Plan {
    pub(crate) const DEFAULT: Self = Self {
        memory: Memory::Base,
        writers: 2,
        scanners: 1,
        store: Store::Plain,
        in_windows: false,
        order: Order::ConsumeThenRead,
        disturbances: &[],
    };
}

/// How often huge pages that the hunt has split are made whole again.
const ROUNDS_PER_COLLAPSE: u64 = 8;

/// Everything that the threads of a hunt share.
pub(crate) struct Hunt<'a> {
    pub(crate) plan: Plan,
    pub(crate) tracker: &'a Tracker,
    pub(crate) field: &'a Field,
    /// Pages that were consumed and not copied yet; all scanners share it.
    pub(crate) owed: PageSet,
    /// What `ReadThenConsume` throws away.
    ignored: PageSet,
    /// Every word as a scanner last read it.
    shadow: Vec<AtomicU64>,
    /// All threads meet here before and after a round.
    barrier: Barrier,
    /// Writers and the disturber that have not finished the round.
    busy: AtomicUsize,
    quit: AtomicBool,
    scans: AtomicU64,
    reported: AtomicU64,
    spurious: AtomicU64,
}

/// Hunts on `field` until `limit`, with a tracker that has it registered.
pub(crate) fn run(plan: Plan, tracker: &Tracker, field: &Field, limit: Limit) -> Coverage {
    let disturbers = usize::from(!plan.disturbances.is_empty());
    let hunt = Hunt {
        plan,
        tracker,
        field,
        owed: PageSet::new(field.range()),
        ignored: PageSet::new(field.range()),
        shadow: (0..field.words()).map(|_| AtomicU64::new(0)).collect(),
        barrier: Barrier::new(plan.writers + plan.scanners + disturbers),
        busy: AtomicUsize::new(0),
        quit: AtomicBool::new(false),
        scans: AtomicU64::new(0),
        reported: AtomicU64::new(0),
        spurious: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        let hunt = &hunt;
        for writer in 0..plan.writers {
            scope.spawn(move || hunt.writer(writer));
        }
        for _ in 1..plan.scanners {
            scope.spawn(move || hunt.rounds(|| hunt.scan_while_busy()));
        }
        if disturbers > 0 {
            scope.spawn(move || hunt.disturber());
        }
        hunt.lead(limit)
    })
}

impl Hunt<'_> {
    /// The first scanner: also opens and closes the rounds, and compares.
    fn lead(&self, limit: Limit) -> Coverage {
        let _abort = AbortOnPanic;
        let (mut coverage, start) = (Coverage::default(), Instant::now());
        while !limit.reached(&coverage, start) {
            self.busy.store(self.barrier_parties_at_work(), Ordering::Relaxed);
            self.barrier.wait();
            self.scan_while_busy();
            self.barrier.wait();
            // Everybody is parked at the barrier: this scan sees all that was written.
            self.scan();
            coverage.rounds += 1;
            coverage.words_checked += self.shadow.len() as u64;
            self.compare(&mut coverage);
            if self.plan.memory == Memory::Huge && coverage.rounds % ROUNDS_PER_COLLAPSE == 0 {
                coverage.collapsed += self.field.collapse(self.tracker, self.field.range());
            }
        }
        self.quit.store(true, Ordering::Relaxed);
        self.barrier.wait();
        coverage.writes =
            coverage.rounds * (self.plan.writers * self.field.writes_per_round()) as u64;
        coverage.scans = self.scans.load(Ordering::Relaxed);
        coverage.pages_reported = self.reported.load(Ordering::Relaxed);
        coverage.pages_spurious = self.spurious.load(Ordering::Relaxed);
        coverage.seconds = start.elapsed().as_secs_f64();
        coverage
    }

    fn barrier_parties_at_work(&self) -> usize {
        self.plan.writers + usize::from(!self.plan.disturbances.is_empty())
    }

    /// Takes part in rounds until there are no more.
    fn rounds(&self, mut round: impl FnMut()) {
        let _abort = AbortOnPanic;
        loop {
            self.barrier.wait();
            if self.quit.load(Ordering::Relaxed) {
                return;
            }
            round();
            self.barrier.wait();
        }
    }

    fn writer(&self, writer: usize) {
        let (mut random, mut sequence) = (Random::new(writer as u64), 0);
        self.rounds(|| {
            for _ in 0..self.field.writes_per_round() {
                sequence += 1;
                let place = self.field.pick(&mut random);
                let open = || Window::open(self.tracker, place).expect("the field is registered");
                let _window = self.plan.in_windows.then(open);
                self.field.store(self.tracker, place, writer, sequence);
            }
            self.busy.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn disturber(&self) {
        let mut random = Random::new(99);
        self.rounds(|| {
            for &disturbance in self.plan.disturbances {
                for _ in 0..disturbance.times_a_round() {
                    disturb::disturb(self, disturbance, &mut random);
                }
            }
            self.busy.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn scan_while_busy(&self) {
        while self.plan.order != Order::AtRest && self.busy.load(Ordering::Relaxed) > 0 {
            self.scan();
        }
    }

    /// Asks the tracker once, and copies what it reported.
    fn scan(&self) {
        let range = self.field.range();
        self.scans.fetch_add(1, Ordering::Relaxed);
        match self.plan.order {
            Order::ConsumeThenRead | Order::AtRest => {
                self.tracker.consume(range, &self.owed).expect("the field is registered");
                self.owed.take_in(range, |run| self.copy(run));
            }
            Order::ReadThenConsume => {
                self.tracker.peek(range, &self.owed).expect("the field is registered");
                self.owed.take_in(range, |run| {
                    self.copy(run);
                    self.tracker.consume(run, &self.ignored).expect("the field is registered");
                });
            }
        }
    }

    /// Copies the words of reported pages into the shadow.
    fn copy(&self, run: PageRange) {
        for page in self.field.page_numbers(run) {
            let mut changed = false;
            for word in self.field.words_of(page) {
                let value = self.field.load(word);
                changed |= self.shadow[word].fetch_max(value, Ordering::Relaxed) < value;
            }
            self.spurious.fetch_add(u64::from(!changed), Ordering::Relaxed);
        }
        self.reported.fetch_add(run.pages() as u64, Ordering::Relaxed);
    }

    /// With everything at rest, the shadow must equal the memory.
    fn compare(&self, coverage: &mut Coverage) {
        assert!(self.owed.is_empty(), "the last scan copied everything");
        for (word, shadow) in self.shadow.iter().enumerate() {
            let (copied, stored) = (shadow.load(Ordering::Relaxed), self.field.load(word));
            if copied != stored {
                coverage.lose(|round| {
                    let place = self.field.describe(word);
                    format!("round {round}, {place}: stored {stored}, last reported {copied}")
                });
                shadow.store(stored, Ordering::Relaxed);
            }
        }
    }
}

/// A thread that panicked would leave the others at the barrier for ever.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("a thread of the race hunter panicked (above); the others wait for it");
            std::process::abort();
        }
    }
}
