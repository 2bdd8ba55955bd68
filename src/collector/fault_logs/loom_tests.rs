//! Logs of faults against stores, and against who unprotects: no store may be missed by a collector that
//! reads the logs in place of a last scan.
//!
//! The kernel's side is a model: it makes a page writable, then counts the fault, then logs it, and then
//! the store is started again. So another thread may store to the page without a fault that is not logged
//! yet; but nobody is at a safepoint whose fault is not. The rest is the product's own code: world,
//! tracker, ledger, and the logs of all threads.

use std::sync::Arc;

use super::*;
use crate::collector::ledger::{Ledger, Looked, Portion};
use crate::collector::rules::{Rule, Rules};
use crate::dirty::{Model, ModelMmu, Window};
use crate::heap::Watched;
use crate::os::page_size;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::sync::model::{check, refute};

/// What the kernel has of a thread's faults.
#[derive(Default)]
struct Faults {
    counted: AtomicUsize,
    logged: Mutex<Vec<usize>>,
}

struct ModelLog {
    faults: Arc<Faults>,
    before: usize,
    read: usize,
}

impl Log for ModelLog {
    type Local = Arc<Faults>;

    fn open(thread: &Arc<Faults>) -> Result<Self, OsError> {
        Ok(Self { faults: Arc::clone(thread), before: 0, read: 0 })
    }

    fn is_of(&self, thread: &Arc<Faults>) -> bool {
        Arc::ptr_eq(&self.faults, thread)
    }

    fn set_running(&mut self, _: bool) -> Result<(), OsError> {
        Ok(())
    }

    fn begin(&mut self) -> Result<(), OsError> {
        self.before = self.faults.counted.load(Relaxed);
        self.faults.logged.lock().unwrap().clear();
        self.read = 0;
        Ok(())
    }

    fn drain(&mut self, visit: impl FnMut(usize)) {
        let logged = std::mem::take(&mut *self.faults.logged.lock().unwrap());
        self.read += logged.len();
        logged.into_iter().for_each(visit);
    }

    fn read(&mut self, visit: impl FnMut(usize)) -> Result<bool, OsError> {
        self.drain(visit);
        Ok(self.read == self.faults.counted.load(Relaxed) - self.before)
    }
}

/// Pages: one that is consumed when the logs have begun, and one that gets its first mark afterwards.
const OLD: usize = 0;
const NEW: usize = 1;
const PAGES: usize = 2;

/// How a store comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Thread,
    /// The kernel copies for a system call of the thread: such faults are counted only.
    Kernel,
}

/// One step of a mutator.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// page, by whom
    Store(usize, By),
    Poll,
}
use Step::*;

/// What the collector does otherwise than the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// One of the rules of the product.
    Rule(Rule),
    /// What is unprotected is not kept.
    ForgetUnprotected,
    /// The logs begin after the scan that consumes.
    BeginLate,
}

/// A heap of a slot on each page, and one cycle.
struct SmallHeap {
    world: World<Arc<Faults>>,
    mmu: Arc<ModelMmu>,
    tracker: Tracker,
    ledger: Ledger,
    rules: Rules,
    broken: Option<Break>,
    slots: [AtomicUsize; PAGES],
}

impl SmallHeap {
    fn new(broken: Option<Break>) -> Self {
        let span = PageRange::new(page_size(), (1 + PAGES) * page_size()).unwrap();
        let mmu = Arc::new(ModelMmu::new(span, 2));
        let tracker = Tracker::new(span, Box::new(Model::new(Arc::clone(&mmu))));
        // SAFETY: no memory is behind the addresses of a model.
        unsafe { tracker.register(span) }.unwrap();
        let rules = Rules::default();
        if let Some(Break::Rule(rule)) = broken {
            *rules.broken.lock().unwrap() = Some(rule);
        }
        let (world, ledger, slots) = (World::new(), Ledger::new(span), Default::default());
        Self { world, mmu, tracker, ledger, rules, broken, slots }
    }

    fn page(&self, page: usize) -> PageRange {
        self.tracker.span().subrange(page, 1)
    }

    /// Changes the slot of a page, on a processor.
    fn store(&self, faults: &Faults, processor: usize, page: usize, by: By) {
        let address = self.page(page).start();
        let store = || self.slots[page].fetch_add(1, Relaxed);
        self.mmu.store_and_account(processor, address, store, || {
            faults.counted.fetch_add(1, Relaxed);
            if by == By::Thread {
                faults.logged.lock().unwrap().push(address);
            }
        });
    }

