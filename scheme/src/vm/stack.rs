//! A thread's stack and registers, which the collector visits as roots.
//!
//! ```text
//!            fp-1              fp        fp+1 ...                      fp+registers
//!  ... | return address | closure | arguments | variables and temporaries | ...
//! ```
//!
//! A frame lies in the temporaries of its caller. The instruction before a return address is the
//! call, which says how far below the caller's frame begins; so a frame holds nothing but values
//! and addresses that look like fixnums, and can be copied to the heap and back.
//!
//! Registers are not cleared when a procedure is entered, so what lies there may be left over from
//! another one. It is no danger, because every visit clears what lies above the current frame: a
//! left-over value was stored after the last stop, and its object was alive then.
//!
//! Below the first frame there is one that belongs to no procedure: to return into it is to take
//! the next part of the stack from the heap ([`Register::Rest`]), or to be done.

use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};

use strandline::{RootSource, Slot, SlotVisitor};

use crate::value::Value;

use super::ops::CODE_REGISTERS;

/// Words of a stack: enough for the arguments of an `apply` to a long list. Memory that is not
/// touched costs nothing.
const WORDS: usize = 1 << 20;
/// Words in use from which on a call moves the stack to the heap.
const SOFT_LIMIT: usize = 12 << 10;

/// What belongs to a thread besides its stack.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Register {
    /// The rest of the stack, in the heap: a chunk, or the empty list.
    Rest,
    /// Active `dynamic-wind`s, innermost first.
    Winders,
    /// Exception handlers, innermost first.
    Handlers,
    /// Bindings of parameters, innermost first.
    Parameters,
    /// The thread object.
    Thread,
    /// The object whose raising was not handled.
    Uncaught,
}

const REGISTERS: usize = 6;

/// The stack and the registers of a thread.
///
/// # Threads
/// The owner reads and writes; the collector reads while the owner is parked.
pub(crate) struct Machine {
    stack: Box<[UnsafeCell<Value>]>,
    /// The frame of the procedure that runs.
    frame: UnsafeCell<*mut Value>,
    /// The end of the values of that frame where it is not as its code says; null if it is.
    top: UnsafeCell<*mut Value>,
    /// The end of the stack as far as a call is concerned; null if the thread is to be interrupted,
    /// so that the next call looks into it.
    limit: AtomicPtr<Value>,
    /// The highest end since the last visit, where it was above the soft limit.
    highest: UnsafeCell<*mut Value>,
    registers: [UnsafeCell<Value>; REGISTERS],
}

// SAFETY: the owner parks before the collector looks, and the safepoint protocol orders the two.
unsafe impl Sync for Machine {}
// SAFETY: as above.
unsafe impl Send for Machine {}

impl Machine {
    pub(crate) fn new() -> Self {
        // Zeroed memory from the allocator: not touched before it is used.
        let words: Box<[usize]> = vec![0; WORDS].into_boxed_slice();
        let words = Box::into_raw(words) as *mut [UnsafeCell<Value>];
        let machine = Self {
            // SAFETY: a value is a word, in a cell or not; zero is one.
            stack: unsafe { Box::from_raw(words) },
            frame: UnsafeCell::new(std::ptr::null_mut()),
            top: UnsafeCell::new(std::ptr::null_mut()),
            highest: UnsafeCell::new(std::ptr::null_mut()),
            limit: AtomicPtr::default(),
            registers: std::array::from_fn(|_| UnsafeCell::new(Value::NIL)),
        };
        machine.clear_interrupt();
        machine
    }

    /// Has the owner raise an interruption at its next call. Any thread may do that.
    pub(crate) fn interrupt(&self) {
        self.limit.store(std::ptr::null_mut(), Ordering::Relaxed);
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.limit().is_null()
    }

    pub(crate) fn clear_interrupt(&self) {
        self.limit.store(self.soft_limit(), Ordering::Relaxed);
    }

    /// Where a frame must end, for a call to be simple.
    #[inline]
    pub(super) fn limit(&self) -> *mut Value {
        self.limit.load(Ordering::Relaxed)
    }

    pub(crate) fn get(&self, register: Register) -> Value {
        // SAFETY: the owner is the only writer.
        unsafe { *self.registers[register as usize].get() }
    }

    pub(crate) fn set(&self, register: Register, value: Value) {
        // SAFETY: called by the owner, while it runs.
        unsafe { *self.registers[register as usize].get() = value }
    }

    /// The frame that belongs to no procedure.
    pub(super) fn base(&self) -> *mut Value {
        self.stack[1].get()
    }

    /// The frame of the first procedure.
    pub(super) fn first(&self) -> *mut Value {
        self.stack[3].get()
    }

    pub(super) fn soft_limit(&self) -> *mut Value {
        self.stack[SOFT_LIMIT].get()
    }

    pub(super) fn hard_limit(&self) -> *mut Value {
        self.stack[WORDS - 1].get()
    }

    /// Says which frame is the current one: at every call and return.
    #[inline]
    pub(super) fn set_frame(&self, frame: *mut Value) {
        // SAFETY: called by the owner, while it runs.
        unsafe { *self.frame.get() = frame }
    }

    /// Says where the values of the current frame end; null if as its code says.
    pub(super) fn set_top(&self, top: *mut Value) {
        // SAFETY: as above.
        unsafe {
            *self.top.get() = top;
            *self.highest.get() = top.max(*self.highest.get());
        }
    }

    /// The end of the stack that is in use.
    fn end(&self) -> *mut Value {
        // SAFETY: the owner is parked; a frame begins with its closure.
        unsafe {
            let (frame, top) = (*self.frame.get(), *self.top.get());
            if frame.is_null() {
                return self.stack[0].get();
            }
            let by_code = match *frame {
                closure if closure.is_closure() => {
                    frame.add(closure.slot(0).slot(CODE_REGISTERS).as_fixnum() as usize)
                }
                _ => frame.add(1),
            };
            by_code.max(top)
        }
    }
}

impl RootSource for Machine {
    fn visit_roots(&self, visitor: &mut dyn SlotVisitor) {
        let mut visit = |word: *mut Value| {
            let word = NonNull::new(word.cast()).expect("a word of the stack");
            // SAFETY: a word of the stack or a register; the machine outlives the visit.
            visitor.visit(unsafe { Slot::at(word) });
        };
        self.registers.iter().for_each(|register| visit(register.get()));
        let (mut word, end) = (self.stack[0].get(), self.end());
        while word < end {
            visit(word);
            word = word.wrapping_add(1);
        }
        // SAFETY: the owner is parked, and above its frame there is nothing that it needs.
        unsafe {
            let highest = self.highest.get().replace(std::ptr::null_mut()).max(self.soft_limit());
            if end < highest {
                end.write_bytes(0, highest.offset_from_unsigned(end));
            }
        }
    }
}
