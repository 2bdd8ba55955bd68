//! Forks: parent and child both go on collecting.
//!
//! In a child there is one thread, and everything else is as it was at one moment. That moment must
//! be one at which a heap is whole, and so **a fork is a stop**: the thread that forks parks like
//! any mutator, stops the world of every heap, takes every lock of every heap, and then forks. What
//! follows from that:
//!
//! - the objects of all threads are initialised and their allocation buffers whole, as in every stop;
//! - nothing is in the middle of a stop: roots, flip of the marks, begin of a sweep;
//! - a cycle may be in any phase in which the program runs. A fork does not wait for its end.
//!
//! The parent goes on as after any stop. In the child
//!
//! - the other mutators are gone: they are detached. What they own the pool retires in the next stop,
//!   as in every stop. Handles that they had remain; their stacks are not searched, because nobody
//!   will ever return to a frame there;
//! - a cycle that was going on is abandoned. Its dirty pages are consumed, so everything is owed
//!   (rule: a cycle that is abandoned hands back all that it consumed). Marks of a full one are
//!   cleared. A minor one has marked young objects in the current marks, and may not have traced
//!   them: their pages are owed, too, which traces them; some may be dead, and live until the next
//!   full cycle. Ages change at the end of a cycle only: what was young is young. The next cycle
//!   looks at all cells of the side tables, since this one may have looked at any; a reference was
//!   cleared only in a stop in which everything was known;
//! - the collector's threads are started again when there is something for them to do
//!   ([`workers`](crate::collector::threads::workers)). A child that calls `exec` at once pays for none.
//!
//! # Order
//! Locks are taken in the order of [`Locks`], after every world is stopped: whoever holds one of them
//! never waits for a stop to end, and takes others in this order only. Around the tracker's gate
//! ([`os::fork`](crate::os::fork)), because a tracker is used under the lock of the pool.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Instant;

use crate::collector::check::rules::Rule;
use crate::collector::pacing::history::Cycle;
use crate::collector::pacing::pressure::HeldPressure;
use crate::collector::report::stats::Recorder;
use crate::collector::shared::Shared;
use crate::collector::threads::crew::HeldCrew;
use crate::collector::threads::precedence::HeldPrecedence;
use crate::collector::threads::requests::HeldRequests;
use crate::collector::threads::sweeper::Calls;
use crate::collector::threads::turn::HeldTurn;
use crate::collector::threads::workers::Workers;
use crate::heap::{Pool, Where, Which};
use crate::mutator::{HeldRoots, HeldWorld, Local, ParkedToFork, Stopped, Threads};
use crate::object::ObjectModel;
use crate::os::fork::at_fork;
use crate::os::thread::with_registers_on_stack;
use crate::references::HeldTables;

use crate::sync;
use crate::sync::process::{Mutex, MutexGuard, OnceLock};

/// Every heap of the process.
static HEAPS: Mutex<Vec<Weak<dyn ForkedHeap>>> = Mutex::new(Vec::new());

type Registry = MutexGuard<'static, Vec<Weak<dyn ForkedHeap>>>;

/// Held by a thread that forks. Taken when it is parked, since another may be waiting for that.
static FORKING: Mutex<()> = Mutex::new(());

thread_local! {
    /// What the calling thread has brought to rest, between the handler before and the one after.
    static AT_REST: RefCell<Option<AtRest>> = const { RefCell::new(None) };
}

/// A heap, whatever its object model.
trait ForkedHeap: Send + Sync {
    fn world(&self) -> &Arc<Threads>;
    fn stop_to_fork(self: Arc<Self>) -> Box<dyn StoppedToFork>;
}

/// A heap whose world is stopped for a fork.
trait StoppedToFork {
    fn is(&self, heap: &Weak<dyn ForkedHeap>) -> bool;
    /// Takes all locks.
    fn lock(&mut self);
    /// Lets the heap go on, in the parent or in the child.
    fn go_on(self: Box<Self>, process: Process);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Parent,
    Child,
}

/// Everything that is brought to rest for a fork; in the order of release.
struct AtRest {
    registry: Registry,
    heaps: Vec<Box<dyn StoppedToFork>>,
    forking: MutexGuard<'static, ()>,
    callers: Vec<ParkedToFork>,
}

/// Sees to it that forks find `shared` from now on. Before any other thread knows it.
pub(crate) fn register<M: ObjectModel>(shared: &Arc<Shared<M>>) {
    static HANDLERS: OnceLock<()> = OnceLock::new();
    HANDLERS.get_or_init(|| at_fork(before, in_parent, in_child));
    let heap: Weak<dyn ForkedHeap> = Arc::downgrade(shared) as _;
    let mut heaps = heaps();
    heaps.retain(|heap| heap.strong_count() > 0);
    heaps.push(heap);
}

fn heaps() -> Registry {
    HEAPS.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn before() {
    let callers = with_registers_on_stack(park_caller);
    let forking = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut stopped, registry) = stop_all();
    stopped.iter_mut().for_each(|heap| heap.lock());
    let at_rest = AtRest { registry, heaps: stopped, forking, callers };
    AT_REST.with_borrow_mut(|place| *place = Some(at_rest));
}

/// Parks the calling thread in every heap.
fn park_caller(low: usize) -> Vec<ParkedToFork> {
    let heaps: Vec<_> = heaps().iter().filter_map(Weak::upgrade).collect();
    heaps.iter().map(|heap| ParkedToFork::park(Arc::clone(heap.world()), low)).collect()
}

