//! Frames: how the interpreter's loop reads and writes registers.

use crate::object::WORD;
use crate::value::Value;

use super::ops::{CODE_SLOTS, Instruction};

/// The registers of a procedure that runs.
///
/// All access is within the stack by construction: the compiler counts the registers that its
/// instructions name, and no procedure is entered without room for its registers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Frame(pub(super) *mut Value);

impl Frame {
    #[inline]
    pub(super) fn get(self, index: usize) -> Value {
        // SAFETY: a register of the procedure that runs; see the type.
        unsafe { *self.0.add(index) }
    }

    #[inline]
    pub(super) fn set(self, index: usize, value: Value) {
        // SAFETY: as above.
        unsafe { *self.0.add(index) = value }
    }

    /// `count` registers, as the arguments of a primitive. They are let go when it returns.
    #[inline]
    pub(super) fn arguments<'a>(self, first: usize, count: usize) -> &'a [Value] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.0.add(first), count) }
    }

    /// Copies registers downwards.
    #[inline]
    pub(super) fn copy_down(self, from: usize, to: usize, count: usize) {
        for index in 0..count {
            self.set(to + index, self.get(from + index));
        }
    }

    /// The frame `index` registers further up.
    #[inline]
    pub(super) fn above(self, index: usize) -> Self {
        Self(self.0.wrapping_add(index))
    }

    #[inline]
    pub(super) fn below(self, index: usize) -> Self {
        Self(self.0.wrapping_sub(index))
    }

    #[inline]
    pub(super) fn return_address(self) -> Pointer {
        Pointer(std::ptr::with_exposed_provenance(self.below(1).get(0).0))
    }

    #[inline]
    pub(super) fn set_return_address(self, address: Pointer) {
        self.below(1).set(0, Value(address.0.expose_provenance()));
    }

    /// The caller's frame, and the register there that waits for the result.
    #[inline]
    pub(super) fn caller(self) -> (Self, usize) {
        let result = self.return_address().call_before().a();
        (self.below(result + 1), result)
    }
}

/// A place in the code: the next word to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Pointer(pub(super) *const u64);

impl Pointer {
    /// The first instruction of a code object.
    #[inline]
    pub(super) fn entry(code: Value) -> Self {
        Self(std::ptr::with_exposed_provenance(code.address() + (1 + CODE_SLOTS) * WORD))
    }

    #[inline]
    pub(super) fn peek(self) -> Instruction {
        // SAFETY: the compiler ends every path with an instruction that leaves it, so the next word
        // is there as long as the code is, which the closure in the frame keeps.
        Instruction(unsafe { *self.0 })
    }

    /// Reads a word and moves behind it.
    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        let word = self.peek().0;
        self.0 = self.0.wrapping_add(1);
        word
    }

    #[inline]
    pub(super) fn value(&mut self) -> Value {
        Value(self.next() as usize)
    }

    #[inline]
    pub(super) fn jump(&mut self, words: i64) {
        self.0 = self.0.wrapping_offset(words as isize);
    }

    /// The call of which this is the return address: calls are two words long.
    #[inline]
    pub(super) fn call_before(self) -> Instruction {
        Self(self.0.wrapping_sub(2)).peek()
    }

    /// How many words behind the entry of `code` this is.
    pub(super) fn offset_in(self, code: Value) -> usize {
        (self.0.addr().wrapping_sub(Self::entry(code).0.addr())) / WORD
    }
}
