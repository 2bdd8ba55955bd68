//! Text as numbers.

use num_bigint::BigInt;
use num_rational::Ratio;
use num_traits::{Num, Zero};

use super::{Number, exact_of};

/// What text says that is a number. Of a pair of numbers, both are as exact as the prefix wants.
pub(super) enum Literal {
    Real(Number),
    Rectangular(Number, Number),
    /// Magnitude, angle, and whether the number is to be made exact.
    Polar(Number, Number, bool),
}

/// The number that `text` stands for, if it is one: with prefixes, in `radix` unless one of them
/// says otherwise.
pub(super) fn parse_literal(text: &str, mut radix: u32) -> Option<Literal> {
    let (mut rest, mut exact, mut has_radix) = (text, None, false);
    while let Some(after) = rest.strip_prefix('#') {
        let letter = after.chars().next()?.to_ascii_lowercase();
        match letter {
            'x' | 'b' | 'o' | 'd' if !has_radix => {
                has_radix = true;
                radix = match letter {
                    'x' => 16,
                    'b' => 2,
                    'o' => 8,
                    _ => 10,
                };
            }
            'e' if exact.is_none() => exact = Some(true),
            'i' if exact.is_none() => exact = Some(false),
            _ => return None,
        }
        rest = &after[1..];
    }
    let first = rest.chars().next()?;
    if !(first.is_digit(radix) || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    if let Some((magnitude, angle)) = rest.split_once('@') {
        let (magnitude, angle) = (part(magnitude, radix, exact)?, part(angle, radix, exact)?);
        return Some(Literal::Polar(magnitude, angle, exact == Some(true)));
    }
    match part(rest, radix, exact) {
        Some(number) => Some(Literal::Real(number)),
        None => rectangular(rest, radix, exact),
    }
}

/// A number with an imaginary part, which has a sign and ends with `i`.
fn rectangular(text: &str, radix: u32, exact: Option<bool>) -> Option<Literal> {
    let body = text.strip_suffix(['i', 'I'])?;
    let begins_part = |(index, _): &(usize, &str)| {
        let before = &body[..*index];
        radix != 10 || !before.ends_with(is_exponent_marker)
    };
    let (split, sign) = body.rmatch_indices(['+', '-']).find(begins_part)?;
    let (real, imaginary) = body.split_at(split);
    let imaginary = if imaginary == sign { &format!("{sign}1") } else { imaginary };
    let real = if real.is_empty() { Number::Fix(0) } else { part(real, radix, exact)? };
    Some(Literal::Rectangular(real, part(imaginary, radix, exact)?))
}

/// A real number, as exact as a prefix wants it.
fn part(text: &str, radix: u32, exact: Option<bool>) -> Option<Number> {
    match exact {
        Some(true) => match decimal_exactly(text, radix) {
            Some(number) => Some(number),
            None => match real(text, radix)? {
                Number::Flo(x) => exact_of(x),
                number => Some(number),
            },
        },
        Some(false) => Some(Number::Flo(real(text, radix)?.to_f64())),
        None => real(text, radix),
    }
}

fn real(text: &str, radix: u32) -> Option<Number> {
    match text.to_ascii_lowercase().as_str() {
        "+inf.0" => return Some(Number::Flo(f64::INFINITY)),
        "-inf.0" => return Some(Number::Flo(f64::NEG_INFINITY)),
        "+nan.0" | "-nan.0" => return Some(Number::Flo(f64::NAN)),
        _ => {}
    }
    if let Some((numerator, denominator)) = text.split_once('/') {
        let numerator = integer(numerator, radix)?;
        let denominator = unsigned(denominator, radix)?;
        return (!denominator.is_zero()).then(|| Number::Ratio(Ratio::new(numerator, denominator)));
    }
    if let Some(n) = integer(text, radix) {
        return Some(Number::Big(n));
    }
    if radix != 10 || !is_decimal(text) {
        return None;
    }
    let (mantissa, exponent) = split_exponent(text);
    let parsed = match exponent {
        Some(exponent) => format!("{mantissa}e{exponent}").parse(),
        None => mantissa.parse(),
    };
    parsed.ok().map(Number::Flo)
}

fn unsigned(text: &str, radix: u32) -> Option<BigInt> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    if !digits {
        return None;
    }
    // Short ones, which are nearly all, without the library's machinery.
    match i64::from_str_radix(text, radix) {
        Ok(n) => Some(BigInt::from(n)),
        Err(_) => BigInt::from_str_radix(text, radix).ok(),
    }
}

fn integer(text: &str, radix: u32) -> Option<BigInt> {
    match text.strip_prefix('-') {
        Some(rest) => unsigned(rest, radix).map(|n| -n),
        None => unsigned(text.strip_prefix('+').unwrap_or(text), radix),
    }
}

/// What may come before an exponent. All precisions are those of a flonum.
fn is_exponent_marker(c: char) -> bool {
    matches!(c.to_ascii_lowercase(), 'e' | 's' | 'f' | 'd' | 'l')
}

fn split_exponent(text: &str) -> (&str, Option<&str>) {
    match text.split_once(is_exponent_marker) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    }
}

/// Whether it has the form of a decimal: digits, a point, an exponent.
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = split_exponent(text);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0 && exponent_is_good
}

/// A decimal as an exact number, without going through a flonum.
fn decimal_exactly(text: &str, radix: u32) -> Option<Number> {
    if radix != 10 || !is_decimal(text) {
        return None;
    }
    let (mantissa, exponent) = split_exponent(text);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = integer(&format!("{whole}{fraction}"), 10)?;
    let exponent = exponent.unwrap_or("0").parse::<i64>().ok()? - fraction.len() as i64;
    let power = BigInt::from(10).pow(u32::try_from(exponent.unsigned_abs()).ok()?);
    Some(Number::Ratio(if exponent < 0 {
        Ratio::new(digits, power)
    } else {
        Ratio::from_integer(digits * power)
    }))
}
