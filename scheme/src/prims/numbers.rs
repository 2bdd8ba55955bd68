//! Numbers.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Signed, Zero};

use super::{ANY, Definition, predicate};
use crate::numbers::{Number, compare, is_zero};
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Op, Outcome, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("+", 0, ANY, |vm, a| a.iter().try_fold(Value::ZERO, |sum, &x| vm.add(sum, x))),
    ("*", 0, ANY, |vm, a| a.iter().try_fold(Value::fixnum(1), |sum, &x| vm.multiply(sum, x))),
    ("-", 1, ANY, |vm, a| match a {
        [x] if x.is_flonum() => vm.flonum(-x.as_flonum()),
        [x] => vm.subtract(Value::ZERO, *x),
        [x, rest @ ..] => rest.iter().try_fold(*x, |sum, &x| vm.subtract(sum, x)),
        [] => unreachable!("one argument at least"),
    }),
    ("/", 1, ANY, |vm, a| match a {
        [x] => vm.divide(Value::fixnum(1), *x),
        [x, rest @ ..] => rest.iter().try_fold(*x, |sum, &x| vm.divide(sum, x)),
        [] => unreachable!("one argument at least"),
    }),
    ("=", 1, ANY, equal),
    ("<", 1, ANY, |vm, a| chain(vm, "<", a, Ordering::is_lt)),
    (">", 1, ANY, |vm, a| chain(vm, ">", a, Ordering::is_gt)),
    ("<=", 1, ANY, |vm, a| chain(vm, "<=", a, Ordering::is_le)),
    (">=", 1, ANY, |vm, a| chain(vm, ">=", a, Ordering::is_ge)),
    ("number?", 1, 1, predicate!(Value::is_number)),
    ("complex?", 1, 1, predicate!(Value::is_number)),
    ("real?", 1, 1, predicate!(Value::is_real)),
    ("rational?", 1, 1, predicate!(|x| x.is_exact() || x.is_flonum() && x.as_flonum().is_finite())),
    (
        "integer?",
        1,
        1,
        predicate!(|x| { x.is_exact_integer() || x.is_flonum() && x.as_flonum().fract() == 0.0 }),
    ),
    ("exact-integer?", 1, 1, predicate!(Value::is_exact_integer)),
    ("exact-rational?", 1, 1, predicate!(Value::is_exact)),
    ("fixnum?", 1, 1, predicate!(Value::is_fixnum)),
    ("flonum?", 1, 1, predicate!(Value::is_flonum)),
    ("exact?", 1, 1, |vm, a| {
        Ok(Value::boolean(!vm.any_part("exact?", a[0], |x| matches!(x, Number::Flo(_)))?))
    }),
    ("inexact?", 1, 1, |vm, a| {
        vm.any_part("inexact?", a[0], |x| matches!(x, Number::Flo(_))).map(Value::boolean)
    }),
    ("nan?", 1, 1, |vm, a| {
        vm.any_part("nan?", a[0], |x| matches!(x, Number::Flo(x) if x.is_nan())).map(Value::boolean)
    }),
    ("finite?", 1, 1, |vm, a| {
        let endless = |x: &Number| matches!(x, Number::Flo(x) if !x.is_finite());
        Ok(Value::boolean(!vm.any_part("finite?", a[0], endless)?))
    }),
    ("infinite?", 1, 1, |vm, a| {
        let infinite = |x: &Number| matches!(x, Number::Flo(x) if x.is_infinite());
        vm.any_part("infinite?", a[0], infinite).map(Value::boolean)
    }),
    ("zero?", 1, 1, |vm, a| Ok(Value::boolean(!vm.any_part("zero?", a[0], |x| !is_zero(x))?))),
    ("positive?", 1, 1, |vm, a| vm.less(Value::ZERO, a[0]).map(Value::boolean)),
    ("negative?", 1, 1, |vm, a| vm.less(a[0], Value::ZERO).map(Value::boolean)),
    ("odd?", 1, 1, |vm, a| parity(vm, "odd?", a[0]).map(Value::boolean)),
    ("even?", 1, 1, |vm, a| parity(vm, "even?", a[0]).map(|odd| Value::boolean(!odd))),
    ("max", 1, ANY, |vm, a| extreme(vm, "max", a, Ordering::Greater)),
    ("min", 1, ANY, |vm, a| extreme(vm, "min", a, Ordering::Less)),
    ("quotient", 2, 2, |vm, a| vm.divide_integers(Op::Quotient, a[0], a[1])),
    ("remainder", 2, 2, |vm, a| vm.divide_integers(Op::Remainder, a[0], a[1])),
    ("modulo", 2, 2, |vm, a| vm.divide_integers(Op::Modulo, a[0], a[1])),
    ("truncate-quotient", 2, 2, |vm, a| vm.divide_integers(Op::Quotient, a[0], a[1])),
    ("truncate-remainder", 2, 2, |vm, a| vm.divide_integers(Op::Remainder, a[0], a[1])),
    ("floor-quotient", 2, 2, |vm, a| vm.floor_quotient(a[0], a[1])),
    ("floor-remainder", 2, 2, |vm, a| vm.divide_integers(Op::Modulo, a[0], a[1])),
    ("gcd", 0, ANY, |vm, a| fold_integers(vm, "gcd", a, 0, |x, y| x.gcd(&y))),
    ("lcm", 0, ANY, |vm, a| fold_integers(vm, "lcm", a, 1, |x, y| x.lcm(&y))),
    ("numerator", 1, 1, |vm, a| part(vm, "numerator", a[0], 0)),
    ("denominator", 1, 1, |vm, a| part(vm, "denominator", a[0], 1)),
    ("floor", 1, 1, |vm, a| round(vm, "floor", a[0], f64::floor, |q| q.floor())),
    ("ceiling", 1, 1, |vm, a| round(vm, "ceiling", a[0], f64::ceil, |q| q.ceil())),
    ("truncate", 1, 1, |vm, a| round(vm, "truncate", a[0], f64::trunc, |q| q.trunc())),
    ("round", 1, 1, |vm, a| round(vm, "round", a[0], f64::round_ties_even, round_ratio)),
    ("exact", 1, 1, |vm, a| vm.exact(a[0])),
    ("inexact->exact", 1, 1, |vm, a| vm.exact(a[0])),
    ("inexact", 1, 1, |vm, a| vm.inexact(a[0])),
    ("exact->inexact", 1, 1, |vm, a| vm.inexact(a[0])),
    ("exact-integer-sqrt", 1, 1, integer_square_root),
    ("square", 1, 1, |vm, a| vm.multiply(a[0], a[0])),
    ("number->string", 1, 2, number_to_string),
    ("string->number", 1, 2, string_to_number),
    ("bitwise-and", 0, ANY, |vm, a| fold_integers(vm, "bitwise-and", a, -1, |x, y| x & y)),
    ("bitwise-or", 0, ANY, |vm, a| fold_integers(vm, "bitwise-or", a, 0, |x, y| x | y)),
    ("bitwise-ior", 0, ANY, |vm, a| fold_integers(vm, "bitwise-ior", a, 0, |x, y| x | y)),
    ("bitwise-xor", 0, ANY, |vm, a| fold_integers(vm, "bitwise-xor", a, 0, |x, y| x ^ y)),
    ("bitwise-not", 1, 1, |vm, a| vm.subtract(Value::fixnum(-1), a[0])),
    ("arithmetic-shift", 2, 2, shift),
];

