//! The numeric tower: fixnums, bignums, rationals, flonums; and pairs of them, the complex numbers.
//!
//! `num-bigint` and `num-rational` do the arithmetic; the digits of a bignum live in an object of
//! the heap without references. Fixnums are done where they are met, and everything else here.

mod arithmetic;
mod compare;
mod complex;
mod format;
mod integers;
mod parse;

pub(crate) use compare::compare;

use num_bigint::{BigInt, BigUint, Sign};
use num_rational::Ratio;
use num_traits::{FromPrimitive, One, ToPrimitive, Zero};

use parse::Literal;

use crate::object::Type;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

/// A real number, taken out of its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Number {
    Fix(i64),
    Big(BigInt),
    Ratio(Ratio<BigInt>),
    Flo(f64),
}

impl Value {
    /// Sign and digits of a bignum, as 32-bit words.
    pub(crate) fn digits<'a>(self) -> &'a [u32] {
        debug_assert!(self.is(Type::Bignum));
        // SAFETY: a bignum holds as many words as its header says.
        unsafe { std::slice::from_raw_parts(self.data(), self.length()) }
    }

    fn as_bigint(self) -> BigInt {
        if self.is_fixnum() {
            return BigInt::from(self.as_fixnum());
        }
        let digits = self.digits();
        let sign = if digits[0] == 0 { Sign::Plus } else { Sign::Minus };
        BigInt::from_biguint(sign, BigUint::new(digits[1..].to_vec()))
    }

    /// The number that this is, if it is a real one.
    pub(crate) fn as_number(self) -> Option<Number> {
        if self.is_fixnum() {
            return Some(Number::Fix(self.as_fixnum()));
        }
        if self.is_flonum() {
            return Some(Number::Flo(self.as_flonum()));
        }
        if self.is(Type::Bignum) {
            return Some(Number::Big(self.as_bigint()));
        }
        if self.is(Type::Ratio) {
            let (numerator, denominator) = (self.slot(0).as_bigint(), self.slot(1).as_bigint());
            return Some(Number::Ratio(Ratio::new_raw(numerator, denominator)));
        }
        None
    }
}

/// Whether a reader would take this text for a number.
pub(crate) fn is_number_text(text: &str) -> bool {
    parse::parse_literal(text, 10).is_some()
}

impl Number {
    pub(crate) fn to_f64(&self) -> f64 {
        match self {
            Self::Fix(n) => *n as f64,
            Self::Big(n) => n.to_f64().unwrap_or(f64::NAN),
            Self::Ratio(q) => ratio_to_f64(q),
            Self::Flo(x) => *x,
        }
    }

    /// How large it is, where that is of any length.
    pub(crate) fn bits(&self) -> usize {
        match self {
            Self::Fix(_) | Self::Flo(_) => 64,
            Self::Big(n) => n.bits() as usize,
            Self::Ratio(q) => (q.numer().bits() + q.denom().bits()) as usize,
        }
    }

    /// The integer that this is, if it is an exact one.
    pub(crate) fn to_bigint(&self) -> Option<BigInt> {
        match self {
            Self::Fix(n) => Some(BigInt::from(*n)),
            Self::Big(n) => Some(n.clone()),
            Self::Ratio(_) | Self::Flo(_) => None,
        }
    }

    fn to_ratio(&self) -> Option<Ratio<BigInt>> {
        match self {
            Self::Ratio(q) => Some(q.clone()),
            _ => self.to_bigint().map(Ratio::from_integer),
        }
    }
}

/// The nearest flonum: shifted so that the quotient has more digits than a flonum.
fn ratio_to_f64(q: &Ratio<BigInt>) -> f64 {
    let (n, d) = (q.numer(), q.denom());
    let shift = 66 - (n.bits() as i64 - d.bits() as i64);
    let quotient = if shift >= 0 { (n << shift) / d } else { n / (d << -shift) };
    // A sticky bit, so that what was cut off rounds the right way.
    let exact =
        if shift >= 0 { &quotient * d == n << shift } else { &quotient * (d << -shift) == *n };
    let quotient = (quotient << 1u32) + if exact { 0 } else { n.signum_of() };
    scale(quotient.to_f64().unwrap_or(f64::NAN), -shift - 1)
}

trait SignumOf {
    fn signum_of(&self) -> i32;
}

