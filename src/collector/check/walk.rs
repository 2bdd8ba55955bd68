//! Looking at the heap, for debugging: every object, who refers to one, and why it is alive.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;

use crate::collector::cycle::collect::{RootSlots, Stop};
use crate::collector::shared::Shared;
use crate::heap::Content;
use crate::heap::geometry::{BLOCKS_PER_CHUNK, WORDS_PER_BLOCK};
use crate::mutator::words;
use crate::object::{Kind, ObjectModel, ObjectRef};

/// An object as a walk over the heap finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// The object.
    pub object: ObjectRef,
    /// The kind that it was allocated with.
    pub kind: Kind,
    /// Its size in bytes, a multiple of 16.
    pub bytes: usize,
}

/// Why an object is alive: the last step on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Because {
    /// A [`Root`](crate::Root) or [`Pinned`](crate::Pinned).
    Handle,
    /// The root source that was added as the n-th of those that are registered now, from zero.
    RootSource(usize),
    /// A word in a registered range.
    RootRange,
    /// A word on the stack or in a register of the thread with this name.
    Stack(String),
    /// A guardian was handed it.
    Guardian,
    /// The object before on the path refers to it, in the slot at this address.
    Slot(usize),
    /// It is the value of an ephemeron whose key, or holder, is the object before.
    Ephemeron,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The object.
    pub object: ObjectRef,
    /// How it is reached.
    pub because: Because,
}

/// Why an object is alive: a path from a root to it, a shortest one, but for ephemerons, which are followed
/// only when there is no other way, and stacks, which are looked at last: whoever asks is likely to have
/// the object on his own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPath {
    /// From the object that a root refers to, to the one that was asked for.
    pub links: Vec<Link>,
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, link) in self.links.iter().enumerate() {
            let (separator, object) = (if index == 0 { "" } else { "\n" }, link.object.address());
            write!(f, "{separator}{object:#x}: ")?;
            match &link.because {
                Because::Handle => write!(f, "held by a handle")?,
                Because::RootSource(number) => write!(f, "visited by root source {number}")?,
                Because::RootRange => write!(f, "found in a registered range")?,
                Because::Stack(thread) => write!(f, "found on the stack of thread {thread:?}")?,
                Because::Guardian => write!(f, "handed to a guardian and not taken")?,
                Because::Slot(slot) => write!(f, "referred to by the slot at {slot:#x}")?,
                Because::Ephemeron => write!(f, "the value of an ephemeron with the key before")?,
            }
        }
        Ok(())
    }
}

impl<M: ObjectModel> Shared<M> {
    /// Passes every object to `visit`. The world is stopped and everything is swept.
    pub(crate) fn walk(&self, visit: &mut dyn FnMut(ObjectInfo)) {
        let metadata = &self.memory.metadata;
        let pool = self.memory.pool();
        let chunks: Vec<_> = pool.chunks.in_use().map(|(chunk, _)| chunk).collect();
        let large: Vec<_> = pool.large.objects().collect();
        drop(pool);
        let blocks = |chunk| chunk * BLOCKS_PER_CHUNK..(chunk + 1) * BLOCKS_PER_CHUNK;
        for block in chunks.into_iter().flat_map(blocks) {
            let Content::Small(kind) = metadata.content(block) else { continue };
            for start in
                metadata.starts.ones(block * WORDS_PER_BLOCK..(block + 1) * WORDS_PER_BLOCK)
            {
                let address = metadata.geometry.granule_address(start);
                let bytes = metadata.small_size(address);
                visit(ObjectInfo { object: ObjectRef::at(address), kind, bytes });
            }
        }
        for large in large {
            let object = ObjectRef::at(large.start);
            visit(ObjectInfo { object, kind: large.kind, bytes: large.bytes });
        }
    }
}

/// A breadth-first search that remembers how it came to each object.
pub(crate) struct Search<'a, M> {
    shared: &'a Shared<M>,
    /// For each object that was reached: how, and from which other.
    reached: HashMap<ObjectRef, (Because, Option<ObjectRef>)>,
    queue: VecDeque<ObjectRef>,
}

impl<'a, M: ObjectModel> Search<'a, M> {
    pub(crate) fn new(shared: &'a Shared<M>) -> Self {
        Self { shared, reached: HashMap::new(), queue: VecDeque::new() }
    }

    pub(crate) fn run(mut self, stop: &Stop<'_>, target: ObjectRef) -> Option<RootPath> {
        self.roots();
        self.complete(target);
        if !self.reached.contains_key(&target) {
            self.stacks(stop);
            self.complete(target);
        }
        let mut links = Vec::new();
        let mut next = Some(target);
        while let Some(object) = next {
            let (because, from) = self.reached.get(&object)?.clone();
            links.push(Link { object, because });
            next = from;
        }
        links.reverse();
        Some(RootPath { links })
    }

    fn reach(&mut self, object: ObjectRef, because: Because, from: Option<ObjectRef>) {
        if let Entry::Vacant(entry) = self.reached.entry(object) {
            entry.insert((because, from));
            self.queue.push_back(object);
        }
    }

    /// Follows references, and ephemerons when there are no more, until the target is reached.
    fn complete(&mut self, target: ObjectRef) {
        self.follow(target);
        while !self.reached.contains_key(&target) && self.ephemerons() {
            self.follow(target);
        }
    }

    /// With [`stacks`](Self::stacks) the same as [`Shared::find_roots`], by what they are.
    fn roots(&mut self) {
        let shared = self.shared;
        shared.roots.handles(|object| self.reach(object, Because::Handle, None));
        shared.roots.each_source(|number, source| {
            let mut visit = |object| self.reach(object, Because::RootSource(number), None);
            source.visit_roots(&mut RootSlots { shared, visit: &mut visit });
        });
        shared.roots.ranges(|word| {
            if let Some(object) = shared.memory.resolve(word) {
                self.reach(object, Because::RootRange, None);
            }
        });
    }

    fn stacks(&mut self, stop: &Stop<'_>) {
        let shared = self.shared;
        for thread in &stop.world.threads {
            let Some(stack) = thread.local.stack() else { continue };
            // SAFETY: the stack of a thread that is parked; as where roots are found.
            unsafe {
                words(stack, |word| {
                    if let Some(object) = shared.memory.resolve(word) {
                        self.reach(object, Because::Stack(thread.name().to_owned()), None);
                    }
                });
            }
        }
    }

    /// Follows references until the target is reached, or there are no more.
    fn follow(&mut self, target: ObjectRef) {
        let shared = self.shared;
        while let Some(object) = self.queue.pop_front() {
            if object == target {
                return;
            }
            shared.references_of(object, &mut |slot, referent| {
                self.reach(referent, Because::Slot(slot), Some(object));
            });
        }
    }

    /// Reaches what cells of the side tables keep. False when there is nothing new.
    fn ephemerons(&mut self) -> bool {
        let shared = self.shared;
        shared.references.keepers(|[holder, key], value| {
            if [holder, key].into_iter().flatten().all(|needed| self.reached.contains_key(&needed))
            {
                let because = if key.is_some() { Because::Ephemeron } else { Because::Guardian };
                self.reach(value, because, key.or(holder));
            }
        });
        !self.queue.is_empty()
    }
}
