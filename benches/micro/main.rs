//! Single operations through the public interface, by criterion: `cargo bench --bench micro`, or some
//! of them: `cargo bench --bench micro -- allocate`. What belongs to a floor measured in the same run
//! is in `benches/heap`.

mod operations;
mod stops;

use criterion::{criterion_group, criterion_main};
use strandline::{Heap, HeapOptions, Mode, ObjectModel, ObjectRef, Sizing, SlotVisitor};

criterion_group!(
    operations,
    operations::allocate,
    operations::store,
    operations::safepoint,
    operations::resolve
);
criterion_group! {
    name = stops;
    config = criterion::Criterion::default().sample_size(10);
    targets = stops::mark, stops::sweep, stops::handshake, stops::remark, stops::roots
}
criterion_main!(operations, stops);

/// Objects that begin with two references and hold no others.
struct Pairs;

// SAFETY: all precise objects of these heaps are at least two words long, which are references or null.
unsafe impl ObjectModel for Pairs {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for index in 0..2 {
            // SAFETY: see above.
            visitor.visit(unsafe { object.slot(index) });
        }
    }
}

/// A heap of so many MiB, all of which it uses.
fn heap(mode: Mode, mib: usize) -> Heap<Pairs> {
    // With hot chunks, most stores would meet no protection.
    let options = HeapOptions {
        limit: mib << 20,
        sizing: Sizing::Fixed,
        mode,
        hot_chunks: false,
        ..HeapOptions::default()
    };
    Heap::new(Pairs, options).expect("a heap")
}

/// Writes a reference.
fn write(object: ObjectRef, index: usize, value: ObjectRef) {
    assert!(index < 2, "a pair has two references");
    // SAFETY: the object has that word, and is kept alive by the caller.
    unsafe { object.as_ptr::<usize>().add(index).write_volatile(value.address()) };
}

/// Random numbers below a bound: Lehmer's generator.
fn random(bound: usize) -> impl FnMut() -> usize {
    let mut state = 12345_u64;
    move || {
        state = state * 48271 % 0x7fff_ffff;
        state as usize % bound
    }
}
