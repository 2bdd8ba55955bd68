//! The roots of a program: handles, a root source, a registered range, plain locals.

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use strandline::{Heap, ObjectRef, Registration, Root, RootSource, Slot, SlotVisitor};

use super::nodes::{Id, Reference};
use super::shapes::{Shapes, encode};

/// Roots of each sort.
const EACH: usize = 6;

/// Words that hold addresses as they are.
#[derive(Default)]
pub(crate) struct Words([Cell<usize>; EACH]);

/// Tagged references that a root source visits.
struct Globals([AtomicUsize; EACH]);

impl RootSource for Globals {
    fn visit_roots(&self, visitor: &mut dyn SlotVisitor) {
        for word in &self.0 {
            // SAFETY: the word lives as long as the source.
            visitor.visit(unsafe { Slot::at(NonNull::new(word.as_ptr()).unwrap()) });
        }
    }
}

/// All roots, with what the reference model thinks of them.
pub(crate) struct Table<'a> {
    references: [Reference; 4 * EACH],
    heap: &'a Heap<Shapes>,
    handles: [Option<Root>; EACH],
    globals: Arc<Globals>,
    /// Behind a pointer: the heap reads it while the table is borrowed here.
    range: Box<Words>,
    locals: &'a Words,
    /// Whether the stack is searched; if not, locals are no roots and nothing is put there.
    scanned: bool,
    /// Dropped before what they refer to.
    _registrations: [Registration; 2],
}

impl<'a> Table<'a> {
    pub(crate) fn new(heap: &'a Heap<Shapes>, locals: &'a Words, scanned: bool) -> Self {
        let globals = Arc::new(Globals(Default::default()));
        let range = Box::<Words>::default();
        let start = range.0.as_ptr().expose_provenance();
        // SAFETY: the words live in their box as long as the registration, which is dropped with
        // the table, and are written by this thread only.
        let range_registration = unsafe { heap.add_root_range(start..start + 8 * EACH) };
        let registrations = [heap.add_root_source(Arc::clone(&globals) as _), range_registration];
        Self {
            references: [None; 4 * EACH],
            heap,
            handles: Default::default(),
            globals,
            range,
            locals,
            scanned,
            _registrations: registrations,
        }
    }

    /// How many can be used.
    fn usable(&self) -> usize {
        if self.scanned { 4 * EACH } else { 3 * EACH }
    }

    pub(crate) fn get(&self, index: usize) -> Reference {
        self.references[index % self.usable()]
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        self.references.iter().flatten().map(|&(id, _)| id)
    }

    /// Puts a reference there; interior ones where these count.
    pub(crate) fn set(&mut self, index: usize, to: Reference, object: Option<ObjectRef>) {
        let index = index % self.usable();
        self.references[index] = to;
        let interior = object.map_or(0, |object| object.address() + to.map_or(0, |(_, at)| at));
        let at = index % EACH;
        match index / EACH {
            0 => match (&self.handles[at], object) {
                (Some(handle), Some(object)) => handle.set(object),
                (_, object) => self.handles[at] = object.map(|object| self.heap.root(object)),
            },
            1 => self.globals.0[at].store(encode(object), Relaxed),
            2 => self.range.0[at].set(interior),
            _ => self.locals.0[at].set(interior),
        }
    }

    pub(crate) fn clear_all(&mut self) {
        (0..self.usable()).for_each(|index| self.set(index, None, None));
    }
}
