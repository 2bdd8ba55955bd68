use strandline::{HeapOptions, Kind, StackScan};

use crate::graph::{get, heap, node, set};

fn options() -> HeapOptions {
    HeapOptions { limit: 64 << 20, verify: true, ..HeapOptions::default() }
}

#[test]
fn what_a_root_reaches_survives_and_the_rest_goes() {
    let heap = heap(options());
    let mut mutator = heap.attach(StackScan::None).unwrap();
    let head = node(&mut mutator, 1, 0);
    let root = mutator.root(head);
    for _ in 0..100_000 {
        let next = node(&mut mutator, 1, 3);
        set(next, 0, get(root.get(), 0));
        set(root.get(), 0, Some(next));
        node(&mut mutator, 2, 9);
    }
    mutator.collect();
    let mut length = 0;
    let mut next = get(root.get(), 0);
    while let Some(object) = next {
        length += 1;
        next = get(object, 0);
    }
    assert_eq!(length, 100_000);
    assert_eq!(heap.stats().live_objects, 100_001);
    drop(root);
    mutator.collect();
    assert_eq!(heap.stats().live_objects, 0);
}

#[test]
fn references_on_the_stack_keep_objects_alive() {
    let heap = heap(options());
    let mut mutator = heap.attach(StackScan::Conservative).unwrap();
    let object = node(&mut mutator, 1, 0);
    let inner = node(&mut mutator, 0, 100);
    set(object, 0, Some(inner));
    for _ in 0..3 {
        mutator.collect();
        assert!(heap.stats().live_objects >= 2);
    }
    assert_eq!(get(std::hint::black_box(object), 0), Some(inner));
}

#[test]
fn memory_is_zero_however_often_it_was_used() {
    let heap = heap(options());
    let mut mutator = heap.attach(StackScan::None).unwrap();
    for bytes in [16, 48, 200, 1000, 8192, 9000, 100_000, 3_000_000] {
        for kind in Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::External)) {
            for _ in 0..(20_000_000 / bytes).min(100_000) {
                let object = mutator.allocate(kind, bytes).unwrap();
                // SAFETY: the object has that many bytes.
                let contents =
                    unsafe { std::slice::from_raw_parts_mut(object.as_ptr::<u8>(), bytes) };
                assert!(contents.iter().all(|&byte| byte == 0), "{bytes} bytes of {kind:?}");
                if kind == Kind::Leaf {
                    contents.fill(0xff);
                } else {
                    contents[8..].fill(0xff);
                }
            }
        }
    }
    println!("{}", heap.stats());
}

#[test]
fn a_full_heap_is_an_error_and_recovers() {
    let heap = heap(HeapOptions { limit: 16 << 20, ..options() });
    let mut mutator = heap.attach(StackScan::None).unwrap();
    for bytes in [16, 400, 5000, 20_000, 1 << 20] {
        let mut roots = Vec::new();
        let error = loop {
            match mutator.allocate(Kind::Leaf, bytes) {
                Ok(object) => roots.push(mutator.root(object)),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("out of memory"));
        assert!(roots.len() * bytes > 10 << 20, "{bytes}: only {} objects", roots.len());
        drop(roots);
        mutator.allocate(Kind::Leaf, bytes).unwrap();
    }
    assert!(mutator.allocate(Kind::Leaf, 1 << 30).is_err());
    assert!(mutator.allocate(Kind::Precise, usize::MAX).is_err());
}
