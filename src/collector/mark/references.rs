//! When a collection looks at weak references, ephemerons and guarded objects. What it decides then
//! is in [`references`](crate::references).

use crate::collector::Scope;
use crate::collector::check::rules::Rule;
use crate::collector::mark::{Marking, Tally, When};
use crate::object::ObjectModel;
use crate::references::Settling;

/// Passes over the cells while the program runs. The first finds what to wait for, the second what
/// was missed because it was in a block that a mutator owned; more are left to later rounds.
const PASSES: u32 = 2;

/// The part of one collection that concerns references.
pub(crate) struct References {
    settling: Settling,
}

/// What came of a look at them in a stop.
pub(crate) struct Settled {
    /// What was marked for it.
    pub(crate) tally: Tally,
    /// Whether everything is decided: nothing is left to mark.
    pub(crate) complete: bool,
}

impl References {
    pub(crate) fn new(scope: Scope, verify: bool) -> Self {
        Self { settling: Settling::new(scope == Scope::Full, verify) }
    }

    /// Marks what ephemerons keep alive, as far as is known now, while the program runs.
    pub(crate) fn settle_running<M: ObjectModel>(
        &mut self,
        marking: &Marking<'_, M>,
        helpers: usize,
    ) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..PASSES {
            let values = self.settling.pass(marking.references, marking.found());
            if values.is_empty() {
                break;
            }
            marking.add_roots(&values);
            tally += marking.run(helpers, When::Running, &|_| (), |_| ());
        }
        if !marking.rules.holds(Rule::DecideLast) {
            self.settling.finish(marking.references, marking.found());
        }
        tally
    }

    /// The world is stopped, nothing is owed and nothing is left to trace: decides everything, or
    /// leaves something to mark when the time is up.
    pub(crate) fn settle_stopped<M: ObjectModel>(
        &mut self,
        marking: &Marking<'_, M>,
        helpers: usize,
        when: When,
    ) -> Settled {
        let (tables, found) = (marking.references, marking.found());
        let mut tally = Tally::default();
        loop {
            let look_again = marking.rules.holds(Rule::SettleAgain);
            let mut alive = if look_again { self.settling.pass(tables, found) } else { Vec::new() };
            if alive.is_empty() {
                alive = self.settling.hand_over(tables, found);
                if alive.is_empty() {
                    if marking.rules.holds(Rule::ClearDead) {
                        self.settling.finish(tables, found);
                    }
                    return Settled { tally, complete: true };
                }
            }
            if marking.rules.holds(Rule::KeepHanded) {
                marking.add_roots(&alive);
            }
            tally += marking.run(helpers, when, &|_| (), |_| ());
            if !marking.is_done() {
                return Settled { tally, complete: false };
            }
        }
    }

    /// Checks what was decided against the verifier's own marks.
    pub(crate) fn verify<M: ObjectModel>(&self, marking: &Marking<'_, M>) {
        self.settling.check(marking.references, marking.found());
    }
}
