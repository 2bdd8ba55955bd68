//! The heap as the embedder has it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Weak};

use crate::collector::check::referee::{BarrierReport, Referee};
use crate::collector::check::rules::Rules;
use crate::collector::options::{HeapOptions, Mode, OptionError, Sizing};
use crate::collector::pacing::history::Cycle;
use crate::collector::pacing::pressure::Pressure;
use crate::collector::pacing::{Pacer, Room};
use crate::collector::remembered::ledger::Ledger;
use crate::collector::report::CycleReport;
use crate::collector::report::stats::{CycleObserver, HeapStats, Recorder};
use crate::collector::shared::Shared;
use crate::collector::threads::crew::Crew;
use crate::collector::threads::fork;
use crate::collector::threads::precedence::Precedence;
use crate::collector::threads::requests::Requests;
use crate::collector::threads::sweeper::Sweeping;
use crate::collector::threads::turn::Turn;
use crate::dirty::{SelectError, Selection, TrackError};
use crate::heap::{Memory, MemoryError, MemoryOptions};
use crate::mutator::{Mutator, Registration, Root, RootSource, Roots, StackScan, Threads};
use crate::object::{ObjectModel, ObjectRef};
use crate::os::OsError;
use crate::references::{References, Tables};
use crate::sync::process::Mutex;
use crate::sync::process::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Bytes that may be allocated before the first collection, and until the size of the heap is known
/// after one.
const FIRST_ROOM: usize = 32 << 20;

/// A garbage-collected heap with objects that `M` describes.
///
/// Dropping the handle lets the heap go when the last [`Mutator`] has gone; nothing is collected at
/// that time. Until then mutators sweep for themselves. A [`Root`] or [`Registration`] that is left
/// over may still be dropped, and does not keep the memory.
///
/// # Threads
/// Any thread may use the handle. A thread that wants to allocate or touch objects attaches.
///
/// # Forks
/// After `fork`, parent and child both go on using the heap, each its own copy. A fork is a stop: it
/// waits until every mutator of every heap is at a safepoint or in a blocking region, and takes as
/// long as that and the kernel's part. It does not wait for a cycle to end. (`posix_spawn`, `system`
/// and what [`std::process::Command`] usually does are no forks and stop nobody.)
///
/// What the program has to see to:
/// - For the thread that forks, attached and running, it is a safepoint.
/// - While it forks it holds no lock that a mutator may wait for outside of a blocking region, nor
///   one that a [`RootSource`] takes. It does not fork in a signal handler, nor where the heap calls
///   the program ([`ObjectModel`], [`RootSource`]).
/// - A thread that runs in two heaps, in a blocking region of neither, may keep a fork waiting for
///   ever: it waits in the one, and the fork for it in the other.
/// - Before glibc 2.36, and with musl, `fork` holds a lock of its own while it waits: two mutators
///   must not fork at the same time unless they are in blocking regions.
/// - A raw `clone` calls no handlers; its child must not use the heap.
///
/// In the child the other mutators are detached. What only their stacks refer to is garbage; handles
/// ([`Root`]) and registrations of theirs remain, and a registered range must not lie in the stack
/// of such a thread. A cycle that was going on in the parent is abandoned in the child, where every
/// page counts as dirty. The collector's threads start again with the first collection; should that
/// be impossible, collections stop the world, and a line on standard error says why. The memory of
/// the heap is not given back before the child ends.
pub struct Heap<M> {
    pub(crate) shared: Arc<Shared<M>>,
}

/// Why there is no heap.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeapError {
    /// A setting cannot be.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The tracker that was asked for cannot be had.
    #[error(transparent)]
    Tracker(#[from] SelectError),
    /// The write barriers cannot be checked.
    #[error("cannot check write barriers: {0}")]
    Referee(#[source] TrackError),
    /// The kernel refused address space or a thread.
    #[error("cannot make a heap: {0}")]
    Os(#[from] OsError),
    /// The background sweeper could not be started.
    #[error("cannot start the sweeper thread: {0}; raise the limit on threads")]
    Thread(std::io::Error),
}

impl From<MemoryError> for HeapError {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Os(error) => Self::Os(error),
            MemoryError::Tracker(error) => Self::Tracker(error),
        }
    }
}

