//! Threads of the program (SRFI 18): each is a thread of the system and a mutator of the heap.
//!
//! Mutexes and condition variables are objects of the heap that are guarded by one lock, and one
//! condition of the system on which everybody waits who waits. A thread that waits does so in a
//! blocking region, where it does not hold up the collector.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::error::ErrorKind;
use crate::object::Type;
use crate::prims::abandon_mutexes;
use crate::value::Value;
use crate::vm::{Global, Machine, Outcome, Register, Shared, Vm};

/// Slots of a thread.
const THUNK: usize = 0;
pub(crate) const STATE: usize = 3;
pub(crate) const RESULT: usize = 4;
/// Whether it ended with an exception, which is the result then.
pub(crate) const FAILED: usize = 5;
/// Bindings of parameters that it begins with.
const PARAMETERS: usize = 6;
/// The first of the mutexes that it has locked, or `#f`; each knows the next.
pub(crate) const MUTEXES: usize = 7;

pub(crate) const NEW: Value = Value::fixnum(0);
pub(crate) const RUNNING: Value = Value::fixnum(1);
pub(crate) const DONE: Value = Value::fixnum(2);
/// It was terminated before it had a machine that could be interrupted.
pub(crate) const DOOMED: Value = Value::fixnum(3);

/// Native stack of a thread, for recursive parts of the interpreter.
const NATIVE_STACK: usize = 16 << 20;

/// What the threads of a program have in common.
#[derive(Default)]
pub(crate) struct Threads {
    started: AtomicBool,
    /// Guards the states of threads, mutexes and condition variables. The machines of the threads
    /// that run, by the address of their object.
    pub(crate) lock: Mutex<HashMap<usize, Arc<Machine>>>,
    changed: Condvar,
}

impl Threads {
    /// Whether more than the first thread ever ran.
    pub(crate) fn any(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Lets all who wait look again, and those who are about to. For a thread that has no machine.
    pub(crate) fn notify_sleepers(&self) {
        let _guard = self.lock.lock();
        self.notify();
    }

    /// Lets all who wait look again.
    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }
}

/// Whether a thread is the one that the program began with, which has no thunk.
pub(crate) fn is_first(thread: Value) -> bool {
    thread.slot(THUNK) == Value::FALSE
}

/// Puts down that a thread has ended, with the lock held.
pub(crate) fn end(thread: Value, result: Value, failed: bool) {
    thread.set_slot(RESULT, result);
    thread.set_slot(FAILED, Value::boolean(failed));
    abandon_mutexes(thread);
    thread.set_slot(STATE, DONE);
}

impl Vm {
    /// A new thread's object; it is not started by that.
    pub(crate) fn thread_object(&mut self, thunk: Value, name: Value, state: Value) -> Outcome {
        let no = Value::FALSE;
        self.object_with(Type::Thread, &[thunk, name, no, state, no, no, Value::NIL, no])
    }

    /// Starts a thread.
    pub(crate) fn start_thread(&mut self, thread: Value) -> Outcome<()> {
        let shared = Arc::clone(&self.shared);
        shared.threads.started.store(true, Ordering::Relaxed);
        {
            let guard = self.lock(&shared.threads.lock);
            if thread.slot(STATE) != NEW {
                drop(guard);
                return Err(self.error("thread-start!: the thread was started before", &[thread]));
            }
            // From here on the list keeps it, until it is done.
            let running = self.cons(thread, shared.get(Global::Threads))?;
            shared.set(Global::Threads, running);
            thread.set_slot(STATE, RUNNING);
            thread.set_slot(PARAMETERS, self.machine.get(Register::Parameters));
        }
        let word = thread.0;
        let builder = std::thread::Builder::new().name("scheme thread".into());
        let spawned = builder.stack_size(NATIVE_STACK).spawn(move || body(&shared, word));
        match spawned {
            Ok(_) => Ok(()),
            Err(error) => {
                self.forget_thread(thread, Value::FALSE, true);
                Err(self.error(&format!("thread-start!: the system refuses: {error}"), &[]))
            }
        }
    }

    /// Ends a thread's life: sets its result and lets those know who wait for it.
    fn forget_thread(&mut self, thread: Value, result: Value, failed: bool) {
        let shared = Arc::clone(&self.shared);
        let mut machines = self.lock(&shared.threads.lock);
        machines.remove(&thread.address());
        end(thread, result, failed);
        let mut rest = shared.get(Global::Threads);
        if rest.is_pair() && rest.car() == thread {
            shared.set(Global::Threads, rest.cdr());
        }
        while rest.is_pair() && rest.cdr().is_pair() {
            if rest.cdr().car() == thread {
                rest.set_cdr(rest.cdr().cdr());
            }
            rest = rest.cdr();
        }
        drop(machines);
        shared.threads.notify();
    }

    /// Waits until `ready`, which is asked with the lock held, at most to a deadline. Whether it was
    /// in time.
    pub(crate) fn wait_until(
        &mut self,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut Self) -> bool,
    ) -> Outcome<bool> {
        let shared = Arc::clone(&self.shared);
        let mut guard = self.lock(&shared.threads.lock);
        loop {
            if ready(self) {
                return Ok(true);
            }
            if self.machine.is_interrupted() {
                drop(guard);
                return Err(self.interruption());
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            let changed = &shared.threads.changed;
            self.mutator.blocking(|| match left {
                None => changed.wait(&mut guard),
                Some(left) => drop(changed.wait_for(&mut guard, left)),
            });
        }
    }

    /// What is raised in a thread that another one terminates. No handler of the thread sees it.
    pub(crate) fn interruption(&mut self) -> Value {
        self.machine.clear_interrupt();
        self.machine.set(Register::Handlers, Value::NIL);
        self.error_of(ErrorKind::Thread, "thread terminated", &[])
    }
}

/// What a thread of the system does for a thread of the program.
fn body(shared: &Arc<Shared>, word: usize) {
    let mut vm = match Vm::new(shared, NATIVE_STACK) {
        Ok(vm) => vm,
        Err(error) => {
            // Without the heap the thread's object cannot be touched.
            eprintln!("scheme: a thread cannot attach to the heap: {error}");
            std::process::exit(2);
        }
    };
    let thread = Value(word);
    vm.machine.set(Register::Thread, thread);
    vm.machine.set(Register::Parameters, thread.slot(PARAMETERS));
    let machine = Arc::clone(&vm.machine);
    {
        let mut machines = vm.lock(&shared.threads.lock);
        if thread.slot(STATE) == DOOMED {
            machine.interrupt();
        }
        machines.insert(thread.address(), machine);
    }
    let (result, failed) = match vm.run(thread.slot(THUNK)) {
        Ok(result) => (result, false),
        Err(payload) => (payload, true),
    };
    vm.forget_thread(thread, result, failed);
}
