//! Values: one machine word each, with a tag in the low three bits.
//!
//! ```text
//! ..000  fixnum, 61 bits          ..100  pointer to a flonum
//! ..001  pointer to a pair        ..101  pointer to a closure
//! ..010  pointer to another object..111  header: never a value, only the first word of an object
//! ..011  character or constant
//! ```
//!
//! Zeroed memory is full of fixnums. An address that is a multiple of 8 reads as a fixnum, too, so
//! return addresses may lie among the values of a stack.

use std::fmt;

use crate::object::Type;

/// A Scheme value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub(crate) struct Value(pub(crate) usize);

pub(crate) const TAG_MASK: usize = 7;
pub(crate) const PAIR: usize = 1;
pub(crate) const OBJECT: usize = 2;
const IMMEDIATE: usize = 3;
pub(crate) const FLONUM: usize = 4;
pub(crate) const CLOSURE: usize = 5;
pub(crate) const HEADER: usize = 7;

const CHARACTER: usize = IMMEDIATE | 1 << 3;
const SPECIAL: usize = IMMEDIATE | 2 << 3;

const fn constant(number: usize) -> Value {
    Value(IMMEDIATE | number << 8)
}

impl Value {
    pub(crate) const FALSE: Self = constant(0);
    pub(crate) const TRUE: Self = constant(1);
    pub(crate) const NIL: Self = constant(2);
    pub(crate) const UNSPECIFIED: Self = constant(3);
    pub(crate) const EOF: Self = constant(4);
    /// What a variable holds before it is defined.
    pub(crate) const UNDEFINED: Self = constant(5);
    pub(crate) const ZERO: Self = Self::fixnum(0);

    pub(crate) const FIXNUM_MAX: i64 = i64::MAX >> 3;
    pub(crate) const FIXNUM_MIN: i64 = i64::MIN >> 3;

    #[inline]
    pub(crate) const fn tag(self) -> usize {
        self.0 & TAG_MASK
    }

    /// The fixnum `number`, which must be in range.
    #[inline]
    pub(crate) const fn fixnum(number: i64) -> Self {
        Self((number << 3) as usize)
    }

    #[inline]
    pub(crate) const fn index(number: usize) -> Self {
        Self(number << 3)
    }

    #[inline]
    pub(crate) const fn is_fixnum(self) -> bool {
        self.tag() == 0
    }

    #[inline]
    pub(crate) const fn as_fixnum(self) -> i64 {
        self.0 as i64 >> 3
    }

    /// The number of a fixnum that is not negative.
    pub(crate) fn as_index(self) -> Option<usize> {
        if self.is_fixnum() { usize::try_from(self.as_fixnum()).ok() } else { None }
    }

    #[inline]
    pub(crate) const fn boolean(truth: bool) -> Self {
        if truth { Self::TRUE } else { Self::FALSE }
    }

    #[inline]
    pub(crate) const fn is_true(self) -> bool {
        self.0 != Self::FALSE.0
    }

    #[inline]
    pub(crate) const fn character(c: char) -> Self {
        Self(CHARACTER | (c as usize) << 8)
    }

    pub(crate) const fn is_character(self) -> bool {
        self.0 & 0xff == CHARACTER
    }

    pub(crate) fn as_character(self) -> Option<char> {
        if self.is_character() { char::from_u32((self.0 >> 8) as u32) } else { None }
    }

    /// A special form, as the value of a keyword.
    pub(crate) const fn special(number: usize) -> Self {
        Self(SPECIAL | number << 8)
    }

    pub(crate) const fn as_special(self) -> Option<usize> {
        if self.0 & 0xff == SPECIAL { Some(self.0 >> 8) } else { None }
    }

    #[inline]
    pub(crate) const fn is_pair(self) -> bool {
        self.tag() == PAIR
    }

    #[inline]
    pub(crate) const fn is_flonum(self) -> bool {
        self.tag() == FLONUM
    }

    #[inline]
    pub(crate) const fn is_closure(self) -> bool {
        self.tag() == CLOSURE
    }

    #[inline]
    pub(crate) const fn is_nil(self) -> bool {
        self.0 == Self::NIL.0
    }

    /// Whether it is an object of type `ty` (which has no tag of its own).
    #[inline]
    pub(crate) fn is(self, ty: Type) -> bool {
        self.tag() == OBJECT && self.object_type() == ty
    }

    pub(crate) fn is_symbol(self) -> bool {
        self.is(Type::Symbol)
    }

    pub(crate) fn is_string(self) -> bool {
        self.is(Type::String)
    }

    pub(crate) fn is_procedure(self) -> bool {
        self.is_closure()
            || self.is(Type::Primitive)
            || self.is(Type::Continuation)
            || self.is(Type::Parameter)
    }

    pub(crate) fn is_exact_integer(self) -> bool {
        self.is_fixnum() || self.is(Type::Bignum)
    }

    /// Whether it is a real number that is exact.
    pub(crate) fn is_exact(self) -> bool {
        self.is_exact_integer() || self.is(Type::Ratio)
    }

    pub(crate) fn is_real(self) -> bool {
        self.is_exact() || self.is_flonum()
    }

    /// Whether it is a number that is not real.
    pub(crate) fn is_complex(self) -> bool {
        self.is(Type::Complex)
    }

    pub(crate) fn is_number(self) -> bool {
        self.is_real() || self.is_complex()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:#x})", self.0)
    }
}
