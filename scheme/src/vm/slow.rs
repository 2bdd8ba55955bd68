//! What the loop does seldom: raising, errors, and the rest of `apply`.

use crate::error::{CONDITION_LOCATION, ErrorKind};
use crate::object::Type;
use crate::value::Value;

use super::frame::{Frame, Pointer};
use super::ops::{CODE_FILE, CODE_POSITIONS};
use super::shared::Global;
use super::{Outcome, Vm};

/// Bytes of an entry in a table of positions: word of the code, line, column.
pub(crate) const POSITION: usize = 12;

impl Vm {
    /// Puts a call of the procedure that raises in place of the frame, which has failed.
    ///
    /// The frame is of no more use: nobody returns from an error.
    #[cold]
    pub(super) fn prepare_raise(&mut self, frame: Frame, ip: Pointer, payload: Value) {
        self.machine.set_frame(frame.0);
        if payload.is(Type::Condition) && !payload.slot(CONDITION_LOCATION).is_true() {
            let location = self.location(frame, ip).unwrap_or(Value::FALSE);
            payload.set_slot(CONDITION_LOCATION, location);
        }
        frame.set(0, self.shared.get(Global::Raise));
        frame.set(1, payload);
    }

    /// Where in the source `ip` is, as a string.
    fn location(&mut self, frame: Frame, ip: Pointer) -> Option<Value> {
        // The frame of a primitive has no code: the place is its caller's.
        let code = Some(frame.get(0)).filter(|procedure| procedure.is_closure());
        let code = code.map(|closure| closure.slot(0));
        let place = code.and_then(|code| position_in(code, ip.offset_in(code))).or_else(|| {
            let address = frame.return_address();
            let caller = (frame.0 != self.machine.first()).then(|| frame.caller().0)?;
            let code = caller.get(0).slot(0);
            position_in(code, address.offset_in(code))
        });
        let (file, line, column) = place?;
        let text = format!("{}:{line}:{column}", file.text());
        self.string(&text).ok()
    }

    /// Makes the list of all arguments but the procedure, of which the last is a list, the arguments.
    #[inline(never)]
    pub(super) fn spread_arguments(&mut self, frame: Frame, list: Value) -> Outcome<usize> {
        if list.is_nil() {
            return Err(self.error("apply: no list of arguments", &[]));
        }
        let (mut rest, mut count) = (list, 0);
        while rest.is_pair() && rest.cdr().is_pair() {
            count += 1;
            rest = rest.cdr();
        }
        let last = if rest.is_pair() { rest.car() } else { rest };
        if self.length_of(last).is_none() {
            return Err(self.wrong_type("apply", "list", last));
        }
        let mut rest = list;
        for index in 0..count {
            frame.set(1 + index, rest.car());
            rest = rest.cdr();
        }
        self.spread(frame, count, last)
    }

    #[cold]
    pub(super) fn unbound(&mut self, cell: Value) -> Value {
        let name = cell.slot(1);
        self.error_of(ErrorKind::General, "unbound variable", &[name])
    }

    #[cold]
    pub(super) fn wrong_record(&mut self, ty: Value, value: Value) -> Value {
        let name = if ty.is(Type::Structure) { ty.slot(0).symbol_name() } else { "record".into() };
        self.wrong_type("record access", &name, value)
    }

    #[cold]
    pub(crate) fn string_ref(&mut self, string: Value, index: Value) -> Outcome {
        if string.is_string()
            && let Some(number) = index.as_index()
            && let Some(&c) = string.characters().get(number)
        {
            return Ok(Value::character(char::from_u32(c).unwrap_or('\u{fffd}')));
        }
        Err(self.bad_index("string-ref", Type::String, string, index))
    }
}

/// The file, line and column of the instruction before a word of the code.
fn position_in(code: Value, offset: usize) -> Option<(Value, u32, u32)> {
    let (positions, file) = (code.slot(CODE_POSITIONS), code.slot(CODE_FILE));
    if !positions.is(Type::Bytevector) || !file.is_string() {
        return None;
    }
    let number = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut entries = positions.bytes().chunks_exact(POSITION);
    let entry = entries.rfind(|entry| (number(entry) as usize) < offset)?;
    Some((file, number(&entry[4..]), number(&entry[8..])))
}
