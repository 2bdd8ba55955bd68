//! Numbers that are not real: an object with the two parts, both exact or both inexact.
//!
//! An imaginary part that is an exact zero makes a number real. `num-complex` does what needs flonums.

use num_complex::Complex64;

use super::Number;
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

impl Value {
    /// The real and the imaginary part of a number.
    pub(crate) fn parts(self) -> [Self; 2] {
        if self.is_complex() { [self.slot(0), self.slot(1)] } else { [self, Self::ZERO] }
    }
}

impl Vm {
    /// Real and imaginary part of an argument.
    pub(crate) fn parts_in(&mut self, who: &str, value: Value) -> Outcome<[Value; 2]> {
        if value.is_number() {
            Ok(value.parts())
        } else {
            Err(self.wrong_type(who, "number", value))
        }
    }

    pub(crate) fn complex_in(&mut self, who: &str, value: Value) -> Outcome<Complex64> {
        let [real, imaginary] = self.parts_in(who, value)?;
        Ok(Complex64::new(self.flonum_in(who, real)?, self.flonum_in(who, imaginary)?))
    }

    /// The number with these parts, which are real.
    pub(crate) fn rectangular(&mut self, real: Value, imaginary: Value) -> Outcome {
        if imaginary == Value::ZERO {
            return Ok(real);
        }
        let exact = real.is_exact() && imaginary.is_exact();
        let (real, imaginary) =
            if exact { (real, imaginary) } else { (self.inexact(real)?, self.inexact(imaginary)?) };
        self.object_with(Type::Complex, &[real, imaginary])
    }

    /// The number with this magnitude and this angle, which are real.
    pub(crate) fn polar(&mut self, magnitude: Value, angle: Value) -> Outcome {
        if angle == Value::ZERO || magnitude == Value::ZERO {
            return Ok(magnitude);
        }
        let (sine, cosine) = self.flonum_in("make-polar", angle)?.sin_cos();
        let (sine, cosine) = (self.flonum(sine)?, self.flonum(cosine)?);
        let (real, imaginary) =
            (self.multiply(magnitude, cosine)?, self.multiply(magnitude, sine)?);
        self.rectangular(real, imaginary)
    }

    pub(crate) fn complex(&mut self, number: Complex64) -> Outcome {
        let (real, imaginary) = (self.flonum(number.re)?, self.flonum(number.im)?);
        self.rectangular(real, imaginary)
    }

    pub(super) fn map_parts(
        &mut self,
        number: Value,
        function: fn(&mut Self, Value) -> Outcome,
    ) -> Outcome {
        let [real, imaginary] = number.parts();
        let (real, imaginary) = (function(self, real)?, function(self, imaginary)?);
        self.rectangular(real, imaginary)
    }

    pub(super) fn add_complex(&mut self, x: Value, y: Value) -> Outcome {
        let ([a, b], [c, d]) = (self.parts_in("+", x)?, self.parts_in("+", y)?);
        let (real, imaginary) = (self.add(a, c)?, self.add(b, d)?);
        self.rectangular(real, imaginary)
    }

    pub(super) fn subtract_complex(&mut self, x: Value, y: Value) -> Outcome {
        let ([a, b], [c, d]) = (self.parts_in("-", x)?, self.parts_in("-", y)?);
        let (real, imaginary) = (self.subtract(a, c)?, self.subtract(b, d)?);
        self.rectangular(real, imaginary)
    }

    pub(super) fn multiply_complex(&mut self, x: Value, y: Value) -> Outcome {
        let ([a, b], [c, d]) = (self.parts_in("*", x)?, self.parts_in("*", y)?);
        let (ac, bd) = (self.multiply_parts(a, c)?, self.multiply_parts(b, d)?);
        let (ad, bc) = (self.multiply_parts(a, d)?, self.multiply_parts(b, c)?);
        let (real, imaginary) = (self.subtract(ac, bd)?, self.add(ad, bc)?);
        self.rectangular(real, imaginary)
    }

    /// A product that is an exact zero if a factor is one: the imaginary part of a real number is
    /// no part of any product, not even with infinities.
    fn multiply_parts(&mut self, x: Value, y: Value) -> Outcome {
        if x == Value::ZERO || y == Value::ZERO { Ok(Value::ZERO) } else { self.multiply(x, y) }
    }

    pub(super) fn divide_complex(&mut self, x: Value, y: Value) -> Outcome {
        let ([a, b], [c, d]) = (self.parts_in("/", x)?, self.parts_in("/", y)?);
        if d == Value::ZERO {
            let (real, imaginary) = (self.divide(a, c)?, self.divide(b, c)?);
            return self.rectangular(real, imaginary);
        }
        if a.is_exact() && c.is_exact() {
            let minus_d = self.subtract(Value::ZERO, d)?;
            let conjugate = self.rectangular(c, minus_d)?;
            let (product, norm) = (self.multiply(x, conjugate)?, self.multiply(y, conjugate)?);
            return self.divide(product, norm);
        }
        let (x, y) = (self.complex_in("/", x)?, self.complex_in("/", y)?);
        let quotient = x / y;
        // The other way is less exact, but does not square what may be too large or small for that.
        self.complex(if quotient.is_finite() { quotient } else { x.fdiv(y) })
    }

    pub(super) fn complex_equal(&mut self, x: Value, y: Value) -> Outcome<bool> {
        let ([a, b], [c, d]) = (self.parts_in("=", x)?, self.parts_in("=", y)?);
        Ok(self.num_equal(a, c)? && self.num_equal(b, d)?)
    }

    /// Whether a test holds for a part of a number.
    pub(crate) fn any_part(
        &mut self,
        who: &str,
        x: Value,
        test: fn(&Number) -> bool,
    ) -> Outcome<bool> {
        let parts = self.parts_in(who, x)?;
        Ok(parts.iter().filter_map(|part| part.as_number()).any(|part| test(&part)))
    }
}
