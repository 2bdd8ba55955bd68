//! Labels: data that refer to themselves or are met twice.

use super::Reader;
use crate::object::{Type, elements};
use crate::value::Value;
use crate::vm::Outcome;

impl Reader<'_> {
    /// A label that is defined or used.
    pub(super) fn label(&mut self) -> Outcome {
        let mut digits = String::new();
        loop {
            match self.must("a label")? {
                c if c.is_ascii_digit() => digits.push(c),
                c @ ('=' | '#') => {
                    let Ok(number) = digits.parse() else {
                        return Err(self.error("a label that is too large"));
                    };
                    let number = Value::fixnum(number);
                    return if c == '=' {
                        self.define_label(number)
                    } else {
                        self.use_label(number)
                    };
                }
                _ => return Err(self.error(&format!("#{digits} means nothing"))),
            }
        }
    }

    fn define_label(&mut self, number: Value) -> Outcome {
        let place = self.vm.object_with(Type::Box, &[Value::UNDEFINED])?;
        let entry = self.vm.cons(number, place)?;
        self.labels = self.vm.cons(entry, self.labels)?;
        let datum = self.datum("a label")?;
        place.set_slot(0, datum);
        Ok(datum)
    }

    fn use_label(&mut self, number: Value) -> Outcome {
        match elements(self.labels).find(|entry| entry.car() == number) {
            Some(entry) => Ok(entry.cdr()),
            None => Err(self.error("a label that is not defined")),
        }
    }

    /// Puts what labels stand for in the place of their boxes.
    pub(super) fn resolve(&mut self, datum: Value) -> Outcome {
        self.vm.check_native_stack("read")?;
        if datum.is(Type::Box) {
            return Ok(datum.slot(0));
        }
        let mut rest = datum;
        while rest.is_pair() {
            rest.set_car(self.resolve(rest.car())?);
            if rest.cdr().is(Type::Box) {
                rest.set_cdr(rest.cdr().slot(0));
                break;
            }
            rest = rest.cdr();
        }
        if rest.is(Type::Vector) {
            for index in 0..rest.length() {
                rest.set_slot(index, self.resolve(rest.slot(index))?);
            }
        }
        Ok(datum)
    }
}
