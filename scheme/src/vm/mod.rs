//! The machine: a thread's registers and stack, allocation, and what all threads share.

mod access;
mod capture;
mod enter;
mod frame;
mod numeric;
mod ops;
mod pieces;
mod run;
mod shared;
mod slow;
mod stack;

pub(crate) use ops::{CODE_CONSTANTS, CODE_FILE, CODE_NAME, CODE_POSITIONS, CODE_REGISTERS};
pub(crate) use ops::{CODE_SLOTS, Instruction, Op};
pub(crate) use shared::{Global, Shared};
pub(crate) use stack::{Machine, Register};

use std::sync::Arc;

use strandline::os::OsError;
use strandline::{Kind, Mutator, Registration, StackScan};

use crate::object::{PAIR_TAG, Type, WORD, header, tag_for};
use crate::value::Value;

/// A value, or the object that was raised.
pub(crate) type Outcome<T = Value> = Result<T, Value>;

/// A thread of the interpreter.
///
/// Its values are in three places, and the collector looks at all of them: in the heap; on the
/// machine's stack and in its registers (a root source); and in Rust's local variables (the native
/// stack is scanned). So there is nothing to do when a local variable holds a value, and one rule:
/// no value may be in memory that Rust allocated, in a `Vec` or a `Box`, and nowhere else.
pub(crate) struct Vm {
    pub(crate) mutator: Mutator,
    pub(crate) shared: Arc<Shared>,
    pub(crate) machine: Arc<Machine>,
    /// Below this address the native stack is too full for another recursion.
    native_limit: usize,
    _roots: Registration,
}

/// Native stack that recursive functions leave alone.
const NATIVE_RESERVE: usize = 256 << 10;

impl Vm {
    /// Attaches the calling thread, which has `native_stack` bytes of stack.
    pub(crate) fn new(shared: &Arc<Shared>, native_stack: usize) -> Result<Self, OsError> {
        let mutator = shared.heap.attach(StackScan::Conservative)?;
        let machine = Arc::new(Machine::new());
        let roots = shared.heap.add_root_source(Arc::clone(&machine) as _);
        let here = (&raw const mutator).addr();
        Ok(Self {
            mutator,
            shared: Arc::clone(shared),
            machine,
            native_limit: here.saturating_sub(native_stack - NATIVE_RESERVE),
            _roots: roots,
        })
    }

    /// Refuses to recurse further when the native stack is nearly full.
    pub(crate) fn check_native_stack(&mut self, who: &str) -> Outcome<()> {
        let here = 0_u8;
        if (&raw const here).addr() < self.native_limit {
            return Err(self.error(&format!("{who}: the datum is nested too deeply"), &[]));
        }
        Ok(())
    }

    /// A new object with a header, zeroed: `bytes` of it after the header.
    // Not inlined, like all that is not short: the interpreter's loop needs its registers (5 to 30 %).
    #[inline(never)]
    fn allocate(&mut self, ty: Type, kind: Kind, length: usize, bytes: usize) -> Outcome {
        match self.mutator.allocate(kind, WORD + bytes) {
            Ok(object) => {
                // SAFETY: a new object has room for its header. This is a plain store.
                unsafe { object.as_ptr::<usize>().write(header(ty, length)) };
                Ok(Value::from_address(object.address(), tag_for(ty)))
            }
            Err(error) => Err(self.out_of_memory(&error)),
        }
    }

    /// A new object with `slots` slots.
    #[inline]
    pub(crate) fn object(&mut self, ty: Type, slots: usize) -> Outcome {
        self.allocate(ty, Kind::Precise, slots, slots * WORD)
    }

    /// A new object with these slots.
    pub(crate) fn object_with(&mut self, ty: Type, slots: &[Value]) -> Outcome {
        let object = self.object(ty, slots.len())?;
        for (index, &value) in slots.iter().enumerate() {
            object.set_slot(index, value);
        }
        Ok(object)
    }

    /// A new object without references, of `length` bytes, characters or digits.
    pub(crate) fn leaf(&mut self, ty: Type, length: usize, bytes: usize) -> Outcome {
        debug_assert!(ty.is_leaf());
        self.allocate(ty, Kind::Leaf, length, bytes)
    }

    /// A code object with room for instructions behind its slots.
    pub(crate) fn code(&mut self, instructions: &[u64]) -> Outcome {
        let bytes = CODE_SLOTS * WORD + size_of_val(instructions);
        let code = self.allocate(Type::Code, Kind::Precise, CODE_SLOTS, bytes)?;
        // SAFETY: the object was made with room for them.
        unsafe {
            let target = code.data::<u64>().add(CODE_SLOTS);
            target.copy_from_nonoverlapping(instructions.as_ptr(), instructions.len());
        }
        Ok(code)
    }

    #[inline(never)]
    pub(crate) fn cons(&mut self, car: Value, cdr: Value) -> Outcome {
        match self.mutator.allocate(Kind::Precise, 2 * WORD) {
            Ok(object) => {
                let pair = Value::from_address(object.address(), PAIR_TAG);
                pair.set_car(car);
                pair.set_cdr(cdr);
                Ok(pair)
            }
            Err(error) => Err(self.out_of_memory(&error)),
        }
    }

    #[inline]
    pub(crate) fn flonum(&mut self, number: f64) -> Outcome {
        let flonum = self.allocate(Type::Flonum, Kind::Leaf, 1, WORD)?;
        // SAFETY: a flonum has this word.
        unsafe { flonum.data::<f64>().write(number) };
        Ok(flonum)
    }

    /// A list of some values.
    pub(crate) fn list(&mut self, values: &[Value]) -> Outcome {
        self.list_with_tail(values, Value::NIL)
    }

    pub(crate) fn list_with_tail(&mut self, values: &[Value], tail: Value) -> Outcome {
        values.iter().rev().try_fold(tail, |rest, &value| self.cons(value, rest))
    }

    pub(crate) fn vector(&mut self, length: usize, fill: Value) -> Outcome {
        let vector = self.object(Type::Vector, length)?;
        if fill != Value::ZERO {
            self.in_pieces(0..length, |piece| {
                piece.for_each(|index| vector.set_slot(index, fill));
            });
        }
        Ok(vector)
    }

    pub(crate) fn string(&mut self, text: &str) -> Outcome {
        let length = self.aside(text.len(), || text.chars().count());
        let string = self.string_of(length)?;
        let mut characters = text.chars().map(u32::from);
        self.in_pieces(0..length, |piece| {
            let targets = string.characters_mut()[piece].iter_mut();
            targets.zip(&mut characters).for_each(|(target, c)| *target = c);
        });
        Ok(string)
    }

    /// A string of `length` characters, all of them zero.
    pub(crate) fn string_of(&mut self, length: usize) -> Outcome {
        self.leaf(Type::String, length, length * size_of::<u32>())
    }

    pub(crate) fn bytevector(&mut self, bytes: &[u8]) -> Outcome {
        let bytevector = self.leaf(Type::Bytevector, bytes.len(), bytes.len())?;
        self.in_pieces(0..bytes.len(), |piece| {
            bytevector.bytes_mut()[piece.clone()].copy_from_slice(&bytes[piece]);
        });
        Ok(bytevector)
    }

    /// Several values as one object; one value is itself.
    pub(crate) fn values(&mut self, values: &[Value]) -> Outcome {
        match values {
            [value] => Ok(*value),
            _ => self.object_with(Type::Values, values),
        }
    }
}
