//! The threads of the program: attaching, allocating, stopping, and what they keep alive.

mod buffer;
mod fork;
mod pinned;
mod room;
mod roots;
mod world;

pub use buffer::AllocationBuffer;
pub use pinned::Pinned;
pub use room::OutOfMemory;
pub use roots::{Registration, Root, RootSource};
pub use world::TimeToSafepoint;

#[cfg(test)]
pub(crate) use buffer::Buffer;
pub(crate) use fork::ParkedToFork;
pub(crate) use roots::{HeldRoots, Roots, words};
pub(crate) use world::{HeldWorld, Stopped, World};

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

#[cfg(not(test))]
use buffer::Buffer;
use room::Effort;
use world::Thread;

use crate::dirty::TrackError;
use crate::heap::geometry::{BLOCK, GRANULE, LARGEST_SMALL};
use crate::heap::{Grant, Memory, Metadata, NoChunk, Room, Unready, is_large};
use crate::object::{Kind, ObjectRef};
use crate::os::thread::{ThreadName, calling_thread, stack_end, with_registers_on_stack};
use crate::os::{OsError, page_size};
use crate::sync::process::atomic::{AtomicUsize, Ordering};

/// Whether the stack of a thread is searched for references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StackScan {
    /// Every word on the stack and in the registers that is the address of an object, or of a
    /// place inside one, keeps that object alive. References in local variables need no care.
    #[default]
    Conservative,
    /// The stack is not looked at: whatever must survive a safepoint is in a [`Root`] or is visited
    /// by a [`RootSource`].
    None,
}

/// Objects above this size do not make a buffer give up the rest of its hole.
const MEDIUM: usize = 256;

/// What the collector knows of a thread, beside the safepoint protocol.
pub(crate) struct Local {
    buffers: Box<UnsafeCell<Buffers>>,
    /// The thread that attached.
    owner: ThreadName,
    /// The end of the stack, and where the frames of a parked thread begin; zero if not scanned.
    stack_end: usize,
    stack_low: AtomicUsize,
}

// SAFETY: the buffers are touched by their thread while it runs and by the collector while the
// thread is parked; the safepoint protocol orders the two.
unsafe impl Sync for Local {}
// SAFETY: as above.
unsafe impl Send for Local {}

pub(crate) type Threads = World<Local>;

/// A buffer for each kind, and one more for objects that do not fit into the hole of the first.
struct Buffers {
    small: [Buffer; Kind::COUNT],
    medium: [Buffer; Kind::COUNT],
}

impl Local {
    /// Gives up all allocation buffers. Adds the blocks that were to spare to `unused`.
    ///
    /// # Safety
    /// The thread is parked, or is the calling one.
    pub(crate) unsafe fn retire(&self, metadata: &Metadata, unused: &mut Vec<Grant>) {
        // SAFETY: the caller keeps the thread from using the buffers.
        let buffers = unsafe { &mut *self.buffers.get() };
        for buffer in buffers.small.iter_mut().chain(&mut buffers.medium) {
            buffer.retire(metadata);
            unused.append(&mut buffer.spares);
        }
    }

    /// The stack of a parked thread, if it is to be scanned.
    pub(crate) fn stack(&self) -> Option<Range<usize>> {
        let low = self.stack_low.load(Ordering::Acquire);
        (self.stack_end != 0 && low != 0).then_some(low..self.stack_end)
    }
}

/// What a mutator asks of the collector.
pub(crate) trait CollectOnDemand: Send + Sync {
    /// Collects, unless another thread has finished a collection since number `seen`. The calling
    /// mutator is parked.
    fn collect(&self, cause: Cause, seen: u64);

    /// The number of collections so far.
    fn collections(&self) -> u64;

    /// Counts `bytes` as allocated. What the mutator has to do for them.
    fn charge(&self, bytes: usize) -> MoreRoom;

    /// Takes note that the heap has grown for this mutator, and may go on growing.
    fn grown(&self);

    /// Makes memory ready that the calling mutator is about to take. It is parked: no stop waits for the
    /// kernel, or until a large object is cleared.
    fn prepare(&self, memory: &Unready);

    /// Helps with the marking that is going on, for so long. The calling mutator is parked.
    fn assist(&self, time: Duration);

    /// Helps with a scan that is going on in a stop, unless it is the `last` one that this was called for. The
    /// calling mutator is parked, and spins until the end of the stop; whether it had better go on with that.
    fn assist_stop(&self, last: &mut u64) -> bool;

    /// Whether a collection is going on while the program runs.
    fn is_marking(&self) -> bool;

