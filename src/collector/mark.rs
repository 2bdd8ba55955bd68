//! Marking: the transitive closure from the roots, in parallel.
//!
//! A marker's time is spent waiting for two memory accesses an object: its mark bit, and its slots.
//! So a reference passes two rings. Entering the first its mark word is prefetched; leaving it the
//! mark is tested and set. A newly marked object enters the second while its first cache line is
//! prefetched; leaving that it is traced, and what its slots refer to goes onto a stack.
//! ("Effective prefetch for mark-sweep garbage collection", Garner, Blackburn, Frampton, 2007.)
//!
//! Nothing recurses, and a large object is traced in parts, so neither a deep list nor a huge array
//! overflows anything or keeps the other markers waiting.

use std::ops::Range;

use super::packets::{PacketPool, Presence};
use super::ring::{Ring, prefetch};
use crate::heap::{Bitmap, Content, LargeObject, Memory};
use crate::mutator::words;
use crate::object::{Kind, ObjectModel, ObjectRef, Slot, SlotVisitor};

/// References that are given away at once, at most.
const PACKET: usize = 256;

/// A marker with more references than this gives half of them away if another has none. Small,
/// because a depth-first search of a large tree has few at a time, and these lead to most of it.
const ENOUGH: usize = 8;

/// Bytes of a large object that are traced at a time.
const PART: usize = 64 << 10;

/// Work that changes hands.
#[derive(Debug)]
pub(super) enum Packet {
    /// References to objects that may be marked already.
    References(Vec<usize>),
    /// The slots of a marked large object at some offsets.
    Part(LargeObject, Range<usize>),
}

/// One marking of a heap, by several markers.
pub(super) struct Marking<'a, M> {
    pub(super) memory: &'a Memory,
    pub(super) model: &'a M,
    pub(super) marks: &'a Bitmap,
    pool: PacketPool<Packet>,
    markers: usize,
}

impl<'a, M: ObjectModel> Marking<'a, M> {
    pub(super) fn new(memory: &'a Memory, model: &'a M, marks: &'a Bitmap, markers: usize) -> Self {
        Self { memory, model, marks, pool: PacketPool::new(markers), markers }
    }

    /// Marks everything that `find_roots` pushes and that can be reached from it. Returns the
    /// number of objects marked.
    pub(super) fn run(&self, find_roots: impl FnOnce(&mut Marker<'_, 'a, M>)) -> usize {
        std::thread::scope(|scope| {
            let help = || {
                let _presence = Presence(&self.pool);
                Marker::new(self).work()
            };
            let helpers: Vec<_> = (1..self.markers).map(|_| scope.spawn(help)).collect();
            let _presence = Presence(&self.pool);
            let mut first = Marker::new(self);
            find_roots(&mut first);
            let marked = first.work();
            let others = helpers.into_iter().map(|helper| helper.join());
            marked + others.map(|marked| marked.expect("a marker panicked")).sum::<usize>()
        })
    }
}

/// A thread that marks.
pub(super) struct Marker<'s, 'a, M> {
    marking: &'s Marking<'a, M>,
    stack: Vec<usize>,
    parts: Vec<(LargeObject, Range<usize>)>,
    to_mark: Ring<32>,
    to_trace: Ring<64>,
    marked: usize,
}

impl<'s, 'a, M: ObjectModel> Marker<'s, 'a, M> {
    fn new(marking: &'s Marking<'a, M>) -> Self {
        Self {
            marking,
            stack: Vec::with_capacity(4 * PACKET),
            parts: Vec::new(),
            to_mark: Ring::new(),
            to_trace: Ring::new(),
            marked: 0,
        }
    }

    /// Adds a root.
    pub(super) fn push(&mut self, object: ObjectRef) {
        self.stack.push(object.address());
        if self.stack.len() > 16 * PACKET && self.marking.markers > 1 {
            self.share();
        }
    }

    /// Adds what a word of unknown meaning refers to, if it does.
    pub(super) fn push_conservatively(&mut self, word: usize) {
        if let Some(object) = self.marking.memory.resolve(word) {
            self.push(object);
        }
    }

    /// Marks until nothing is left anywhere. Returns how many objects this marker has marked.
    fn work(mut self) -> usize {
        self.drain();
        while let Some(packet) = self.marking.pool.take() {
            match packet {
                Packet::References(references) => self.stack = references,
                Packet::Part(object, part) => self.parts.push((object, part)),
            }
            self.drain();
        }
        self.marked
    }

