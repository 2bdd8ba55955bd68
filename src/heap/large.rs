//! The large-object space: runs of pages for objects over 8 KiB.

use std::collections::{BTreeMap, BTreeSet};

use super::chunk::Watch;
use super::geometry::CHUNK;
use crate::object::Kind;
use crate::os::PageRange;

/// A large object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LargeObject {
    /// Its first byte.
    pub(crate) start: usize,
    /// Its size as it was asked for, rounded up to granules.
    pub(crate) bytes: usize,
    pub(crate) kind: Kind,
}

/// Free runs of pages, by address and by length. Adjacent runs are one.
#[derive(Debug, Default)]
struct FreeRuns {
    by_start: BTreeMap<usize, usize>,
    by_length: BTreeSet<(usize, usize)>,
}

impl FreeRuns {
    fn insert(&mut self, mut start: usize, mut bytes: usize) {
        if let Some((&before, &length)) = self.by_start.range(..start).next_back()
            && before + length == start
        {
            self.remove(before, length);
            (start, bytes) = (before, length + bytes);
        }
        if let Some(&length) = self.by_start.get(&(start + bytes)) {
            self.remove(start + bytes, length);
            bytes += length;
        }
        self.by_start.insert(start, bytes);
        self.by_length.insert((bytes, start));
    }

    fn remove(&mut self, start: usize, bytes: usize) {
        self.by_start.remove(&start);
        self.by_length.remove(&(bytes, start));
    }

    /// Takes `bytes` from the shortest run that has them, the lowest of these.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let &(length, start) = self.by_length.range((bytes, 0)..).next()?;
        self.remove(start, length);
        if length > bytes {
            self.insert(start + bytes, length - bytes);
        }
        Some(start)
    }

    /// Takes the whole chunks out of the run that has `start`.
    fn take_chunks(&mut self, start: usize) -> Option<std::ops::Range<usize>> {
        let (&start, &bytes) = self.by_start.range(..=start).next_back()?;
        let (first, last) = (start.next_multiple_of(CHUNK), (start + bytes) / CHUNK * CHUNK);
        if first >= last {
            return None;
        }
        self.remove(start, bytes);
        if start < first {
            self.insert(start, first - start);
        }
        if last < start + bytes {
            self.insert(last, start + bytes - last);
        }
        Some(first..last)
    }
}

/// The large objects of a heap and the room between them. Used under the pool's lock.
#[derive(Debug, Default)]
pub(crate) struct LargeSpace {
    objects: BTreeMap<usize, LargeObject>,
    /// Room that is being cleared for objects which are not there yet.
    reserved: Vec<LargeObject>,
    /// Runs in watched and in unwatched chunks.
    free: [FreeRuns; 2],
    bytes: usize,
}

