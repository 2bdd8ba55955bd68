//! Instructions on numbers: a short way for fixnums, the tower of numbers for all others.
//!
//! A fixnum is its number times eight, so sums and comparisons of the words are those of the numbers.

use crate::value::{TAG_MASK, Value};

use super::frame::Frame;
use super::ops::{Instruction, Op};
use super::{Outcome, Vm};

/// Whether both are fixnums.
#[inline(always)]
const fn are_fixnums(x: Value, y: Value) -> bool {
    (x.0 | y.0) & TAG_MASK == 0
}

/// The number that is operand `b` or `c` of an instruction.
#[inline(always)]
fn small(operand: usize) -> Value {
    Value::fixnum(i64::from(operand as i16))
}

impl Vm {
    #[inline(always)]
    pub(super) fn op_add(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let (x, y) = (fp.get(i.b()), fp.get(i.c()));
        let sum = match (x.0 as i64).checked_add(y.0 as i64) {
            Some(sum) if are_fixnums(x, y) => Value(sum as usize),
            _ => self.add(x, y)?,
        };
        fp.set(i.a(), sum);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_add_integer(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let (x, y) = (fp.get(i.b()), small(i.c()));
        let sum = match (x.0 as i64).checked_add(y.0 as i64) {
            Some(sum) if x.is_fixnum() => Value(sum as usize),
            _ => self.add(x, y)?,
        };
        fp.set(i.a(), sum);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_subtract(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let (x, y) = (fp.get(i.b()), fp.get(i.c()));
        let difference = match (x.0 as i64).checked_sub(y.0 as i64) {
            Some(difference) if are_fixnums(x, y) => Value(difference as usize),
            _ => self.subtract(x, y)?,
        };
        fp.set(i.a(), difference);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_multiply(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let (x, y) = (fp.get(i.b()), fp.get(i.c()));
        let product = match x.as_fixnum().checked_mul(y.0 as i64) {
            Some(product) if are_fixnums(x, y) => Value(product as usize),
            _ => self.multiply(x, y)?,
        };
        fp.set(i.a(), product);
        Ok(())
    }

    /// Quotient, remainder or modulo.
    #[inline(always)]
    pub(super) fn op_divide(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let (x, y) = (fp.get(i.b()), fp.get(i.c()));
        let result = if are_fixnums(x, y) && y.as_fixnum() > 0 {
            let (x, y) = (x.as_fixnum(), y.as_fixnum());
            Value::fixnum(match i.op() {
                Op::Quotient => x / y,
                Op::Remainder => x % y,
                _ => x.rem_euclid(y),
            })
        } else {
            self.divide_integers(i.op(), x, y)?
        };
        fp.set(i.a(), result);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_less(&mut self, fp: Frame, i: Instruction) -> Outcome<bool> {
        let (x, y) = (fp.get(i.a()), fp.get(i.b()));
        if are_fixnums(x, y) { Ok((x.0 as i64) < y.0 as i64) } else { self.less(x, y) }
    }

    #[inline(always)]
    pub(super) fn op_less_equal(&mut self, fp: Frame, i: Instruction) -> Outcome<bool> {
        let (x, y) = (fp.get(i.a()), fp.get(i.b()));
        if are_fixnums(x, y) { Ok(x.0 as i64 <= y.0 as i64) } else { self.less_or_equal(x, y) }
    }

    #[inline(always)]
    pub(super) fn op_num_equal(&mut self, fp: Frame, i: Instruction) -> Outcome<bool> {
        let (x, y) = (fp.get(i.a()), fp.get(i.b()));
        if are_fixnums(x, y) { Ok(x == y) } else { self.num_equal(x, y) }
    }

    #[inline(always)]
    pub(super) fn op_less_integer(&mut self, fp: Frame, i: Instruction) -> Outcome<bool> {
        let (x, y) = (fp.get(i.a()), small(i.b()));
        if x.is_fixnum() { Ok((x.0 as i64) < y.0 as i64) } else { self.less(x, y) }
    }

    #[inline(always)]
    pub(super) fn op_greater_integer(&mut self, fp: Frame, i: Instruction) -> Outcome<bool> {
        let (x, y) = (fp.get(i.a()), small(i.b()));
        if x.is_fixnum() { Ok(x.0 as i64 > y.0 as i64) } else { self.less(y, x) }
    }

    #[inline(always)]
    pub(super) fn op_num_equal_integer(&mut self, fp: Frame, i: Instruction) -> Outcome<bool> {
        let (x, y) = (fp.get(i.a()), small(i.b()));
        if x.is_fixnum() { Ok(x == y) } else { self.num_equal(x, y) }
    }
}