    /// Works off what this marker has. Nothing is in the rings afterwards.
    fn drain(&mut self) {
        loop {
            if let Some(reference) = self.stack.pop() {
                prefetch(self.mark_word(reference));
                if let Some(oldest) = self.to_mark.push(reference) {
                    self.mark(oldest);
                }
                if self.stack.len() > ENOUGH && self.marking.pool.is_wanted() {
                    self.share();
                }
            } else if let Some(reference) = self.to_mark.pop() {
                self.mark(reference);
            } else if let Some(object) = self.to_trace.pop() {
                self.trace_small(object);
            } else if let Some((object, part)) = self.parts.pop() {
                self.trace_part(object, part);
            } else {
                return;
            }
        }
    }

    /// Gives a packet of the oldest references away: they tend to lead to the most.
    #[cold]
    fn share(&mut self) {
        let count = (self.stack.len() / 2).min(PACKET);
        let packet = self.stack.drain(..count).collect();
        self.marking.pool.give(Packet::References(packet));
    }

    fn mark_word(&self, reference: usize) -> usize {
        let granule = self.marking.memory.metadata.geometry.granule(reference);
        (&raw const self.marking.marks.words()[granule / 64]).addr()
    }

    /// Whether this marker is the first to mark the object.
    #[inline]
    fn set_mark(&self, granule: usize) -> bool {
        if self.marking.markers > 1 {
            return self.marking.marks.set_shared(granule);
        }
        // Nobody else writes mark bits: a plain read and write is several times faster.
        let clear = !self.marking.marks.get(granule);
        self.marking.marks.set_owned(granule);
        clear
    }

    fn mark(&mut self, reference: usize) {
        let metadata = &self.marking.memory.metadata;
        if !self.set_mark(metadata.geometry.granule(reference)) {
            return;
        }
        self.marked += 1;
        match metadata.content(metadata.geometry.block(reference)) {
            Content::Small(Kind::Leaf) => {}
            Content::Small(_) => {
                prefetch(reference);
                if let Some(oldest) = self.to_trace.push(reference) {
                    self.trace_small(oldest);
                }
            }
            Content::Large => self.begin_large(reference),
            Content::Unused => unreachable!("{reference:#x} is a reference into unused memory"),
        }
    }

    fn trace_small(&mut self, address: usize) {
        let (marking, object) = (self.marking, ObjectRef::at(address));
        let metadata = &marking.memory.metadata;
        match metadata.content(metadata.geometry.block(address)) {
            Content::Small(Kind::Conservative) => {
                self.trace_words(address..address + metadata.small_size(address));
            }
            _ => {
                // SAFETY: a marked object of this heap with slots of its own.
                unsafe { marking.model.trace(object, &mut Pusher { marker: self }) };
            }
        }
    }

    fn begin_large(&mut self, address: usize) {
        let object = self.marking.memory.large_object(address);
        if object.kind.has_slots() {
            self.parts.push((object, 0..object.bytes));
        }
    }

    /// Traces the first part of `part` and puts the rest back, or gives it away.
    fn trace_part(&mut self, object: LargeObject, part: Range<usize>) {
        let now = part.start..part.end.min(part.start + PART);
        if now.end < part.end {
            let rest = now.end..part.end;
            if self.marking.pool.is_wanted() {
                let middle = rest.start + (rest.len() / 2).next_multiple_of(PART).min(rest.len());
                self.marking.pool.give(Packet::Part(object, middle..rest.end));
                self.parts.push((object, rest.start..middle));
            } else {
                self.parts.push((object, rest));
            }
        }
        let marking = self.marking;
        if object.kind == Kind::Conservative {
            self.trace_words(object.start + now.start..object.start + now.end);
        } else {
            let reference = ObjectRef::at(object.start);
            // SAFETY: a marked object of this heap with slots of its own.
            unsafe { marking.model.trace_part(reference, now, &mut Pusher { marker: self }) };
        }
    }

    fn trace_words(&mut self, addresses: Range<usize>) {
        // SAFETY: the words of an object of this heap.
        unsafe { words(addresses, |word| self.push_conservatively(word)) };
    }
}

/// Puts what slots refer to onto a marker's stack.
pub(super) struct Pusher<'m, 's, 'a, M> {
    pub(super) marker: &'m mut Marker<'s, 'a, M>,
}

impl<M: ObjectModel> SlotVisitor for Pusher<'_, '_, '_, M> {
    #[inline]
    fn visit(&mut self, slot: Slot) {
        let marking = self.marker.marking;
        if let Some(object) = marking.model.decode(slot.load())
            && marking.memory.metadata.geometry.contains(object.address())
        {
            self.marker.stack.push(object.address());
        }
    }
}
