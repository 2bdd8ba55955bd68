//! What all threads of the interpreter share: the heap, and the objects that it begins with.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use strandline::{Heap, HeapError, HeapOptions, Registration, RootSource, Slot, SlotVisitor};

use crate::model::Scheme;
use crate::system::Process;
use crate::value::Value;
use crate::weak::Natives;

use super::Vm;

/// Objects that the interpreter itself refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Global {
    /// The symbol table: a vector of lists of symbols.
    Symbols,
    SymbolCount,
    /// The libraries: a list of names with their environments.
    Libraries,
    /// The environment with everything.
    Builtins,
    /// The environment of programs and of the REPL.
    User,
    /// The closure below every stack.
    Base,
    /// The procedure that calls handlers.
    Raise,
    /// The procedure that winds, then throws.
    Rewind,
    /// Raised when there is no memory for anything.
    NoMemory,
    /// Output ports that are open.
    Output,
    /// Threads that run.
    Threads,
    /// What `current-input-port` and `current-output-port` are: parameters.
    InputParameter,
    OutputParameter,
    CommandLine,
}

const GLOBALS: usize = 14;

struct Globals([UnsafeCell<Value>; GLOBALS]);

// SAFETY: each is a word that is written when the interpreter starts, or with a lock held, and read
// whole.
unsafe impl Sync for Globals {}
// SAFETY: as above.
unsafe impl Send for Globals {}

impl RootSource for Globals {
    fn visit_roots(&self, visitor: &mut dyn SlotVisitor) {
        for global in &self.0 {
            let word = NonNull::new(global.get().cast()).expect("a field of a struct");
            // SAFETY: a word of this struct, which outlives the visit.
            visitor.visit(unsafe { Slot::at(word) });
        }
    }
}

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) heap: Heap<Scheme>,
    globals: Arc<Globals>,
    _roots: OnceLock<Registration>,
    /// For the symbol table.
    pub(crate) symbols: Mutex<()>,
    /// For ports. A thread that waits for input does not keep others from writing.
    pub(crate) input: Mutex<()>,
    pub(crate) output: Mutex<()>,
    pub(crate) natives: Natives,
    pub(crate) process: Process,
    pub(crate) threads: crate::threads::Threads,
    pub(crate) started: Instant,
}

impl Shared {
    pub(crate) fn new(options: HeapOptions, process: Process) -> Result<Arc<Self>, HeapError> {
        let heap = Heap::new(Scheme, options)?;
        let globals = Arc::new(Globals(std::array::from_fn(|_| UnsafeCell::new(Value::NIL))));
        let roots = OnceLock::from(heap.add_root_source(Arc::clone(&globals) as _));
        Ok(Arc::new(Self {
            natives: Natives::new(heap.references()),
            heap,
            globals,
            _roots: roots,
            symbols: Mutex::new(()),
            input: Mutex::new(()),
            output: Mutex::new(()),
            process,
            threads: crate::threads::Threads::default(),
            started: Instant::now(),
        }))
    }

    #[inline]
    pub(crate) fn get(&self, global: Global) -> Value {
        // SAFETY: a word, read whole.
        unsafe { self.globals.0[global as usize].get().read() }
    }

    pub(crate) fn set(&self, global: Global, value: Value) {
        // SAFETY: a word, written whole; see `Globals`.
        unsafe { self.globals.0[global as usize].get().write(value) }
    }
}

impl Vm {
    /// Locks one of the locks in `shared`. A thread that waits does not hold up the collector, so
    /// one that has the lock may allocate.
    pub(crate) fn lock<'a, T>(&mut self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.try_lock().unwrap_or_else(|| self.mutator.blocking(|| mutex.lock()))
    }
}
