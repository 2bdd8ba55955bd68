//! Roots, powers, logarithms and what goes with them, of real and complex numbers.
//!
//! Where a function of a real number has no real value, the result is complex: the principal value.

use num_bigint::BigInt;
use num_complex::Complex64;
use num_traits::{Signed, ToPrimitive, Zero};

use super::Definition;
use super::complex::norm;
use crate::numbers::Number;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

type Ratio = num_rational::Ratio<BigInt>;

pub(super) const TABLE: &[Definition] = &[
    ("exp", 1, 1, |vm, a| exactly(vm, "exp", a[0], (0, 1), f64::exp, Complex64::exp)),
    ("sin", 1, 1, |vm, a| exactly(vm, "sin", a[0], (0, 0), f64::sin, Complex64::sin)),
    ("cos", 1, 1, |vm, a| exactly(vm, "cos", a[0], (0, 1), f64::cos, Complex64::cos)),
    ("tan", 1, 1, |vm, a| exactly(vm, "tan", a[0], (0, 0), f64::tan, Complex64::tan)),
    ("asin", 1, 1, |vm, a| exactly(vm, "asin", a[0], (0, 0), f64::asin, Complex64::asin)),
    ("acos", 1, 1, |vm, a| exactly(vm, "acos", a[0], (1, 0), f64::acos, Complex64::acos)),
    ("atan", 1, 2, arctangent),
    ("log", 1, 2, logarithm),
    ("sqrt", 1, 1, |vm, a| square_root(vm, a[0])),
    ("expt", 2, 2, power),
];

/// A function of a flonum or of a complex number, with the one argument for which it is exact and
/// its value there.
fn exactly(
    vm: &mut Vm,
    who: &str,
    value: Value,
    (argument, result): (i64, i64),
    real: fn(f64) -> f64,
    complex: fn(Complex64) -> Complex64,
) -> Outcome {
    if value == Value::fixnum(argument) {
        return Ok(Value::fixnum(result));
    }
    if value.is_complex() {
        let z = vm.complex_in(who, value)?;
        return vm.complex(complex(z));
    }
    let x = vm.flonum_in(who, value)?;
    match real(x) {
        // Real arguments without a real result, as of `acos`.
        y if y.is_nan() && x.is_finite() => vm.complex(complex(x.into())),
        y => vm.flonum(y),
    }
}

fn arctangent(vm: &mut Vm, a: &[Value]) -> Outcome {
    if a.len() == 1 {
        return exactly(vm, "atan", a[0], (0, 0), f64::atan, Complex64::atan);
    }
    if a[0] == Value::ZERO && a[1].is_exact() && vm.less(Value::ZERO, a[1])? {
        return Ok(Value::ZERO);
    }
    let (y, x) = (vm.flonum_in("atan", a[0])?, vm.flonum_in("atan", a[1])?);
    vm.flonum(y.atan2(x))
}

/// The logarithm of a number that is not negative.
fn ln(number: &Number) -> f64 {
    match number {
        // Larger than any flonum: by its digits.
        Number::Big(n) if n.is_positive() && n.bits() > 1000 => {
            let shift = n.bits() - 64;
            (n >> shift).to_f64().unwrap_or(f64::NAN).ln() + shift as f64 * std::f64::consts::LN_2
        }
        _ => number.to_f64().ln(),
    }
}

fn natural_logarithm(vm: &mut Vm, value: Value) -> Outcome {
    if value == Value::fixnum(1) {
        return Ok(Value::ZERO);
    }
    if value.is_flonum() && value.as_flonum() >= 0.0 {
        return vm.flonum(value.as_flonum().ln());
    }
    if value.is_complex() {
        let z = vm.complex_in("log", value)?;
        return vm.complex(z.ln());
    }
    let number = vm.number_in("log", value)?;
    if !vm.less(value, Value::ZERO)? {
        return vm.flonum(ln(&number));
    }
    let opposite = vm.subtract(Value::ZERO, value)?;
    let opposite = vm.number_in("log", opposite)?;
    vm.complex(Complex64::new(ln(&opposite), std::f64::consts::PI))
}

fn logarithm(vm: &mut Vm, a: &[Value]) -> Outcome {
    let &[value, base] = a else { return natural_logarithm(vm, a[0]) };
    for argument in [value, base] {
        vm.parts_in("log", argument)?;
    }
    if value.is_real() && !vm.less(value, Value::ZERO)? && base.is_real() {
        let x = vm.flonum_in("log", value)?;
        match vm.flonum_in("log", base)? {
            2.0 if x.is_finite() => return vm.flonum(x.log2()),
            10.0 if x.is_finite() => return vm.flonum(x.log10()),
            _ => {}
        }
    }
    let (logarithm, of_base) = (natural_logarithm(vm, value)?, natural_logarithm(vm, base)?);
    // Of 1 it is an exact zero, by which flonums are not divided.
    let of_base = vm.inexact(of_base)?;
    let quotient = vm.divide(logarithm, of_base)?;
    vm.inexact(quotient)
}

