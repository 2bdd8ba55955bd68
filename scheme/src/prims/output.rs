//! Output.

use super::Definition;
use super::characters::character;
use crate::object::Type;
use crate::ports::{BINARY, OUTPUT, TEXTUAL, port_is_open};
use crate::printer::Style;
use crate::value::Value;
use crate::vm::{Global, Outcome, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("write", 1, 2, |vm, a| print(vm, "write", a, Style::Write)),
    ("write-shared", 1, 2, |vm, a| print(vm, "write-shared", a, Style::Shared)),
    ("write-simple", 1, 2, |vm, a| print(vm, "write-simple", a, Style::Simple)),
    ("display", 1, 2, |vm, a| print(vm, "display", a, Style::Display)),
    ("newline", 0, 1, |vm, a| {
        let port = output(vm, "newline", a, 0, TEXTUAL)?;
        vm.write_text(port, "\n").map(|()| Value::UNSPECIFIED)
    }),
    ("write-char", 1, 2, |vm, a| {
        let c = character(vm, "write-char", a[0])?;
        let port = output(vm, "write-char", a, 1, TEXTUAL)?;
        vm.write_text(port, c.encode_utf8(&mut [0; 4])).map(|()| Value::UNSPECIFIED)
    }),
    ("write-string", 1, 4, |vm, a| {
        vm.expect("write-string", Type::String, a[0])?;
        let port = output(vm, "write-string", a, 1, TEXTUAL)?;
        let range = vm.range_in("write-string", a, 2, a[0].length())?;
        let characters = a[0].characters()[range].iter();
        let text: String = characters.filter_map(|&c| char::from_u32(c)).collect();
        vm.write_text(port, &text).map(|()| Value::UNSPECIFIED)
    }),
    ("write-u8", 1, 2, |vm, a| {
        let Some(byte) = a[0].as_index().and_then(|byte| u8::try_from(byte).ok()) else {
            return Err(vm.wrong_type("write-u8", "byte", a[0]));
        };
        let port = output(vm, "write-u8", a, 1, BINARY)?;
        vm.write_bytes(port, &[byte]).map(|()| Value::UNSPECIFIED)
    }),
    ("write-bytevector", 1, 4, |vm, a| {
        vm.expect("write-bytevector", Type::Bytevector, a[0])?;
        let port = output(vm, "write-bytevector", a, 1, BINARY)?;
        let range = vm.range_in("write-bytevector", a, 2, a[0].length())?;
        vm.write_bytes(port, &a[0].bytes()[range]).map(|()| Value::UNSPECIFIED)
    }),
    ("flush-output-port", 0, 1, flush),
    ("flush-output", 0, 1, flush),
];

/// The output port in an argument, or the current one.
fn output(vm: &mut Vm, who: &str, arguments: &[Value], index: usize, kind: usize) -> Outcome {
    let port = match arguments.get(index) {
        Some(&port) => port,
        None => {
            let parameter = vm.shared.get(Global::OutputParameter);
            vm.parameter_value(parameter)
        }
    };
    if port_is_open(port, OUTPUT | kind) {
        return Ok(port);
    }
    let wanted = if kind == BINARY { "binary " } else { "textual " };
    Err(vm.wrong_type(who, &format!("{wanted}output port that is open"), port))
}

fn print(vm: &mut Vm, who: &str, arguments: &[Value], style: Style) -> Outcome {
    let port = output(vm, who, arguments, 1, TEXTUAL)?;
    let text = vm.print(arguments[0], style)?;
    vm.write_text(port, &text).map(|()| Value::UNSPECIFIED)
}

fn flush(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let port = output(vm, "flush-output-port", arguments, 0, 0)?;
    vm.flush(port).map(|()| Value::UNSPECIFIED)
}
