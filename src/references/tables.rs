//! The side tables: which cells there are, and which of them have changed.

use std::collections::HashMap;
use std::sync::Arc;

use super::cells::{Cell, CellId, Cells, Contents, Role};
use super::queue::Queue;
use super::waiting::Waiting;
use crate::heap::geometry::Geometry;
use crate::heap::{Age, Bitmap, Memory};
use crate::mutator::Mutator;
use crate::object::ObjectRef;
use crate::os::OsError;
use crate::sync::process::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::sync::process::{Mutex, MutexGuard};

/// All weak references, ephemerons, guarded objects and external charges of one heap.
///
/// # Which cells a cycle looks at
///
/// A cell that survives a collection refers to what that collection has marked, so to old objects,
/// and a minor collection cannot kill these. So it has to look at those cells only that were made or
/// changed since: the *fresh* ones. A full collection looks at all, but while the program runs.
///
/// # Locks
///
/// One lock, held for a few cells at a time and never across a safepoint. Reading a reference takes
/// no lock.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Names the heap; does not keep it.
    memory: std::sync::Weak<Memory>,
    geometry: Geometry,
    pub(super) cells: Cells,
    pub(super) state: Mutex<State>,
    /// Objects for which ephemerons wait, one bit for the first granule of each.
    pub(super) watched: Bitmap,
    /// Bytes outside the heap that objects keep; the memory counts them towards its limit.
    external: Arc<AtomicUsize>,
}

/// What is under the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Cells that were ever made; the later ones have no memory yet.
    pub(super) made: u32,
    free: Vec<u32>,
    /// Cells that were made or changed since they were last looked at.
    pub(super) fresh: Vec<u32>,
    pub(super) waiting: Waiting,
    pub(super) deaths: HashMap<u64, Arc<Queue<u64>>>,
    pub(super) guardians: HashMap<u64, Arc<Queue<CellId>>>,
    last_queue: u64,
    /// Looks of this collection at cells.
    pub(super) looks: usize,
}

/// Which objects a collection has found so far.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) marks: &'a Bitmap,
    /// Whether objects in blocks that mutators own are left alone.
    pub(crate) retired_only: bool,
}

impl Found<'_> {
    pub(super) fn is_marked(self, object: usize) -> bool {
        self.marks.get(self.memory.metadata.geometry.granule(object))
    }

    /// Whether the object may not be looked at yet, as a mutator is allocating around it.
    pub(super) fn is_owned(self, object: usize) -> bool {
        let metadata = &self.memory.metadata;
        self.retired_only && metadata.age(metadata.geometry.block(object)) == Age::Owned
    }
}

