//! Input, and opening and closing ports.

use std::fs::File;

use super::{Definition, predicate};
use crate::error::ErrorKind;
use crate::object::Type;
use crate::ports::{BINARY, INPUT, OUTPUT, TEXTUAL, port_has, port_is_open, written};
use crate::value::Value;
use crate::vm::{Global, Outcome, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("port?", 1, 1, predicate!(|value| value.is(Type::Port))),
    ("input-port?", 1, 1, predicate!(|value| port_has(value, INPUT))),
    ("output-port?", 1, 1, predicate!(|value| port_has(value, OUTPUT))),
    ("textual-port?", 1, 1, predicate!(|value| port_has(value, TEXTUAL))),
    ("binary-port?", 1, 1, predicate!(|value| port_has(value, BINARY))),
    ("input-port-open?", 1, 1, |vm, a| is_open(vm, "input-port-open?", a[0], INPUT)),
    ("output-port-open?", 1, 1, |vm, a| is_open(vm, "output-port-open?", a[0], OUTPUT)),
    ("close-port", 1, 1, |vm, a| close(vm, "close-port", a[0], 0)),
    ("close-input-port", 1, 1, |vm, a| close(vm, "close-input-port", a[0], INPUT)),
    ("close-output-port", 1, 1, |vm, a| close(vm, "close-output-port", a[0], OUTPUT)),
    ("open-input-file", 1, 1, |vm, a| open(vm, "open-input-file", a, INPUT | TEXTUAL)),
    ("open-binary-input-file", 1, 1, |vm, a| open(vm, "open-binary-input-file", a, INPUT | BINARY)),
    ("open-output-file", 1, 1, |vm, a| open(vm, "open-output-file", a, OUTPUT | TEXTUAL)),
    ("open-binary-output-file", 1, 1, |vm, a| {
        open(vm, "open-binary-output-file", a, OUTPUT | BINARY)
    }),
    ("open-input-string", 1, 1, |vm, a| {
        vm.expect("open-input-string", Type::String, a[0])?;
        vm.port_on(TEXTUAL, "string", a[0].text().as_bytes())
    }),
    ("open-input-bytevector", 1, 1, |vm, a| {
        vm.expect("open-input-bytevector", Type::Bytevector, a[0])?;
        vm.port_on(BINARY, "bytevector", a[0].bytes())
    }),
    ("open-output-string", 0, 0, |vm, _| vm.port(OUTPUT | TEXTUAL, None, "string")),
    ("open-output-bytevector", 0, 0, |vm, _| vm.port(OUTPUT | BINARY, None, "bytevector")),
    ("get-output-string", 1, 1, |vm, a| {
        if !port_has(a[0], OUTPUT | TEXTUAL) {
            return Err(vm.wrong_type("get-output-string", "string port", a[0]));
        }
        let text = String::from_utf8_lossy(written(a[0])).into_owned();
        vm.string(&text)
    }),
    ("get-output-bytevector", 1, 1, |vm, a| {
        if !port_has(a[0], OUTPUT | BINARY) {
            return Err(vm.wrong_type("get-output-bytevector", "bytevector port", a[0]));
        }
        vm.bytevector(written(a[0]))
    }),
    ("read-char", 0, 1, |vm, a| character(vm, "read-char", a, true)),
    ("peek-char", 0, 1, |vm, a| character(vm, "peek-char", a, false)),
    ("char-ready?", 0, 1, |vm, a| {
        let port = input(vm, "char-ready?", a, 0, TEXTUAL)?;
        vm.has_input(port).map(Value::boolean)
    }),
    ("u8-ready?", 0, 1, |vm, a| {
        let port = input(vm, "u8-ready?", a, 0, BINARY)?;
        vm.has_input(port).map(Value::boolean)
    }),
    ("read-line", 0, 1, read_line),
    ("read-string", 1, 2, read_string),
    ("read-u8", 0, 1, |vm, a| byte(vm, "read-u8", a, true)),
    ("peek-u8", 0, 1, |vm, a| byte(vm, "peek-u8", a, false)),
    ("read-bytevector", 1, 2, |vm, a| {
        let count = vm.index_in("read-bytevector", a[0])?;
        let port = input(vm, "read-bytevector", a, 1, BINARY)?;
        let bytes = read_bytes(vm, port, count)?;
        if bytes.is_empty() && count > 0 { Ok(Value::EOF) } else { vm.bytevector(&bytes) }
    }),
    ("read-bytevector!", 1, 4, |vm, a| {
        vm.expect("read-bytevector!", Type::Bytevector, a[0])?;
        let port = input(vm, "read-bytevector!", a, 1, BINARY)?;
        let range = vm.range_in("read-bytevector!", a, 2, a[0].length())?;
        let bytes = read_bytes(vm, port, range.len())?;
        a[0].bytes_mut()[range.start..range.start + bytes.len()].copy_from_slice(&bytes);
        let end = bytes.is_empty() && !range.is_empty();
        Ok(if end { Value::EOF } else { Value::index(bytes.len()) })
    }),
    ("read", 0, 1, |vm, a| {
        let port = input(vm, "read", a, 0, TEXTUAL)?;
        vm.read_datum(port, Value::FALSE)
    }),
    ("%read-noting", 2, 2, |vm, a| vm.read_datum(a[0], a[1])),
    ("eof-object", 0, 0, |_, _| Ok(Value::EOF)),
    ("eof-object?", 1, 1, predicate!(|value| value == Value::EOF)),
    ("file-exists?", 1, 1, |vm, a| {
        vm.expect("file-exists?", Type::String, a[0])?;
        Ok(Value::boolean(std::path::Path::new(&a[0].text()).exists()))
    }),
    ("delete-file", 1, 1, |vm, a| {
        vm.expect("delete-file", Type::String, a[0])?;
        match std::fs::remove_file(a[0].text()) {
            Ok(()) => Ok(Value::UNSPECIFIED),
            Err(error) => Err(file_error(vm, "cannot delete", &a[0].text(), &error)),
        }
    }),
];