    /// Has the other mutators wait before they take memory, until this one [falls in](Self::fall_in)
    /// again. Waits for one that precedes already. The calling mutator is parked.
    fn precede(&self);

    /// Ends that.
    fn fall_in(&self);

    /// Whether a mutator precedes.
    fn is_preceded(&self) -> bool;

    /// Waits until none precedes. The calling mutator is parked.
    fn let_precede(&self);

    /// Asks the program to free something; whether it has.
    fn out_of_memory(&self, error: &OutOfMemory) -> bool;

    /// In stress mode: whether to collect at this allocation or safepoint. `None` without.
    fn stress(&self) -> Option<bool>;
}

/// On what terms a mutator gets more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MoreRoom {
    /// On none.
    Granted,
    /// It asks for a collection first.
    Collect,
    /// It helps to mark first, for so long.
    Assist(Duration),
}

/// Why a collection happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// As much was allocated as the sizing policy allows between two collections.
    Allocation,
    /// No memory was left.
    Exhaustion,
    /// No memory was left, and a collection did not change that.
    LastResort,
    /// The program asked for it.
    Request,
    /// The program asked for a collection of young objects.
    RequestYoung,
    /// Stress mode.
    Stress,
}

/// A thread that is attached to a heap: allocates, and stops when the collector wants it to.
///
/// # Threads
/// It belongs to the thread that attached. The thread must reach a safepoint every now and then
/// ([`safepoint`](Self::safepoint), any allocation, `fork`), or be in a [`blocking`](Self::blocking)
/// region: collections wait for it, and so do forks.
pub struct Mutator {
    /// The buffers of `thread`, without the way there.
    buffers: NonNull<Buffers>,
    thread: Arc<Thread<Local>>,
    world: Arc<Threads>,
    memory: Arc<Memory>,
    collector: Arc<dyn CollectOnDemand>,
    roots: Arc<Roots>,
    /// Whether the other mutators wait for this one to find room.
    precedes: bool,
    _bound_to_its_thread: PhantomData<*mut ()>,
}

impl Mutator {
    pub(crate) fn attach(
        world: Arc<Threads>,
        memory: Arc<Memory>,
        collector: Arc<dyn CollectOnDemand>,
        roots: Arc<Roots>,
        scan: StackScan,
    ) -> Result<Self, OsError> {
        let buffers = || std::array::from_fn(|_| Buffer::new(&memory.metadata));
        let local = Local {
            buffers: Box::new(UnsafeCell::new(Buffers { small: buffers(), medium: buffers() })),
            owner: calling_thread(),
            stack_end: if scan == StackScan::Conservative { stack_end()? } else { 0 },
            stack_low: AtomicUsize::new(0),
        };
        let current = std::thread::current();
        let name = current.name().map_or_else(|| format!("{:?}", current.id()), str::to_owned);
        let thread = world.attach(name, local);
        let buffers = NonNull::new(thread.local.buffers.get()).expect("a box is not null");
        Ok(Self {
            buffers,
            thread,
            world,
            memory,
            collector,
            roots,
            precedes: false,
            _bound_to_its_thread: PhantomData,
        })
    }

    /// Allocates an object of `bytes` bytes, zeroed, at a multiple of 16.
    ///
    /// A safepoint. The size is rounded up to a multiple of 16; of zero bytes there is an object
    /// of 16.
    ///
    /// # Errors
    /// When the heap is full after a full collection.
    #[inline]
    pub fn allocate(&mut self, kind: Kind, bytes: usize) -> Result<ObjectRef, OutOfMemory> {
        // One comparison for both ends: of zero bytes this is zero, and wraps.
        let size = bytes.wrapping_add(GRANULE - 1) & !(GRANULE - 1);
        if size.wrapping_sub(GRANULE) < LARGEST_SMALL
            && let Some(start) = self.buffers().small[kind as usize].fast.bump(size)
        {
            return Ok(ObjectRef::at(start));
        }
        self.allocate_slowly(kind, bytes, GRANULE)
    }

    /// As [`allocate`](Self::allocate), at a multiple of `alignment`.
    ///
    /// # Errors
    /// As [`allocate`](Self::allocate).
    ///
    /// # Panics
    /// When `alignment` is no power of two or larger than a page.
    pub fn allocate_aligned(
        &mut self,
        kind: Kind,
        bytes: usize,
        alignment: usize,
    ) -> Result<ObjectRef, OutOfMemory> {
        assert!(
            alignment.is_power_of_two() && alignment <= page_size(),
            "an alignment of {alignment}; it must be a power of two up to the page size"
        );
        if alignment <= GRANULE {
            return self.allocate(kind, bytes);
        }
        self.allocate_slowly(kind, bytes, alignment)
    }

