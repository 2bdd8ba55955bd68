//! Markers that share: an array that is traced by two, and a first marker that is not alone any more.

use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::*;
use crate::mutator::StackScan;
use crate::object::SlotVisitor;
use crate::{Heap, HeapOptions, Mode};

/// Arrays of nothing but null; takes note of the parts that it was asked for.
#[derive(Default)]
struct Arrays {
    parts: StdMutex<Vec<Range<usize>>>,
}

// SAFETY: no slot of any object refers to anything.
unsafe impl ObjectModel for Arrays {
    unsafe fn trace<V: SlotVisitor>(&self, _: ObjectRef, _: &mut V) {}

    unsafe fn trace_part<V: SlotVisitor>(&self, _: ObjectRef, part: Range<usize>, _: &mut V) {
        self.parts.lock().unwrap().push(part);
    }
}

fn heap() -> Heap<Arrays> {
    let options = HeapOptions { mode: Mode::Stopped, markers: 1, ..HeapOptions::default() };
    Heap::new(Arrays::default(), options).unwrap()
}

fn marking(heap: &Heap<Arrays>) -> Marking<'_, Arrays> {
    let shared = &heap.shared;
    shared.marking(Scope::Full, shared.memory.metadata.next_marks())
}

/// A run with a marker, who is the first, and with the door open or not.
fn run<'r, 'a>(marking: &'r Marking<'a, Arrays>, open: bool) -> Run<'r, 'a, Arrays> {
    let pool = PacketPool::new(Vec::new(), open);
    Run { marking, pool, when: When::Running, watched: None, tally: Mutex::default() }
}

/// Each marker that waits is given half of what is left of the array: no word is in neither half.
#[test]
fn the_parts_of_an_array_that_is_shared_are_all_of_it() {
    for bytes in [3 * PART, 8 * PART + 40, 21 * PART - 8] {
        let heap = heap();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let array = mutator.allocate(Kind::Precise, bytes).unwrap();
        let marking = marking(&heap);
        let run = run(&marking, true);
        let given = AtomicUsize::new(0);
        assert!(run.pool.join(None));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = Marker::new(&run, None);
                while let Taken::Packet(packet) = run.pool.take(None) {
                    given.fetch_add(1, Ordering::Relaxed);
                    other.unpack(packet);
                    assert!(other.drain());
                }
            });
            let mut first = Marker::new(&run, None);
            while !run.pool.is_wanted() {
                std::thread::yield_now();
            }
            first.begin_large(array.address());
            // It takes nothing back of what it has given away.
            assert!(first.drain());
            run.pool.leave();
        });
        assert!(given.into_inner() > 0, "nothing was given away");
        let mut parts = std::mem::take(&mut *heap.model().parts.lock().unwrap());
        parts.sort_unstable_by_key(|part| part.start);
        let mut next = 0;
        for part in parts {
            assert!(!part.is_empty(), "nothing was given away");
            assert_eq!(part.start, next, "words that are in no part, or in two");
            next = part.end;
        }
        assert_eq!(next, marking.memory.large_object(array.address()).bytes);
    }
}

/// Mark bits of one word that two set, of whom one does it without atomic operations, are lost.
#[test]
fn who_is_let_in_shares_marks_with_the_first() {
    let heap = heap();
    let marking = marking(&heap);
    let run = run(&marking, false);
    let mut first = Marker::new(&run, None);
    first.shares_marks = false;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| run.pool.join(None));
        while !run.pool.is_knocked_at() {
            std::thread::yield_now();
        }
        assert!(!first.shares_marks && !other.is_finished(), "it waits at the door");
        // Looks up from its work.
        assert!(first.tick(CLOCK_INTERVAL + 1));
        assert!(first.shares_marks);
        assert!(other.join().unwrap(), "it is let in");
    });
}

/// Whether the door is open and whether the first marker shares marks is decided once.
#[test]
fn the_first_marker_of_a_run_is_alone_exactly_if_nobody_gets_in() {
    let heap = heap();
    let marking = marking(&heap);
    for helpers in [0, 1] {
        let late = Some(Instant::now());
        marking.run(helpers, When::Stopped(None), &|_| (), |first| {
            let gets_in = first.run.pool.join(late);
            assert_eq!(gets_in, first.shares_marks, "{helpers} helpers");
            if gets_in {
                first.run.pool.leave();
            }
        });
    }
}