impl Tables {
    pub(crate) fn new(memory: &Arc<Memory>) -> Result<Self, OsError> {
        let geometry = memory.metadata.geometry;
        let watched = Bitmap::new(geometry.granules())?;
        Ok(Self {
            memory: Arc::downgrade(memory),
            geometry,
            cells: Cells::default(),
            state: Mutex::default(),
            watched,
            external: memory.external(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a thread panicked while it held the side tables")
    }

    /// How often a cell was looked at, to find out what is alive, since this was asked last.
    pub(crate) fn take_looks(&self) -> usize {
        std::mem::take(&mut self.lock().looks)
    }

    /// Bytes outside the heap that objects keep.
    pub(crate) fn external_bytes(&self) -> usize {
        self.external.load(Relaxed)
    }

    /// The address of an object that is to be written down.
    ///
    /// # Panics
    /// When it is no object of this heap.
    pub(super) fn address(&self, object: ObjectRef) -> usize {
        let ours = self.geometry.contains(object.address());
        assert!(ours, "{object:?} is not an object of the heap whose side tables these are");
        object.address()
    }

    /// The bit of an object in a bitmap.
    pub(super) fn bit(&self, object: usize) -> usize {
        self.geometry.granule(object)
    }

    /// What `read` finds in a cell, if that use of it has not ended. The calling thread runs, as it
    /// has the mutator: nothing is cleared now, and what is read is found by the next stop.
    ///
    /// # Panics
    /// When the mutator is another heap's.
    pub(super) fn read(
        &self,
        mutator: &Mutator,
        id: CellId,
        read: impl FnOnce(&Cell) -> usize,
    ) -> Option<ObjectRef> {
        self.check_mutator(mutator);
        let address = read(self.cells.find(id)?);
        // Another thread may have ended this use of the cell in between.
        self.cells.find(id)?;
        (address != 0).then(|| ObjectRef::at(address))
    }

    /// # Panics
    /// When the mutator is another heap's.
    pub(super) fn check_mutator(&self, mutator: &Mutator) {
        let ours = std::ptr::eq(mutator.memory(), self.memory.as_ptr());
        assert!(ours, "a weak reference is read with the mutator of another heap");
    }

    /// Takes what a guardian was handed.
    pub(super) fn take(&self, id: CellId) -> Option<ObjectRef> {
        let mut state = self.lock();
        let cell = self.cells.find(id)?;
        let value = cell.value();
        self.release(&mut state, id.index, cell);
        Some(ObjectRef::at(value))
    }

    /// A new cell.
    pub(super) fn add(&self, contents: Contents) -> CellId {
        let mut state = self.lock();
        let index = state.free.pop().unwrap_or_else(|| {
            let index = state.made;
            assert!(index < Cells::MOST, "{index} weak references; there can be no more");
            self.cells.make(index);
            state.made += 1;
            index
        });
        let cell = self.cells.get(index);
        let generation = cell.fill(contents);
        state.list(index, cell);
        CellId::new(index, generation)
    }

    /// Ends a cell. False if it had ended before.
    pub(super) fn remove(&self, id: CellId) -> bool {
        let mut state = self.lock();
        let Some(cell) = self.cells.find(id) else { return false };
        self.release(&mut state, id.index, cell);
        true
    }

    /// Ends some cells.
    pub(super) fn remove_all(&self, ids: impl IntoIterator<Item = CellId>) {
        let mut state = self.lock();
        for id in ids {
            if let Some(cell) = self.cells.find(id) {
                self.release(&mut state, id.index, cell);
            }
        }
    }

    /// Changes a cell with the lock held. `None` if it has ended, or `change` says so.
    pub(super) fn change<R>(
        &self,
        id: CellId,
        change: impl FnOnce(&Cell) -> Option<R>,
    ) -> Option<R> {
        let mut state = self.lock();
        let cell = self.cells.find(id)?;
        let result = change(cell)?;
        state.list(id.index, cell);
        Some(result)
    }

    /// Makes a cell free.
    pub(super) fn release(&self, state: &mut State, index: u32, cell: &Cell) {
        if cell.role() == Role::Charge {
            self.external.fetch_sub(cell.value(), Relaxed);
        }
        cell.clear();
        state.free.push(index);
    }

    /// The referent is gone: the cell is empty from now on, and who wants to know is told.
    pub(super) fn empty(&self, state: &State, cell: &Cell) {
        cell.set_key(0);
        cell.set_value(0);
        if let Some((queue, token)) = cell.notice()
            && let Some(queue) = state.deaths.get(&queue)
        {
            queue.push(token);
        }
    }

    /// The queue of the guardian that watches what is in the cell.
    pub(super) fn guardian_of<'s>(
        &self,
        state: &'s State,
        cell: &Cell,
    ) -> Option<&'s Queue<CellId>> {
        let (queue, _) = cell.notice()?;
        state.guardians.get(&queue).map(|queue| &**queue)
    }

    pub(super) fn add_deaths(&self) -> (u64, Arc<Queue<u64>>) {
        let mut state = self.lock();
        let (number, queue) = (state.next_queue(), Arc::new(Queue::new()));
        state.deaths.insert(number, Arc::clone(&queue));
        (number, queue)
    }

    pub(super) fn remove_deaths(&self, number: u64) {
        self.lock().deaths.remove(&number);
    }

    pub(super) fn add_guardian(&self) -> (u64, Arc<Queue<CellId>>) {
        let mut state = self.lock();
        let (number, queue) = (state.next_queue(), Arc::new(Queue::new()));
        state.guardians.insert(number, Arc::clone(&queue));
        (number, queue)
    }

    /// Ends a guardian, and with it all that it watches and was handed.
    pub(super) fn remove_guardian(&self, number: u64) {
        let mut state = self.lock();
        state.guardians.remove(&number);
        for index in 0..state.made {
            let cell = self.cells.get(index);
            if is_guardians(cell, number) {
                self.release(&mut state, index, cell);
            }
        }
    }

    /// Hands everything to a guardian that it watches, dead or not. Returns how many objects.
    pub(super) fn hand_over_all(&self, number: u64) -> usize {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(queue) = state.guardians.get(&number).cloned() else { return 0 };
        let mut count = 0;
        for index in 0..state.made {
            let cell = self.cells.get(index);
            if cell.role() == Role::Guarded && is_guardians(cell, number) {
                cell.hand_over();
                queue.push(CellId::new(index, cell.generation()));
                state.list(index, cell);
                count += 1;
            }
        }
        count
    }

    /// How many cells are in use.
    pub(super) fn len(&self) -> usize {
        let state = self.lock();
        state.made as usize - state.free.len()
    }
}

fn is_guardians(cell: &Cell, number: u64) -> bool {
    matches!(cell.role(), Role::Guarded | Role::Queued)
        && cell.notice().is_some_and(|(queue, _)| queue == number)
}

impl State {
    /// Takes note that a cell was made or changed.
    pub(super) fn list(&mut self, index: u32, cell: &Cell) {
        if !cell.set_listed(true) {
            self.fresh.push(index);
        }
    }

    fn next_queue(&mut self) -> u64 {
        self.last_queue += 1;
        self.last_queue
    }
}