    /// Stops here if the collector wants this thread to: one load and a branch if not.
    #[inline]
    pub fn safepoint(&mut self) {
        if self.thread.should_park() {
            self.stop_here();
        }
    }

    /// Out of line, so that a safepoint costs its surroundings no registers.
    #[cold]
    #[inline(never)]
    fn stop_here(&mut self) {
        self.parked(|| ());
    }

    /// Runs `operation`, which may block, without holding up a collection.
    ///
    /// `operation` must not touch objects of the heap nor use this mutator.
    pub fn blocking<R>(&mut self, operation: impl FnOnce() -> R) -> R {
        self.parked(operation)
    }

    /// Collects the whole heap now.
    pub fn collect(&mut self) {
        self.collect_for(Cause::Request);
    }

    /// Collects the young objects now, or the whole heap where it is not collected by generations
    /// or where it is time for that.
    pub fn collect_young(&mut self) {
        self.collect_for(Cause::RequestYoung);
    }

    /// A handle that keeps `object` alive until it is dropped.
    #[must_use]
    pub fn root(&self, object: ObjectRef) -> Root {
        self.roots.add(object)
    }

    /// Keeps `object` alive and where it is, until the result is dropped.
    #[must_use]
    pub fn pin(&self, object: ObjectRef) -> Pinned {
        Pinned::new(self.roots.add(object))
    }

    /// Says that something was written to `addresses` in a way that the heap's tracker does not see: as
    /// [`Heap::written`](crate::Heap::written), which has the rules.
    ///
    /// # Errors
    /// As there.
    pub fn written(&self, addresses: Range<usize>) -> Result<(), TrackError> {
        self.memory.written(addresses)
    }

    /// The size of an object in bytes, as allocated: a multiple of 16.
    #[must_use]
    pub fn size_of(&self, object: ObjectRef) -> usize {
        self.memory.describe(object).1
    }

    /// The kind that an object was allocated with.
    #[must_use]
    pub fn kind_of(&self, object: ObjectRef) -> Kind {
        self.memory.describe(object).0
    }

    /// The buffer for objects of `kind`, for code that allocates inline. The address stays the same
    /// for as long as the mutator exists.
    #[must_use]
    pub fn allocation_buffer(&mut self, kind: Kind) -> *mut AllocationBuffer {
        // Not by way of a reference to the buffers: that would end before the pointer is used.
        // SAFETY: the box that they are in lives as long as the mutator.
        unsafe { &raw mut (*self.buffers.as_ptr()).small[kind as usize].fast }
    }

    /// The memory of the heap that this thread is attached to.
    pub(crate) fn memory(&self) -> *const Memory {
        Arc::as_ptr(&self.memory)
    }

    #[inline]
    fn buffers(&mut self) -> &mut Buffers {
        // SAFETY: the thread runs and the mutator is borrowed mutably, so nobody else has them; the
        // box that they are in lives as long as `self.thread`.
        unsafe { self.buffers.as_mut() }
    }

    /// Runs `operation` with this thread parked.
    fn parked<R>(&mut self, operation: impl FnOnce() -> R) -> R {
        with_registers_on_stack(|low| {
            self.thread.local.stack_low.store(low, Ordering::Release);
            self.world.park(&self.thread);
            let unpark = Unpark(self);
            let result = operation();
            drop(unpark);
            result
        })
    }

    fn collect_for(&mut self, cause: Cause) {
        let (seen, collector) = (self.collector.collections(), Arc::clone(&self.collector));
        self.parked(|| collector.collect(cause, seen));
    }

    #[cold]
    #[inline(never)]
    fn allocate_slowly(
        &mut self,
        kind: Kind,
        bytes: usize,
        alignment: usize,
    ) -> Result<ObjectRef, OutOfMemory> {
        self.safepoint();
        if self.collector.stress() == Some(true) {
            self.collect_for(Cause::Stress);
        }
        // What can never fit is refused before it is rounded up, which could overflow.
        if !self.memory.could_hold(bytes) {
            return Err(self.out_of_memory(bytes, "it is larger than the heap".to_owned()));
        }
        let size = bytes.max(1).next_multiple_of(GRANULE);
        self.insist(bytes, |mutator, effort| {
            // Large objects begin on a page, which is alignment enough for any.
            if is_large(size) || size + alignment > BLOCK {
                mutator.take_large(kind, size, effort)
            } else {
                mutator.take_small(kind, size, alignment, effort)
            }
        })
    }

