//! The ledger of dirty pages: the only place where they are consumed.
//!
//! There is one way to lose an object: to consume a dirty page and not to look at the marked
//! objects on it afterwards. So:
//!
//! 1. what a consuming scan reports is owed before anything else happens, and so is the whole range
//!    of a scan that failed (the tracker sees to both);
//! 2. what a scan leaves out is owed: blocks that a mutator owns;
//! 3. a page is taken from the ledger to be looked at in full; when time is up in the middle it goes
//!    back.
//!
//! The fourth rule, that marking ends only in a stop, with nothing owed after a last scan made in
//! that stop, is the cycle's ([`cycle`](crate::collector::cycle)).

use std::time::Instant;

use crate::collector::check::rules::{Rule, Rules};
use crate::collector::threads::crew::Crew;
use crate::dirty::{PageSet, Scan, TrackError, Tracker};
use crate::heap::geometry::BLOCK;
use crate::heap::{Age, Bitmap, Marks, Memory, Reading, Watched, Where, Which};
use crate::os::PageRange;
use crate::sync::process::atomic::{AtomicUsize, Ordering};

/// Bytes that one thread scans at a time, when several do.
const PIECE: usize = 64 << 20;

/// The same in a stop, which is to consume no more than it can look at.
const SMALL_PIECE: usize = 4 << 20;

/// Bytes that one thread takes at a time to look at again, and bytes that one takes whose time may be
/// up soon: it owes again what it does not get done.
const SLICE: usize = 16 << 20;
const BITE: usize = 1 << 20;

/// The crew, and how many of it are wanted.
pub(crate) type Help<'a> = Option<(&'a Crew, usize)>;

/// What came of a scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Pages that were dirty.
    pub(crate) dirty: usize,
    /// Pages that were not protected before, in all of what is scanned by and by.
    pub(crate) unprotected: usize,
    /// Where what was not scanned begins.
    pub(crate) rest: Option<usize>,
    /// Whether hot chunks were left out.
    pub(crate) but_hot: bool,
}

/// How much to consume in a stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion {
    /// The address to begin at.
    pub(crate) from: usize,
    /// When to end, and after how many dirty pages.
    pub(crate) deadline: Option<Instant>,
    pub(crate) pages: usize,
}

impl Portion {
    pub(crate) const ALL: Self = Self { from: 0, deadline: None, pages: usize::MAX };

    fn piece(&self) -> usize {
        if self.pages == usize::MAX { PIECE } else { SMALL_PIECE }
    }
}

/// The pages that the collector has to look at again.
#[derive(Debug)]
pub(crate) struct Ledger {
    owed: PageSet,
}

impl Ledger {
    pub(crate) fn new(span: PageRange) -> Self {
        Self { owed: PageSet::new(span) }
    }

    /// The pages, for those who find something to look at again.
    pub(crate) fn owed(&self) -> &PageSet {
        &self.owed
    }

    /// Whether no page is owed.
    pub(crate) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// Consumes what was written there (GET + WP); these pages are clean from now on.
    pub(crate) fn consume(&self, place: Where<'_>, memory: &Memory, rules: &Rules) -> Progress {
        let watched = watched(Which::All, place, memory, rules);
        self.consume_these(watched, Portion::ALL, memory.tracker(), rules)
    }

    /// As [`consume`](Self::consume), at the beginning of a minor cycle, when nothing is being marked:
    /// hot chunks are not protected yet. Looks at the same time which chunks are hot.
    pub(crate) fn consume_early(
        &self,
        place: Where<'_>,
        memory: &Memory,
        rules: &Rules,
    ) -> Progress {
        let watched = watched(Which::AllButHot, place, memory, rules);
        let progress = self.consume_these(watched, Portion::ALL, memory.tracker(), rules);
        memory.pool().take_temperature(Reading::Cycle, &self.owed, &memory.metadata);
        progress
    }

    /// As [`consume`](Self::consume), no more than so much: for a stop. Portion after portion they come
    /// to the same.
    pub(crate) fn consume_portion(
        &self,
        portion: Portion,
        place: Where<'_>,
        memory: &Memory,
        rules: &Rules,
    ) -> Progress {
        let mut watched = watched(Which::All, place, memory, rules);
        watched.skip_until(portion.from);
        self.consume_these(watched, portion, memory.tracker(), rules)
    }