impl LargeSpace {
    /// Bytes of pages that objects occupy.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = LargeObject> + '_ {
        self.objects.values().copied()
    }

    /// The object that `address` points to or into.
    pub(crate) fn find(&self, address: usize) -> Option<LargeObject> {
        let (_, &object) = self.objects.range(..=address).next_back()?;
        (address < object.start + object.bytes).then_some(object)
    }

    /// The objects that have a part in `pages`.
    pub(crate) fn in_range(&self, pages: PageRange) -> impl Iterator<Item = LargeObject> + '_ {
        let before = self.find(pages.start()).map_or(pages.start(), |object| object.start);
        self.objects.range(before..pages.end()).map(|(_, &object)| object)
    }

    /// Room for an object, if there is any, which is not there until it is [added](Self::add).
    /// `pages` is its size in bytes, rounded up to pages.
    pub(crate) fn reserve(
        &mut self,
        watch: Watch,
        kind: Kind,
        bytes: usize,
        pages: usize,
    ) -> Option<LargeObject> {
        let start = self.free[watch as usize].take(pages)?;
        let object = LargeObject { start, bytes, kind };
        self.reserved.push(object);
        self.bytes += pages;
        Some(object)
    }

    /// The objects that room is reserved for.
    pub(crate) fn reserved(&self) -> &[LargeObject] {
        &self.reserved
    }

    /// The object that room was reserved for is there from now on.
    pub(crate) fn add(&mut self, object: LargeObject) {
        self.end_reservation(object);
        self.objects.insert(object.start, object);
    }

    fn end_reservation(&mut self, object: LargeObject) {
        let place = self.reserved.iter().position(|other| other.start == object.start);
        self.reserved.swap_remove(place.expect("room was reserved for it"));
    }

    /// Whether there is room for an object of so many bytes, which are whole pages.
    pub(crate) fn has_room(&self, watch: Watch, pages: usize) -> bool {
        self.free[watch as usize].by_length.range((pages, 0)..).next().is_some()
    }

    /// Adds chunks to the room.
    pub(crate) fn add_room(&mut self, watch: Watch, start: usize, bytes: usize) {
        self.free[watch as usize].insert(start, bytes);
    }

    /// Takes the whole chunks out of the room that begins at `start`, if there are any.
    pub(crate) fn spare_chunks(
        &mut self,
        watch: Watch,
        start: usize,
    ) -> Option<std::ops::Range<usize>> {
        self.free[watch as usize].take_chunks(start)
    }

    /// Frees an object; returns the addresses of chunks that are free now.
    pub(crate) fn free(
        &mut self,
        watch: Watch,
        object: LargeObject,
        pages: usize,
    ) -> Option<std::ops::Range<usize>> {
        self.objects.remove(&object.start).expect("freed once");
        self.add_free(watch, object.start, pages)
    }

    /// As [`free`](Self::free), for room that was reserved.
    pub(crate) fn give_back(
        &mut self,
        watch: Watch,
        object: LargeObject,
        pages: usize,
    ) -> Option<std::ops::Range<usize>> {
        self.end_reservation(object);
        self.add_free(watch, object.start, pages)
    }

    fn add_free(
        &mut self,
        watch: Watch,
        start: usize,
        pages: usize,
    ) -> Option<std::ops::Range<usize>> {
        self.bytes -= pages;
        let free = &mut self.free[watch as usize];
        free.insert(start, pages);
        free.take_chunks(start)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 4096;
    const BASE: usize = 16 * CHUNK;

    fn space() -> LargeSpace {
        let mut space = LargeSpace::default();
        space.add_room(Watch::Watched, BASE, CHUNK);
        space.add_room(Watch::Watched, BASE + CHUNK, CHUNK);
        space
    }

    fn allocate(space: &mut LargeSpace, pages: usize) -> Option<LargeObject> {
        let bytes = pages * PAGE;
        let object = space.reserve(Watch::Watched, Kind::Precise, bytes - 16, bytes)?;
        assert!(space.find(object.start).is_none(), "it is there before it is cleared");
        space.add(object);
        Some(object)
    }

    #[test]
    fn adjacent_chunks_are_one_run() {
        let mut space = space();
        let object = allocate(&mut space, 2 * CHUNK / PAGE).unwrap();
        assert_eq!(object.start, BASE);
        assert!(allocate(&mut space, 1).is_none());
        assert_eq!(space.free(Watch::Watched, object, 2 * CHUNK), Some(BASE..BASE + 2 * CHUNK));
        assert!(allocate(&mut space, 1).is_none(), "its chunks have been given back");
    }

    #[test]
    fn the_best_fit_is_taken_and_neighbours_coalesce() {
        let mut space = space();
        let objects: Vec<_> = (0..4).map(|_| allocate(&mut space, 10).unwrap()).collect();
        assert_eq!(space.free(Watch::Watched, objects[1], 10 * PAGE), None);
        assert_eq!(allocate(&mut space, 10).unwrap().start, objects[1].start);
        space.free(Watch::Watched, objects[2], 10 * PAGE);
        let object = allocate(&mut space, 10).unwrap();
        assert_eq!(object.start, objects[2].start);
    }

    #[test]
    fn interior_addresses_find_the_object_and_slack_does_not() {
        let mut space = space();
        let object = allocate(&mut space, 3).unwrap();
        let last = object.start + object.bytes - 1;
        assert_eq!(space.find(last).unwrap().start, object.start);
        assert!(space.find(last + 1).is_none());
        assert!(space.find(BASE - 1).is_none());
    }

    /// What may happen to a large-object space; numbers choose objects.
    #[derive(Debug, Clone)]
    enum Step {
        Chunks(usize),
        Allocate(usize),
        Reserve(usize),
        GiveBack(usize),
        Free(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let pages = prop_oneof![1..40_usize, CHUNK / PAGE - 3..CHUNK / PAGE + 3];
        let step = prop_oneof![
            (1..3_usize).prop_map(Step::Chunks),
            pages.clone().prop_map(Step::Allocate),
            pages.prop_map(Step::Reserve),
            any::<usize>().prop_map(Step::GiveBack),
            any::<usize>().prop_map(Step::Free),
            any::<usize>().prop_map(Step::Free),
        ];
        proptest::collection::vec(step, 1..60)
    }

    fn pages_of(object: &LargeObject) -> std::ops::Range<usize> {
        object.start..object.start + object.bytes.next_multiple_of(PAGE)
    }

    proptest! {
        /// Every page is an object's, reserved, or in exactly one run of free pages, and runs of whole
        /// chunks are given back as soon as there are any.
        #[test]
        fn no_page_is_lost_and_none_is_twos(steps in steps()) {
            let mut space = LargeSpace::default();
            let (mut next_chunk, mut pages, mut given_back) = (16, 0, 0);
            let (mut objects, mut reserved) = (Vec::new(), Vec::new());
            for step in steps {
                let mut back = None;
                match step {
                    Step::Chunks(count) => {
                        // Not always next to the last one.
                        next_chunk += count % 2;
                        space.add_room(Watch::Watched, next_chunk * CHUNK, count * CHUNK);
                        next_chunk += count;
                        pages += count * CHUNK / PAGE;
                    }
                    Step::Allocate(count) => objects.extend(allocate(&mut space, count)),
                    Step::Reserve(count) => {
                        let bytes = count * PAGE;
                        reserved.extend(space.reserve(Watch::Watched, Kind::Leaf, bytes, bytes));
                    }
                    Step::GiveBack(number) if !reserved.is_empty() => {
                        let object = reserved.swap_remove(number % reserved.len());
                        back = space.give_back(Watch::Watched, object, pages_of(&object).len());
                    }
                    Step::Free(number) if !objects.is_empty() => {
                        let object = objects.swap_remove(number % objects.len());
                        back = space.free(Watch::Watched, object, pages_of(&object).len());
                    }
                    Step::GiveBack(_) | Step::Free(_) => {}
                }
                if let Some(chunks) = back {
                    prop_assert!(chunks.start % CHUNK == 0 && chunks.end % CHUNK == 0);
                    prop_assert!(!chunks.is_empty());
                    given_back += chunks.len() / PAGE;
                }
                let free = &space.free[Watch::Watched as usize];
                let runs = free.by_start.iter().map(|(&start, &bytes)| start..start + bytes);
                let mut all: Vec<_> = runs.collect();
                let by_length: Vec<_> =
                    free.by_start.iter().map(|(&start, &bytes)| (bytes, start)).collect();
                prop_assert!(by_length.iter().all(|run| free.by_length.contains(run)));
                prop_assert_eq!(by_length.len(), free.by_length.len());
                prop_assert!(all.windows(2).all(|two| two[0].end < two[1].start), "two runs are one");
                prop_assert!(all.iter().all(|run| !run.is_empty()));
                let used: Vec<_> = objects.iter().chain(&reserved).map(pages_of).collect();
                prop_assert_eq!(space.bytes(), used.iter().map(|pages| pages.len()).sum::<usize>());
                all.extend(used);
                all.sort_unstable_by_key(|pages| pages.start);
                prop_assert!(all.windows(2).all(|two| two[0].end <= two[1].start), "a page is two's");
                let count: usize = all.iter().map(|pages| pages.len() / PAGE).sum();
                prop_assert_eq!(count + given_back, pages, "pages are lost");
                prop_assert_eq!(space.reserved().len(), reserved.len());
                prop_assert_eq!(space.objects().count(), objects.len());
            }
        }
    }

    /// Of what is added in chunks, those that are not needed.
    #[test]
    fn whole_chunks_that_are_left_over_are_spare() {
        let mut space = space();
        let object = allocate(&mut space, 3).unwrap();
        let rest = object.start + 3 * PAGE;
        assert_eq!(space.spare_chunks(Watch::Watched, rest), Some(BASE + CHUNK..BASE + 2 * CHUNK));
        assert_eq!(space.spare_chunks(Watch::Watched, rest), None);
        assert!(space.has_room(Watch::Watched, CHUNK - 3 * PAGE));
        assert!(!space.has_room(Watch::Watched, CHUNK - 2 * PAGE));
    }
}