    /// Does what `bytes` more ask for. Returns how much the heap may grow for them: while a
    /// collection is going on, what it will free is taken in advance.
    fn charge(&mut self, bytes: usize, effort: Effort) -> Room {
        if self.collector.is_preceded() && !self.precedes {
            let collector = Arc::clone(&self.collector);
            self.parked(|| collector.let_precede());
        }
        match self.collector.charge(bytes) {
            MoreRoom::Collect if effort == Effort::Usual => self.collect_for(Cause::Allocation),
            MoreRoom::Assist(time) if effort == Effort::Usual => {
                let collector = Arc::clone(&self.collector);
                self.parked(|| collector.assist(time));
            }
            _ => {}
        }
        match effort.room() {
            Room::Target if self.collector.is_marking() => Room::Ceiling,
            room => room,
        }
    }

    fn take_large(
        &mut self,
        kind: Kind,
        size: usize,
        effort: Effort,
    ) -> Result<ObjectRef, NoChunk> {
        let room = self.charge(size, effort);
        let memory = Arc::clone(&self.memory);
        let object = memory.take_large(kind, size, room, |unready| self.prepare(unready))?;
        Ok(ObjectRef::at(object.start))
    }

    fn take_small(
        &mut self,
        kind: Kind,
        size: usize,
        alignment: usize,
        effort: Effort,
    ) -> Result<ObjectRef, NoChunk> {
        let exactly = self.collector.stress().is_some();
        let need = size + alignment - GRANULE;
        let memory = Arc::clone(&self.memory);
        loop {
            let use_small = size <= MEDIUM || self.buffer(kind, true).hole_has(need);
            let buffer = self.buffer(kind, use_small);
            if buffer.extend(need, exactly) {
                buffer.fast.cursor = buffer.fast.cursor.next_multiple_of(alignment);
                let start = buffer.fast.bump(size).expect("room was made for it");
                return Ok(ObjectRef::at(start));
            }
            buffer.retire(&memory.metadata);
            let room = self.charge(BLOCK, effort);
            let grant = match self.buffer(kind, use_small).spares.pop() {
                Some(spare) => spare,
                None => self.take_block(kind, use_small, need, room)?,
            };
            self.buffer(kind, use_small).adopt(grant, &memory.metadata);
        }
    }

    fn buffer(&mut self, kind: Kind, small: bool) -> &mut Buffer {
        let buffers = self.buffers();
        let buffers = if small { &mut buffers.small } else { &mut buffers.medium };
        &mut buffers[kind as usize]
    }

    /// A block from the pool with a hole of `need` bytes. What there is to spare is its buffer's.
    fn take_block(
        &mut self,
        kind: Kind,
        small: bool,
        need: usize,
        room: Room,
    ) -> Result<Grant, NoChunk> {
        let (memory, granules) = (Arc::clone(&self.memory), need.div_ceil(GRANULE));
        let mut spares = Vec::new();
        let prepare = |unready: &Unready| self.prepare(unready);
        let grant = memory.take_block(kind, granules, room, &mut spares, prepare);
        self.buffer(kind, small).spares = spares;
        let grant = grant?;
        if grant.grown {
            self.collector.grown();
        }
        Ok(grant)
    }

    fn prepare(&mut self, memory: &Unready) {
        let collector = Arc::clone(&self.collector);
        self.parked(|| collector.prepare(memory));
    }

    fn out_of_memory(&self, bytes: usize, reason: String) -> OutOfMemory {
        let (committed, limit) = self.memory.committed_and_limit();
        let external = self.memory.external_bytes();
        OutOfMemory { bytes, reason, committed, limit, external }
    }
}

/// Ends the parked state, also when the operation in it panics.
struct Unpark<'a>(&'a Mutator);

impl Drop for Unpark<'_> {
    fn drop(&mut self) {
        let (mutator, mut last) = (self.0, 0);
        mutator.world.unpark(&mutator.thread, || mutator.collector.assist_stop(&mut last));
        self.0.thread.local.stack_low.store(0, Ordering::Release);
    }
}

impl Drop for Mutator {
    fn drop(&mut self) {
        let (metadata, mut unused) = (&self.memory.metadata, Vec::new());
        // SAFETY: the mutator's own thread.
        unsafe { self.thread.local.retire(metadata, &mut unused) };
        self.memory.pool().take_back(unused, metadata);
        self.world.detach(&self.thread);
    }
}

impl std::fmt::Debug for Mutator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mutator").finish_non_exhaustive()
    }
}
