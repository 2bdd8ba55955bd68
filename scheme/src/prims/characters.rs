//! Characters.

use super::{ANY, Definition, predicate};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

macro_rules! comparisons {
    ($convert:expr, $($name:literal $operator:tt),*) => {
        [$(($name, 1, ANY, (|vm, a| {
            let convert: fn(char) -> char = $convert;
            let mut last = None;
            let mut result = true;
            for &value in a {
                let c = convert(character(vm, $name, value)?);
                result &= last.is_none_or(|last: char| last $operator c);
                last = Some(c);
            }
            Ok(Value::boolean(result))
        }) as fn(&mut Vm, &[Value]) -> Outcome)),*]
    };
}

const COMPARISONS: [Definition; 5] = comparisons!(|c| c,
    "char=?" ==, "char<?" <, "char>?" >, "char<=?" <=, "char>=?" >=);
const FOLDED: [Definition; 5] = comparisons!(fold,
    "char-ci=?" ==, "char-ci<?" <, "char-ci>?" >, "char-ci<=?" <=, "char-ci>=?" >=);

pub(super) const TABLE: &[Definition] = &[
    COMPARISONS[0],
    COMPARISONS[1],
    COMPARISONS[2],
    COMPARISONS[3],
    COMPARISONS[4],
    FOLDED[0],
    FOLDED[1],
    FOLDED[2],
    FOLDED[3],
    FOLDED[4],
    ("char?", 1, 1, predicate!(Value::is_character)),
    ("char->integer", 1, 1, |vm, a| {
        character(vm, "char->integer", a[0]).map(|c| Value::index(c as usize))
    }),
    ("integer->char", 1, 1, |vm, a| {
        let code = a[0].as_index().and_then(|code| u32::try_from(code).ok());
        match code.and_then(char::from_u32) {
            Some(c) => Ok(Value::character(c)),
            None => Err(vm.wrong_type("integer->char", "code of a character", a[0])),
        }
    }),
    ("char-upcase", 1, 1, |vm, a| {
        character(vm, "char-upcase", a[0]).map(|c| Value::character(upper(c)))
    }),
    ("char-downcase", 1, 1, |vm, a| {
        character(vm, "char-downcase", a[0]).map(|c| Value::character(lower(c)))
    }),
    ("char-foldcase", 1, 1, |vm, a| {
        character(vm, "char-foldcase", a[0]).map(|c| Value::character(fold(c)))
    }),
    ("char-alphabetic?", 1, 1, |vm, a| test(vm, "char-alphabetic?", a, char::is_alphabetic)),
    ("char-numeric?", 1, 1, |vm, a| test(vm, "char-numeric?", a, |c| digit_value(c).is_some())),
    ("char-whitespace?", 1, 1, |vm, a| test(vm, "char-whitespace?", a, char::is_whitespace)),
    ("char-upper-case?", 1, 1, |vm, a| test(vm, "char-upper-case?", a, char::is_uppercase)),
    ("char-lower-case?", 1, 1, |vm, a| test(vm, "char-lower-case?", a, char::is_lowercase)),
    ("digit-value", 1, 1, |vm, a| {
        let c = character(vm, "digit-value", a[0])?;
        Ok(digit_value(c).map_or(Value::FALSE, |value| Value::index(value as usize)))
    }),
];

pub(super) fn character(vm: &mut Vm, who: &str, value: Value) -> Outcome<char> {
    value.as_character().ok_or_else(|| vm.wrong_type(who, "character", value))
}

fn test(vm: &mut Vm, who: &str, arguments: &[Value], test: fn(char) -> bool) -> Outcome {
    character(vm, who, arguments[0]).map(|c| Value::boolean(test(c)))
}

/// The only character that a conversion gives, or the same one if it gives several.
fn single(c: char, mut converted: impl Iterator<Item = char>) -> char {
    match (converted.next(), converted.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

fn upper(c: char) -> char {
    single(c, c.to_uppercase())
}

fn lower(c: char) -> char {
    single(c, c.to_lowercase())
}

fn fold(c: char) -> char {
    // The final sigma folds to the ordinary one, by way of upper case.
    lower(upper(c))
}

/// The first digits, the zeros, of Unicode's decimal digits (general category Nd).
const ZEROS: [u32; 64] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0,
    0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140,
];

fn digit_value(c: char) -> Option<u32> {
    let code = u32::from(c);
    ZEROS.iter().find(|&&zero| (zero..zero + 10).contains(&code)).map(|zero| code - zero)
}
