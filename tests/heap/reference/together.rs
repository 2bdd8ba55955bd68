//! Several programs at once on one heap, each with a reference model of its own part of it.

use std::sync::mpsc::channel;

use strandline::{Heap, HeapStats, StackScan};

use super::program::Code;
use super::shapes::Shapes;
use super::{Machine, Setup};

/// Runs each program on a thread of its own. When all have ended, what the heap says is alive must be
/// what all of them together can reach.
///
/// # Panics
/// When the heap and a reference model differ.
pub(crate) fn run_together(setup: Setup, programs: &[Vec<Code>]) -> HeapStats {
    let heap = &Heap::new(Shapes, setup.options()).unwrap();
    std::thread::scope(|scope| {
        let machines: Vec<_> = programs
            .iter()
            .map(|program| {
                let ((end, ended), (release, released)) = (channel(), channel::<()>());
                scope.spawn(move || {
                    Machine::with(heap, setup, false, |machine| {
                        machine.run(program);
                        machine.check();
                        // Nobody waits for a thread that has panicked: its ends are closed then.
                        let _ = end.send(machine.graph.nodes.len());
                        let _ = machine.mutator.blocking(|| released.recv());
                        machine.check();
                    });
                });
                (ended, release)
            })
            .collect();
        let reachable: Result<Vec<usize>, _> =
            machines.iter().map(|(ended, _)| ended.recv()).collect();
        // A machine that is missing has panicked, and its panic is what the scope ends in.
        if let Ok(reachable) = reachable {
            collect_all(heap, setup, reachable.iter().sum());
        }
    });
    if let Some(report) = heap.take_barrier_report() {
        assert!(report.is_clean(), "{report}");
    }
    heap.stats()
}

/// A last collection, while every machine waits.
fn collect_all(heap: &Heap<Shapes>, setup: Setup, reachable: usize) {
    heap.attach(StackScan::None).unwrap().collect();
    let live = heap.stats().live_objects;
    if setup.scan == StackScan::None {
        assert_eq!(live, reachable, "live objects, and what all programs reach");
    } else {
        assert!(live >= reachable, "{live} objects alive, and {reachable} are reached");
    }
}
