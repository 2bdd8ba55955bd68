//! Division of integers, exact and inexact.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::Zero;

use super::Number;
use crate::value::Value;
use crate::vm::{Op, Outcome, Vm};

/// An integer argument: inexact ones make the result inexact.
pub(crate) enum IntegerArgument {
    Exact(BigInt),
    Inexact(f64),
}

impl Vm {
    pub(crate) fn integer_in(&mut self, who: &str, value: Value) -> Outcome<IntegerArgument> {
        match value.as_number() {
            Some(Number::Flo(x)) if x.fract() == 0.0 => Ok(IntegerArgument::Inexact(x)),
            Some(number) if value.is_exact_integer() => {
                Ok(IntegerArgument::Exact(number.to_bigint().expect("it is an integer")))
            }
            _ => Err(self.wrong_type(who, "integer", value)),
        }
    }

    /// `quotient`, `remainder` and `modulo`, by the instruction.
    #[inline(never)]
    pub(crate) fn divide_integers(&mut self, op: Op, x: Value, y: Value) -> Outcome {
        let (who, divide, divide_floats) = match op {
            Op::Quotient => ("quotient", truncate as Divide, truncate_floats as DivideFloats),
            Op::Remainder => ("remainder", remainder as Divide, remainder_floats as DivideFloats),
            _ => ("modulo", modulo as Divide, modulo_floats as DivideFloats),
        };
        self.divide_with(who, x, y, divide, divide_floats)
    }

    pub(crate) fn floor_quotient(&mut self, x: Value, y: Value) -> Outcome {
        let floats = |x: f64, y: f64| (x / y).floor();
        self.divide_with("floor-quotient", x, y, |x, y| x.div_floor(y), floats)
    }

    fn divide_with(
        &mut self,
        who: &str,
        x: Value,
        y: Value,
        divide: Divide,
        divide_floats: DivideFloats,
    ) -> Outcome {
        let (a, b) = (self.integer_in(who, x)?, self.integer_in(who, y)?);
        let result = match (a, b) {
            (IntegerArgument::Exact(a), IntegerArgument::Exact(b)) if !b.is_zero() => {
                let result = self.aside((a.bits() + b.bits()) as usize, || divide(&a, &b));
                return self.integer(&result);
            }
            (IntegerArgument::Inexact(a), IntegerArgument::Inexact(b)) if b != 0.0 => {
                divide_floats(a, b)
            }
            (IntegerArgument::Exact(a), IntegerArgument::Inexact(b)) if b != 0.0 => {
                divide_floats(Number::Big(a).to_f64(), b)
            }
            (IntegerArgument::Inexact(a), IntegerArgument::Exact(b)) if !b.is_zero() => {
                divide_floats(a, Number::Big(b).to_f64())
            }
            _ => return Err(self.error(&format!("{who}: division by zero"), &[x, y])),
        };
        self.flonum(result)
    }
}

type Divide = fn(&BigInt, &BigInt) -> BigInt;
type DivideFloats = fn(f64, f64) -> f64;

fn truncate(x: &BigInt, y: &BigInt) -> BigInt {
    x / y
}

fn remainder(x: &BigInt, y: &BigInt) -> BigInt {
    x % y
}

fn modulo(x: &BigInt, y: &BigInt) -> BigInt {
    x.mod_floor(y)
}

fn truncate_floats(x: f64, y: f64) -> f64 {
    (x / y).trunc()
}

fn remainder_floats(x: f64, y: f64) -> f64 {
    x % y
}

fn modulo_floats(x: f64, y: f64) -> f64 {
    let remainder = x % y;
    if remainder != 0.0 && (remainder < 0.0) != (y < 0.0) { remainder + y } else { remainder }
}