/// Stops the world of every heap, and keeps further heaps from coming up.
fn stop_all() -> (Vec<Box<dyn StoppedToFork>>, Registry) {
    let mut stopped: Vec<Box<dyn StoppedToFork>> = Vec::new();
    loop {
        let heaps = heaps();
        let is_new = |heap: &&Weak<dyn ForkedHeap>| !stopped.iter().any(|other| other.is(heap));
        let new: Vec<_> = heaps.iter().filter(is_new).filter_map(Weak::upgrade).collect();
        if new.is_empty() {
            return (stopped, heaps);
        }
        // Not while a heap that comes up would wait: its thread may run in one of these.
        drop(heaps);
        stopped.extend(new.into_iter().map(ForkedHeap::stop_to_fork));
    }
}

extern "C" fn in_parent() {
    go_on(Process::Parent);
}

extern "C" fn in_child() {
    go_on(Process::Child);
}

fn go_on(process: Process) {
    let Some(at_rest) = AT_REST.with_borrow_mut(Option::take) else { return };
    let AtRest { registry, heaps, forking, callers } = at_rest;
    with_registers_on_stack(|low| {
        callers.iter().for_each(|caller| caller.set_stack(low));
        drop(registry);
        heaps.into_iter().for_each(|heap| heap.go_on(process));
        drop(forking);
        drop(callers);
    });
}

/// All locks of a heap but those of its tracker, in the order of taking.
struct Locks<'a> {
    _workers: MutexGuard<'a, Workers>,
    _roots: HeldRoots<'a>,
    references: HeldTables<'a>,
    _pressure: HeldPressure<'a>,
    precedence: HeldPrecedence<'a>,
    pool: sync::MutexGuard<'a, Pool>,
    recorder: MutexGuard<'a, Recorder>,
    requests: HeldRequests<'a>,
    _sweeping: sync::MutexGuard<'a, Calls>,
    crew: HeldCrew<'a>,
    cycle: HeldTurn<'a, Cycle>,
    world: HeldWorld<'a, Local>,
}

/// A heap at rest.
struct Held<M: 'static> {
    locks: Option<Locks<'static>>,
    stop: Stopped<'static, Local>,
    since: Instant,
    /// What the others borrow from; dropped last.
    shared: Arc<Shared<M>>,
}

impl<M: ObjectModel> Held<M> {
    /// # Safety
    /// The reference is not used when `shared` has been dropped.
    unsafe fn borrow(shared: &Arc<Shared<M>>) -> &'static Shared<M> {
        // SAFETY: what an `Arc` refers to does not move, and the caller keeps the `Arc` for as long.
        unsafe { &*Arc::as_ptr(shared) }
    }
}

impl<M: ObjectModel> ForkedHeap for Shared<M> {
    fn world(&self) -> &Arc<Threads> {
        &self.world
    }

    fn stop_to_fork(self: Arc<Self>) -> Box<dyn StoppedToFork> {
        let since = Instant::now();
        // SAFETY: the stop is a field of `Held` before `shared`, so it is dropped before.
        let stop = unsafe { Held::borrow(&self) }.world.stop();
        Box::new(Held { locks: None, stop, since, shared: self })
    }
}

impl<M: ObjectModel> StoppedToFork for Held<M> {
    fn is(&self, heap: &Weak<dyn ForkedHeap>) -> bool {
        std::ptr::addr_eq(heap.as_ptr(), Arc::as_ptr(&self.shared))
    }

    fn lock(&mut self) {
        // SAFETY: the locks are a field of `Held` before `shared`, so they are dropped before.
        let shared = unsafe { Self::borrow(&self.shared) };
        self.locks = Some(Locks {
            _workers: shared.workers.lock().unwrap_or_else(PoisonError::into_inner),
            _roots: shared.roots.hold(),
            references: shared.references.hold(),
            _pressure: shared.pressure.hold(),
            precedence: shared.precedence.hold(),
            pool: shared.memory.pool_lock().hold(),
            recorder: shared.recorder.lock().unwrap_or_else(PoisonError::into_inner),
            requests: shared.requests.hold(),
            _sweeping: shared.sweeping.lock(),
            crew: shared.crew.hold(),
            cycle: shared.cycle.hold(),
            world: shared.world.hold(),
        });
    }

    fn go_on(mut self: Box<Self>, process: Process) {
        if let Some(mut locks) = self.locks.take() {
            match process {
                Process::Parent => {
                    let time_to_safepoint = self.stop.time_to_safepoint.clone();
                    locks.recorder.paused(self.since.elapsed(), time_to_safepoint);
                }
                Process::Child => mend(&self.shared, &mut locks),
            }
        }
    }
}

/// Makes a heap the child's own: only the calling thread is there.
fn mend<M: ObjectModel>(shared: &Shared<M>, locks: &mut Locks<'_>) {
    let metadata = &shared.memory.metadata;
    locks.world.keep_only(Local::is_callers);
    shared.memory.pool_lock().forget_waiters();
    locks.pool.chunks.release_touched();
    locks.pool.release_reserved(metadata);
    locks.requests.cut_off();
    locks.precedence.cut_off();
    if locks.cycle.cut_off() {
        if shared.rules.holds(Rule::ClearCutOff) {
            locks.pool.discard_next_marks();
        }
        if shared.rules.holds(Rule::OweCutOff) {
            shared.ledger.owe_all(locks.pool.watched(
                Which::AllAsItIs,
                Where::Everywhere,
                metadata,
            ));
        }
        if shared.rules.holds(Rule::ListCutOff) {
            locks.references.cut_off();
        }
    }
    locks.crew.cut_off();
    shared.pacer.cut_off();
}
