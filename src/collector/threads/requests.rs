//! How mutators ask for collections, and wait for them.

use std::time::Duration;

use crate::collector::Scope;
use crate::mutator::Cause;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What the driver thread is asked to do.
///
/// Nobody waits for ever: whoever ends the driver, by shutting it down or by a panic in it, lets
/// everybody go.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<(Scope, Cause)>,
    /// Cycles that have begun, and that have ended.
    begun: u64,
    ended: u64,
    shut_down: bool,
    /// The message of the panic that ended the driver.
    failure: Option<String>,
}

/// What somebody waits for: that so many cycles have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish(u64);

/// What became of a wish.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The mutator may go on.
    Served,
    /// There is no driver any more.
    ShutDown,
    /// The driver has panicked, with this message.
    Failed(String),
}

impl State {
    fn is_running(&self) -> bool {
        self.begun > self.ended
    }

    fn answer(&self, Wish(wish): Wish) -> Option<Answer> {
        match &self.failure {
            Some(message) => Some(Answer::Failed(message.clone())),
            None if self.shut_down && (wish == 0 || self.ended < wish) => Some(Answer::ShutDown),
            None => (self.ended >= wish).then_some(Answer::Served),
        }
    }

    fn want(&mut self, scope: Scope, cause: Cause) {
        if self.wanted.is_none_or(|(wanted, _)| wanted == Scope::Minor) {
            self.wanted = Some((scope, cause));
        }
    }
}

impl Requests {
    /// Asks for what `cause` needs:
    ///
    /// - allocation: a cycle, without waiting for it;
    /// - exhaustion: the end of the cycle that is going on or has been asked for, or else a whole full one;
    /// - request and stress: a full cycle that begins after this;
    /// - request for the young: any cycle that begins after this.
    pub(crate) fn ask(&self, cause: Cause) -> Wish {
        let mut state = self.lock();
        let wanted = state.wanted;
        let wish = match cause {
            Cause::Allocation => {
                if !state.is_running() {
                    state.want(Scope::Minor, cause);
                }
                0
            }
            Cause::Exhaustion if state.is_running() => state.begun,
            // The driver was asked in time and had no processor yet: no reason to do more.
            Cause::Exhaustion if wanted.is_some() => state.begun + 1,
            Cause::RequestYoung => {
                state.want(Scope::Minor, cause);
                state.begun + 1
            }
            Cause::Exhaustion | Cause::LastResort | Cause::Request | Cause::Stress => {
                state.want(Scope::Full, cause);
                state.begun + 1
            }
        };
        // Until the driver runs everybody who takes a block asks for the same.
        if state.wanted != wanted {
            self.changed.notify_all();
        }
        Wish(wish)
    }

    /// What became of it, if that is known.
    pub(crate) fn answer(&self, wish: Wish) -> Option<Answer> {
        self.lock().answer(wish)
    }

    /// Waits for the answer, or `at_most` so long.
    pub(crate) fn wait(&self, wish: Wish, at_most: Duration) {
        let state = self.lock();
        if state.answer(wish).is_none() {
            drop(
                self.changed.wait_timeout(state, at_most).expect("no panic under the request lock"),
            );
        }
    }

    /// The driver's: waits for a request and begins it. `None` when the heap goes away.
    pub(crate) fn begin(&self) -> Option<(Scope, Cause)> {
        let mut state = self.lock();
        loop {
            if state.shut_down {
                return None;
            }
            if let Some(wanted) = state.wanted.take() {
                state.begun += 1;
                return Some(wanted);
            }
            state = self.changed.wait(state).expect("no panic under the request lock");
        }
    }

    /// The driver's: the cycle that was begun has ended.
    pub(crate) fn end(&self) {
        self.lock().ended += 1;
        self.changed.notify_all();
    }

    /// Lets everybody go who waits.
    pub(crate) fn shut_down(&self) {
        self.lock().shut_down = true;
        self.changed.notify_all();
    }

    /// The driver's: it has panicked, and whoever asks is told so.
    pub(crate) fn fail(&self, message: String) {
        self.lock().failure = Some(message);
        self.shut_down();
    }

    /// Keeps requests from being made and met, for a fork.
    pub(crate) fn hold(&self) -> HeldRequests<'_> {
        HeldRequests(self.lock())
    }

    /// Whether a cycle has begun and not ended.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn is_running(&self) -> bool {
        self.lock().is_running()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the request lock")
    }
}

/// Nothing is asked for, begins or ends.
#[derive(Debug)]
pub(crate) struct HeldRequests<'a>(MutexGuard<'a, State>);

impl HeldRequests<'_> {
    /// In a forked child: the cycle that was going on, if any, will not go on here. What it was to
    /// do is asked for again.
    pub(crate) fn cut_off(&mut self) {
        self.0.ended = self.0.begun;
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
