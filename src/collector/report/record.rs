//! Takes note of what was done, and tells.

use crate::collector::Scope;
use crate::collector::pacing::history::Cycle;
use crate::collector::report::CycleReport;
use crate::collector::report::stats::Recorder;
use crate::collector::shared::Shared;
use crate::object::ObjectModel;
use crate::os::say;
use crate::sync::process::MutexGuard;

impl<M> Shared<M> {
    pub(crate) fn lock_recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().expect("no panic under the recorder's lock")
    }
}

impl<M: ObjectModel> Shared<M> {
    pub(crate) fn record_cycle(&self, cycle: &mut Cycle, mut report: CycleReport) {
        report.reference_looks = self.references.take_looks();
        let scope = report.scope;
        cycle.observe(&report);
        if self.options.log {
            say(format_args!("{report}"));
        }
        let observer = self.lock_recorder().observer.clone();
        if let Some(observer) = observer {
            observer(&report);
        }
        self.lock_recorder().collected(report);
        if scope == Scope::Full {
            self.return_idle_memory();
        }
        if self.have_workers() {
            self.sweeping.begin();
        }
    }
}
