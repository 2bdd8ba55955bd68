//! A page is looked at in full, and nothing beside it.

use std::ops::Range;
use std::sync::Mutex;

use super::*;
use crate::collector::Scope;
use crate::collector::mark::{Tally, When};
use crate::mutator::{Mutator, Root, StackScan};
use crate::object::{ObjectRef, SlotVisitor};
use crate::os::page_size;
use crate::{Heap, HeapOptions, Mode};

/// Objects without references; takes note of what was asked about.
#[derive(Default)]
struct Noting {
    small: Mutex<Vec<usize>>,
    parts: Mutex<Vec<(usize, Range<usize>)>>,
}

// SAFETY: no slot of any object refers to anything.
unsafe impl ObjectModel for Noting {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, _: &mut V) {
        self.small.lock().unwrap().push(object.address());
    }

    unsafe fn trace_part<V: SlotVisitor>(&self, object: ObjectRef, part: Range<usize>, _: &mut V) {
        self.parts.lock().unwrap().push((object.address(), part));
    }
}

fn heap() -> (Heap<Noting>, Mutator) {
    let options = HeapOptions { mode: Mode::Stopped, markers: 1, ..HeapOptions::default() };
    let heap = Heap::new(Noting::default(), options).unwrap();
    let mutator = heap.attach(StackScan::None).unwrap();
    (heap, mutator)
}

/// Small objects that were traced, and parts of large ones.
type Traced = (Vec<usize>, Vec<(usize, Range<usize>)>);

/// What a look at the pages has traced; what was traced before is forgotten.
fn rescan(heap: &Heap<Noting>, pages: PageRange) -> (Traced, Tally) {
    heap.model().small.lock().unwrap().clear();
    heap.model().parts.lock().unwrap().clear();
    let shared = &heap.shared;
    let marks = shared.memory.metadata.current_marks();
    let marking = shared.marking(Scope::Minor, marks);
    let tally = marking.run(0, When::Stopped(None), &|_| (), |first| {
        assert_eq!(first.rescan(pages, None), Looked::AtAll);
    });
    let small = std::mem::take(&mut *heap.model().small.lock().unwrap());
    ((small, std::mem::take(&mut *heap.model().parts.lock().unwrap())), tally)
}

fn page_of(address: usize) -> PageRange {
    let start = address & !(page_size() - 1);
    PageRange::new(start, start + page_size()).unwrap()
}

/// Sizes that have objects begin and end everywhere in a page, also with its first and its last granule.
#[test]
fn every_marked_small_object_with_a_part_in_a_page_is_looked_at_and_no_other() {
    let (heap, mut mutator) = heap();
    let mut kept: Vec<(Root, usize)> = Vec::new();
    for number in 0..6000 {
        let bytes = [16, 48, 272, 8192, 16, 4080, 32][number % 7];
        let object = mutator.allocate(Kind::Precise, bytes).unwrap();
        if number % 3 != 0 {
            kept.push((mutator.root(object), bytes));
        }
    }
    mutator.collect();
    let objects: Vec<_> = kept.iter().map(|(root, bytes)| (root.get().address(), *bytes)).collect();
    let (mut alone, mut barren) = (0, 0);
    let first = page_of(objects[0].0);
    for number in 0..400 {
        let start = first.start() + number * page_size();
        let pages = PageRange::new(start, start + page_size() * (1 + number % 3)).unwrap();
        let meets = |&&(address, bytes): &&(usize, usize)| {
            address < pages.end() && address + bytes > pages.start()
        };
        let mut expected: Vec<_> = objects.iter().filter(meets).map(|object| object.0).collect();
        expected.sort_unstable();
        let (traced, tally) = rescan(&heap, pages);
        assert_eq!(traced, (expected.clone(), vec![]), "{pages}");
        let empty = if expected.is_empty() { pages.pages() } else { 0 };
        assert_eq!(tally.rescanned, pages.pages());
        // A look at several pages may cross into another block, which is counted for itself.
        if pages.pages() == 1 {
            assert_eq!(tally.barren, empty);
        }
        alone += usize::from(expected.len() == 1);
        barren += usize::from(expected.is_empty());
    }
    assert!(alone > 0 && barren > 0, "some pages have one object, and some have none");
}

/// Up to its last granule, and not what lies behind; of the part of the array that is on the pages, with a word
/// on either side.
#[test]
fn the_part_of_a_large_object_on_a_page_is_looked_at() {
    let (heap, mut mutator) = heap();
    let page = page_size();
    for bytes in [3 * page, 3 * page + 16, 5 * page - 16, 8208] {
        let array = mutator.allocate(Kind::Precise, bytes).unwrap();
        let array = mutator.root(array);
        let dead = mutator.allocate(Kind::Precise, bytes).unwrap().address();
        let leaf = mutator.allocate(Kind::Leaf, bytes).unwrap();
        let leaf = mutator.root(leaf);
        mutator.collect();
        let start = array.get().address();
        for first in 0..bytes.div_ceil(page) {
            let pages = page_of(start + first * page);
            let (traced, tally) = rescan(&heap, pages);
            let part = (first * page).saturating_sub(WORD)..bytes.min((first + 1) * page + WORD);
            assert_eq!(traced, (vec![], vec![(start, part)]));
            assert_eq!((tally.rescanned, tally.barren), (1, 0));
        }
        for address in [leaf.get().address(), dead] {
            let (traced, tally) = rescan(&heap, page_of(address));
            assert_eq!((traced, tally.barren), ((vec![], vec![]), 1), "a leaf, or no mark");
        }
    }
}

/// Nobody asks what a leaf refers to, whatever is written there.
#[test]
fn pages_of_leaves_are_not_looked_at() {
    let (heap, mut mutator) = heap();
    let leaf = mutator.allocate(Kind::Leaf, 64).unwrap();
    let leaf = mutator.root(leaf);
    mutator.collect();
    let (traced, tally) = rescan(&heap, page_of(leaf.get().address()));
    assert_eq!((traced, tally.barren), ((vec![], vec![]), 1));
}
