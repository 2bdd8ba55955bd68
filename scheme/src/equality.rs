//! `eqv?`, `equal?`, and the hash functions that agree with them.

use std::collections::HashMap;
use std::ops::ControlFlow::{Break, Continue};
use std::ops::Range;

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
        (Type::Ratio, Type::Ratio) | (Type::Complex, Type::Complex) => {
            eqv(x.slot(0), y.slot(0)) && eqv(x.slot(1), y.slot(1))
        }
        // An empty string or vector is like any other.
        _ => false,
    }
}

/// Parts of two values that are compared before cycles are reckoned with.
const PLAIN_STEPS: usize = 1 << 20;
/// How deep that goes on the native stack.
const PLAIN_DEPTH: usize = 1000;

impl Vm {
    /// Whether two values are the same as far as `equal?` can tell. Ends for values that contain
    /// themselves, too.
    pub(crate) fn equal(&mut self, x: Value, y: Value) -> Outcome<bool> {
        let mut steps = PLAIN_STEPS;
        match self.plainly_equal(x, y, &mut steps, PLAIN_DEPTH) {
            Some(result) => Ok(result),
            None => self.equal_as_graphs(x, y),
        }
    }

    /// `None` when that would take too many steps, or go too deep.
    fn plainly_equal(
        &mut self,
        mut x: Value,
        mut y: Value,
        steps: &mut usize,
        depth: usize,
    ) -> Option<bool> {
        while x.is_pair() && y.is_pair() {
            if x == y {
                return Some(true);
            }
            self.mutator.safepoint();
            *steps = steps.checked_sub(1)?;
            let (a, b) = (x.car(), y.car());
            if a != b && !self.plainly_equal(a, b, steps, depth.checked_sub(1)?)? {
                return Some(false);
            }
            (x, y) = (x.cdr(), y.cdr());
        }
        if !(x.is(Type::Vector) && y.is(Type::Vector)) {
            return Some(self.equal_atoms(x, y));
        }
        if x == y || x.length() != y.length() {
            return Some(x == y);
        }
        for index in 0..x.length() {
            self.mutator.safepoint();
            *steps = steps.checked_sub(1)?;
            let (a, b) = (x.slot(index), y.slot(index));
            if a != b && !self.plainly_equal(a, b, steps, depth.checked_sub(1)?)? {
                return Some(false);
            }
        }
        Some(true)
    }

    fn equal_atoms(&mut self, x: Value, y: Value) -> bool {
        if x.tag() != OBJECT || y.tag() != OBJECT || x.object_type() != y.object_type() {
            return eqv(x, y);
        }
        let same: fn(Value, Value, Range<usize>) -> bool = match x.object_type() {
            Type::String => |x, y, piece| x.characters()[piece.clone()] == y.characters()[piece],
            Type::Bytevector => |x, y, piece| x.bytes()[piece.clone()] == y.bytes()[piece],
            _ => return eqv(x, y),
        };
        let differ = |piece| if same(x, y, piece) { Continue(()) } else { Break(()) };
        x.length() == y.length() && self.try_in_pieces(0..x.length(), differ).is_none()
    }

    /// Merges what must be equal into classes and compares each pair of classes once (Adams and
    /// Dybvig, "Efficient nondestructive equality checking for trees and graphs", 2008).
    ///
    /// What is left to do is in the heap: vectors of two values, the index of their elements from
    /// which on, and the next such vector.
    fn equal_as_graphs(&mut self, x: Value, y: Value) -> Outcome<bool> {
        let mut classes = Classes::default();
        let result = self.compare_graphs(x, y, &mut classes);
        // That many entries take long to give back, too.
        self.aside(classes.0.len(), || drop(classes));
        result
    }

    fn compare_graphs(&mut self, x: Value, y: Value, classes: &mut Classes) -> Outcome<bool> {
        let mut work = Value::NIL;
        let (mut x, mut y, mut index) = (x, y, 0);
        loop {
            self.make_room(&mut classes.0);
            self.mutator.safepoint();
            if x.is_pair() && y.is_pair() {
                if classes.merge(x.0, y.0) {
                    let (a, b) = (x.car(), y.car());
                    if are_compound(a, b) {
                        work =
                            self.object_with(Type::Vector, &[x.cdr(), y.cdr(), Value::ZERO, work])?;
                        (x, y) = (a, b);
                        continue;
                    } else if !self.equal_atoms(a, b) {
                        return Ok(false);
                    }
                    (x, y) = (x.cdr(), y.cdr());
                    continue;
                }
            } else if !are_compound(x, y) {
                if !self.equal_atoms(x, y) {
                    return Ok(false);
                }
            } else if index > 0 || classes.merge(x.0, y.0) {
                let Some(next) = self.first_compound(x, y, index) else { return Ok(false) };
                if next < x.length() {
                    let rest = [x, y, Value::index(next + 1), work];
                    work = self.object_with(Type::Vector, &rest)?;
                    (x, y, index) = (x.slot(next), y.slot(next), 0);
                    continue;
                }
            }
            if work.is_nil() {
                return Ok(true);
            }
            (x, y, index) = (work.slot(0), work.slot(1), work.slot(2).as_fixnum() as usize);
            work = work.slot(3);
        }
    }

    /// The first index from `start` on where two vectors have elements that are compound, or their
    /// length; `None` if they differ before.
    fn first_compound(&mut self, x: Value, y: Value, start: usize) -> Option<usize> {
        if x.length() != y.length() {
            return None;
        }
        for index in start..x.length() {
            self.mutator.safepoint();
            let (a, b) = (x.slot(index), y.slot(index));
            if are_compound(a, b) {
                return Some(index);
            }
            if !self.equal_atoms(a, b) {
                return None;
            }
        }
        Some(x.length())
    }
}

/// Whether two values are both pairs, or both vectors.
fn are_compound(x: Value, y: Value) -> bool {
    x.is_pair() && y.is_pair() || x.is(Type::Vector) && y.is(Type::Vector)
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
    if value.is(Type::Ratio) || value.is_complex() {
        return hash_eqv(value.slot(0)) ^ hash_eqv(value.slot(1)).rotate_left(7);
    }
    hash_eq(value)
}

/// Objects that are looked at for a hash: of a large one a part is enough.
const HASH_BUDGET: usize = 64;

pub(crate) fn hash_equal(value: Value) -> usize {
    hash_within(value, &mut HASH_BUDGET.clone())
}

/// Of strings and bytevectors, how much at either end is looked at for a hash.
const HASH_ENDS: usize = 2048;

fn hash_ends(length: usize, at: impl Fn(usize) -> u32) -> usize {
    let end = length.saturating_sub(HASH_ENDS).max(HASH_ENDS.min(length));
    hash_of((0..HASH_ENDS.min(length)).chain(end..length).map(at)) ^ length
}

pub(crate) fn hash_characters(string: Value) -> usize {
    let characters = string.characters();
    hash_ends(characters.len(), |index| characters[index])
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
        return hash ^ hash_characters(value);
    }
    if value.is(Type::Bytevector) {
        let bytes = value.bytes();
        return hash ^ hash_ends(bytes.len(), |index| u32::from(bytes[index]));
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
