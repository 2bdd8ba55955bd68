//! Stops whose time is up before everything is done: the next one begins where they have ended.

use super::program::{Program, Until, set};
use crate::collector::Scope;
use crate::collector::cycle::{Outcome, Run};
use crate::heap::Where;
use crate::mutator::Cause;

/// What the brake consumes in one stop ends where it begins in the next: no page that was dirty when
/// the first one began is dirty after the last one.
#[test]
fn the_stops_of_the_brake_leave_out_no_page() {
    let mut program = Program::new();
    program.dirty_all_but_the_last();
    let shared = &program.heap.shared;
    let dirty = || shared.ledger.dirty(Where::Everywhere, &shared.memory, &shared.rules);
    assert!(dirty().len() > 1000);
    program.mutator.blocking(|| {
        let mut cycle = shared.cycle.lock().unwrap();
        shared.finish_sweep(&mut cycle);
        let mut run = Run::new(shared, &cycle, Scope::Minor, Cause::Request);
        let (mut attempt, mut from) = (0, 0);
        while let Outcome::ConsumedUntil(rest) = run.brake(attempt, from) {
            (attempt, from) = (attempt + 1, rest);
        }
        assert!(attempt > 0, "all of it was done in one stop");
    });
    assert_eq!(dirty().iter().collect::<Vec<_>>(), []);
}

/// Nothing is owed, as the page was looked at, and most of what it leads to is still in packets.
#[test]
fn marking_does_not_end_with_packets_left() {
    const LENGTH: usize = 50_000;
    for scope in [Scope::Minor, Scope::Full] {
        let mut program = Program::new();
        let mut remarks = 0;
        let result = program.cycle(scope, |program, progress| {
            remarks = progress.remarks;
            if progress.is_first_remark() {
                let mut first = program.fresh();
                for _ in 0..LENGTH {
                    let object = program.fresh();
                    set(object, 1, first);
                    first = object;
                }
                set(program.last, 1, first);
            }
            Until::Parked
        });
        assert_eq!(result, Ok(()), "{scope:?}");
        assert!(remarks > 1, "the first stop has got all of it done");
    }
}
