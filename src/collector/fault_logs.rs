//! What the program has written since a scan, from logs of its page faults, so that nothing has to be
//! scanned while it is stopped, and little in a further round of precleaning.
//!
//! A scan takes 0.3 ms and more for each GiB, most of it for pages that nobody has written. Who writes to
//! a page that a scan has protected takes a fault, and the kernel can log that ([`FaultLog`]). So a
//! round of precleaning, or the first stop of a minor cycle, begins the logs in its stop, and then consumes,
//! while the program runs. In the next stop it is known what was written since:
//!
//! - what the logs have, if they are complete for every thread that ran meanwhile. Of a thread that has
//!   attached or ended meanwhile nothing is known, nor of whoever may write to pinned objects: a page that one
//!   of these has made writable is written by mutators without a fault. So there is no log while
//!   an object is pinned in watched memory, and none counts if one was meanwhile;
//! - what was unprotected meanwhile, which takes no fault; the tracker keeps a list;
//! - what that scan was not about has to be scanned still: blocks that have got their first mark since,
//!   mostly.
//!
//! Where a log is not complete there is a scan of everything, as without logs. Nobody else writes to watched
//! memory at all; what the kernel writes for a thread is counted as that thread's.

use crate::dirty::{PageSet, Tracker};
use crate::mutator::{Local, Stopped, World};
use crate::os::fault_log::FaultLog;
use crate::os::thread::ThreadId;
use crate::os::{OsError, PageRange};

/// The log of the faults of one thread: the kernel's, or that of a model.
pub(super) trait Log: Sized {
    /// What the world has of a thread.
    type Local;

    /// Opens the log of a thread of this process, and lets it run.
    ///
    /// # Errors
    /// When that is not possible here, or the thread has ended.
    fn open(thread: &Self::Local) -> Result<Self, OsError>;

    /// Whether it is the log of that thread.
    fn is_of(&self, thread: &Self::Local) -> bool;

    /// Lets it run, or has it rest: faults are not logged, and cost nothing.
    ///
    /// # Errors
    /// When the thread has ended.
    fn set_running(&mut self, running: bool) -> Result<(), OsError>;

    /// Begins anew: forgets what was logged.
    ///
    /// # Errors
    /// When the thread has ended.
    fn begin(&mut self) -> Result<(), OsError>;

    /// Passes the address of each fault that was not read yet, while the thread may have more.
    fn drain(&mut self, visit: impl FnMut(usize));

    /// Passes the address of each fault that was not read yet. Whether none is missing since the log began,
    /// if the thread has had no fault since before the call.
    ///
    /// # Errors
    /// When the thread has ended.
    fn read(&mut self, visit: impl FnMut(usize)) -> Result<bool, OsError>;
}

/// The log that the kernel keeps of a mutator.
#[derive(Debug)]
pub(super) struct KernelLog {
    thread: ThreadId,
    log: FaultLog,
}

impl Log for KernelLog {
    type Local = Local;

    fn open(thread: &Local) -> Result<Self, OsError> {
        let thread = thread.id();
        Ok(Self { thread, log: FaultLog::open(thread)? })
    }

    fn is_of(&self, thread: &Local) -> bool {
        self.thread == thread.id()
    }

    fn set_running(&mut self, running: bool) -> Result<(), OsError> {
        self.log.set_running(running)
    }

    fn begin(&mut self) -> Result<(), OsError> {
        self.log.begin()
    }

    fn drain(&mut self, visit: impl FnMut(usize)) {
        self.log.drain(visit);
    }

    fn read(&mut self, visit: impl FnMut(usize)) -> Result<bool, OsError> {
        self.log.read(visit)
    }
}

/// What was so when the logs began, and must be so when they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Begun {
    /// How many threads had ever attached.
    attachments: u64,
    /// How many objects had ever been pinned, none of which was.
    pins: usize,
}

/// The logs of the threads of one heap. They are open from one cycle to the next: when the first log of a
/// machine is opened, and when the last one is closed, the kernel changes its own code, which takes milliseconds.
#[derive(Debug)]
pub(super) struct FaultLogs<L = KernelLog> {
    logs: Vec<L>,
    /// Whether they rest, as between two cycles.
    rest: bool,
    begun: Option<Begun>,
    /// Pages with faults since they began; and those that there were when they were read.
    found: PageSet,
    written: PageSet,
}

impl<L: Log> FaultLogs<L> {
    pub(super) fn new(span: PageRange) -> Self {
        let [found, written] = [0, 1].map(|_| PageSet::new(span));
        Self { logs: Vec::new(), rest: false, begun: None, found, written }
    }

