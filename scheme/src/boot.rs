//! The beginning: what is in the heap before the program.

use crate::error::ErrorKind;
use crate::expand::{Form, STANDARD_LIBRARIES};
use crate::object::{Type, elements};
use crate::ports::{INPUT, OUTPUT, TEXTUAL};
use crate::tables::Equivalence;
use crate::value::Value;
use crate::vm::{CODE_NAME, CODE_REGISTERS, Global, Instruction, Op, Outcome, Vm};

const PRELUDE: [(&str, &str); 6] = [
    ("prelude/lists.scm", include_str!("prelude/lists.scm")),
    ("prelude/control.scm", include_str!("prelude/control.scm")),
    ("prelude/tables.scm", include_str!("prelude/tables.scm")),
    ("prelude/ports.scm", include_str!("prelude/ports.scm")),
    ("prelude/threads.scm", include_str!("prelude/threads.scm")),
    ("prelude/weak.scm", include_str!("prelude/weak.scm")),
];

/// Procedures that are instructions: their names, required arguments, whether there are more.
const INSTRUCTIONS: [(&str, Op, u16, bool); 7] = [
    ("apply", Op::Apply, 1, true),
    ("call-with-current-continuation", Op::CallCc, 1, false),
    ("call/cc", Op::CallCc, 1, false),
    ("%throw", Op::Throw, 2, false),
    ("%apply-values", Op::ApplyValues, 2, false),
    ("%uncaught", Op::Uncaught, 1, false),
    ("%base", Op::Underflow, 0, false),
];

/// Registers of a procedure that is an instruction.
const REGISTERS: u16 = 4;

impl Vm {
    /// Fills the heap with what every program finds there.
    pub(crate) fn boot(&mut self) -> Outcome<()> {
        let builtins = self.environment(Value::FALSE)?;
        self.shared.set(Global::Builtins, builtins);
        for (number, form) in Form::ALL.iter().enumerate() {
            let name = self.symbol(form.name())?;
            self.table_put(builtins.slot(0), name, Value::special(number))?;
        }
        self.define_primitives()?;
        self.define_instructions()?;
        let no_memory = self.error_of(ErrorKind::General, "out of memory", &[]);
        self.shared.set(Global::NoMemory, no_memory);
        self.open_standard_ports()?;
        for (name, text) in PRELUDE {
            self.evaluate_text(name, text, builtins)?;
        }
        for (global, name) in [(Global::Raise, "%raise"), (Global::Rewind, "%rewind")] {
            let value = self.builtin_value(name)?;
            self.shared.set(global, value);
        }
        self.define_libraries()?;
        self.define_user_environment()
    }

    fn define_instructions(&mut self) -> Outcome<()> {
        for (name, op, required, rest) in INSTRUCTIONS {
            let entry = Instruction::new(Op::Entry, required, u16::from(rest), REGISTERS);
            let body = Instruction::new(op, 1, 0, 0);
            // The call is there for the frame below every stack only: see `vm::stack`.
            let call = Instruction::new(Op::Call, 1, 0, 0);
            let code = if op == Op::Underflow {
                self.code(&[entry.0, 0, call.0, 0, body.0])?
            } else {
                self.code(&[entry.0, 0, body.0])?
            };
            let symbol = self.symbol(name)?;
            code.set_slot(CODE_REGISTERS, Value::index(usize::from(REGISTERS)));
            code.set_slot(CODE_NAME, symbol);
            let closure = self.object_with(Type::Closure, &[code])?;
            if op == Op::Underflow {
                code.set_slot(CODE_REGISTERS, Value::fixnum(2));
                self.shared.set(Global::Base, closure);
            } else {
                self.define_builtin(name, closure)?;
            }
        }
        Ok(())
    }

    fn open_standard_ports(&mut self) -> Outcome<()> {
        let ports = [
            (INPUT, 0, "stdin", "current-input-port", Some(Global::InputParameter)),
            (OUTPUT, 1, "stdout", "current-output-port", Some(Global::OutputParameter)),
            (OUTPUT, 2, "stderr", "current-error-port", None),
        ];
        for (direction, stream, name, parameter, global) in ports {
            let port = self.port(direction | TEXTUAL, Some(stream), name)?;
            let value = self.object_with(Type::Parameter, &[port, Value::FALSE])?;
            if let Some(global) = global {
                self.shared.set(global, value);
            }
            self.define_builtin(parameter, value)?;
        }
        Ok(())
    }

    /// Evaluates all forms of a text, with an empty stack for each.
    pub(crate) fn evaluate_text(&mut self, name: &str, text: &str, env: Value) -> Outcome {
        let port = self.port_on(TEXTUAL, name, text.as_bytes())?;
        let positions = self.table(Equivalence::Eq)?;
        let file = self.string(name)?;
        let mut result = Value::UNSPECIFIED;
        loop {
            let form = self.read_datum(port, positions)?;
            if form == Value::EOF {
                return Ok(result);
            }
            let thunk = self.compile(form, env, positions, file)?;
            result = self.run(thunk)?;
        }
    }

    /// The value of a variable of the built-in environment.
    pub(crate) fn builtin_value(&mut self, name: &str) -> Outcome {
        let symbol = self.symbol(name)?;
        let builtins = self.shared.get(Global::Builtins);
        match self.table_get(builtins.slot(0), symbol)? {
            Some(cell) if cell.is(Type::Cell) => Ok(cell.slot(0)),
            _ => Err(self.error("the prelude does not define this", &[symbol])),
        }
    }

    fn define_libraries(&mut self) -> Outcome<()> {
        let builtins = self.shared.get(Global::Builtins);
        for (name, exports) in STANDARD_LIBRARIES {
            let mut parts = Value::NIL;
            for part in name.split(' ').rev() {
                let part = match self.parse_number(part, 10)? {
                    Some(number) => number,
                    None => self.symbol(part)?,
                };
                parts = self.cons(part, parts)?;
            }
            let library = self.environment(parts)?;
            for export in exports.split_whitespace() {
                let symbol = self.symbol(export)?;
                match self.table_get(builtins.slot(0), symbol)? {
                    Some(value) => self.table_put(library.slot(0), symbol, value)?,
                    None => {
                        let message = "a library exports what is not defined";
                        return Err(self.error(message, &[parts, symbol]));
                    }
                }
            }
            self.add_library(parts, library)?;
        }
        Ok(())
    }

    /// The environment of programs has everything but what begins with `%`.
    fn define_user_environment(&mut self) -> Outcome<()> {
        let name = self.symbol("user")?;
        let user = self.environment(name)?;
        let builtins = self.shared.get(Global::Builtins);
        let entries = self.table_entries(builtins.slot(0))?;
        for entry in elements(entries) {
            if !entry.car().symbol_name().starts_with('%') {
                self.table_put(user.slot(0), entry.car(), entry.cdr())?;
            }
        }
        self.shared.set(Global::User, user);
        Ok(())
    }

    /// Makes the list of strings that `command-line` returns.
    pub(crate) fn set_command_line(&mut self) -> Outcome<()> {
        let mut list = Value::NIL;
        for argument in self.shared.process.arguments.clone().iter().rev() {
            let argument = self.string(argument)?;
            list = self.cons(argument, list)?;
        }
        self.shared.set(Global::CommandLine, list);
        Ok(())
    }
}
