//! Starts the threads of a heap's own, also in a forked child.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::collector::shared::Shared;
use crate::object::ObjectModel;
use crate::os::say;

impl<M: ObjectModel> Shared<M> {
    /// Starts the threads, unless they run in this process already or the heap is going away.
    pub(crate) fn start_workers(&self) -> io::Result<()> {
        let mut workers = self.workers.lock().expect("no panic while threads are started");
        workers.forget_the_parents();
        if self.sweeping.is_shut_down() {
            return Ok(());
        }
        if workers.sweeper.is_none() {
            workers.sweeper = Some(self.spawn("strandline-sweep", Self::sweep_in_background)?);
        }
        while workers.helpers.len() + 1 < self.options.markers {
            workers.helpers.push(self.spawn("strandline-mark", |shared| shared.crew.help())?);
        }
        if self.concurrent && workers.driver.is_none() {
            workers.driver = Some(self.spawn("strandline-cycle", Self::drive)?);
        }
        Ok(())
    }

    /// Whether the threads run. If they cannot be started, in a forked child, everything is done
    /// without them: with the world stopped.
    pub(crate) fn have_workers(&self) -> bool {
        let started = self.start_workers();
        if let Err(error) = &started {
            say(format_args!(
                "no collector threads in this forked child, collecting with the world stopped: {error}; raise \
                 the limit on threads"
            ));
        }
        started.is_ok()
    }

    fn spawn(&self, name: &str, body: fn(&Self)) -> io::Result<JoinHandle<()>> {
        let shared = self.me.upgrade().expect("somebody calls this");
        let thread = std::thread::Builder::new().name(name.into());
        thread.spawn(move || body(&Arc::clone(&shared)))
    }
}
