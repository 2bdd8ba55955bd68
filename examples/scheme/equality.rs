//! `eqv?`, `equal?`, and the hash functions that agree with them.

use std::collections::HashMap;

use crate::object::Type;
use crate::symbols::hash_of;
use crate::value::{OBJECT, Value};

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

/// Parts of two values that are compared before cycles are reckoned with.
const PLAIN_STEPS: usize = 1 << 20;
/// How deep that goes on the native stack.
const PLAIN_DEPTH: usize = 1000;

/// Whether two values are the same as far as `equal?` can tell. Ends for values that contain
/// themselves, too.
pub(crate) fn equal(x: Value, y: Value) -> bool {
    let mut steps = PLAIN_STEPS;
    plainly_equal(x, y, &mut steps, PLAIN_DEPTH).unwrap_or_else(|| equal_as_graphs(x, y))
}

/// `None` when that would take too many steps, or go too deep.
fn plainly_equal(mut x: Value, mut y: Value, steps: &mut usize, depth: usize) -> Option<bool> {
    while x.is_pair() && y.is_pair() {
        if x == y {
            return Some(true);
        }
        *steps = steps.checked_sub(1)?;
        let (a, b) = (x.car(), y.car());
        if a != b && !plainly_equal(a, b, steps, depth.checked_sub(1)?)? {
            return Some(false);
        }
        (x, y) = (x.cdr(), y.cdr());
    }
    if !(x.is(Type::Vector) && y.is(Type::Vector)) {
        return Some(equal_atoms(x, y));
    }
    if x == y || x.length() != y.length() {
        return Some(x == y);
    }
    for (&a, &b) in x.slots().iter().zip(y.slots()) {
        *steps = steps.checked_sub(1)?;
        if a != b && !plainly_equal(a, b, steps, depth.checked_sub(1)?)? {
            return Some(false);
        }
    }
    Some(true)
}

fn equal_atoms(x: Value, y: Value) -> bool {
    if x.tag() != OBJECT || y.tag() != OBJECT || x.object_type() != y.object_type() {
        return eqv(x, y);
    }
    match x.object_type() {
        Type::String => x.characters() == y.characters(),
        Type::Bytevector => x.bytes() == y.bytes(),
        _ => eqv(x, y),
    }
}

/// Merges what must be equal into classes and compares each pair of classes once (Adams and Dybvig,
/// "Efficient nondestructive equality checking for trees and graphs", 2008).
fn equal_as_graphs(x: Value, y: Value) -> bool {
    let mut classes = Classes::default();
    let mut work = vec![(x.0, y.0)];
    while let Some((x, y)) = work.pop() {
        let (x, y) = (Value(x), Value(y));
        let pairs = x.is_pair() && y.is_pair();
        let vectors = x.is(Type::Vector) && y.is(Type::Vector);
        if !(pairs || vectors) {
            if !equal_atoms(x, y) {
                return false;
            }
        } else if classes.merge(x.0, y.0) {
            if pairs {
                work.extend([(x.cdr().0, y.cdr().0), (x.car().0, y.car().0)]);
            } else if x.length() == y.length() {
                let slots = x.slots().iter().zip(y.slots());
                work.extend(slots.rev().map(|(a, b)| (a.0, b.0)));
            } else {
                return false;
            }
        }
    }
    true
}

/// Disjoint sets of objects, by address.
#[derive(Default)]
struct Classes(HashMap<usize, usize>);

impl Classes {
    fn find(&mut self, mut object: usize) -> usize {
        while let Some(&parent) = self.0.get(&object) {
            // Each step halves the way for the next search.
            let above = self.0.get(&parent).copied().unwrap_or(parent);
            self.0.insert(object, above);
            object = above;
        }
        object
    }

    /// Puts two objects into one class. False if they were in one already.
    fn merge(&mut self, x: usize, y: usize) -> bool {
        let (x, y) = (self.find(x), self.find(y));
        if x != y {
            self.0.insert(x, y);
        }
        x != y
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