impl<M: ObjectModel> Heap<M> {
    /// A heap with objects that `model` describes.
    ///
    /// The environment goes before the options; see [`HeapOptions`].
    ///
    /// # Errors
    /// When an option or a variable is wrong, when a tracker was asked for that cannot be had, or
    /// when there is no address space.
    pub fn new(model: M, options: HeapOptions) -> Result<Self, HeapError> {
        let options = options.effective(|name| std::env::var(name).ok())?;
        let initial = match options.sizing {
            Sizing::Fixed => options.limit,
            Sizing::Balanced => FIRST_ROOM.min(options.limit),
        };
        let ceiling = options.soft_limit.unwrap_or(options.limit);
        let initial = initial.min(ceiling);
        let mut memory = Memory::new(&MemoryOptions {
            limit: options.limit,
            initial,
            ceiling,
            huge_pages: options.huge_pages,
            tracker: options.tracker,
        })?;
        let referee = options.referee.map(|check| Referee::new(check, &mut memory)).transpose();
        let referee = referee.map_err(HeapError::Referee)?;
        let cycle = Cycle::first(&options, initial);
        let span = memory.tracker().span();
        let concurrent = options.mode == Mode::Concurrent && memory.tracker().contract().precise;
        let memory = Arc::new(memory);
        let references = Arc::new(Tables::new(&memory)?);
        let shared = Arc::new_cyclic(|me| Shared {
            references,
            memory,
            world: Arc::new(Threads::new()),
            roots: Arc::new(Roots::default()),
            model,
            options,
            recorder: Mutex::new(Recorder::default()),
            cycle: Turn::new(cycle),
            collections: AtomicU64::new(0),
            // Concurrent cycles begin early, so that they end before the room does; and any first one before
            // what will live long is scattered over all blocks, as one kind cannot use those of another.
            pacer: Pacer::new(Room {
                nursery: if concurrent { initial / 3 } else { initial },
                free: ceiling,
                during: ceiling / 3,
            }),
            crew: Crew::default(),
            stress_count: AtomicU32::new(0),
            sweeping: Sweeping::default(),
            ledger: Ledger::new(span),
            concurrent,
            requests: Requests::default(),
            pressure: Pressure::default(),
            precedence: Precedence::default(),
            rules: Rules::default(),
            workers: Mutex::default(),
            me: Weak::clone(me),
            referee,
            warned: AtomicBool::new(false),
        });
        fork::register(&shared);
        let heap = Self { shared };
        heap.shared.start_workers().map_err(HeapError::Thread)?;
        Ok(heap)
    }

    /// Attaches the calling thread.
    ///
    /// A collection waits for every attachment: a thread that attaches to the same heap twice must
    /// not collect or allocate with one while the other is outside of a blocking region.
    ///
    /// # Errors
    /// When the stack is to be scanned and its bounds cannot be found.
    pub fn attach(&self, scan: StackScan) -> Result<Mutator, OsError> {
        let shared = &self.shared;
        Mutator::attach(
            Arc::clone(&shared.world),
            Arc::clone(&shared.memory),
            Arc::clone(shared) as _,
            Arc::clone(&shared.roots),
            scan,
        )
    }

    /// How many threads are attached.
    #[must_use]
    pub fn attached_threads(&self) -> usize {
        self.shared.world.attached()
    }

    /// The object that `address` points to or into, if there is one. It may be one that is no
    /// longer reachable.
    #[must_use]
    pub fn find_object(&self, address: usize) -> Option<ObjectRef> {
        self.shared.memory.resolve(address)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.shared.model
    }

    /// The options that are in force, environment included.
    #[must_use]
    pub fn options(&self) -> &HeapOptions {
        &self.shared.options
    }

    /// Which tracker the heap has, and why no better one.
    #[must_use]
    pub fn tracker(&self) -> &Selection {
        &self.shared.memory.selection
    }

    /// Weak references, ephemerons, guardians: everything that refers to objects without keeping
    /// them alive.
    #[must_use]
    pub fn references(&self) -> References {
        References::new(Arc::clone(&self.shared.references))
    }

    /// A handle that keeps `object` alive until it is dropped.
    #[must_use]
    pub fn root(&self, object: ObjectRef) -> Root {
        self.shared.roots.add(object)
    }

    /// Has `source` visited in every collection, until the registration is dropped.
    pub fn add_root_source(&self, source: Arc<dyn RootSource>) -> Registration {
        self.shared.roots.add_source(source)
    }

    /// Searches the words of some memory for references in every collection, until the
    /// registration is dropped: anything that is the address of an object, or of a place inside
    /// one, keeps it alive.
    ///
    /// # Safety
    /// The addresses are readable until then, and written by mutators only.
    pub unsafe fn add_root_range(&self, addresses: Range<usize>) -> Registration {
        self.shared.roots.add_range(addresses)
    }

