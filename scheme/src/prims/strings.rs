//! Strings.

use std::cmp::Ordering;
use std::ops::ControlFlow::{Break, Continue};

use super::characters::character;
use super::{ANY, Definition, predicate};
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

macro_rules! comparisons {
    ($compare:expr, $($name:literal $test:ident),*) => {
        [$(($name, 1, ANY, (|vm, a| {
            let compare: fn(&mut Vm, Value, Value) -> Ordering = $compare;
            let mut result = true;
            for &string in a {
                vm.expect($name, Type::String, string)?;
            }
            for pair in a.windows(2) {
                result &= compare(vm, pair[0], pair[1]).$test();
            }
            Ok(Value::boolean(result))
        }) as fn(&mut Vm, &[Value]) -> Outcome)),*]
    };
}

const COMPARISONS: [Definition; 5] = comparisons!(compare, "string=?" is_eq, "string<?" is_lt,
    "string>?" is_gt, "string<=?" is_le, "string>=?" is_ge);
const FOLDED: [Definition; 5] = comparisons!(compare_folded, "string-ci=?" is_eq,
    "string-ci<?" is_lt, "string-ci>?" is_gt, "string-ci<=?" is_le, "string-ci>=?" is_ge);

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
    ("string?", 1, 1, predicate!(Value::is_string)),
    ("make-string", 1, 2, |vm, a| {
        let length = vm.index_in("make-string", a[0])?;
        let fill = match a.get(1) {
            Some(&fill) => character(vm, "make-string", fill)?,
            None => ' ',
        };
        let string = vm.string_of(length)?;
        vm.in_pieces(0..length, |piece| string.characters_mut()[piece].fill(u32::from(fill)));
        Ok(string)
    }),
    ("string", 0, ANY, |vm, a| {
        let string = vm.string_of(a.len())?;
        for (index, &c) in a.iter().enumerate() {
            string.characters_mut()[index] = u32::from(character(vm, "string", c)?);
        }
        Ok(string)
    }),
    ("string-length", 1, 1, |vm, a| {
        vm.expect("string-length", Type::String, a[0])?;
        Ok(Value::index(a[0].length()))
    }),
    ("string-ref", 2, 2, |vm, a| vm.string_ref(a[0], a[1])),
    ("string-set!", 3, 3, |vm, a| {
        let c = character(vm, "string-set!", a[2])?;
        match a[1].as_index() {
            Some(index) if a[0].is_string() && index < a[0].length() => {
                a[0].characters_mut()[index] = u32::from(c);
                Ok(Value::UNSPECIFIED)
            }
            _ => Err(vm.bad_index("string-set!", Type::String, a[0], a[1])),
        }
    }),
    ("substring", 2, 3, |vm, a| copy(vm, "substring", a)),
    ("string-copy", 1, 3, |vm, a| copy(vm, "string-copy", a)),
    ("string-append", 0, ANY, append),
    ("string->list", 1, 3, |vm, a| {
        let range = vm.range_of("string->list", Type::String, a, 1)?;
        let mut list = Value::NIL;
        for index in range.rev() {
            let c = char::from_u32(a[0].characters()[index]).unwrap_or('\u{fffd}');
            list = vm.cons(Value::character(c), list)?;
        }
        Ok(list)
    }),
    ("list->string", 1, 1, |vm, a| {
        let length = vm.length_in("list->string", a[0])?;
        let string = vm.string_of(length)?;
        vm.each_element(a[0], |vm, index, c| {
            string.characters_mut()[index] = u32::from(character(vm, "list->string", c)?);
            Ok(())
        })?;
        Ok(string)
    }),
    ("string-fill!", 2, 4, |vm, a| {
        let range = vm.range_of("string-fill!", Type::String, a, 2)?;
        let fill = character(vm, "string-fill!", a[1])?;
        vm.in_pieces(range, |piece| a[0].characters_mut()[piece].fill(u32::from(fill)));
        Ok(Value::UNSPECIFIED)
    }),
    ("string-copy!", 3, 5, copy_to),
    ("string-upcase", 1, 1, |vm, a| convert(vm, "string-upcase", a, |text| text.to_uppercase())),
    ("string-downcase", 1, 1, |vm, a| {
        convert(vm, "string-downcase", a, |text| text.to_lowercase())
    }),
    ("string-foldcase", 1, 1, |vm, a| {
        convert(vm, "string-foldcase", a, |text| folded_text(text).collect())
    }),
    ("%string-search", 3, 3, search),
];

