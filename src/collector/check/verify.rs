//! The verifier: an independent look at what a collection did, with the world stopped.
//!
//! A marker as simple as can be (one stack, one bit for an object, no sharing, no prefetch) marks
//! again from the same roots. The two sets of marks must be equal, and everything that is marked
//! must be an object by the side metadata.

use crate::collector::shared::Shared;
use crate::heap::geometry::{BLOCKS_PER_CHUNK, GRANULES_PER_BLOCK, Geometry, WORDS_PER_BLOCK};
use crate::heap::{Age, Bitmap, Content};
use crate::mutator::{Local, Stopped};
use crate::object::{ObjectModel, ObjectRef};
use crate::sync::atomic::Ordering::Relaxed;

/// Checks `marks` against a marking of its own, and the metadata of all blocks.
///
/// Everything reachable must be marked. That everything marked is reachable can be expected of a
/// full collection only whose marking ran in one stop, and if no root was dropped since: `exact_since` is
/// how many had been when that began.
///
/// # Panics
/// When something is wrong; the message says what and where.
pub(crate) fn verify<M: ObjectModel>(
    shared: &Shared<M>,
    world: &Stopped<'_, Local>,
    marks: &Bitmap,
    exact_since: Option<usize>,
) {
    let seen = Bitmap::new(shared.memory.metadata.geometry.granules())
        .expect("no memory for the verifier's marks");
    let mut marker = SimpleMarker { shared, seen, stack: Vec::new() };
    shared.find_roots(world, &mut |object| marker.push(object));
    marker.mark();
    marker.mark_kept();
    let exact = exact_since == Some(shared.roots.dropped());
    compare(shared.memory.metadata.geometry, &marker.seen, marks, exact);
    check_blocks(shared);
}

struct SimpleMarker<'a, M> {
    shared: &'a Shared<M>,
    seen: Bitmap,
    stack: Vec<ObjectRef>,
}

impl<M: ObjectModel> SimpleMarker<'_, M> {
    fn push(&mut self, object: ObjectRef) {
        let memory = &self.shared.memory;
        assert_eq!(
            memory.resolve(object.address()),
            Some(object),
            "{object:?} is reachable and is not the start of an object"
        );
        if self.seen.set_shared(memory.metadata.geometry.granule(object.address())) {
            self.stack.push(object);
        }
    }

    /// Marks what ephemerons keep alive, by asking all of them until there is no more.
    fn mark_kept(&mut self) {
        let mut more = true;
        while std::mem::take(&mut more) {
            self.shared.references.keepers(|needed, value| {
                if needed.into_iter().flatten().all(|o| self.has_seen(o)) && !self.has_seen(value) {
                    more = true;
                    self.push(value);
                    self.mark();
                }
            });
        }
    }

    fn has_seen(&self, object: ObjectRef) -> bool {
        self.seen.get(self.shared.memory.metadata.geometry.granule(object.address()))
    }

    fn mark(&mut self) {
        let shared = self.shared;
        while let Some(object) = self.stack.pop() {
            shared.references_of(object, &mut |_, referent| self.push(referent));
        }
    }
}

fn compare(geometry: Geometry, seen: &Bitmap, marks: &Bitmap, exact: bool) {
    for (index, (seen, marked)) in seen.words().iter().zip(marks.words()).enumerate() {
        let (seen, marked) = (seen.load(Relaxed), marked.load(Relaxed));
        let bit = |bits: u64| geometry.granule_address(index * 64 + bits.trailing_zeros() as usize);
        assert_eq!(seen & !marked, 0, "{:#x} is reachable and not marked", bit(seen & !marked));
        let extra = if exact { marked & !seen } else { 0 };
        assert_eq!(extra, 0, "{:#x} is marked and not reachable", bit(extra));
    }
}

/// Starts and ends alternate in blocks of small objects, and unused blocks have neither. What is in
/// a block that is not young was found by the collection before.
fn check_blocks<M: ObjectModel>(shared: &Shared<M>) {
    let metadata = &shared.memory.metadata;
    let chunks: Vec<_> = shared.memory.pool().chunks.in_use().map(|(chunk, _)| chunk).collect();
    for block in
        chunks.iter().flat_map(|chunk| chunk * BLOCKS_PER_CHUNK..(chunk + 1) * BLOCKS_PER_CHUNK)
    {
        let words = block * WORDS_PER_BLOCK..(block + 1) * WORDS_PER_BLOCK;
        let starts = metadata.starts.ones(words.clone());
        let mut ends = metadata.ends.ones(words);
        match metadata.content(block) {
            Content::Large => assert_eq!(ends.next(), None, "an end in large block {block}"),
            Content::Unused => {
                assert_eq!(starts.chain(ends).next(), None, "an object in unused block {block}");
            }
            Content::Small(kind) => {
                let mut free_from = block * GRANULES_PER_BLOCK;
                for start in starts {
                    let end = ends.next();
                    assert!(
                        start >= free_from && end.is_some_and(|end| end >= start),
                        "{kind:?} block {block}: objects overlap at granule {start}, end {end:?}"
                    );
                    free_from = end.expect("checked above") + 1;
                    assert!(
                        metadata.age(block) != Age::Old || metadata.current_marks().get(start),
                        "{kind:?} block {block} counts as old, granule {start} was not found before"
                    );
                }
                assert_eq!(ends.next(), None, "{kind:?} block {block}: an end without a start");
            }
        }
    }
}

/// Negative controls: the comparison notices one bit, either way.
#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::heap::geometry::CHUNK;
    use crate::os::PageRange;

    /// Compares two sets of marks that differ in the given granule.
    fn compare_with(seen: Option<usize>, marked: Option<usize>) {
        let geometry = Geometry::new(PageRange::new(CHUNK, 2 * CHUNK).unwrap());
        let bitmaps = [seen, marked].map(|bit| {
            let bitmap = Bitmap::new(geometry.granules()).unwrap();
            bitmap.set_owned(7);
            bit.into_iter().for_each(|bit| bitmap.set_owned(bit));
            bitmap
        });
        compare(geometry, &bitmaps[0], &bitmaps[1], true);
    }

    #[test]
    fn equal_marks_are_accepted() {
        compare_with(Some(100_000), Some(100_000));
    }

    #[test]
    #[should_panic(expected = "is reachable and not marked")]
    fn a_lost_mark_is_noticed() {
        compare_with(Some(100_000), None);
    }

    #[test]
    #[should_panic(expected = "is marked and not reachable")]
    fn a_mark_too_many_is_noticed() {
        compare_with(None, Some(131_071));
    }
}