    /// A cycle of so many rounds of precleaning and a last stop.
    fn cycle(&self, rounds: usize) {
        let mut logs = FaultLogs::<ModelLog>::new(self.tracker.span());
        let mut seen = [0; PAGES];
        for _ in 0..rounds {
            logs.open(&self.world).unwrap();
            if self.broken == Some(Break::BeginLate) {
                self.consume(None);
            }
            let stop = self.world.stop();
            let known = self.read(&mut logs, &stop);
            logs.begin(&stop, Some(0), &self.tracker);
            drop(stop);
            if self.broken == Some(Break::ForgetUnprotected) {
                self.tracker.take_unprotected();
            }
            if self.broken != Some(Break::BeginLate) {
                self.consume(known.then(|| logs.written()));
            }
            self.look(&mut seen);
        }
        // It gets its first mark, and is looked at for that.
        seen[NEW] = self.slots[NEW].load(Relaxed);
        logs.drain();
        let stop = self.world.stop();
        self.last_scan(&mut logs, &stop);
        self.look(&mut seen);
        let stored = self.slots.each_ref().map(|slot| slot.load(Relaxed));
        assert_eq!(seen, stored, "a store that nobody has looked at");
        drop(stop);
        logs.rest(&self.tracker);
    }

    /// All of what it is about, or where that was `written` since the last time.
    fn consume(&self, written: Option<&PageSet>) {
        let mut watched = Watched { logged: vec![self.page(OLD)], ..Watched::default() };
        match written {
            Some(written) => watched.scan_where(written),
            None => watched.quiet.append(&mut watched.logged),
        }
        self.ledger.consume_these(watched, Portion::ALL, &self.tracker, &self.rules);
    }

    fn read(&self, logs: &mut FaultLogs<ModelLog>, stop: &Stopped<'_, Arc<Faults>>) -> bool {
        logs.read(stop, Some(0), &self.tracker, !self.rules.holds(Rule::CompleteLog))
    }

    fn last_scan(&self, logs: &mut FaultLogs<ModelLog>, stop: &Stopped<'_, Arc<Faults>>) {
        let (old, new) = (self.page(OLD), self.page(NEW));
        if self.read(logs, stop) {
            let watched = Watched { quiet: vec![new], logged: vec![old], ..Watched::default() };
            let written = logs.written();
            self.ledger.peek_these_with_log(written, watched, &self.tracker, &self.rules);
        } else {
            let watched = Watched { quiet: vec![old, new], ..Watched::default() };
            self.ledger.peek_these(watched, &self.tracker, &self.rules, None);
        }
    }

    /// Looks at the owed pages.
    fn look(&self, seen: &mut [usize; PAGES]) {
        self.ledger.slices().take(false, &self.rules, |range, _| {
            for page in (0..PAGES).filter(|&page| range.covers(self.page(page))) {
                seen[page] = self.slots[page].load(Relaxed);
            }
            Looked::AtAll
        });
    }
}

/// A program: threads that are attached when the cycle begins, each on its processor, and one that may
/// not be.
#[derive(Clone, Copy)]
struct Program {
    mutators: &'static [&'static [Step]],
    other: Option<fn(&SmallHeap)>,
    rounds: usize,
}

impl Program {
    fn run(self, broken: Option<Break>) {
        let heap = loom::sync::Arc::new(SmallHeap::new(broken));
        let mut running = Vec::new();
        for (processor, steps) in self.mutators.iter().enumerate() {
            let heap = loom::sync::Arc::clone(&heap);
            let thread = heap.world.attach("mutator".into(), Arc::default());
            running.push(loom::thread::spawn(move || {
                for step in *steps {
                    match step {
                        Store(page, by) => heap.store(&thread.local, processor, *page, *by),
                        Poll if thread.should_park() => {
                            heap.world.park(&thread);
                            heap.world.unpark(&thread);
                        }
                        Poll => {}
                    }
                }
                heap.world.park(&thread);
            }));
        }
        if let Some(other) = self.other {
            let heap = loom::sync::Arc::clone(&heap);
            running.push(loom::thread::spawn(move || other(&heap)));
        }
        heap.cycle(self.rounds);
        running.into_iter().for_each(|thread| thread.join().unwrap());
    }

