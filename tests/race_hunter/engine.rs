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
use super::outsiders::{Acting, Outsider};
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
    /// Consume, then read, but not at the end of a round. The hunter must find that.
    NotAtTheEnd,
}

/// What a writer does so that a write is seen which the back-end does not see by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    Nothing,
    /// It keeps a window open over the pages meanwhile.
    Window,
    /// It says afterwards that they were written.
    Written,
}

/// What to hunt on, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) memory: Memory,
    pub(crate) writers: usize,
    pub(crate) scanners: usize,
    pub(crate) store: Store,
    pub(crate) care: Care,
    pub(crate) order: Order,
    pub(crate) disturbances: &'static [Disturbance],
    pub(crate) outsider: Option<Outsider>,
}

impl Plan {
    pub(crate) const DEFAULT: Self = Self {
        memory: Memory::Base,
        writers: 2,
        scanners: 1,
        store: Store::Plain,
        care: Care::Nothing,
        order: Order::ConsumeThenRead,
        disturbances: &[],
        outsider: None,
    };

    fn disturbers(&self) -> usize {
        usize::from(!self.disturbances.is_empty() || self.outsider.is_some())
    }
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
    acts: AtomicU64,
    scans: AtomicU64,
    reported: AtomicU64,
    spurious: AtomicU64,
}

/// Hunts on `field` until `limit`, with a tracker that has it registered.
pub(crate) fn run(plan: Plan, tracker: &Tracker, field: &Field, limit: Limit) -> Coverage {
    let disturbers = plan.disturbers();
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
        acts: AtomicU64::new(0),
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
            if self.plan.order != Order::NotAtTheEnd {
                self.scan();
            }
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
        coverage.acts = self.acts.load(Ordering::Relaxed);
        coverage.scans = self.scans.load(Ordering::Relaxed);
        coverage.pages_reported = self.reported.load(Ordering::Relaxed);
        coverage.pages_spurious = self.spurious.load(Ordering::Relaxed);
        coverage.seconds = start.elapsed().as_secs_f64();
        coverage
    }

    fn barrier_parties_at_work(&self) -> usize {
        self.plan.writers + self.plan.disturbers()
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
                let _window = (self.plan.care == Care::Window).then(open);
                self.field.store(self.tracker, place, writer, sequence);
                if self.plan.care == Care::Written {
                    self.tracker.written(place).expect("the field is registered");
                }
            }
            self.busy.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn disturber(&self) {
        let mut random = Random::new(99);
        let begin = |outsider| Acting::begin(outsider).expect("it was tried before");
        let mut acting = self.plan.outsider.map(begin);
        self.rounds(|| {
            if let Some(acting) = &mut acting {
                self.act(acting, &mut random);
            }
            for &disturbance in self.plan.disturbances {
                for _ in 0..disturbance.times_a_round() {
                    disturb::disturb(self, disturbance, &mut random);
                }
            }
            self.busy.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn act(&self, acting: &mut Acting, random: &mut Random) {
        for _ in 0..acting.acts_a_round() {
            let word = self.field.spare(random.below(self.field.pages()));
            // What is refused has changed nothing.
            self.acts.fetch_add(u64::from(acting.act(word).is_ok()), Ordering::Relaxed);
        }
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
            Order::ConsumeThenRead | Order::AtRest | Order::NotAtTheEnd => {
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
