//! Addition and its like, where the operands are not both fixnums or the result is none.

use num_bigint::BigInt;
use num_rational::Ratio;
use num_traits::{One, Signed, Zero};

use super::{Number, exact_of, is_zero};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

macro_rules! operation {
    ($name:ident, $in_tower:ident, $complex:ident, $who:literal, $operator:tt, $checked:ident) => {
        /// What the instruction and the procedure of this name do.
        #[inline(never)]
        pub(crate) fn $name(&mut self, x: Value, y: Value) -> Outcome {
            if x.is_flonum() && y.is_flonum() {
                return self.flonum(x.as_flonum() $operator y.as_flonum());
            }
            self.$in_tower(x, y)
        }

        #[inline(never)]
        fn $in_tower(&mut self, x: Value, y: Value) -> Outcome {
            let (Some(x), Some(y)) = (x.as_number(), y.as_number()) else {
                return self.$complex(x, y);
            };
            let result = match (&x, &y) {
                (Number::Fix(a), Number::Fix(b)) => match a.$checked(*b) {
                    Some(n) => Number::Fix(n),
                    None => Number::Big(BigInt::from(*a) $operator BigInt::from(*b)),
                },
                (Number::Flo(_), _) | (_, Number::Flo(_)) => {
                    Number::Flo(x.to_f64() $operator y.to_f64())
                }
                _ => match (x.to_bigint(), y.to_bigint(), x.to_ratio(), y.to_ratio()) {
                    (Some(a), Some(b), ..) => {
                        let bits = a.bits() + b.bits();
                        Number::Big(self.aside(bits as usize, || a $operator b))
                    }
                    (_, _, Some(a), Some(b)) => {
                        let bits = a.denom().bits() + b.denom().bits();
                        Number::Ratio(self.aside(bits as usize, || a $operator b))
                    }
                    _ => unreachable!("exact numbers are ratios"),
                },
            };
            self.number(result)
        }
    };
}

impl Vm {
    operation!(add, add_in_tower, add_complex, "+", +, checked_add);
    operation!(subtract, subtract_in_tower, subtract_complex, "-", -, checked_sub);
    operation!(multiply, multiply_in_tower, multiply_complex, "*", *, checked_mul);

    pub(crate) fn divide(&mut self, x: Value, y: Value) -> Outcome {
        let (Some(x), Some(y)) = (x.as_number(), y.as_number()) else {
            return self.divide_complex(x, y);
        };
        if let (Number::Flo(_), _) | (_, Number::Flo(_)) = (&x, &y) {
            if matches!(y, Number::Fix(0)) {
                return Err(self.error("/: division by zero", &[]));
            }
            return self.flonum(x.to_f64() / y.to_f64());
        }
        if is_zero(&y) {
            return Err(self.error("/: division by zero", &[]));
        }
        match (x.to_ratio(), y.to_ratio()) {
            (Some(a), Some(b)) => {
                let bits = a.numer().bits() + b.numer().bits();
                let quotient = self.aside(bits as usize, || a / b);
                self.number(Number::Ratio(quotient))
            }
            _ => unreachable!("exact numbers are ratios"),
        }
    }

    /// A real `x` to a power that is an exact integer.
    pub(crate) fn power(&mut self, x: Number, mut exponent: BigInt) -> Outcome {
        if let Number::Flo(x) = x {
            let exponent = Number::Big(exponent).to_f64();
            return self.flonum(x.powf(exponent));
        }
        let negative = exponent.is_negative();
        exponent = exponent.abs();
        if let Some(power) = simple_power(&x, &exponent) {
            return self.number(power);
        }
        let Ok(exponent) = u32::try_from(&exponent) else {
            return Err(self.error("expt: the result is too large", &[]));
        };
        if negative && is_zero(&x) {
            return Err(self.error("expt: division by zero", &[]));
        }
        let bits = x.bits().saturating_mul(exponent as usize);
        let power = self.aside(bits, || match x.to_bigint() {
            Some(n) => Ratio::from_integer(n.pow(exponent)),
            None => {
                let q = x.to_ratio().expect("exact numbers are ratios");
                Ratio::new_raw(q.numer().pow(exponent), q.denom().pow(exponent))
            }
        });
        self.number(Number::Ratio(if negative { power.recip() } else { power }))
    }

    pub(crate) fn inexact(&mut self, value: Value) -> Outcome {
        if value.is_flonum() {
            return Ok(value);
        }
        if value.is_complex() {
            return self.map_parts(value, Self::inexact);
        }
        let number = self.number_in("inexact", value)?;
        self.flonum(number.to_f64())
    }

    pub(crate) fn exact(&mut self, value: Value) -> Outcome {
        if value.is_complex() {
            return self.map_parts(value, Self::exact);
        }
        match self.number_in("exact", value)? {
            Number::Flo(x) => match exact_of(x) {
                Some(number) => self.number(number),
                None => Err(self.error("exact: no exact number is as large", &[value])),
            },
            _ => Ok(value),
        }
    }
}

/// Powers that are the same or trivial however large the exponent is.
fn simple_power(x: &Number, exponent: &BigInt) -> Option<Number> {
    match x {
        _ if exponent.is_zero() => Some(Number::Fix(1)),
        Number::Fix(1) => Some(Number::Fix(1)),
        Number::Fix(0) if *exponent > BigInt::one() => Some(Number::Fix(0)),
        Number::Fix(-1) => Some(Number::Fix(if exponent.bit(0) { -1 } else { 1 })),
        _ => None,
    }
}
