//! Order. Exact and inexact numbers are compared exactly, so that `<` is transitive.

use std::cmp::Ordering;

use super::{Number, exact_of};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

/// How two numbers compare; `None` if one of them is not a number in IEEE's sense.
pub(crate) fn compare(x: &Number, y: &Number) -> Option<Ordering> {
    match (x, y) {
        (Number::Fix(a), Number::Fix(b)) => Some(a.cmp(b)),
        (Number::Flo(a), Number::Flo(b)) => a.partial_cmp(b),
        (Number::Flo(a), _) => compare_mixed(*a, y),
        (_, Number::Flo(b)) => compare_mixed(*b, x).map(Ordering::reverse),
        _ => match (x.to_bigint(), y.to_bigint()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => Some(x.to_ratio()?.cmp(&y.to_ratio()?)),
        },
    }
}

fn compare_mixed(x: f64, exact: &Number) -> Option<Ordering> {
    if x.is_nan() {
        return None;
    }
    match exact_of(x) {
        Some(number) => compare(&number, exact),
        None if x > 0.0 => Some(Ordering::Greater),
        None => Some(Ordering::Less),
    }
}

impl Vm {
    #[inline]
    fn compare_for(&mut self, who: &str, x: Value, y: Value) -> Outcome<Option<Ordering>> {
        if x.is_flonum() && y.is_flonum() {
            return Ok(x.as_flonum().partial_cmp(&y.as_flonum()));
        }
        self.compare_in_tower(who, x, y)
    }

    #[inline(never)]
    fn compare_in_tower(&mut self, who: &str, x: Value, y: Value) -> Outcome<Option<Ordering>> {
        let (x, y) = (self.number_in(who, x)?, self.number_in(who, y)?);
        Ok(compare(&x, &y))
    }

    #[inline(never)]
    pub(crate) fn less(&mut self, x: Value, y: Value) -> Outcome<bool> {
        Ok(self.compare_for("<", x, y)? == Some(Ordering::Less))
    }

    #[inline(never)]
    pub(crate) fn less_or_equal(&mut self, x: Value, y: Value) -> Outcome<bool> {
        Ok(self.compare_for("<=", x, y)?.is_some_and(Ordering::is_le))
    }

    #[inline(never)]
    pub(crate) fn num_equal(&mut self, x: Value, y: Value) -> Outcome<bool> {
        if x.is_flonum() && y.is_flonum() {
            return Ok(x.as_flonum() == y.as_flonum());
        }
        if x.is_complex() || y.is_complex() {
            return self.complex_equal(x, y);
        }
        Ok(self.compare_in_tower("=", x, y)? == Some(Ordering::Equal))
    }
}
