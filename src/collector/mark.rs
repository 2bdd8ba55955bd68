//! Marking: the transitive closure from the roots, in parallel, and while the program runs.
//!
//! A marker's time is spent waiting for two memory accesses an object: its mark bit, and its slots.
//! So a reference passes two rings. Entering the first its mark word is prefetched; leaving it the
//! mark is tested and set. A newly marked object enters the second while its first cache line is
//! prefetched; leaving that it is traced, and what its slots refer to goes onto a stack.
//! ("Effective prefetch for mark-sweep garbage collection", Garner, Blackburn, Frampton, 2007.)
//!
//! A word that is followed only where an object begins waits in a third ring for the bit that says so.
//!
//! Nothing recurses, and a large object is traced in parts, so neither a deep list nor a huge array
//! overflows anything or keeps the other markers waiting.
//!
//! # While the program runs
//!
//! An object in a block that a mutator owns may not be initialised, so it is not looked at now, and
//! the page of the slot that refers to it is owed: it will be looked at again when the block has
//! been retired. In a minor cycle what is in an old block is marked already and is passed over
//! without asking for its mark.
//!
//! An External object is marked and not traced: what it owns outside the heap may be freed at this
//! moment. The next stop finds what it refers to, and the last stop looks at all of them.

mod packets;
pub(crate) mod references;
pub(crate) mod ring;
pub(crate) mod tally;
pub(crate) mod trace;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::collector::Scope;
use crate::collector::check::rules::{Rule, Rules};
use crate::collector::mark::packets::{PacketPool, Presence, Taken};
use crate::collector::mark::ring::{Ring, prefetch};
use crate::collector::threads::crew::{Crew, Role};
use crate::dirty::PageSet;
use crate::heap::{Bitmap, Content, LargeObject, Marks, Memory};
use crate::object::{Kind, ObjectModel, ObjectRef};
use crate::references::{Found, Tables};

pub(crate) use tally::Tally;

/// References that are given away at once, at most.
const PACKET: usize = 256;

/// A marker with more references than this gives half of them away if another has none. Small,
/// because a depth-first search of a large tree has few at a time, and these lead to most of it.
const ENOUGH: usize = 8;

/// Bytes of a large object that are traced at a time.
const PART: usize = 64 << 10;

/// References to work off between two looks at the clock.
const CLOCK_INTERVAL: u32 = 512;

/// References that may wait while pages are looked at again.
const BACKLOG: usize = 256;

/// Work that changes hands.
#[derive(Debug)]
pub(crate) enum Packet {
    /// References to objects that may be marked already.
    References(Vec<usize>),
    /// The slots of a marked large object at some offsets.
    Part(LargeObject, Range<usize>),
}

/// The marking of one cycle, in one or more runs.
pub(crate) struct Marking<'a, M> {
    pub(crate) memory: &'a Memory,
    pub(crate) model: &'a M,
    pub(crate) marks: &'a Marks,
    pub(crate) scope: Scope,
    /// Pages to look at again.
    pub(crate) owed: &'a PageSet,
    /// Weak references and ephemerons.
    pub(crate) references: &'a Tables,
    pub(crate) rules: &'a Rules,
    pub(crate) crew: &'a Crew,
    /// What a run left when its time was up.
    pub(crate) leftover: Mutex<Vec<Packet>>,
}

/// One run of some markers.
struct Run<'r, 'a, M> {
    marking: &'r Marking<'a, M>,
    pool: PacketPool<Packet>,
    when: When,
    /// Objects for which ephemerons wait, if there are any.
    watched: Option<&'a Bitmap>,
    tally: Mutex<Tally>,
}

/// What a run goes on beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The program runs: what is outside the heap may be freed at any moment and is not looked at.
    Running,
    /// The world is stopped, for good or until the deadline.
    Stopped(Option<Instant>),
}