    /// The pages that are dirty (GET); they stay so, and nothing is owed for it. The program is running.
    pub(crate) fn dirty(&self, place: Where<'_>, memory: &Memory, rules: &Rules) -> PageSet {
        let watched = watched(Which::AllAsItIs, place, memory, rules);
        let found = PageSet::new(self.owed.span());
        for &range in &watched.quiet {
            // It is an estimate: what cannot be asked for is not in it.
            let _ = memory.tracker().peek(range, &found);
        }
        found
    }

    pub(crate) fn consume_these(
        &self,
        watched: Watched,
        portion: Portion,
        tracker: &Tracker,
        rules: &Rules,
    ) -> Progress {
        let forgotten = (!rules.holds(Rule::OweReported)).then(|| PageSet::new(self.owed.span()));
        let owed = forgotten.as_ref().unwrap_or(&self.owed);
        self.scan(watched, rules, None, portion, |range| tracker.consume(range, owed))
    }

    /// Adds what was written and leaves it dirty (GET): for a stop, which is thus spared the TLB
    /// flushes. Only where something is marked. Nothing may be owned.
    pub(crate) fn peek(&self, memory: &Memory, marks: &Marks, rules: &Rules, help: Help<'_>) {
        let watched = watched(Which::ProtectedAsItIs, Where::Marked(marks), memory, rules);
        debug_assert!(watched.left_out.is_empty(), "a scan in a stop with blocks owned");
        self.peek_these(watched, memory.tracker(), rules, help);
    }

    pub(crate) fn peek_these(
        &self,
        watched: Watched,
        tracker: &Tracker,
        rules: &Rules,
        help: Help<'_>,
    ) {
        self.scan(watched, rules, help, Portion::ALL, |range| tracker.peek(range, &self.owed));
    }

    fn scan(
        &self,
        mut watched: Watched,
        rules: &Rules,
        help: Help<'_>,
        portion: Portion,
        scan: impl Fn(PageRange) -> Result<Scan, TrackError> + Sync,
    ) -> Progress {
        if let Some(left_out) = rules.leaves_out() {
            watched.leave_out(left_out);
        }
        let in_pieces = |range: &PageRange| range.pieces(portion.piece());
        let pieces: Vec<_> = watched.quiet.iter().flat_map(in_pieces).collect();
        let (next, dirty) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let in_time = || portion.deadline.is_none_or(|deadline| Instant::now() < deadline);
        let work = || {
            while in_time()
                && dirty.load(Ordering::Relaxed) < portion.pages
                && let Some(&piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed))
            {
                dirty.fetch_add(self.dirty_in(piece, &scan), Ordering::Relaxed);
            }
        };
        match help {
            Some((crew, helpers)) => {
                crew.run(helpers.min(pieces.len() / 2), true, &|_| work(), work);
            }
            None => work(),
        }
        if rules.holds(Rule::OweUnprotected) {
            watched.unarmed.iter().for_each(|&range| self.owed.insert(range));
        }
        if rules.holds(Rule::OweLeftOut) {
            watched.left_out.iter().for_each(|&range| self.owed.insert(range));
        }
        let rest = pieces.get(next.into_inner()).map(|piece| piece.start());
        let dirty = dirty.into_inner();
        let Watched { unprotected, but_hot, .. } = watched;
        Progress { dirty, unprotected, rest, but_hot }
    }

    fn dirty_in(
        &self,
        range: PageRange,
        scan: &impl Fn(PageRange) -> Result<Scan, TrackError>,
    ) -> usize {
        match scan(range) {
            Ok(scan) => scan.pages,
            Err(error) => {
                debug_assert!(!error.refused_arguments(), "{error}");
                // All of the range is owed: slow, and nothing is lost.
                self.owed.insert(range);
                range.pages()
            }
        }
    }

    /// Owes all that a last scan is about, as if it had found all of it written.
    pub(crate) fn owe_marked(&self, memory: &Memory, marks: &Marks, rules: &Rules) {
        let watched = watched(Which::AllAsItIs, Where::Marked(marks), memory, rules);
        watched.quiet.into_iter().for_each(|range| self.owed.insert(range));
    }

    /// In a forked child: owes all of `watched`, whatever a cycle that was cut off had consumed, and
    /// whatever of this set it was about to change.
    pub(crate) fn owe_all(&self, watched: Watched) {
        self.owed.clear();
        watched.quiet.into_iter().chain(watched.left_out).for_each(|range| self.owed.insert(range));
    }

    /// Pages that were allocated since the last scan are all dirty. Those without a marked object
    /// need not be looked at: what will be marked there is traced then. Called after a scan, while
    /// nobody marks.
    pub(crate) fn forgive_unmarked(&self, memory: &Memory, marks: &Bitmap, rules: &Rules) {
        let marks = rules.holds(Rule::ForgiveNew).then_some(marks);
        memory.pool().unmarked_new(marks, &memory.metadata, |range| {
            self.owed.remove(range);
        });
    }

    /// The owed pages, for any number of threads to take from.
    pub(crate) fn slices(&self) -> Slices<'_> {
        self.slices_in(self.owed.span())
    }

    /// Those in a range.
    pub(crate) fn slices_in(&self, range: PageRange) -> Slices<'_> {
        let hull = self.owed.hull().and_then(|hull| hull.intersection(range));
        Slices { owed: &self.owed, hull, next: AtomicUsize::new(0) }
    }
}

