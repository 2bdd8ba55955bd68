//! What weak references, ephemerons and guardians cost: `cargo bench --bench references`.
//!
//! Stops of minor and full cycles with a million of them beside those without any; medians over some
//! cycles. Processor time where it says so, so that other programs disturb little.

use std::hint::black_box;

use strandline::{
    Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef, Root, SlotVisitor, StackScan,
};

const COUNT: usize = 1_000_000;
const ROUNDS: usize = 7;

/// A number of slots, then these.
struct Nodes;

// SAFETY: the header says how many slots there are, and is zero until it is written.
unsafe impl ObjectModel for Nodes {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        // SAFETY: every node begins with its header.
        for index in 1..=unsafe { object.as_ptr::<usize>().read() } {
            // SAFETY: the header says that the node has the slot.
            visitor.visit(unsafe { object.slot(index) });
        }
    }

    unsafe fn trace_part<V: SlotVisitor>(
        &self,
        object: ObjectRef,
        part: std::ops::Range<usize>,
        visitor: &mut V,
    ) {
        // SAFETY: every node begins with its header.
        let last = unsafe { object.as_ptr::<usize>().read() }.min((part.end - 1) / 8);
        for index in (part.start / 8).max(1)..=last {
            // SAFETY: the header says that the node has the slot.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

fn node(mutator: &mut Mutator, slots: usize) -> ObjectRef {
    let node = mutator.allocate(Kind::Precise, 8 * (1 + slots)).expect("the heap is large");
    // SAFETY: the node has room for its header.
    unsafe { node.as_ptr::<usize>().write(slots) };
    node
}

fn set(node: ObjectRef, slot: usize, value: Option<ObjectRef>) {
    // SAFETY: the node has that slot.
    unsafe { node.as_ptr::<usize>().add(1 + slot).write(value.map_or(0, ObjectRef::address)) };
}

fn heap() -> Heap<Nodes> {
    let options = HeapOptions { limit: 1 << 30, mode: Mode::Concurrent, ..HeapOptions::default() };
    Heap::new(Nodes, options).expect("a heap of a gibibyte")
}

/// A table of objects.
fn table(mutator: &mut Mutator, count: usize) -> Root {
    let table = node(mutator, count);
    let table = mutator.root(table);
    for index in 0..count {
        let object = node(mutator, 1);
        set(table.get(), index, Some(object));
    }
    table
}

fn entries(table: &Root, count: usize) -> Vec<ObjectRef> {
    // SAFETY: the table has that many slots, and all are filled.
    let slot = |index| unsafe { ObjectRef::from_address(table.get().slot(1 + index).load()) };
    (0..count).map(|index| slot(index).expect("it is filled")).collect()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Processor time of all threads in nanoseconds.
fn process_ns() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn each<R>(count: usize, what: impl FnOnce() -> R) -> (f64, R) {
    let start = process_ns();
    let result = what();
    ((process_ns() - start) / count as f64, result)
}

/// Runs full cycles; their processor time, and the length of their last stops, in microseconds.
fn full_cycles(heap: &Heap<Nodes>, mutator: &mut Mutator) -> (f64, f64) {
    let (mut times, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (ns, ()) = each(1, || mutator.collect());
        times.push(ns / 1e3);
        stops.push(heap.stats().last_pause.as_secs_f64() * 1e6);
    }
    (median(times), median(stops))
}

/// Runs minor cycles by allocating garbage; the median and the longest of their stops in microseconds.
fn minor_cycles(heap: &Heap<Nodes>, mutator: &mut Mutator) -> (f64, f64) {
    let mut stops = Vec::new();
    let (before, full) = (heap.stats().collections, heap.stats().full_collections);
    let mut seen = before;
    while seen < before + 4 * ROUNDS as u64 {
        for _ in 0..1000 {
            black_box(mutator.allocate(Kind::Leaf, 64).expect("the heap is large"));
        }
        let stats = heap.stats();
        if stats.collections > seen {
            seen = stats.collections;
            stops.push(stats.last_pause.as_secs_f64() * 1e6);
        }
    }
    let full = heap.stats().full_collections - full;
    assert!(full <= ROUNDS as u64, "{full} of the cycles were full ones");
    let longest = stops.iter().copied().fold(0.0, f64::max);
    (median(stops), longest)
}

fn report(what: &str, minor: (f64, f64), full: (f64, f64), alone: (f64, f64)) {
    println!(
        "{what:<42} minor: last stop {:.0} us, longest {:.0}; full: last stop {:.0} us, {:.1} ns of \
         processor time for each",
        minor.0,
        minor.1,
        full.1,
        (full.0 - alone.0) * 1e3 / COUNT as f64,
    );
}

fn alive() {
    let heap = heap();
    let references = heap.references();
    let mut mutator = heap.attach(StackScan::None).expect("no stack is needed");
    let table = table(&mut mutator, COUNT);
    mutator.collect();
    let objects = entries(&table, COUNT);
    let alone = full_cycles(&heap, &mut mutator);
    let minor = minor_cycles(&heap, &mut mutator);
    report("a million old objects", minor, alone, alone);

    let (made, weak) =
        each(COUNT, || objects.iter().map(|&o| references.weak(o)).collect::<Vec<_>>());
    mutator.collect();
    let (read, ()) = each(COUNT, || {
        for weak in &weak {
            black_box(weak.get(&mutator));
        }
    });
    let (minor, full) = (minor_cycles(&heap, &mut mutator), full_cycles(&heap, &mut mutator));
    report("and a million weak references to them", minor, full, alone);
    let (dropped, ()) = each(COUNT, || drop(weak));
    println!("  a weak reference: made in {made:.0} ns, read {read:.1}, dropped {dropped:.0}");

    let ephemerons: Vec<_> =
        objects.iter().map(|&o| references.ephemeron(o, table.get())).collect();
    mutator.collect();
    let (minor, full) = (minor_cycles(&heap, &mut mutator), full_cycles(&heap, &mut mutator));
    report("a million ephemerons with them as keys", minor, full, alone);
    drop(ephemerons);

    let guardian = references.guardian();
    objects.iter().for_each(|&object| guardian.register(object));
    mutator.collect();
    let (minor, full) = (minor_cycles(&heap, &mut mutator), full_cycles(&heap, &mut mutator));
    report("a guardian that watches them", minor, full, alone);
}

/// The stop in which so many referents are found dead, for each.
fn dying(count: usize) {
    let (mut cleared, mut handed, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let heap = heap();
        let references = heap.references();
        let guardian = references.guardian();
        let mut mutator = heap.attach(StackScan::None).expect("no stack is needed");
        let each_stop = |mutator: &mut Mutator| {
            mutator.collect();
            heap.stats().last_pause.as_nanos() as f64 / count as f64
        };
        let objects = table(&mut mutator, count);
        let weak: Vec<_> = entries(&objects, count).iter().map(|&o| references.weak(o)).collect();
        mutator.collect();
        drop(objects);
        cleared.push(each_stop(&mut mutator));
        assert!(weak.iter().all(|weak| weak.get(&mutator).is_none()));
        let objects = table(&mut mutator, count);
        entries(&objects, count).iter().for_each(|&object| guardian.register(object));
        mutator.collect();
        drop(objects);
        handed.push(each(count, || mutator.collect()).0);
        let (ns, ()) = each(count, || while black_box(guardian.take(&mutator)).is_some() {});
        taken.push(ns);
    }
    println!(
        "{count} referents that die in one cycle: {:.1} ns in the last stop for each weak reference; a \
         guarded object {:.0} ns of processor time in all, and {:.0} to take",
        median(cleared),
        median(handed),
        median(taken)
    );
}

/// A chain of ephemerons, each key held by the value before.
fn chain(length: usize) {
    let heap = heap();
    let references = heap.references();
    let mut mutator = heap.attach(StackScan::None).expect("no stack is needed");
    let keys = table(&mut mutator, length + 1);
    let (alone, _) = full_cycles(&heap, &mut mutator);
    let objects = entries(&keys, length + 1);
    let ephemerons: Vec<_> = (0..length)
        .rev()
        .map(|index| {
            let value = node(&mut mutator, 1);
            set(value, 0, Some(objects[index + 1]));
            references.ephemeron(objects[index], value)
        })
        .collect();
    let _first = mutator.root(objects[0]);
    drop(keys);
    let (time, stop) = full_cycles(&heap, &mut mutator);
    assert!(ephemerons[0].value(&mutator).is_some());
    println!(
        "a chain of {length} ephemerons: {:.0} ns of processor time for each link in a full cycle, last stop \
         {stop:.0} us",
        (time - alone) * 1e3 / length as f64
    );
}

fn main() {
    alive();
    dying(10_000);
    dying(100_000);
    chain(10_000);
    chain(100_000);
}