    /// Says that something was written to `addresses` in a way that the heap's tracker does not see
    /// ([`Contract::device_writes`](crate::dirty::Contract::device_writes)), and that the write is over.
    ///
    /// The kernel makes such writes through pages that it has pinned: `process_vm_writev`, `ptrace` and
    /// `/proc/PID/mem`, by whatever process, when a collection scans meanwhile; registered buffers of
    /// `io_uring`, and `O_DIRECT`, always. Where only bytes were written (a [`Leaf`](crate::Kind::Leaf), or
    /// what no slot is) nothing is to be said.
    ///
    /// For a reference that is written like that:
    /// - A [`Root`] keeps what it refers to alive from before the write until this has returned. A cycle that
    ///   ends before that has not seen the reference; any that ends later has.
    /// - This is called after the call has returned, or the completion was seen; when the writer
    ///   is another process, after it has said that it is done. Safepoints in between do no harm.
    /// - The kernel promises no writes of whole words. The object that is written to is
    ///   [`Conservative`](crate::Kind::Conservative), where half a reference is harmless.
    ///
    /// ```
    /// # use strandline::{Heap, HeapOptions, Kind, ObjectModel, ObjectRef, SlotVisitor, StackScan};
    /// # struct NoSlots;
    /// # // SAFETY: its objects have no slots of their own.
    /// # unsafe impl ObjectModel for NoSlots {
    /// #     unsafe fn trace<V: SlotVisitor>(&self, _: ObjectRef, _: &mut V) {}
    /// # }
    /// # let heap = Heap::new(NoSlots, HeapOptions { limit: 32 << 20, ..HeapOptions::default() })?;
    /// # let mut mutator = heap.attach(StackScan::None)?;
    /// # let write = |_slot: usize, _reference: ObjectRef| {};
    /// # let old = mutator.allocate(Kind::Conservative, 64)?;
    /// # let old = mutator.root(old);
    /// let new = mutator.allocate(Kind::Leaf, 64)?;
    /// let handle = mutator.root(new);
    /// let slot = old.get().address();
    /// write(slot, new); // process_vm_writev
    /// heap.written(slot..slot + size_of::<usize>())?;
    /// drop(handle);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Threads
    /// Any thread may call this, attached or not.
    ///
    /// # Errors
    /// [`TrackError::OutsideSpan`] for addresses outside of the heap; or the kernel's refusal, after which
    /// the write is still unseen: keep the handle, and call again.
    pub fn written(&self, addresses: Range<usize>) -> Result<(), TrackError> {
        self.shared.memory.written(addresses)
    }

    /// The reports of the last cycles, the newest last: some thousands of them.
    #[must_use]
    pub fn cycles(&self) -> Vec<CycleReport> {
        self.shared.lock_recorder().reports.iter().cloned().collect()
    }

    /// Passes the report of every cycle that ends from now on to `observer`, in order; `None` for no
    /// observer. Returns the one before. For what wants all of them, such as a timeline:
    /// [`cycles`](Self::cycles) forgets old ones.
    ///
    /// # Threads
    /// Any thread may set it. It is called on the thread that ran the cycle, with the world running:
    /// one of the collector's or, in [`Mode::Stopped`], the mutator that asked. The next cycle waits
    /// for it, so it must not wait for a mutator, allocate in this heap, collect, fork or panic.
    pub fn set_cycle_observer(&self, observer: Option<CycleObserver>) -> Option<CycleObserver> {
        std::mem::replace(&mut self.shared.lock_recorder().observer, observer)
    }

    /// What the referee has found since this was last called; `None` unless
    /// [`HeapOptions::referee`] asked for one.
    #[must_use = "the next report begins with nothing"]
    pub fn take_barrier_report(&self) -> Option<BarrierReport> {
        self.shared.referee.as_ref().map(Referee::take_report)
    }

    /// What the heap has done and what it holds.
    #[must_use]
    pub fn stats(&self) -> HeapStats {
        let shared = &*self.shared;
        let (committed_bytes, limit_bytes) = shared.memory.committed_and_limit();
        let (restored_huge_pages, populated_ahead) = {
            let pool = shared.memory.pool();
            (pool.restored(), pool.chunks.populated_ahead())
        };
        HeapStats {
            collections: shared.collections.load(Relaxed),
            restored_huge_pages,
            populated_ahead,
            committed_bytes,
            external_bytes: shared.references.external_bytes(),
            peak_bytes: shared.memory.peak(),
            limit_bytes,
            ..shared.lock_recorder().stats()
        }
    }
}

impl<M> fmt::Debug for Heap<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