/// What a scan is about.
fn watched(which: Which, place: Where<'_>, memory: &Memory, rules: &Rules) -> Watched {
    let metadata = &memory.metadata;
    let mut watched = memory.pool().watched(which, place, metadata);
    if !rules.holds(Rule::ScanMarked) {
        let is_old =
            |block: &PageRange| metadata.age(metadata.geometry.block(block.start())) == Age::Old;
        for ranges in [&mut watched.quiet, &mut watched.unarmed] {
            let blocks = ranges.iter().flat_map(|range| range.pieces(BLOCK));
            *ranges = blocks.filter(is_old).collect();
        }
    }
    watched
}

/// How much of some owed pages was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    AtAll,
    /// Time was up when everything before this address had been.
    Until(usize),
}

/// The owed pages as slices of the heap, each of which one thread takes.
pub(crate) struct Slices<'a> {
    owed: &'a PageSet,
    /// Where there are any.
    hull: Option<PageRange>,
    /// Bytes of the hull that somebody has had.
    next: AtomicUsize,
}

impl Slices<'_> {
    /// Takes the owed pages of slice after slice and passes them to `look`, in address order, as
    /// ranges, each with the one after it if that is known. What `look` does not get done is owed
    /// again, and so is everything after it. Who is `hurried`
    /// takes small slices.
    pub(crate) fn take(
        &self,
        hurried: bool,
        rules: &Rules,
        mut look: impl FnMut(PageRange, Option<PageRange>) -> Looked,
    ) {
        let (mut in_time, mut taken) = (true, Vec::new());
        while in_time && let Some(slice) = self.next(if hurried { BITE } else { SLICE }) {
            self.owed.take_in(slice, |range| taken.push(range));
            let mut ranges = taken.drain(..).peekable();
            while in_time && let Some(range) = ranges.next() {
                if let Looked::Until(address) = look(range, ranges.peek().copied()) {
                    in_time = false;
                    self.owe_unfinished(PageRange::new(address, range.end()).ok(), rules);
                }
            }
            ranges.for_each(|range| self.owe_unfinished(Some(range), rules));
        }
    }

    fn owe_unfinished(&self, pages: Option<PageRange>, rules: &Rules) {
        if let Some(pages) = pages.filter(|_| rules.holds(Rule::OweUnfinished)) {
            self.owed.insert(pages);
        }
    }

    /// So many bytes that nobody has had.
    fn next(&self, bytes: usize) -> Option<PageRange> {
        let hull = self.hull?;
        let offset = self.next.fetch_add(bytes, Ordering::Relaxed);
        (offset < hull.bytes()).then(|| {
            let end = hull.bytes().min(offset + bytes);
            let slice = PageRange::new(hull.start() + offset, hull.start() + end);
            slice.expect("slices are whole pages")
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
