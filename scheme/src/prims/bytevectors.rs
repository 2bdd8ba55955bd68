//! Bytevectors.

use super::{ANY, Definition, predicate};
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Outcome, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("bytevector?", 1, 1, predicate!(|value| value.is(Type::Bytevector))),
    ("make-bytevector", 1, 2, |vm, a| {
        let length = vm.index_in("make-bytevector", a[0])?;
        let fill = match a.get(1) {
            Some(&fill) => byte(vm, "make-bytevector", fill)?,
            None => 0,
        };
        let bytevector = vm.leaf(Type::Bytevector, length, length)?;
        vm.in_pieces(0..length, |piece| bytevector.bytes_mut()[piece].fill(fill));
        Ok(bytevector)
    }),
    ("bytevector", 0, ANY, |vm, a| {
        let bytes: Outcome<Vec<u8>> =
            a.iter().map(|&value| byte(vm, "bytevector", value)).collect();
        vm.bytevector(&bytes?)
    }),
    ("bytevector-length", 1, 1, |vm, a| {
        vm.expect("bytevector-length", Type::Bytevector, a[0])?;
        Ok(Value::index(a[0].length()))
    }),
    ("bytevector-u8-ref", 2, 2, |vm, a| {
        let index = vm.element_of("bytevector-u8-ref", Type::Bytevector, a[0], a[1])?;
        Ok(Value::index(usize::from(a[0].bytes()[index])))
    }),
    ("bytevector-u8-set!", 3, 3, |vm, a| {
        let index = vm.element_of("bytevector-u8-set!", Type::Bytevector, a[0], a[1])?;
        a[0].bytes_mut()[index] = byte(vm, "bytevector-u8-set!", a[2])?;
        Ok(Value::UNSPECIFIED)
    }),
    ("bytevector-copy", 1, 3, |vm, a| {
        let range = vm.range_of("bytevector-copy", Type::Bytevector, a, 1)?;
        let copy = vm.leaf(Type::Bytevector, range.len(), range.len())?;
        vm.copy_elements(copy, 0, a[0], range);
        Ok(copy)
    }),
    ("bytevector-fill!", 2, 4, |vm, a| {
        let range = vm.range_of("bytevector-fill!", Type::Bytevector, a, 2)?;
        let fill = byte(vm, "bytevector-fill!", a[1])?;
        vm.in_pieces(range, |piece| a[0].bytes_mut()[piece].fill(fill));
        Ok(Value::UNSPECIFIED)
    }),
    ("bytevector-copy!", 3, 5, copy_to),
    ("bytevector-append", 0, ANY, |vm, a| {
        for &part in a {
            vm.expect("bytevector-append", Type::Bytevector, part)?;
        }
        let length = a.iter().map(|part| part.length()).sum();
        let result = vm.leaf(Type::Bytevector, length, length)?;
        let mut at = 0;
        for &part in a {
            vm.copy_elements(result, at, part, 0..part.length());
            at += part.length();
        }
        Ok(result)
    }),
    ("utf8->string", 1, 3, |vm, a| {
        let range = vm.range_of("utf8->string", Type::Bytevector, a, 1)?;
        let bytes = vm.bytes_of(a[0], range);
        let text = vm.aside(bytes.len(), || String::from_utf8_lossy(&bytes).into_owned());
        vm.string(&text)
    }),
    ("string->utf8", 1, 3, |vm, a| {
        vm.expect("string->utf8", Type::String, a[0])?;
        let range = vm.range_in("string->utf8", a, 1, a[0].length())?;
        let text = vm.text_of(a[0], range);
        vm.bytevector(text.as_bytes())
    }),
];

fn byte(vm: &mut Vm, who: &str, value: Value) -> Outcome<u8> {
    let byte = value.as_index().and_then(|number| u8::try_from(number).ok());
    byte.ok_or_else(|| vm.wrong_type(who, "byte", value))
}

/// `(bytevector-copy! to at from [start end])`; they may be the same.
fn copy_to(vm: &mut Vm, a: &[Value]) -> Outcome {
    let (to, from) = (a[0], a[2]);
    vm.expect("bytevector-copy!", Type::Bytevector, to)?;
    vm.expect("bytevector-copy!", Type::Bytevector, from)?;
    let at = vm.index_in("bytevector-copy!", a[1])?;
    let range = vm.range_in("bytevector-copy!", a, 3, from.length())?;
    if at > to.length() || range.len() > to.length() - at {
        return Err(vm.error("bytevector-copy!: the target is too short", &[a[1]]));
    }
    vm.copy_elements(to, at, from, range);
    Ok(Value::UNSPECIFIED)
}