impl SignumOf for BigInt {
    fn signum_of(&self) -> i32 {
        if self.sign() == Sign::Minus { -1 } else { 1 }
    }
}

/// `x` times a power of two, in steps that do not overflow on the way.
fn scale(x: f64, exponent: i64) -> f64 {
    let exponent = exponent.clamp(-2200, 2200) as i32;
    let half = exponent / 2;
    x * 2f64.powi(half) * 2f64.powi(exponent - half)
}

/// The exact value of a flonum that is finite.
pub(crate) fn exact_of(x: f64) -> Option<Number> {
    if x.fract() == 0.0 && x.abs() < 1e15 {
        return Some(Number::Fix(x as i64));
    }
    if x.fract() == 0.0 {
        return BigInt::from_f64(x).map(Number::Big);
    }
    x.is_finite().then(|| {
        let (mantissa, exponent, sign) = num_traits::float::FloatCore::integer_decode(x);
        let mantissa = BigInt::from(mantissa) * i32::from(sign);
        // A fraction has a negative exponent.
        Number::Ratio(Ratio::new(mantissa, BigInt::one() << -i32::from(exponent)))
    })
}

impl Vm {
    /// The number that `text` stands for, if it is one: with prefixes, in `radix` unless one of
    /// them says otherwise.
    pub(crate) fn parse_number(&mut self, text: &str, radix: u32) -> Outcome<Option<Value>> {
        let value = match self.aside(text.len(), || parse::parse_literal(text, radix)) {
            None => return Ok(None),
            Some(Literal::Real(number)) => self.number(number)?,
            Some(Literal::Rectangular(real, imaginary)) => {
                let (real, imaginary) = (self.number(real)?, self.number(imaginary)?);
                self.rectangular(real, imaginary)?
            }
            Some(Literal::Polar(magnitude, angle, exact)) => {
                let (magnitude, angle) = (self.number(magnitude)?, self.number(angle)?);
                let value = self.polar(magnitude, angle)?;
                if exact { self.exact(value)? } else { value }
            }
        };
        Ok(Some(value))
    }

    /// The value of a number, in its simplest form.
    pub(crate) fn number(&mut self, number: Number) -> Outcome {
        match number {
            Number::Fix(n) if (Value::FIXNUM_MIN..=Value::FIXNUM_MAX).contains(&n) => {
                Ok(Value::fixnum(n))
            }
            Number::Fix(n) => self.bignum(&BigInt::from(n)),
            Number::Big(n) => self.integer(&n),
            Number::Ratio(q) if q.denom().is_one() => self.integer(q.numer()),
            Number::Ratio(q) => {
                let numerator = self.integer(q.numer())?;
                let denominator = self.integer(q.denom())?;
                self.object_with(Type::Ratio, &[numerator, denominator])
            }
            Number::Flo(x) => self.flonum(x),
        }
    }

    pub(crate) fn integer(&mut self, n: &BigInt) -> Outcome {
        match n.to_i64() {
            Some(n) if (Value::FIXNUM_MIN..=Value::FIXNUM_MAX).contains(&n) => Ok(Value::fixnum(n)),
            _ => self.bignum(n),
        }
    }

    fn bignum(&mut self, n: &BigInt) -> Outcome {
        let (sign, digits) = n.to_u32_digits();
        let words = digits.len() + 1;
        let value = self.leaf(Type::Bignum, words, words * size_of::<u32>())?;
        // SAFETY: the object was made with room for them.
        unsafe {
            let target = value.data::<u32>();
            target.write(u32::from(sign == Sign::Minus));
            target.add(1).copy_from_nonoverlapping(digits.as_ptr(), digits.len());
        }
        Ok(value)
    }

    /// The real number in an argument.
    pub(crate) fn number_in(&mut self, who: &str, value: Value) -> Outcome<Number> {
        value.as_number().ok_or_else(|| {
            let wanted = if value.is_complex() { "real number" } else { "number" };
            self.wrong_type(who, wanted, value)
        })
    }

    pub(crate) fn flonum_in(&mut self, who: &str, value: Value) -> Outcome<f64> {
        Ok(self.number_in(who, value)?.to_f64())
    }
}

/// Whether a number is zero.
pub(crate) fn is_zero(number: &Number) -> bool {
    match number {
        Number::Fix(n) => *n == 0,
        Number::Big(n) => n.is_zero(),
        Number::Ratio(_) => false,
        Number::Flo(x) => *x == 0.0,
    }
}