    /// Opens logs for the threads that have none, while they run. Those that have begun go on.
    ///
    /// # Errors
    /// When that is not possible here; there are no logs then.
    pub(super) fn open(&mut self, world: &World<L::Local>) -> Result<(), OsError> {
        if std::mem::take(&mut self.rest) {
            self.logs.retain_mut(|log| log.set_running(true).is_ok());
        }
        for thread in world.threads() {
            if !self.has_log_of(&thread.local) {
                let log = L::open(&thread.local).inspect_err(|_| self.logs.clear())?;
                self.logs.push(log);
            }
        }
        Ok(())
    }

    /// Begins anew, if there is a log of every thread, and nothing is pinned. `pins`: how many
    /// objects ever were, if none is now.
    pub(super) fn begin(
        &mut self,
        world: &Stopped<'_, L::Local>,
        pins: Option<usize>,
        tracker: &Tracker,
    ) {
        self.logs.retain(|log| world.threads.iter().any(|thread| log.is_of(&thread.local)));
        let all = world.threads.iter().all(|thread| self.has_log_of(&thread.local));
        let begun = all && self.logs.iter_mut().all(|log| log.begin().is_ok());
        self.found.clear();
        let attachments = world.attachments;
        self.begun = pins.filter(|_| begun).map(|pins| Begun { attachments, pins });
        if self.have_begun() {
            tracker.keep_unprotected();
        }
    }

    fn has_log_of(&self, thread: &L::Local) -> bool {
        self.logs.iter().any(|log| log.is_of(thread))
    }

    /// Whether the logs go on.
    pub(super) fn have_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// The pages that were written, or unprotected, from when the logs began until they were read.
    pub(super) fn written(&self) -> &PageSet {
        &self.written
    }

    /// Reads what there is while the program runs, so that less is left for a stop.
    pub(super) fn drain(&mut self) {
        if self.have_begun() {
            self.logs.iter_mut().for_each(|log| log.drain(|address| note(&self.found, address)));
        }
    }

    /// Ends the logs. Whether it is known what was [written](Self::written) since they began; also if it
    /// is not complete when one is `content` with that. `pins` as for [`begin`](Self::begin).
    pub(super) fn read(
        &mut self,
        world: &Stopped<'_, L::Local>,
        pins: Option<usize>,
        tracker: &Tracker,
        content: bool,
    ) -> bool {
        let Some(begun) = self.begun.take() else { return false };
        let attachments = world.attachments;
        let same = pins.is_some_and(|pins| begun == Begun { attachments, pins });
        let mut complete = same;
        for log in &mut self.logs {
            complete &= log.read(|address| note(&self.found, address)).unwrap_or(false);
        }
        tracker.take_unprotected().into_iter().for_each(|range| self.found.insert(range));
        std::mem::swap(&mut self.found, &mut self.written);
        complete || content
    }

    /// The cycle has ended.
    pub(super) fn rest(&mut self, tracker: &Tracker) {
        self.logs.retain_mut(|log| log.set_running(false).is_ok());
        (self.begun, self.rest) = (None, true);
        // Logs that could not begin again were never read.
        drop(tracker.take_unprotected());
    }

    /// In a forked child: these are the parent's.
    pub(super) fn close(&mut self, tracker: &Tracker) {
        self.logs.clear();
        self.begun = None;
        drop(tracker.take_unprotected());
    }
}

/// Adds the page of a fault, if it is one of the heap's.
fn note(found: &PageSet, address: usize) {
    let page = PageRange::covering(address, 1).ok();
    if let Some(page) = page.and_then(|page| page.intersection(found.span())) {
        found.insert(page);
    }
}

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dirty::{Model, ModelMmu};
    use crate::mutator::Threads;
    use crate::os::page_size;

    /// Logs that could not begin again are not read before they rest.
    #[test]
    fn what_was_unprotected_is_not_kept_while_the_logs_rest() {
        let span = PageRange::new(page_size(), 3 * page_size()).unwrap();
        let mmu = Arc::new(ModelMmu::new(span, 1));
        let tracker = Tracker::new(span, Box::new(Model::new(mmu)));
        // SAFETY: no memory is behind the addresses of a model.
        unsafe { tracker.register(span) }.unwrap();
        let (mut logs, world) = (FaultLogs::<KernelLog>::new(span), Threads::new());
        for rest in [false, true] {
            logs.begin(&world.stop(), Some(0), &tracker);
            assert!(logs.have_begun(), "there are no threads");
            if rest {
                logs.rest(&tracker);
            }
            tracker.unprotect(span).unwrap();
            assert_eq!(tracker.take_unprotected().is_empty(), rest);
        }
    }
}