fn chain(vm: &mut Vm, who: &str, arguments: &[Value], holds: fn(Ordering) -> bool) -> Outcome {
    let mut last = vm.number_in(who, arguments[0])?;
    let mut result = true;
    for &value in &arguments[1..] {
        let next = vm.number_in(who, value)?;
        result &= compare(&last, &next).is_some_and(holds);
        last = next;
    }
    Ok(Value::boolean(result))
}

fn equal(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    vm.parts_in("=", arguments[0])?;
    let mut result = true;
    for pair in arguments.windows(2) {
        result &= vm.num_equal(pair[0], pair[1])?;
    }
    Ok(Value::boolean(result))
}

fn bigint(vm: &mut Vm, who: &str, value: Value) -> Outcome<BigInt> {
    match value.as_number() {
        Some(Number::Flo(x)) if x.fract() == 0.0 => {
            Ok(num_traits::FromPrimitive::from_f64(x).expect("integers are finite"))
        }
        Some(number) if value.is_exact_integer() => Ok(number.to_bigint().expect("it is one")),
        _ => Err(vm.wrong_type(who, "integer", value)),
    }
}

fn parity(vm: &mut Vm, who: &str, value: Value) -> Outcome<bool> {
    if value.is_fixnum() {
        return Ok(value.as_fixnum() & 1 == 1);
    }
    Ok(bigint(vm, who, value)?.bit(0))
}