fn exact_root(n: &BigInt) -> Option<BigInt> {
    if n.is_negative() {
        return None;
    }
    let root = n.sqrt();
    (&root * &root == *n).then_some(root)
}

fn inexact_root(number: &Number) -> f64 {
    match (number, number.to_f64()) {
        // Larger than any flonum, but perhaps its root is not.
        (Number::Big(n), f64::INFINITY) => Number::Big(n.sqrt()).to_f64(),
        (_, x) => x.sqrt(),
    }
}

pub(super) fn square_root(vm: &mut Vm, value: Value) -> Outcome {
    if value.is_flonum() && value.as_flonum() >= 0.0 {
        return vm.flonum(value.as_flonum().sqrt());
    }
    if value.is_complex() {
        return complex_root(vm, value);
    }
    let number = vm.number_in("sqrt", value)?;
    if vm.less(value, Value::ZERO)? {
        let opposite = vm.subtract(Value::ZERO, value)?;
        let root = square_root(vm, opposite)?;
        return vm.rectangular(Value::ZERO, root);
    }
    let exact = match &number {
        Number::Fix(n) => exact_root(&BigInt::from(*n)).map(Number::Big),
        Number::Big(n) => exact_root(n).map(Number::Big),
        Number::Ratio(q) => match (exact_root(q.numer()), exact_root(q.denom())) {
            (Some(n), Some(d)) => Some(Number::Ratio(Ratio::new_raw(n, d))),
            _ => None,
        },
        Number::Flo(_) => None,
    };
    match exact {
        Some(root) => vm.number(root),
        None => vm.flonum(inexact_root(&number)),
    }
}

/// The root with a real part that is not negative; exact if both parts can be.
fn complex_root(vm: &mut Vm, value: Value) -> Outcome {
    let [real, imaginary] = value.parts();
    if real.is_exact() {
        let norm = norm(vm, real, imaginary)?;
        let magnitude = square_root(vm, norm)?;
        let (x, y) = (vm.add(magnitude, real)?, vm.subtract(magnitude, real)?);
        let (x, y) = (vm.divide(x, Value::fixnum(2))?, vm.divide(y, Value::fixnum(2))?);
        let (x, mut y) = (square_root(vm, x)?, square_root(vm, y)?);
        if x.is_exact() && y.is_exact() {
            if vm.less(imaginary, Value::ZERO)? {
                y = vm.subtract(Value::ZERO, y)?;
            }
            return vm.rectangular(x, y);
        }
    }
    let z = vm.complex_in("sqrt", value)?;
    vm.complex(z.sqrt())
}

fn power(vm: &mut Vm, a: &[Value]) -> Outcome {
    if a[0].is_complex() || a[1].is_complex() {
        return complex_power(vm, a[0], a[1]);
    }
    let (base, exponent) = (vm.number_in("expt", a[0])?, vm.number_in("expt", a[1])?);
    if let Some(exponent) = exponent.to_bigint() {
        return vm.power(base, exponent);
    }
    let (x, y) = (base.to_f64(), exponent.to_f64());
    match x.powf(y) {
        // A root of a negative number.
        power if power.is_nan() && x.is_finite() && y.is_finite() => complex_power(vm, a[0], a[1]),
        power => vm.flonum(power),
    }
}

fn complex_power(vm: &mut Vm, base: Value, exponent: Value) -> Outcome {
    let (z, w) = (vm.complex_in("expt", base)?, vm.complex_in("expt", exponent)?);
    if exponent.is_exact_integer() {
        let exponent = vm.number_in("expt", exponent)?;
        return integer_power(vm, base, exponent.to_bigint().unwrap_or_default());
    }
    if !z.is_zero() {
        return vm.complex(z.powc(w));
    }
    if w.re > 0.0 { Ok(base) } else { Err(vm.error("expt: division by zero", &[base, exponent])) }
}

/// By squaring.
fn integer_power(vm: &mut Vm, base: Value, exponent: BigInt) -> Outcome {
    let [real, imaginary] = base.parts();
    let mut rest = exponent.magnitude().clone();
    if real == Value::ZERO && vm.multiply(imaginary, imaginary)? == Value::fixnum(1) {
        // The powers of the imaginary units recur.
        rest %= 4u32;
    }
    if base.parts()[0].is_exact() && rest.bits() > 32 {
        return Err(vm.error("expt: the result is too large", &[]));
    }
    let (mut power, mut square) = (Value::fixnum(1), base);
    while !rest.is_zero() {
        if rest.bit(0) {
            power = vm.multiply(power, square)?;
        }
        rest >>= 1;
        if !rest.is_zero() {
            square = vm.multiply(square, square)?;
        }
    }
    if exponent.is_negative() { vm.divide(Value::fixnum(1), power) } else { Ok(power) }
}
