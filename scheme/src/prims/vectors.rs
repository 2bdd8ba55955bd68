//! Vectors.

use std::ops::ControlFlow::{Break, Continue};
use std::ops::Range;

use super::{ANY, Definition, predicate};
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("vector?", 1, 1, predicate!(|value| value.is(Type::Vector))),
    ("make-vector", 1, 2, |vm, a| {
        let length = vm.index_in("make-vector", a[0])?;
        vm.vector(length, a.get(1).copied().unwrap_or(Value::FALSE))
    }),
    ("vector", 0, ANY, |vm, a| vm.object_with(Type::Vector, a)),
    ("vector-length", 1, 1, |vm, a| {
        vm.expect("vector-length", Type::Vector, a[0])?;
        Ok(Value::index(a[0].length()))
    }),
    ("vector-ref", 2, 2, |vm, a| {
        vm.element_of("vector-ref", Type::Vector, a[0], a[1]).map(|index| a[0].slot(index))
    }),
    ("vector-set!", 3, 3, |vm, a| {
        let index = vm.element_of("vector-set!", Type::Vector, a[0], a[1])?;
        a[0].set_slot(index, a[2]);
        Ok(Value::UNSPECIFIED)
    }),
    ("vector->list", 1, 3, |vm, a| {
        let range = vm.range_of("vector->list", Type::Vector, a, 1)?;
        vm.list(&a[0].slots()[range])
    }),
    ("list->vector", 1, 1, |vm, a| {
        vm.length_in("list->vector", a[0])?;
        vm.list_to_vector(a[0])
    }),
    ("vector-fill!", 2, 4, |vm, a| {
        vm.expect("vector-fill!", Type::Vector, a[0])?;
        let range = vm.range_in("vector-fill!", a, 2, a[0].length())?;
        vm.in_pieces(range, |piece| piece.for_each(|index| a[0].set_slot(index, a[1])));
        Ok(Value::UNSPECIFIED)
    }),
    ("vector-copy", 1, 3, |vm, a| {
        let range = vm.range_of("vector-copy", Type::Vector, a, 1)?;
        copy(vm, a[0], range)
    }),
    ("subvector", 3, 3, |vm, a| {
        let range = vm.range_of("subvector", Type::Vector, a, 1)?;
        copy(vm, a[0], range)
    }),
    ("vector-copy!", 3, 5, vector_copy_to),
    ("vector-append", 0, ANY, |vm, a| {
        for &vector in a {
            vm.expect("vector-append", Type::Vector, vector)?;
        }
        let result = vm.vector(a.iter().map(|vector| vector.length()).sum(), Value::ZERO)?;
        let mut at = 0;
        for &vector in a {
            vm.copy_elements(result, at, vector, 0..vector.length());
            at += vector.length();
        }
        Ok(result)
    }),
    ("vector->string", 1, 3, |vm, a| {
        let range = vm.range_of("vector->string", Type::Vector, a, 1)?;
        let string = vm.string_of(range.len())?;
        let start = range.start;
        let wrong = vm.try_in_pieces(range, |mut piece| {
            piece.try_for_each(|index| match a[0].slot(index).as_character() {
                Some(c) => {
                    string.characters_mut()[index - start] = u32::from(c);
                    Continue(())
                }
                None => Break(a[0].slot(index)),
            })
        });
        wrong.map_or(Ok(string), |c| Err(vm.wrong_type("vector->string", "character", c)))
    }),
    ("string->vector", 1, 3, |vm, a| {
        vm.expect("string->vector", Type::String, a[0])?;
        let range = vm.range_in("string->vector", a, 1, a[0].length())?;
        let vector = vm.vector(range.len(), Value::ZERO)?;
        let start = range.start;
        vm.in_pieces(range, |piece| {
            for index in piece {
                let c = char::from_u32(a[0].characters()[index]).unwrap_or('\u{fffd}');
                vector.set_slot(index - start, Value::character(c));
            }
        });
        Ok(vector)
    }),
];

fn copy(vm: &mut Vm, vector: Value, range: Range<usize>) -> Outcome {
    let result = vm.vector(range.len(), Value::ZERO)?;
    vm.copy_elements(result, 0, vector, range);
    Ok(result)
}

/// `(vector-copy! to at from [start end])`; the vectors may be the same.
fn vector_copy_to(vm: &mut Vm, a: &[Value]) -> Outcome {
    let (to, from) = (a[0], a[2]);
    vm.expect("vector-copy!", Type::Vector, to)?;
    vm.expect("vector-copy!", Type::Vector, from)?;
    let at = vm.index_in("vector-copy!", a[1])?;
    let range = vm.range_in("vector-copy!", a, 3, from.length())?;
    if at > to.length() || range.len() > to.length() - at {
        return Err(vm.error("vector-copy!: the target is too short", &[a[1]]));
    }
    vm.copy_elements(to, at, from, range);
    Ok(Value::UNSPECIFIED)
}