    fn check(self, preemptions: usize) {
        check(Some(preemptions), move || self.run(None));
    }

    fn refute(self, preemptions: usize, broken: Option<Break>) {
        let complaint = "a store that nobody has looked at";
        refute(complaint, Some(preemptions), move || self.run(broken));
    }
}

fn attach_and_store(heap: &SmallHeap) {
    let thread = heap.world.attach("newcomer".into(), Arc::default());
    heap.store(&thread.local, 1, OLD, By::Thread);
    heap.world.detach(&thread);
}

fn unprotect(heap: &SmallHeap) {
    heap.tracker.unprotect(heap.page(OLD)).unwrap();
}

/// A thread that never attaches writes to another word than the slot.
fn write_without_a_log(heap: &SmallHeap) {
    heap.mmu.store(1, heap.page(OLD).start(), || ());
}

fn open_a_window(heap: &SmallHeap) {
    drop(Window::open(&heap.tracker, heap.page(OLD)).unwrap());
}

const STORE: &[Step] = &[Poll, Store(OLD, By::Thread)];
const STORES: &[Step] =
    &[Store(OLD, By::Thread), Poll, Store(OLD, By::Thread), Store(NEW, By::Thread)];

const ONE: Program = Program { mutators: &[STORES], other: None, rounds: 1 };
const KERNEL: Program = Program { mutators: &[&[Poll, Store(OLD, By::Kernel)]], ..ONE };
const TWO: Program = Program { mutators: &[STORE, STORE], ..ONE };
const NEWCOMER: Program = Program { mutators: &[], other: Some(attach_and_store), rounds: 1 };
const UNPROTECTED: Program = Program { mutators: &[STORE], other: Some(unprotect), rounds: 1 };
const STRANGER: Program = Program { other: Some(write_without_a_log), ..UNPROTECTED };
const WINDOW: Program = Program { other: Some(open_a_window), ..UNPROTECTED };

#[test]
fn loom_every_store_is_in_a_log_or_found_by_a_scan() {
    ONE.check(3);
}

#[test]
fn loom_every_store_since_the_last_of_two_rounds_is_found() {
    Program { rounds: 2, ..ONE }.check(2);
}

#[test]
fn loom_a_store_is_found_beside_the_fault_of_another_thread() {
    TWO.check(2);
}

#[test]
fn loom_a_store_is_found_whose_fault_is_not_logged() {
    KERNEL.check(3);
}

#[test]
fn loom_a_store_is_found_whose_fault_is_not_logged_in_either_of_two_rounds() {
    Program { rounds: 2, ..KERNEL }.check(2);
}

#[test]
fn loom_a_store_is_found_of_a_thread_that_has_attached_meanwhile() {
    NEWCOMER.check(3);
}

#[test]
fn loom_a_store_is_found_where_somebody_unprotects() {
    UNPROTECTED.check(3);
}

#[test]
fn loom_a_store_is_found_where_somebody_opens_a_window() {
    WINDOW.check(2);
}

#[test]
fn loom_control_a_log_is_believed_that_lacks_a_fault() {
    KERNEL.refute(2, Some(Break::Rule(Rule::CompleteLog)));
}

#[test]
fn loom_control_a_log_is_believed_in_a_round_that_lacks_a_fault() {
    Program { rounds: 2, ..KERNEL }.refute(2, Some(Break::Rule(Rule::CompleteLog)));
}

#[test]
fn loom_control_logs_are_believed_that_lack_a_thread() {
    NEWCOMER.refute(2, Some(Break::Rule(Rule::CompleteLog)));
}

#[test]
fn loom_control_what_no_log_covers_is_not_scanned() {
    ONE.refute(2, Some(Break::Rule(Rule::ScanUnlogged)));
}

#[test]
fn loom_control_what_was_unprotected_is_not_kept() {
    UNPROTECTED.refute(2, Some(Break::ForgetUnprotected));
}

#[test]
fn loom_control_logs_begin_after_the_scan_that_consumes() {
    ONE.refute(2, Some(Break::BeginLate));
}

#[test]
fn loom_control_somebody_writes_whose_faults_are_not_logged() {
    STRANGER.refute(2, None);
}