/// Lists of objects with one slot, and arrays of nothing.
struct Lists(Arrays);

// SAFETY: the only slot of a small object is its first word; arrays have none.
unsafe impl ObjectModel for Lists {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        // SAFETY: the object has a word.
        visitor.visit(unsafe { object.slot(0) });
    }

    unsafe fn trace_part<V: SlotVisitor>(&self, object: ObjectRef, part: Range<usize>, it: &mut V) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.0.trace_part(object, part, it) };
    }
}

/// Whenever the time is up, be it in the middle of a list, of an array, or of what waits to be looked at:
/// what the marker still has is left to the next run, none of it twice.
#[test]
fn what_a_run_does_not_get_done_is_left_to_the_next() {
    const LENGTH: usize = 10;
    const ROOTS: usize = 100;
    let options = HeapOptions { mode: Mode::Stopped, markers: 1, ..HeapOptions::default() };
    let heap = Heap::new(Lists(Arrays::default()), options).unwrap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let array = mutator.allocate(Kind::Precise, 5 * PART + 16).unwrap();
    let mut objects = vec![array];
    let mut roots = vec![array];
    for _ in 0..ROOTS {
        let mut next = 0;
        for _ in 0..LENGTH {
            let object = mutator.allocate(Kind::Precise, 16).unwrap();
            // SAFETY: the object has two words.
            unsafe { object.as_ptr::<usize>().write(next) };
            next = object.address();
            objects.push(object);
        }
        roots.push(*objects.last().unwrap());
    }
    let shared = &heap.shared;
    let kept: Vec<_> = roots.iter().map(|&root| mutator.root(root)).collect();
    mutator.collect();
    shared.finish_sweep(&mut shared.cycle.lock().unwrap());
    heap.model().0.parts.lock().unwrap().clear();
    let metadata = &shared.memory.metadata;
    let marks = metadata.next_marks();
    for steps in (0..400).chain((400..4000).step_by(50)) {
        let marking = shared.marking(Scope::Full, marks);
        marking.add_roots(&roots[..ROOTS / 2]);
        let late = When::Stopped(Some(Instant::now()));
        let mut tally = marking.run(0, late, &|_| (), |first| {
            first.until_clock = steps;
            let worked_off = first.work_off_leftovers();
            roots[ROOTS / 2..].iter().for_each(|&root| first.push(root));
            assert!(worked_off || first.until_clock > 0, "it has looked at the clock");
        });
        while !marking.is_done() {
            tally += marking.run(0, When::Stopped(None), &|_| (), |_| ());
        }
        assert_eq!(tally.marked, objects.len(), "{steps} steps");
        for object in &objects {
            let granule = metadata.geometry.granule(object.address());
            assert!(marks.get(granule), "{steps} steps: {object:?} was not marked");
            marks.clear_owned(granule);
        }
        let mut parts = std::mem::take(&mut *heap.model().0.parts.lock().unwrap());
        parts.sort_unstable_by_key(|part| part.start);
        let lengths: usize = parts.iter().map(|part| part.len()).sum();
        assert_eq!((lengths, parts.last().unwrap().end), (5 * PART + 16, 5 * PART + 16));
    }
    drop(kept);
}

/// Of a part just its own words, of which every other one refers to an object.
#[test]
fn words_of_a_large_object_without_a_layout_are_all_looked_at() {
    let heap = heap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let bytes = 2 * PART + 48;
    let words = mutator.allocate(Kind::Conservative, bytes).unwrap();
    let objects: Vec<_> = (0..bytes / 16)
        .map(|index| {
            let object = mutator.allocate(Kind::Leaf, 16).unwrap();
            // SAFETY: the word lies in the object. The last one is one of those.
            unsafe { words.as_ptr::<usize>().add(2 * index + 1).write(object.address()) };
            object
        })
        .collect();
    let root = mutator.root(words);
    mutator.collect();
    let shared = &heap.shared;
    shared.finish_sweep(&mut shared.cycle.lock().unwrap());
    let metadata = &shared.memory.metadata;
    let marks = metadata.next_marks();
    let large = shared.memory.large_object(root.get().address());
    for part in [PART..PART + 4096, 0..16, bytes - 16..bytes] {
        let marking = shared.marking(Scope::Full, marks);
        marking
            .run(0, When::Stopped(None), &|_| (), |first| first.trace_large(large, part.clone()));
        for (index, object) in objects.iter().enumerate() {
            let granule = metadata.geometry.granule(object.address());
            assert_eq!(marks.get(granule), part.contains(&(16 * index)), "{part:?}: word {index}");
            marks.clear_owned(granule);
        }
    }
}

