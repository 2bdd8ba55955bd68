//! Where reachability begins: handles, root sources, registered ranges.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use crate::object::{ObjectRef, Slot, SlotVisitor};
use crate::sync::process::atomic::{AtomicUsize, Ordering};
use crate::sync::process::{Mutex, MutexGuard};

/// Something of the embedder's that holds references to objects: a global table, a thread's value
/// stack, an interpreter's registers.
///
/// # Threads
/// Called by a collector thread with every mutator parked, so it may read what mutators write. It
/// must not allocate from the heap, nor fork, nor wait for a thread that may be parked or forking.
pub trait RootSource: Send + Sync {
    /// Visits every slot that may hold a reference, in the same encoding as slots of objects.
    fn visit_roots(&self, visitor: &mut dyn SlotVisitor);
}

const SLAB: usize = 1024;

/// All roots of a heap but the stacks of its threads.
#[derive(Default)]
pub(crate) struct Roots {
    handles: Mutex<Handles>,
    sources: Mutex<Vec<(usize, Arc<dyn RootSource>)>>,
    ranges: Mutex<Vec<Range<usize>>>,
    next_id: AtomicUsize,
    /// How many roots have been dropped. A thread without a mutator may do that during a stop.
    dropped: AtomicUsize,
}

/// Slots of handles: slabs that never move, and which slots in them are free.
#[derive(Default)]
struct Handles {
    slabs: Vec<Box<[AtomicUsize]>>,
    free: Vec<&'static AtomicUsize>,
}

impl Handles {
    fn add_slab(&mut self) {
        let slab: Box<[AtomicUsize]> = (0..SLAB).map(|_| AtomicUsize::new(0)).collect();
        // SAFETY: slabs are dropped with the table only, which every `Root` keeps alive; the
        // references go nowhere but into `Root`s and back.
        let slots: &'static [AtomicUsize] = unsafe { &*std::ptr::from_ref(&*slab) };
        self.free.extend(slots);
        self.slabs.push(slab);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a thread panicked while it held the roots")
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Roots {
    /// A new handle that keeps `object` alive.
    pub(crate) fn add(self: &Arc<Self>, object: ObjectRef) -> Root {
        let mut handles = lock(&self.handles);
        if handles.free.is_empty() {
            handles.add_slab();
        }
        let slot = handles.free.pop().expect("a slab was just added");
        slot.store(object.address(), Ordering::Release);
        Root { slot, roots: Arc::clone(self) }
    }

    pub(crate) fn add_source(self: &Arc<Self>, source: Arc<dyn RootSource>) -> Registration {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        lock(&self.sources).push((id, source));
        Registration { roots: Arc::clone(self), what: Registered::Source(id) }
    }

    pub(crate) fn add_range(self: &Arc<Self>, range: Range<usize>) -> Registration {
        let word = align_of::<usize>();
        let range = range.start.next_multiple_of(word)..range.end / word * word;
        lock(&self.ranges).push(range.clone());
        Registration { roots: Arc::clone(self), what: Registered::Range(range) }
    }

    /// The objects that handles keep alive. The world is stopped.
    pub(crate) fn handles(&self, mut visit: impl FnMut(ObjectRef)) {
        for slot in lock(&self.handles).slabs.iter().flatten() {
            let address = slot.load(Ordering::Acquire);
            if address != 0 {
                visit(ObjectRef::at(address));
            }
        }
    }

    /// How many roots have been dropped so far.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Acquire)
    }

    /// Keeps roots from being added and removed, for a fork: also after a panic of a root source.
    pub(crate) fn hold(&self) -> HeldRoots<'_> {
        HeldRoots(hold(&self.handles), hold(&self.sources), hold(&self.ranges))
    }

    /// The slots of all sources. The world is stopped.
    pub(crate) fn sources(&self, visitor: &mut dyn SlotVisitor) {
        self.each_source(|_, source| source.visit_roots(visitor));
    }

    /// All sources, in the order of their registration, with their places in it. The world is stopped.
    pub(crate) fn each_source(&self, mut visit: impl FnMut(usize, &dyn RootSource)) {
        for (number, (_, source)) in lock(&self.sources).iter().enumerate() {
            visit(number, &**source);
        }
    }

    /// The words of all registered ranges. The world is stopped.
    pub(crate) fn ranges(&self, mut visit: impl FnMut(usize)) {
        for range in lock(&self.ranges).iter() {
            // SAFETY: whoever registered the range promised that it is readable until then.
            unsafe { words(range.clone(), &mut visit) };
        }
    }
}

/// The tables with nothing in them changing.
pub(crate) struct HeldRoots<'a>(
    #[expect(dead_code, reason = "held, not read")] MutexGuard<'a, Handles>,
    #[expect(dead_code, reason = "held, not read")]
    MutexGuard<'a, Vec<(usize, Arc<dyn RootSource>)>>,
    #[expect(dead_code, reason = "held, not read")] MutexGuard<'a, Vec<Range<usize>>>,
);

/// Reads the words of a range that other threads do not write at this time.
///
/// # Safety
/// The range is readable and word-aligned.
pub(crate) unsafe fn words(range: Range<usize>, mut visit: impl FnMut(usize)) {
    for address in range.step_by(size_of::<usize>()) {
        // SAFETY: the caller promises readable words.
        let slot = unsafe { Slot::at_address(address) };
        visit(slot.load());
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handles = lock(&self.handles);
        f.debug_struct("Roots")
            .field("handles", &(handles.slabs.len() * SLAB - handles.free.len()))
            .field("sources", &lock(&self.sources).len())
            .field("ranges", &lock(&self.ranges))
            .finish()
    }
}

/// A handle: keeps an object alive until it is dropped.
///
/// # Threads
/// It may be sent and shared. Using it needs an attached thread like any use of an object.
pub struct Root {
    slot: &'static AtomicUsize,
    roots: Arc<Roots>,
}

impl Root {
    /// The object.
    #[must_use]
    pub fn get(&self) -> ObjectRef {
        ObjectRef::at(self.slot.load(Ordering::Acquire))
    }

    /// Keeps `object` alive instead.
    pub fn set(&self, object: ObjectRef) {
        self.slot.store(object.address(), Ordering::Release);
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.roots.dropped.fetch_add(1, Ordering::Relaxed);
        // Who finds it gone finds it counted.
        self.slot.store(0, Ordering::Release);
        lock(&self.roots.handles).free.push(self.slot);
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Root").field(&self.get()).finish()
    }
}

/// A root source or range that is registered until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the registration"]
pub struct Registration {
    roots: Arc<Roots>,
    what: Registered,
}

#[derive(Debug)]
enum Registered {
    Source(usize),
    Range(Range<usize>),
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.roots.dropped.fetch_add(1, Ordering::Relaxed);
        match &self.what {
            Registered::Source(id) => lock(&self.roots.sources).retain(|(other, _)| other != id),
            Registered::Range(range) => {
                let mut ranges = lock(&self.roots.ranges);
                let at = ranges.iter().position(|other| other == range);
                ranges.swap_remove(at.expect("registered once"));
            }
        }
    }
}
