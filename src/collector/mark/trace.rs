//! Tracing: finding the slots of a marked object, and deciding which of their referents to follow.

use std::ops::Range;

use super::{Marker, PART, Packet, When};
use crate::collector::Scope;
use crate::collector::check::rules::{Moment, Rule, Rules};
use crate::collector::mark::ring::prefetch;
use crate::dirty::PageSet;
use crate::heap::{Age, Content, LargeObject, Metadata};
use crate::object::{Kind, ObjectModel, ObjectRef, Slot, SlotVisitor};
use crate::os::{PageRange, page_size};
use crate::sync::process::atomic::{Ordering, fence};

impl<M: ObjectModel> Marker<'_, '_, M> {
    /// Traces a marked small object when it is in the cache.
    pub(crate) fn trace_soon(&mut self, address: usize) {
        prefetch(address);
        if let Some(oldest) = self.to_trace.push(address) {
            self.trace_small(oldest);
        }
    }

    pub(crate) fn trace_small(&mut self, address: usize) {
        let metadata = &self.marking.memory.metadata;
        let Content::Small(kind) = metadata.content(metadata.geometry.block(address)) else {
            unreachable!("{address:#x} is no small object")
        };
        self.trace_small_of(kind, address);
    }

    /// Traces a marked small object of a kind.
    #[inline]
    pub(crate) fn trace_small_of(&mut self, kind: Kind, address: usize) {
        let (marking, object) = (self.marking, ObjectRef::at(address));
        match kind {
            Kind::Conservative => {
                let size = marking.memory.metadata.small_size(address);
                self.trace_words(address..address + size);
            }
            // The last stop looks at every object of this kind.
            Kind::External if self.run.when == When::Running => {}
            // SAFETY: a marked object of this heap with slots of its own.
            _ => unsafe { marking.model.trace(object, &mut Pusher { marker: self }) },
        }
    }

    pub(crate) fn begin_large(&mut self, address: usize) {
        let object = self.marking.memory.large_object(address);
        if object.kind.has_slots() {
            self.parts.push((object, 0..object.bytes));
        }
    }

    /// Traces the first part of `part` and puts the rest back, or gives it away.
    pub(crate) fn trace_part(&mut self, object: LargeObject, part: Range<usize>) {
        let now = part.start..part.end.min(part.start + PART);
        if now.end < part.end {
            let rest = now.end..part.end;
            if rest.len() > PART && self.run.pool.is_wanted() {
                let middle = rest.start + (rest.len() / 2).next_multiple_of(PART);
                self.run.pool.give(Packet::Part(object, middle..rest.end));
                self.parts.push((object, rest.start..middle));
            } else {
                self.parts.push((object, rest));
            }
        }
        self.trace_large(object, now);
    }

    /// Traces the slots of a marked large object at some offsets.
    pub(crate) fn trace_large(&mut self, object: LargeObject, part: Range<usize>) {
        if object.kind == Kind::External && self.run.when == When::Running {
            return;
        }
        if object.kind == Kind::Conservative {
            self.trace_words(object.start + part.start..object.start + part.end);
            return;
        }
        let (marking, reference) = (self.marking, ObjectRef::at(object.start));
        // SAFETY: a marked object of this heap with slots of its own.
        unsafe { marking.model.trace_part(reference, part, &mut Pusher { marker: self }) };
    }

    /// Traces words that may be anything.
    fn trace_words(&mut self, addresses: Range<usize>) {
        let memory = self.marking.memory;
        for address in addresses.step_by(size_of::<usize>()) {
            // SAFETY: a word of an object of this heap.
            let word = unsafe { Slot::at_address(address) }.load();
            if memory.metadata.geometry.contains(word) {
                self.follow(word, address, |word| memory.resolve(word));
            }
        }
    }

    /// Follows an address if an object begins there, when it is known whether one does.
    #[inline]
    fn check_soon(&mut self, address: usize, slot: usize) {
        if !self.wants_word(address, slot) {
            return;
        }
        let metadata = &self.marking.memory.metadata;
        let granule = metadata.geometry.granule(address);
        prefetch((&raw const metadata.starts.words()[granule / 64]).addr());
        prefetch(self.mark_word(address));
        if let Some((address, slot)) = self.to_check.push((address, slot)) {
            self.check(address, slot);
        }
    }