impl<'a, M: ObjectModel> Marking<'a, M> {
    /// Marks everything that can be reached from what earlier runs left and from what markers begin
    /// with, but for what is owed. At the deadline the rest is left to a later run.
    ///
    /// The caller is the first marker and begins with `lead`; `helpers` more begin with `seed`, and
    /// so do mutators that assist, if the program is running.
    pub(crate) fn run(
        &self,
        helpers: usize,
        when: When,
        seed: &(dyn Fn(&mut Marker<'_, 'a, M>) + Sync),
        lead: impl FnOnce(&mut Marker<'_, 'a, M>),
    ) -> Tally {
        let leftover = std::mem::take(&mut *lock(&self.leftover));
        let pool = PacketPool::new(leftover, helpers > 0);
        let watched = self.references.is_watching().then(|| self.references.watched());
        let run = Run { marking: self, pool, when, watched, tally: Mutex::default() };
        let work = |role| {
            let until = match role {
                Role::Assistant(until) => Some(until),
                Role::Helper => None,
            };
            if run.pool.join(until) {
                let _presence = Presence(&run.pool);
                let mut marker = Marker::new(&run, until);
                seed(&mut marker);
                marker.work();
            }
        };
        self.crew.run(helpers, when == When::Running, &work, || {
            let _presence = Presence(&run.pool);
            let mut first = Marker::new(&run, None);
            first.shares_marks = helpers > 0;
            lead(&mut first);
            first.work();
        });
        *lock(&self.leftover) = run.pool.into_packets();
        *lock(&run.tally)
    }

    /// Adds roots for the next run.
    pub(crate) fn add_roots(&self, roots: &[ObjectRef]) {
        let packets = roots
            .chunks(PACKET)
            .map(|roots| Packet::References(roots.iter().map(|root| root.address()).collect()));
        lock(&self.leftover).extend(packets);
    }

    /// What has been marked so far.
    pub(crate) fn found(&self) -> Found<'a> {
        let retired_only = self.rules.holds(Rule::RetiredValues);
        Found { memory: self.memory, marks: self.marks, retired_only }
    }

    /// Whether no run has left anything.
    pub(crate) fn is_done(&self) -> bool {
        lock(&self.leftover).is_empty()
    }
}

/// A lock that is not poisoned by a marker's panic, which ends the run anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that marks.
pub(crate) struct Marker<'r, 'a, M> {
    run: &'r Run<'r, 'a, M>,
    marking: &'r Marking<'a, M>,
    /// When a mutator that assists wants to go on.
    until: Option<Instant>,
    /// Whether others may set mark bits at the same time.
    shares_marks: bool,
    stack: Vec<usize>,
    parts: Vec<(LargeObject, Range<usize>)>,
    to_mark: Ring<32>,
    to_trace: Ring<64>,
    /// Addresses that may be no object's, each with that of its slot.
    to_check: Ring<16, (usize, usize)>,
    tally: Tally,
    until_clock: u32,
}

impl<'r, 'a, M: ObjectModel> Marker<'r, 'a, M> {
    /// A marker that has time until then, or for as long as the run lasts.
    fn new(run: &'r Run<'r, 'a, M>, until: Option<Instant>) -> Self {
        Self {
            run,
            marking: run.marking,
            until,
            shares_marks: true,
            stack: Vec::with_capacity(4 * PACKET),
            parts: Vec::new(),
            to_mark: Ring::new(),
            to_trace: Ring::new(),
            to_check: Ring::new(),
            tally: Tally::default(),
            until_clock: CLOCK_INTERVAL,
        }
    }

    /// Whether its time may be up soon, so that it should begin with little at once.
    pub(crate) fn is_hurried(&self) -> bool {
        self.deadline().is_some()
    }

    pub(crate) fn marking(&self) -> &'r Marking<'a, M> {
        self.marking
    }

    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Adds a root.
    pub(crate) fn push(&mut self, object: ObjectRef) {
        self.stack.push(object.address());
        if self.stack.len() > 16 * PACKET && self.run.pool.is_wanted() {
            self.share();
        }
    }

    /// Marks until nothing is left anywhere, or the time is up.
    fn work(&mut self) {
        while self.drain() {
            match self.run.pool.take(self.until) {
                Taken::Packet(packet) => self.unpack(packet),
                Taken::TimeUp => break,
                Taken::Finished => return,
            }
        }
        self.give_up();
    }

    /// Marks until nobody has given away anything. False if the time was up before.
    pub(crate) fn work_off_leftovers(&mut self) -> bool {
        while let Some(packet) = self.run.pool.try_take() {
            self.unpack(packet);
            if !self.drain() {
                return false;
            }
        }
        true
    }

