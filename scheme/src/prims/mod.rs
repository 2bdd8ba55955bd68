//! The primitive procedures.

mod bytevectors;
mod characters;
mod complex;
mod control;
mod input;
mod lists;
mod mutexes;
mod numbers;
mod output;
mod strings;
mod system;
mod tables;
mod threads;
mod transcendental;
mod vectors;
mod weak;

pub(crate) use mutexes::abandon_mutexes;

use crate::object::Type;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

/// A primitive: its arguments are registers of the caller, which stay where they are meanwhile.
pub(crate) type Function = fn(&mut Vm, &[Value]) -> Outcome;

/// The primitive whose address is `word`.
///
/// # Safety
/// The word comes from the first slot of a primitive's object.
#[inline]
pub(crate) unsafe fn function_at(word: u64) -> Function {
    let pointer = std::ptr::with_exposed_provenance::<()>(word as usize);
    // SAFETY: the caller promises that it is the address of such a function.
    unsafe { std::mem::transmute::<*const (), Function>(pointer) }
}

/// Takes any number of arguments.
pub(crate) const ANY: usize = usize::MAX;

/// A primitive with its name and how many arguments it takes.
pub(crate) type Definition = (&'static str, usize, usize, Function);

/// Function, least and greatest number of arguments of a primitive's object.
#[inline]
pub(crate) fn primitive_of(primitive: Value) -> (Function, usize, usize) {
    let most = primitive.slot(2).as_fixnum();
    // SAFETY: objects of this type are made below.
    let function = unsafe { function_at(primitive.slot(0).as_fixnum() as u64) };
    let most = usize::try_from(most).unwrap_or(ANY);
    (function, primitive.slot(1).as_fixnum() as usize, most)
}

impl Vm {
    /// Defines all primitives.
    pub(crate) fn define_primitives(&mut self) -> Outcome<()> {
        let tables = [
            bytevectors::TABLE,
            characters::TABLE,
            complex::TABLE,
            control::TABLE,
            input::TABLE,
            lists::TABLE,
            mutexes::TABLE,
            numbers::TABLE,
            output::TABLE,
            strings::TABLE,
            system::TABLE,
            tables::TABLE,
            threads::TABLE,
            transcendental::TABLE,
            vectors::TABLE,
            weak::TABLE,
        ];
        for (name, least, most, function) in tables.into_iter().flatten() {
            let symbol = self.symbol(name)?;
            let address = (*function as *const ()).expose_provenance();
            let most = if *most == ANY { -1 } else { *most as i64 };
            let slots = [Value::index(address), Value::index(*least), Value::fixnum(most), symbol];
            let primitive = self.object_with(Type::Primitive, &slots)?;
            self.define_builtin(name, primitive)?;
        }
        Ok(())
    }

    /// An argument that is an index or a count.
    pub(crate) fn index_in(&mut self, who: &str, value: Value) -> Outcome<usize> {
        value.as_index().ok_or_else(|| self.wrong_type(who, "index", value))
    }

    pub(crate) fn expect(&mut self, who: &str, ty: Type, value: Value) -> Outcome<()> {
        if value.is(ty) {
            return Ok(());
        }
        Err(self.wrong_type(who, &ty.name(), value))
    }

    /// An argument that is the index of an element of `object`, which is of a type.
    pub(crate) fn element_of(
        &mut self,
        who: &str,
        ty: Type,
        object: Value,
        index: Value,
    ) -> Outcome<usize> {
        match index.as_index() {
            Some(number) if object.is(ty) && number < object.length() => Ok(number),
            _ => Err(self.bad_index(who, ty, object, index)),
        }
    }

    /// As [`range_in`](Self::range_in), of the first argument, which is of a type.
    pub(crate) fn range_of(
        &mut self,
        who: &str,
        ty: Type,
        arguments: &[Value],
        first: usize,
    ) -> Outcome<std::ops::Range<usize>> {
        self.expect(who, ty, arguments[0])?;
        self.range_in(who, arguments, first, arguments[0].length())
    }

    /// Optional start and end, from argument `first` on, of something of a length.
    pub(crate) fn range_in(
        &mut self,
        who: &str,
        arguments: &[Value],
        first: usize,
        length: usize,
    ) -> Outcome<std::ops::Range<usize>> {
        let start = match arguments.get(first) {
            Some(&start) => self.index_in(who, start)?,
            None => 0,
        };
        let end = match arguments.get(first + 1) {
            Some(&end) => self.index_in(who, end)?,
            None => length,
        };
        if start > end || end > length {
            let range = [Value::index(start), Value::index(end)];
            return Err(self.error(&format!("{who}: range out of 0 to {length}"), &range));
        }
        Ok(start..end)
    }
}

type Predicate = fn(Value) -> bool;

const TYPE_PREDICATES: [(&str, Predicate); 14] = [
    ("symbol?", Value::is_symbol),
    ("string?", Value::is_string),
    ("vector?", |value| value.is(Type::Vector)),
    ("procedure?", Value::is_procedure),
    ("char?", Value::is_character),
    ("boolean?", |value| value == Value::TRUE || value == Value::FALSE),
    ("number?", Value::is_number),
    ("complex?", Value::is_number),
    ("real?", Value::is_real),
    ("exact-integer?", Value::is_exact_integer),
    ("eof-object?", |value| value == Value::EOF),
    ("bytevector?", |value| value.is(Type::Bytevector)),
    ("fixnum?", Value::is_fixnum),
    ("flonum?", Value::is_flonum),
];

/// The number of the type that a predicate tests for.
pub(crate) fn type_number(predicate: &str) -> Option<u16> {
    let index = TYPE_PREDICATES.iter().position(|(name, _)| *name == predicate)?;
    u16::try_from(index).ok()
}

pub(crate) fn has_type_number(value: Value, number: usize) -> bool {
    (TYPE_PREDICATES[number].1)(value)
}

/// The procedure of a predicate, for where it is not an instruction.
macro_rules! predicate {
    ($test:expr) => {
        |_, arguments| {
            let test: fn(crate::value::Value) -> bool = $test;
            Ok(crate::value::Value::boolean(test(arguments[0])))
        }
    };
}
pub(crate) use predicate;
