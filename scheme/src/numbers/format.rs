//! Numbers as text.

use super::Number;
use crate::value::Value;
use crate::vm::Vm;

impl Vm {
    /// The text of a number; inexact numbers in decimal only, with the fewest digits that read back as
    /// the same number. `None` if it is no number.
    pub(crate) fn format_number(&mut self, value: Value, radix: u32) -> Option<String> {
        if !value.is_complex() {
            return Some(self.format_part(value.as_number()?, radix));
        }
        let [real, imaginary] = value.parts();
        let mut text = String::new();
        if real != Value::ZERO {
            text = self.format_part(real.as_number()?, radix);
        }
        let imaginary = match self.format_part(imaginary.as_number()?, radix) {
            one if one == "1" || one == "-1" => one.replace('1', ""),
            other => other,
        };
        if !imaginary.starts_with(['+', '-']) {
            text.push('+');
        }
        Some(text + &imaginary + "i")
    }

    fn format_part(&mut self, number: Number, radix: u32) -> String {
        self.aside(number.bits(), || format_real(&number, radix))
    }
}

fn format_real(number: &Number, radix: u32) -> String {
    match number {
        Number::Fix(n) => num_bigint::BigInt::from(*n).to_str_radix(radix),
        Number::Big(n) => n.to_str_radix(radix),
        Number::Ratio(q) => {
            format!("{}/{}", q.numer().to_str_radix(radix), q.denom().to_str_radix(radix))
        }
        Number::Flo(x) => format_flonum(*x),
    }
}

fn format_flonum(x: f64) -> String {
    if x.is_nan() {
        return "+nan.0".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "+inf.0".into() } else { "-inf.0".into() };
    }
    let magnitude = x.abs();
    if magnitude != 0.0 && !(1e-7..1e21).contains(&magnitude) {
        return format!("{x:e}");
    }
    let text = format!("{x}");
    if text.contains('.') { text } else { text + ".0" }
}