fn extreme(vm: &mut Vm, who: &str, arguments: &[Value], wanted: Ordering) -> Outcome {
    let mut best = (arguments[0], vm.number_in(who, arguments[0])?);
    let mut inexact = arguments[0].is_flonum();
    for &value in &arguments[1..] {
        let number = vm.number_in(who, value)?;
        inexact |= value.is_flonum();
        if compare(&number, &best.1) == Some(wanted) || number.to_f64().is_nan() {
            best = (value, number);
        }
    }
    if inexact { vm.inexact(best.0) } else { Ok(best.0) }
}

/// Folds integers; the result is inexact if one of them is.
fn fold_integers(
    vm: &mut Vm,
    who: &str,
    arguments: &[Value],
    unit: i64,
    with: fn(BigInt, BigInt) -> BigInt,
) -> Outcome {
    let mut result = BigInt::from(unit);
    let mut inexact = false;
    for &value in arguments {
        inexact |= value.is_flonum();
        result = with(result, bigint(vm, who, value)?);
    }
    let result = vm.integer(&result)?;
    if inexact { vm.inexact(result) } else { Ok(result) }
}

fn part(vm: &mut Vm, who: &str, value: Value, index: usize) -> Outcome {
    if value.is(Type::Ratio) {
        return Ok(value.slot(index));
    }
    if value.is_flonum() && value.as_flonum().is_finite() {
        let exact = vm.exact(value)?;
        let part = part(vm, who, exact, index)?;
        return vm.inexact(part);
    }
    if !value.is_exact_integer() {
        return Err(vm.wrong_type(who, "rational number", value));
    }
    Ok(if index == 0 { value } else { Value::fixnum(1) })
}

type Ratio = num_rational::Ratio<BigInt>;

fn round(
    vm: &mut Vm,
    who: &str,
    value: Value,
    flonum: fn(f64) -> f64,
    ratio: fn(&Ratio) -> Ratio,
) -> Outcome {
    match vm.number_in(who, value)? {
        Number::Flo(x) => vm.flonum(flonum(x)),
        Number::Ratio(q) => vm.number(Number::Ratio(ratio(&q))),
        _ => Ok(value),
    }
}

/// To the nearest integer, the even one if there are two.
fn round_ratio(q: &Ratio) -> Ratio {
    let floor = q.floor();
    let twice = (q - &floor) * BigInt::from(2);
    let up = match twice.cmp(&Ratio::from_integer(BigInt::from(1))) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => floor.to_integer().is_odd(),
    };
    if up { floor + BigInt::from(1) } else { floor }
}

fn integer_square_root(vm: &mut Vm, a: &[Value]) -> Outcome {
    let n = bigint(vm, "exact-integer-sqrt", a[0])?;
    if n.is_negative() || !a[0].is_exact_integer() {
        return Err(vm.wrong_type(
            "exact-integer-sqrt",
            "exact integer that is not negative",
            a[0],
        ));
    }
    let root = n.sqrt();
    let rest = vm.integer(&(&n - &root * &root))?;
    let root = vm.integer(&root)?;
    vm.values(&[root, rest])
}

fn radix(vm: &mut Vm, who: &str, arguments: &[Value]) -> Outcome<u32> {
    match arguments.get(1).map(|radix| radix.as_index()) {
        None => Ok(10),
        Some(Some(radix @ 2..=36)) => Ok(radix as u32),
        Some(_) => Err(vm.wrong_type(who, "radix from 2 to 36", arguments[1])),
    }
}

fn number_to_string(vm: &mut Vm, a: &[Value]) -> Outcome {
    let radix = radix(vm, "number->string", a)?;
    match vm.format_number(a[0], radix) {
        Some(text) => vm.string(&text),
        None => Err(vm.wrong_type("number->string", "number", a[0])),
    }
}

fn string_to_number(vm: &mut Vm, a: &[Value]) -> Outcome {
    vm.expect("string->number", Type::String, a[0])?;
    let radix = radix(vm, "string->number", a)?;
    let text = vm.text_of(a[0], 0..a[0].length());
    Ok(vm.parse_number(&text, radix)?.unwrap_or(Value::FALSE))
}

fn shift(vm: &mut Vm, a: &[Value]) -> Outcome {
    let n = bigint(vm, "arithmetic-shift", a[0])?;
    let Some(count) = a[1].is_fixnum().then(|| a[1].as_fixnum()) else {
        return Err(vm.wrong_type("arithmetic-shift", "count", a[1]));
    };
    if count > 1 << 32 && !n.is_zero() {
        return Err(vm.error("arithmetic-shift: the result is too large", &[a[1]]));
    }
    vm.integer(&if count >= 0 { n << count } else { n >> count.unsigned_abs() })
}
