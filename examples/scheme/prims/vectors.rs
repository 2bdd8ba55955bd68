//! Vectors.

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
        range.for_each(|index| a[0].set_slot(index, a[1]));
        Ok(Value::UNSPECIFIED)
    }),
    ("vector-copy", 1, 3, |vm, a| {
        let range = vm.range_of("vector-copy", Type::Vector, a, 1)?;
        vm.object_with(Type::Vector, &a[0].slots()[range])
    }),
    ("subvector", 3, 3, |vm, a| {
        let range = vm.range_of("subvector", Type::Vector, a, 1)?;
        vm.object_with(Type::Vector, &a[0].slots()[range])
    }),
    ("vector-copy!", 3, 5, vector_copy_to),
    ("vector-append", 0, ANY, |vm, a| {
        for &vector in a {
            vm.expect("vector-append", Type::Vector, vector)?;
        }
        let result = vm.vector(a.iter().map(|vector| vector.length()).sum(), Value::ZERO)?;
        let elements = a.iter().flat_map(|vector| vector.slots());
        elements.enumerate().for_each(|(index, &element)| result.set_slot(index, element));
        Ok(result)
    }),
    ("vector->string", 1, 3, |vm, a| {
        let range = vm.range_of("vector->string", Type::Vector, a, 1)?;
        let string = vm.string_of(range.len())?;
        for (target, &c) in string.characters_mut().iter_mut().zip(&a[0].slots()[range]) {
            match c.as_character() {
                Some(c) => *target = u32::from(c),
                None => return Err(vm.wrong_type("vector->string", "character", c)),
            }
        }
        Ok(string)
    }),
    ("string->vector", 1, 3, |vm, a| {
        vm.expect("string->vector", Type::String, a[0])?;
        let range = vm.range_in("string->vector", a, 1, a[0].length())?;
        let vector = vm.vector(range.len(), Value::ZERO)?;
        for (index, &c) in a[0].characters()[range].iter().enumerate() {
            vector.set_slot(index, Value::character(char::from_u32(c).unwrap_or('\u{fffd}')));
        }
        Ok(vector)
    }),
];

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
    let copy = |index: usize| to.set_slot(at + index, from.slot(range.start + index));
    if at <= range.start {
        (0..range.len()).for_each(copy);
    } else {
        (0..range.len()).rev().for_each(copy);
    }
    Ok(Value::UNSPECIFIED)
}