/// The text without differences of case. What one character becomes may be several.
pub(super) fn folded_text(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

fn compare(vm: &mut Vm, x: Value, y: Value) -> Ordering {
    let (x_length, y_length) = (x.length(), y.length());
    let difference = vm.try_in_pieces(0..x_length.min(y_length), |piece| {
        match x.characters()[piece.clone()].cmp(&y.characters()[piece]) {
            Ordering::Equal => Continue(()),
            order => Break(order),
        }
    });
    difference.unwrap_or_else(|| x_length.cmp(&y_length))
}

fn compare_folded(vm: &mut Vm, x: Value, y: Value) -> Ordering {
    let (x, y) = (vm.text_of(x, 0..x.length()), vm.text_of(y, 0..y.length()));
    vm.aside(x.len().min(y.len()), || folded_text(&x).cmp(folded_text(&y)))
}

fn copy(vm: &mut Vm, who: &str, arguments: &[Value]) -> Outcome {
    let range = vm.range_of(who, Type::String, arguments, 1)?;
    let result = vm.string_of(range.len())?;
    vm.copy_elements(result, 0, arguments[0], range);
    Ok(result)
}

fn append(vm: &mut Vm, a: &[Value]) -> Outcome {
    for &part in a {
        vm.expect("string-append", Type::String, part)?;
    }
    let result = vm.string_of(a.iter().map(|part| part.length()).sum())?;
    let mut at = 0;
    for &part in a {
        vm.copy_elements(result, at, part, 0..part.length());
        at += part.length();
    }
    Ok(result)
}

/// `(string-copy! to at from [start end])`; they may be the same.
fn copy_to(vm: &mut Vm, a: &[Value]) -> Outcome {
    let (to, from) = (a[0], a[2]);
    vm.expect("string-copy!", Type::String, to)?;
    vm.expect("string-copy!", Type::String, from)?;
    let at = vm.index_in("string-copy!", a[1])?;
    let range = vm.range_in("string-copy!", a, 3, from.length())?;
    if at > to.length() || range.len() > to.length() - at {
        return Err(vm.error("string-copy!: the target is too short", &[a[1]]));
    }
    vm.copy_elements(to, at, from, range);
    Ok(Value::UNSPECIFIED)
}

fn convert(vm: &mut Vm, who: &str, arguments: &[Value], with: fn(&str) -> String) -> Outcome {
    vm.expect(who, Type::String, arguments[0])?;
    let text = vm.text_of(arguments[0], 0..arguments[0].length());
    let text = vm.aside(text.len(), || with(&text));
    vm.string(&text)
}

/// `(%string-search pattern string start)`: the index of the first match, or `#f`.
fn search(vm: &mut Vm, a: &[Value]) -> Outcome {
    vm.expect("string-search-forward", Type::String, a[0])?;
    vm.expect("string-search-forward", Type::String, a[1])?;
    let start = vm.index_in("string-search-forward", a[2])?;
    let (pattern, length) = (a[0], a[1].length());
    let last = length.checked_sub(pattern.length()).map_or(0, |last| last + 1);
    let mut places = start..last;
    let found = places.find(|&at| {
        vm.mutator.safepoint();
        a[1].characters()[at..].starts_with(pattern.characters())
    });
    Ok(found.map_or(Value::FALSE, Value::index))
}