    #[inline]
    pub(super) fn check(&mut self, address: usize, slot: usize) {
        let metadata = &self.marking.memory.metadata;
        // What is marked is an object that has been followed.
        if self.marking.marks.get(metadata.geometry.granule(address)) {
            return;
        }
        self.follow(address, slot, |address| {
            metadata.begins_at(address).then(|| ObjectRef::at(address))
        });
    }

    /// Follows an address in the heap that may be anything to the object that `find` says is there.
    #[inline]
    fn follow(&mut self, address: usize, slot: usize, find: impl Fn(usize) -> Option<ObjectRef>) {
        if !self.wants_word(address, slot) {
            return;
        }
        self.marking.rules.reached(Moment::Resolving);
        // The block may have been handed out since it was asked for its age, and what is there now may
        // be half made: the age is asked again.
        let object = find(address);
        fence(Ordering::Acquire);
        if let Some(object) = object
            && self.wants_word(address, slot)
        {
            self.stack.push(object.address());
        }
    }

    #[inline]
    fn wants(&self, address: usize, slot: usize) -> bool {
        let marking = self.marking;
        let filter = Filter {
            metadata: &marking.memory.metadata,
            scope: marking.scope,
            owed: marking.owed,
            rules: marking.rules,
        };
        filter.wants(address, slot)
    }

    /// As [`wants`](Self::wants), for a word that may be anything: what it resolves to in an owned
    /// block may be half made.
    #[inline]
    fn wants_word(&self, word: usize, slot: usize) -> bool {
        self.wants(word, slot) || !self.marking.rules.holds(Rule::RetiredOnly)
    }
}

/// Which references are followed; a part of marking that needs no objects.
pub(crate) struct Filter<'a> {
    pub(crate) metadata: &'a Metadata,
    pub(crate) scope: Scope,
    pub(crate) owed: &'a PageSet,
    pub(crate) rules: &'a Rules,
}

impl Filter<'_> {
    /// Whether an object at `address` is to be marked, if it is not yet. If it cannot be looked at
    /// now, the page of the slot that refers to it is owed.
    #[inline]
    pub(crate) fn wants(&self, address: usize, slot: usize) -> bool {
        let block = self.metadata.geometry.block(address);
        // Most of what a minor cycle sees is old and marked already.
        if self.scope == Scope::Minor && self.metadata.is_old(block) {
            return false;
        }
        let owned = self.metadata.age(block) == Age::Owned;
        if owned {
            self.owe(slot);
        }
        !owned
    }

    #[cold]
    fn owe(&self, slot: usize) {
        if !self.rules.holds(Rule::OweSkipped) {
            return;
        }
        let page = slot & !(page_size() - 1);
        let page = PageRange::new(page, page + page_size()).expect("a page is whole");
        // A slot outside the heap is a root's, and roots are looked at again in every stop.
        if self.owed.span().covers(page) {
            self.owed.insert(page);
        }
    }
}

/// Puts what slots refer to onto a marker's stack.
struct Pusher<'m, 'r, 'a, M> {
    marker: &'m mut Marker<'r, 'a, M>,
}

impl<M: ObjectModel> Pusher<'_, '_, '_, M> {
    /// Where the word in a slot refers to, in this heap.
    #[inline]
    fn address_in(&self, slot: Slot) -> Option<usize> {
        let marking = self.marker.marking;
        let address = marking.model.decode(slot.load())?.address();
        marking.memory.metadata.geometry.contains(address).then_some(address)
    }
}

impl<M: ObjectModel> SlotVisitor for Pusher<'_, '_, '_, M> {
    #[inline]
    fn visit(&mut self, slot: Slot) {
        if let Some(address) = self.address_in(slot)
            && self.marker.wants(address, slot.address())
        {
            self.marker.stack.push(address);
        }
    }

    #[inline]
    fn visit_checked(&mut self, slot: Slot) {
        if !self.marker.marking.rules.holds(Rule::CheckStart) {
            return self.visit(slot);
        }
        if let Some(address) = self.address_in(slot) {
            self.marker.check_soon(address, slot.address());
        }
    }
}
