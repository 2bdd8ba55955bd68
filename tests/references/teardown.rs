//! The end of a heap, with and without threads attached.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::mpsc::channel;

use strandline::{
    Heap, Kind, ObjectModel, ObjectRef, RootSource, Slot, SlotVisitor, StackScan, WeakOptions,
};

use crate::both;
use crate::graph::heap;

struct Global(usize);

impl RootSource for Global {
    fn visit_roots(&self, visitor: &mut dyn SlotVisitor) {
        // SAFETY: the word lives as long as the source.
        visitor.visit(unsafe { Slot::at(NonNull::from(&self.0)) });
    }
}

/// A model that is shared with the test: who has the heap has it.
struct Counted {
    _model: Arc<()>,
}

// SAFETY: the tests allocate leaves only.
unsafe impl ObjectModel for Counted {
    unsafe fn trace<V: SlotVisitor>(&self, _: ObjectRef, _: &mut V) {
        unreachable!("there are no objects with slots")
    }
}

#[test]
fn closing_ends_everything() {
    for options in both() {
        let counted = Arc::new(());
        let heap = Heap::new(Counted { _model: Arc::clone(&counted) }, options).unwrap();
        let source = Arc::new(Global(0));
        let registration = heap.add_root_source(Arc::clone(&source) as _);
        let references = heap.references();
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let object = mutator.allocate(Kind::Leaf, 16).unwrap();
        let root = mutator.root(object);
        let (weak, map, guardian) =
            (references.weak(object), references.weak_map(), references.guardian());
        guardian.register(object);
        map.insert(&mutator, object, object);
        let queue = references.death_queue();
        let notify = WeakOptions { notify: Some((&queue, 1)), ..Default::default() };
        let told = references.weak_with(object, notify);
        mutator.collect();
        drop(mutator);
        heap.close().unwrap();
        assert_eq!(
            Arc::strong_count(&counted),
            1,
            "handles that are left over do not keep the heap"
        );
        drop((root, weak, map, guardian, queue, told, registration));
        assert_eq!(references.count(), 0);
        assert_eq!(Arc::strong_count(&source), 1, "the registration kept it");
    }
}

#[test]
fn closing_is_refused_while_threads_are_attached() {
    for options in both() {
        let heap = heap(options);
        let mutator = heap.attach(StackScan::None).unwrap();
        let error = heap.close().unwrap_err();
        let name = std::thread::current().name().unwrap().to_owned();
        assert_eq!(error.threads, [name.as_str()]);
        let message = error.to_string();
        assert!(message.contains("a thread is attached") && message.contains(&name), "{message}");
        let heap = error.heap;
        let mut other = heap.attach(StackScan::None).unwrap();
        other.allocate(Kind::Leaf, 100).unwrap();
        // The heap is whole, and stays so: the other attachment is in no blocking region.
        drop(mutator);
        other.collect();
        drop(other);
        heap.close().unwrap();
    }
}

/// A thread goes on with a heap whose handle is gone; the heap goes with it.
#[test]
fn dropping_waits_for_nobody_and_loses_nothing() {
    for options in both() {
        let counted = Arc::new(());
        let heap = Heap::new(Counted { _model: Arc::clone(&counted) }, options).unwrap();
        let references = heap.references();
        let (attached, is_attached) = channel();
        let (go_on, may_go_on) = channel::<()>();
        std::thread::scope(|scope| {
            let heap = Arc::new(heap);
            let thread = scope.spawn({
                let heap = Arc::clone(&heap);
                move || {
                    let mut mutator = heap.attach(StackScan::None).unwrap();
                    let guardian = heap.references().guardian();
                    drop(heap);
                    attached.send(()).unwrap();
                    mutator.blocking(|| may_go_on.recv()).unwrap();
                    let object = mutator.allocate(Kind::Leaf, 16).unwrap();
                    guardian.register(object);
                    mutator.collect();
                    assert_eq!(guardian.take(&mutator), Some(object));
                }
            });
            is_attached.recv().unwrap();
            drop(Arc::into_inner(heap).expect("the other handle is dropped"));
            go_on.send(()).unwrap();
            thread.join().unwrap();
            // For ever, if the heap stays: its driver ends by itself, a moment later.
            while Arc::strong_count(&counted) > 1 {
                std::thread::yield_now();
            }
        });
        assert_eq!(references.count(), 0);
    }
}
