//! Instructions that look into objects and change them: pairs, vectors, strings, records.

use crate::object::Type;
use crate::value::{OBJECT, Value};

use super::frame::Frame;
use super::ops::Instruction;
use super::{Outcome, Vm};

/// Follows a path of cars and cdrs from r[b], which must all be there, to r[a].
macro_rules! path {
    ($vm:expr, $fp:expr, $i:expr, $who:expr, $($part:ident),+) => {{
        let mut value = $fp.get($i.b());
        $(
            if !value.is_pair() {
                return Err($vm.wrong_type($who, "pair", $fp.get($i.b())));
            }
            value = value.$part();
        )+
        $fp.set($i.a(), value);
        Ok(())
    }};
}

/// Whether `index` is one of `object`, which must be of type `ty`.
#[inline(always)]
fn has_index(object: Value, ty: Type, index: Value) -> bool {
    object.is(ty) && index.is_fixnum() && (index.as_fixnum() as usize) < object.length()
}

/// Whether it is an object of the type with this number.
#[inline(always)]
pub(super) fn is_object_of(value: Value, ty: usize) -> bool {
    value.tag() == OBJECT && value.object_type() as usize == ty
}

#[inline(always)]
pub(super) fn is_record_of(record: Value, ty: Value) -> bool {
    record.is(Type::Record) && record.slot(0) == ty
}

impl Vm {
    #[inline(always)]
    pub(super) fn op_car(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        path!(self, fp, i, "car", car)
    }

    #[inline(always)]
    pub(super) fn op_cdr(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        path!(self, fp, i, "cdr", cdr)
    }

    #[inline(always)]
    pub(super) fn op_caar(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        path!(self, fp, i, "caar", car, car)
    }

    #[inline(always)]
    pub(super) fn op_cadr(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        path!(self, fp, i, "cadr", cdr, car)
    }

    #[inline(always)]
    pub(super) fn op_cdar(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        path!(self, fp, i, "cdar", car, cdr)
    }

    #[inline(always)]
    pub(super) fn op_cddr(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        path!(self, fp, i, "cddr", cdr, cdr)
    }

    #[inline(always)]
    pub(super) fn op_set_car(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let pair = fp.get(i.a());
        if !pair.is_pair() {
            return Err(self.wrong_type("set-car!", "pair", pair));
        }
        pair.set_car(fp.get(i.b()));
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_set_cdr(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let pair = fp.get(i.a());
        if !pair.is_pair() {
            return Err(self.wrong_type("set-cdr!", "pair", pair));
        }
        pair.set_cdr(fp.get(i.b()));
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_vector_ref(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let (vector, index) = (fp.get(i.b()), fp.get(i.c()));
        if !has_index(vector, Type::Vector, index) {
            return Err(self.bad_index("vector-ref", Type::Vector, vector, index));
        }
        fp.set(i.a(), vector.slot(index.as_fixnum() as usize));
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_vector_set(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let (vector, index) = (fp.get(i.a()), fp.get(i.b()));
        if !has_index(vector, Type::Vector, index) {
            return Err(self.bad_index("vector-set!", Type::Vector, vector, index));
        }
        vector.set_slot(index.as_fixnum() as usize, fp.get(i.c()));
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_vector_length(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let vector = fp.get(i.b());
        if !vector.is(Type::Vector) {
            return Err(self.wrong_type("vector-length", "vector", vector));
        }
        fp.set(i.a(), Value::index(vector.length()));
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_string_ref(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let c = self.string_ref(fp.get(i.b()), fp.get(i.c()))?;
        fp.set(i.a(), c);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_string_length(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let string = fp.get(i.b());
        if !string.is_string() {
            return Err(self.wrong_type("string-length", "string", string));
        }
        fp.set(i.a(), Value::index(string.length()));
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_char_to_integer(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let c = fp.get(i.b());
        if !c.is_character() {
            return Err(self.wrong_type("char->integer", "character", c));
        }
        fp.set(i.a(), Value::index(c.0 >> 8));
        Ok(())
    }

    #[inline(always)]
    pub(super) fn op_bytevector_ref(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let (bytes, index) = (fp.get(i.b()), fp.get(i.c()));
        if !has_index(bytes, Type::Bytevector, index) {
            return Err(self.bad_index("bytevector-u8-ref", Type::Bytevector, bytes, index));
        }
        let byte = bytes.bytes()[index.as_fixnum() as usize];
        fp.set(i.a(), Value::index(usize::from(byte)));
        Ok(())
    }

    /// Field c of the record r[b], whose type is in `cell`.
    #[inline(always)]
    pub(super) fn op_record_ref(&mut self, fp: Frame, i: Instruction, cell: Value) -> Outcome<()> {
        let record = fp.get(i.b());
        if !is_record_of(record, cell.slot(0)) {
            return Err(self.wrong_record(cell.slot(0), record));
        }
        fp.set(i.a(), record.slot(i.c()));
        Ok(())
    }

    /// Field c of the record r[a], whose type is in `cell`, becomes r[b].
    #[inline(always)]
    pub(super) fn op_record_set(&mut self, fp: Frame, i: Instruction, cell: Value) -> Outcome<()> {
        let record = fp.get(i.a());
        if !is_record_of(record, cell.slot(0)) {
            return Err(self.wrong_record(cell.slot(0), record));
        }
        record.set_slot(i.c(), fp.get(i.b()));
        Ok(())
    }

    /// How the characters r[a] and r[b] compare: equal, or less.
    #[inline(always)]
    pub(super) fn op_characters(&mut self, fp: Frame, i: Instruction) -> Outcome<(bool, bool)> {
        let (x, y) = (fp.get(i.a()), fp.get(i.b()));
        if !x.is_character() || !y.is_character() {
            let wrong = if x.is_character() { y } else { x };
            return Err(self.wrong_type("char", "character", wrong));
        }
        Ok((x == y, x.0 < y.0))
    }

    /// A box around r[a], in its place.
    #[inline(always)]
    pub(super) fn op_make_box(&mut self, fp: Frame, i: Instruction) -> Outcome<()> {
        let content = self.object(Type::Box, 1)?;
        content.set_slot(0, fp.get(i.a()));
        fp.set(i.a(), content);
        Ok(())
    }
}