/// What External objects own may be freed at any moment while the program runs; leaves have nothing.
#[test]
fn large_objects_that_are_external_are_traced_in_stops_only_and_leaves_never() {
    let heap = heap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let [external, leaf, precise] = [Kind::External, Kind::Leaf, Kind::Precise].map(|kind| {
        let object = mutator.allocate(kind, 3 * PART).unwrap();
        mutator.root(object)
    });
    mutator.collect();
    let shared = &heap.shared;
    shared.finish_sweep(&mut shared.cycle.lock().unwrap());
    let parts = |root: &crate::Root, when| {
        heap.model().parts.lock().unwrap().clear();
        let marks = shared.memory.metadata.next_marks();
        let marking = shared.marking(Scope::Full, marks);
        marking.run(0, when, &|_| (), |first| first.push(root.get()));
        marks.clear_owned(shared.memory.metadata.geometry.granule(root.get().address()));
        heap.model().parts.lock().unwrap().len()
    };
    let stopped = When::Stopped(None);
    assert_eq!((parts(&external, When::Running), parts(&external, stopped)), (0, 3));
    assert_eq!((parts(&precise, When::Running), parts(&precise, stopped)), (3, 3));
    assert_eq!((parts(&leaf, When::Running), parts(&leaf, stopped)), (0, 0));
}

/// Objects with a count of slots.
struct Counted;

// SAFETY: the first word says how many of the next ones are slots.
unsafe impl ObjectModel for Counted {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        // SAFETY: the object has a word, and so many more.
        let count = unsafe { object.as_ptr::<usize>().read() };
        for index in 1..=count {
            // SAFETY: as above.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

/// Many at once: what waits to be marked or traced makes room for what comes after it, and what is found
/// while pages are looked at does not pile up.
#[test]
fn nothing_is_lost_where_much_is_found_at_once() {
    const SLOTS: usize = 1000;
    let options = HeapOptions { mode: Mode::Stopped, markers: 1, ..HeapOptions::default() };
    let heap = Heap::new(Counted, options).unwrap();
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let mut objects = Vec::new();
    let mut made = |mutator: &mut crate::Mutator, bytes, slots: &[ObjectRef]| {
        let object = mutator.allocate(Kind::Precise, bytes).unwrap();
        // SAFETY: the object has room for so many words.
        unsafe { object.as_ptr::<usize>().write(slots.len()) };
        for (index, slot) in slots.iter().enumerate() {
            // SAFETY: as above.
            unsafe { object.as_ptr::<usize>().add(index + 1).write(slot.address()) };
        }
        objects.push(object);
        object
    };
    let tables: Vec<_> = (0..3)
        .map(|_| {
            let children: Vec<_> = (0..SLOTS)
                .map(|_| {
                    let leaf = made(&mut mutator, 16, &[]);
                    made(&mut mutator, 16, &[leaf])
                })
                .collect();
            made(&mut mutator, 8192, &children)
        })
        .collect();
    let kept: Vec<_> = tables.iter().map(|&table| mutator.root(table)).collect();
    mutator.collect();
    let shared = &heap.shared;
    shared.finish_sweep(&mut shared.cycle.lock().unwrap());
    let metadata = &shared.memory.metadata;
    let (marks, geometry) = (metadata.next_marks(), metadata.geometry);
    for deadline in [None, Some(Instant::now() + std::time::Duration::from_secs(1 << 20))] {
        for table in &tables {
            marks.set_owned(geometry.granule(table.address()));
            let page = table.address() & !(crate::os::page_size() - 1);
            let pages = crate::os::PageRange::covering(page, 3 * 4096).unwrap();
            shared.ledger.owed().insert(pages);
        }
        let marking = shared.marking(Scope::Full, marks);
        let slices = shared.ledger.slices();
        marking.run(0, When::Stopped(deadline), &|_| (), |first| first.rescan_owed(&slices));
        assert!(marking.is_done() && shared.ledger.is_empty());
        for object in &objects {
            let granule = geometry.granule(object.address());
            assert!(marks.get(granule), "{object:?} was not marked");
            marks.clear_owned(granule);
        }
    }
    drop(kept);
}