fn is_open(vm: &mut Vm, who: &str, port: Value, direction: usize) -> Outcome {
    vm.expect(who, Type::Port, port)?;
    Ok(Value::boolean(port_is_open(port, direction)))
}

fn close(vm: &mut Vm, who: &str, port: Value, direction: usize) -> Outcome {
    if !port_has(port, direction) {
        return Err(vm.wrong_type(who, "port of that direction", port));
    }
    vm.close_port(port).map(|()| Value::UNSPECIFIED)
}

fn file_error(vm: &mut Vm, what: &str, path: &str, error: &std::io::Error) -> Value {
    vm.error_of(ErrorKind::File, &format!("{what} {path}: {error}"), &[])
}

fn open(vm: &mut Vm, who: &str, a: &[Value], flags: usize) -> Outcome {
    vm.expect(who, Type::String, a[0])?;
    let kind = flags & !(INPUT | OUTPUT);
    vm.open_file(&a[0].text(), kind, flags & OUTPUT != 0)
}

impl Vm {
    /// A port on a file.
    pub(crate) fn open_file(&mut self, path: &str, kind: usize, output: bool) -> Outcome {
        let file =
            self.mutator.blocking(|| if output { File::create(path) } else { File::open(path) });
        match file {
            Ok(file) => {
                let number = self.shared.process.open(file);
                let direction = if output { OUTPUT } else { INPUT };
                self.port(kind | direction, Some(number), path)
            }
            Err(error) => Err(file_error(self, "cannot open", path, &error)),
        }
    }
}

/// The input port in an argument, or the current one.
fn input(vm: &mut Vm, who: &str, arguments: &[Value], index: usize, kind: usize) -> Outcome {
    let port = match arguments.get(index) {
        Some(&port) => port,
        None => {
            let parameter = vm.shared.get(Global::InputParameter);
            vm.parameter_value(parameter)
        }
    };
    if port_is_open(port, INPUT | kind) {
        return Ok(port);
    }
    let wanted = if kind == TEXTUAL { "textual" } else { "binary" };
    Err(vm.wrong_type(who, &format!("{wanted} input port that is open"), port))
}

fn character(vm: &mut Vm, who: &str, arguments: &[Value], take: bool) -> Outcome {
    let port = input(vm, who, arguments, 0, TEXTUAL)?;
    Ok(vm.read_character(port, take)?.map_or(Value::EOF, Value::character))
}

fn byte(vm: &mut Vm, who: &str, arguments: &[Value], take: bool) -> Outcome {
    let port = input(vm, who, arguments, 0, BINARY)?;
    Ok(vm.read_byte(port, take)?.map_or(Value::EOF, |byte| Value::index(usize::from(byte))))
}

fn read_line(vm: &mut Vm, a: &[Value]) -> Outcome {
    let port = input(vm, "read-line", a, 0, TEXTUAL)?;
    let mut line = String::new();
    loop {
        match vm.read_character(port, true)? {
            Some('\n') => return vm.string(line.strip_suffix('\r').unwrap_or(&line)),
            Some(c) => line.push(c),
            None if line.is_empty() => return Ok(Value::EOF),
            None => return vm.string(&line),
        }
    }
}

fn read_string(vm: &mut Vm, a: &[Value]) -> Outcome {
    // Some systems, and old programs, have the arguments the other way round.
    let a = if a[0].is(Type::Port) && a.len() == 2 { [a[1], a[0]].to_vec() } else { a.to_vec() };
    let count = vm.index_in("read-string", a[0])?;
    let port = input(vm, "read-string", &a, 1, TEXTUAL)?;
    let mut text = String::new();
    for _ in 0..count {
        match vm.read_character(port, true)? {
            Some(c) => text.push(c),
            None => break,
        }
    }
    if text.is_empty() && count > 0 { Ok(Value::EOF) } else { vm.string(&text) }
}

fn read_bytes(vm: &mut Vm, port: Value, count: usize) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        match vm.read_byte(port, true)? {
            Some(byte) => bytes.push(byte),
            None => break,
        }
    }
    Ok(bytes)
}
