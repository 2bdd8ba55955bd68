//! `eqv?`, `equal?`, and the hash functions that agree with them.

use crate::object::Type;
use crate::symbols::hash_of;
use crate::value::{OBJECT, Value};
use crate::vm::{Outcome, Vm};

/// Whether two values are the same as far as `eqv?` can tell.
#[inline]
pub(crate) fn eqv(x: Value, y: Value) -> bool {
    x == y || ((x.is_flonum() || x.tag() == OBJECT) && x.tag() == y.tag() && numbers_eqv(x, y))
}

fn numbers_eqv(x: Value, y: Value) -> bool {
    if x.is_flonum() {
        return x.as_flonum().to_bits() == y.as_flonum().to_bits();
    }
    match (x.object_type(), y.object_type()) {
        (Type::Bignum, Type::Bignum) => x.length() == y.length() && x.digits() == y.digits(),
        (Type::Ratio, Type::Ratio) => eqv(x.slot(0), y.slot(0)) && eqv(x.slot(1), y.slot(1)),
        // An empty string or vector is like any other.
        _ => false,
    }
}

impl Vm {
    pub(crate) fn equal(&mut self, mut x: Value, mut y: Value) -> Outcome<bool> {
        self.check_native_stack("equal?")?;
        while x.is_pair() && y.is_pair() {
            if x == y {
                return Ok(true);
            }
            let (a, b) = (x.car(), y.car());
            if a != b && !self.equal(a, b)? {
                return Ok(false);
            }
            (x, y) = (x.cdr(), y.cdr());
        }
        if eqv(x, y) {
            return Ok(true);
        }
        if x.tag() != OBJECT || y.tag() != OBJECT || x.object_type() != y.object_type() {
            return Ok(false);
        }
        match x.object_type() {
            Type::String => Ok(x.characters() == y.characters()),
            Type::Bytevector => Ok(x.bytes() == y.bytes()),
            Type::Vector if x.length() == y.length() => {
                for index in 0..x.length() {
                    if !self.equal(x.slot(index), y.slot(index))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn mix(hash: usize) -> usize {
    let hash = (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 20 ^ hash & 0xfffff) as usize
}

/// By address: objects do not move.
pub(crate) fn hash_eq(value: Value) -> usize {
    mix(value.0 >> 3)
}

pub(crate) fn hash_eqv(value: Value) -> usize {
    if value.is_flonum() {
        return mix(value.as_flonum().to_bits() as usize);
    }
    if value.is(Type::Bignum) {
        return mix(value.digits().iter().fold(0, |hash, digit| mix(hash ^ *digit as usize)));
    }
    if value.is(Type::Ratio) {
        return hash_eqv(value.slot(0)) ^ hash_eqv(value.slot(1)).rotate_left(7);
    }
    hash_eq(value)
}

/// Objects that are looked at for a hash: of a large one a part is enough.
const HASH_BUDGET: usize = 64;

pub(crate) fn hash_equal(value: Value) -> usize {
    hash_within(value, &mut HASH_BUDGET.clone())
}

fn hash_within(mut value: Value, budget: &mut usize) -> usize {
    let mut hash = 17;
    while value.is_pair() && *budget > 0 {
        *budget -= 1;
        hash = mix(hash ^ hash_within(value.car(), budget)).rotate_left(5);
        value = value.cdr();
    }
    if value.is_pair() {
        return hash;
    }
    if value.is_string() {
        return hash ^ hash_of(value.characters().iter().copied());
    }
    if value.is(Type::Bytevector) {
        return hash ^ hash_of(value.bytes().iter().copied().map(u32::from));
    }
    if value.is(Type::Vector) {
        for &element in value.slots() {
            if *budget == 0 {
                break;
            }
            *budget -= 1;
            hash = mix(hash ^ hash_within(element, budget)).rotate_left(3);
        }
        return hash ^ value.length();
    }
    mix(hash ^ hash_eqv(value))
}