    fn unpack(&mut self, packet: Packet) {
        match packet {
            Packet::References(references) => self.stack.extend(references),
            Packet::Part(object, part) => self.parts.push((object, part)),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.run.when {
            When::Running => self.until,
            When::Stopped(deadline) => deadline,
        }
    }

    /// Whether this marker's time is up.
    fn is_late(&self) -> bool {
        self.deadline().is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// To be called after `work` steps; looks at the clock and the door once in a while. False if
    /// the time is up.
    #[inline]
    pub(crate) fn tick(&mut self, work: u32) -> bool {
        if let Some(left) = self.until_clock.checked_sub(work) {
            self.until_clock = left;
            return true;
        }
        self.look_up()
    }

    #[cold]
    fn look_up(&mut self) -> bool {
        self.until_clock = CLOCK_INTERVAL;
        if !self.shares_marks && self.run.pool.is_knocked_at() {
            self.shares_marks = true;
            self.run.pool.open();
        }
        !self.is_late()
    }

    /// Works off what this marker has; nothing is in the rings afterwards. False if its time was up
    /// before.
    pub(crate) fn drain(&mut self) -> bool {
        while self.tick(1) {
            if let Some(reference) = self.stack.pop() {
                self.mark_soon(reference);
                if self.stack.len() > ENOUGH && self.run.pool.is_wanted() {
                    self.share();
                }
            } else if let Some(reference) = self.to_mark.pop() {
                self.mark(reference);
            } else if let Some(object) = self.to_trace.pop() {
                self.trace_small(object);
            } else if let Some((address, slot)) = self.to_check.pop() {
                self.check(address, slot);
            } else if let Some((object, part)) = self.parts.pop() {
                self.trace_part(object, part);
            } else {
                return true;
            }
        }
        false
    }

    /// Works off references until few are left. False if the time was up before.
    pub(crate) fn drain_some(&mut self) -> bool {
        while self.stack.len() > BACKLOG {
            let Some(reference) = self.stack.pop() else { break };
            self.mark_soon(reference);
            if !self.tick(1) {
                return false;
            }
        }
        true
    }

    #[inline]
    fn mark_soon(&mut self, reference: usize) {
        prefetch(self.mark_word(reference));
        if let Some(oldest) = self.to_mark.push(reference) {
            self.mark(oldest);
        }
    }

    /// An object was marked that ephemerons wait for.
    #[cold]
    fn wake(&mut self, reference: usize) {
        let marking = self.marking;
        marking.references.wake(ObjectRef::at(reference), marking.found(), |value| {
            self.stack.push(value.address());
        });
    }

    /// Gives a packet of the oldest references away: they tend to lead to the most.
    #[cold]
    fn share(&mut self) {
        let count = (self.stack.len() / 2).min(PACKET);
        let packet = self.stack.drain(..count).collect();
        self.run.pool.give(Packet::References(packet));
    }

    /// Leaves everything to others. When it is the run's time that is up, they leave it to a later
    /// run.
    #[cold]
    fn give_up(&mut self) {
        // Marked objects must be traced; there are at most as many as the ring has places.
        while let Some(object) = self.to_trace.pop() {
            self.trace_small(object);
        }
        while let Some((address, slot)) = self.to_check.pop() {
            self.check(address, slot);
        }
        while let Some(reference) = self.to_mark.pop() {
            self.stack.push(reference);
        }
        if !self.stack.is_empty() {
            // Not the stack itself, which may have been much higher.
            self.run.pool.give(Packet::References(self.stack.drain(..).collect()));
        }
        for (object, part) in self.parts.drain(..) {
            self.run.pool.give(Packet::Part(object, part));
        }
        match self.run.when {
            When::Running => self.run.pool.leave(),
            When::Stopped(_) => self.run.pool.close(),
        }
    }

    fn mark_word(&self, reference: usize) -> usize {
        let granule = self.marking.memory.metadata.geometry.granule(reference);
        (&raw const self.marking.marks.words()[granule / 64]).addr()
    }

    /// Whether this marker is the first to mark the object.
    #[inline]
    fn set_mark(&self, granule: usize) -> bool {
        if self.shares_marks {
            return self.marking.marks.set_shared(granule);
        }
        // Nobody else writes mark bits: a plain read and write is several times faster.
        let clear = !self.marking.marks.get(granule);
        self.marking.marks.set_owned(granule);
        clear
    }

    fn mark(&mut self, reference: usize) {
        let metadata = &self.marking.memory.metadata;
        let granule = metadata.geometry.granule(reference);
        if !self.set_mark(granule) {
            return;
        }
        self.tally.marked += 1;
        if self.run.watched.is_some_and(|watched| watched.get(granule)) {
            self.wake(reference);
        }
        let block = metadata.geometry.block(reference);
        self.marking.marks.reach(block);
        match metadata.content(block) {
            Content::Small(Kind::Leaf) => {}
            Content::Small(_) => self.trace_soon(reference),
            Content::Large => self.begin_large(reference),
            Content::Unused => unreachable!("{reference:#x} is a reference into unused memory"),
        }
    }
}

impl<M> Drop for Marker<'_, '_, M> {
    fn drop(&mut self) {
        *lock(&self.run.tally) += self.tally;
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
