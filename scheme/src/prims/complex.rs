//! Complex numbers and their parts.

use super::{Definition, transcendental};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("make-rectangular", 2, 2, |vm, a| {
        reals(vm, "make-rectangular", a)?;
        vm.rectangular(a[0], a[1])
    }),
    ("make-polar", 2, 2, |vm, a| {
        reals(vm, "make-polar", a)?;
        vm.polar(a[0], a[1])
    }),
    ("real-part", 1, 1, |vm, a| Ok(vm.parts_in("real-part", a[0])?[0])),
    ("imag-part", 1, 1, |vm, a| Ok(vm.parts_in("imag-part", a[0])?[1])),
    ("magnitude", 1, 1, |vm, a| magnitude(vm, a[0])),
    ("angle", 1, 1, |vm, a| angle(vm, a[0])),
    ("abs", 1, 1, |vm, a| absolute(vm, "abs", a[0])),
];

fn reals(vm: &mut Vm, who: &str, arguments: &[Value]) -> Outcome<()> {
    arguments.iter().try_for_each(|&value| vm.number_in(who, value).map(|_| ()))
}

fn absolute(vm: &mut Vm, who: &str, value: Value) -> Outcome {
    if value.is_flonum() {
        return vm.flonum(value.as_flonum().abs());
    }
    vm.number_in(who, value)?;
    if vm.less(value, Value::ZERO)? { vm.subtract(Value::ZERO, value) } else { Ok(value) }
}

fn magnitude(vm: &mut Vm, value: Value) -> Outcome {
    if !value.is_complex() {
        return absolute(vm, "magnitude", value);
    }
    let [real, imaginary] = value.parts();
    if real.is_flonum() {
        return vm.flonum(real.as_flonum().hypot(imaginary.as_flonum()));
    }
    let norm = norm(vm, real, imaginary)?;
    transcendental::square_root(vm, norm)
}

/// The square of the magnitude.
pub(super) fn norm(vm: &mut Vm, real: Value, imaginary: Value) -> Outcome {
    let (x, y) = (vm.multiply(real, real)?, vm.multiply(imaginary, imaginary)?);
    vm.add(x, y)
}

fn angle(vm: &mut Vm, value: Value) -> Outcome {
    if value.is_complex() {
        let angle = vm.complex_in("angle", value)?.arg();
        return vm.flonum(angle);
    }
    vm.number_in("angle", value)?;
    if vm.less(value, Value::ZERO)? { vm.flonum(std::f64::consts::PI) } else { Ok(Value::ZERO) }
}
