use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use strandline::{CycleReport, HeapOptions, Mode, StackScan};

use crate::graph::{heap, node};

#[test]
fn an_observer_gets_the_report_of_every_cycle_in_order() {
    for mode in [Mode::Concurrent, Mode::Stopped] {
        let heap = heap(HeapOptions { limit: 64 << 20, mode, ..HeapOptions::default() });
        let mut mutator = heap.attach(StackScan::None).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let observed = Arc::clone(&seen);
        let begin = Instant::now();
        let observer = move |report: &CycleReport| {
            observed.lock().unwrap().push((report.clone(), Instant::now()))
        };
        assert!(heap.set_cycle_observer(Some(Arc::new(observer))).is_none());
        for _ in 0..5 {
            for _ in 0..10_000 {
                node(&mut mutator, 1, 3);
            }
            mutator.collect();
        }
        // A cycle is observed before the next begins, so this waits for the fifth.
        mutator.collect();
        assert!(heap.set_cycle_observer(None).is_some());
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert!(seen.len() >= 5, "{mode:?}: {}", seen.len());
        for ((report, observed), number) in seen.iter().zip(1..) {
            assert_eq!(report.number, number, "{mode:?}");
            assert!(begin <= report.start && report.start + report.time <= *observed, "{mode:?}");
            for stop in &report.stops {
                // The report of a collection in one stop begins just before it.
                assert!(stop.start >= report.start, "{mode:?}");
                assert!(stop.start + stop.total <= *observed, "{mode:?}");
            }
        }
        let cycles = heap.cycles();
        assert!(seen.iter().zip(&cycles).all(|((report, _), cycle)| report == cycle), "{mode:?}");
        let stats = heap.stats();
        let (times, stops): (Duration, Duration) = (
            cycles.iter().map(|cycle| cycle.time).sum(),
            cycles.iter().flat_map(|cycle| &cycle.stops).map(|stop| stop.total).sum(),
        );
        assert_eq!((stats.collecting, stats.stopped), (times, stops), "{mode:?}");
        let allocated: usize = cycles.iter().map(|cycle| cycle.allocated_bytes).sum();
        assert_eq!(stats.allocated_bytes, allocated as u64, "{mode:?}");
    }
}
