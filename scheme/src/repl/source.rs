//! Where the forms come from.

use rustyline::error::ReadlineError;

use crate::error::ErrorKind;
use crate::ports::{COLUMN, LINE, NAME, TEXTUAL, skip_buffered_blanks};
use crate::reader::place_of;
use crate::tables::Equivalence;
use crate::value::Value;
use crate::vm::{Global, Outcome, Vm};

use super::editor::Editor;
use super::is_of_kind;

/// A form, and what is known of where it is.
pub(super) struct Form {
    pub(super) datum: Value,
    /// Where it is, if it has no place among the positions because it is no list.
    pub(super) place: Value,
    pub(super) positions: Value,
    pub(super) file: Value,
}

/// Where forms come from. It stays on the native stack, where the collector finds its values.
pub(super) enum Source {
    Terminal(Terminal),
    /// The port.
    Pipe(Value),
}

impl Source {
    pub(super) fn terminal(vm: &mut Vm) -> Outcome<Self> {
        let editor = Editor::new()
            .map_err(|error| vm.error(&format!("the terminal cannot be used: {error}"), &[]))?;
        let file = vm.string("repl")?;
        let nothing = Value::NIL;
        let terminal = Terminal {
            editor: Box::new(editor),
            pending: nothing,
            positions: nothing,
            file,
            lines: 0,
        };
        Ok(Self::Terminal(terminal))
    }

    pub(super) fn pipe(vm: &mut Vm) -> Self {
        let parameter = vm.shared.get(Global::InputParameter);
        Self::Pipe(vm.parameter_value(parameter))
    }

    /// The next form; `None` at the end. After an error the next call goes on behind it.
    pub(super) fn next(&mut self, vm: &mut Vm) -> Outcome<Option<Form>> {
        match self {
            Self::Terminal(terminal) => terminal.next(vm),
            Self::Pipe(port) => next_in_pipe(vm, *port),
        }
    }
}

fn next_in_pipe(vm: &mut Vm, port: Value) -> Outcome<Option<Form>> {
    let positions = vm.table(Equivalence::Eq)?;
    match read(vm, port, positions) {
        Ok(Value::EOF) => Ok(None),
        Ok(form) => {
            // A form that reads a line gets the one below.
            skip_buffered_blanks(port);
            Ok(Some(Form {
                datum: form.car(),
                place: form.cdr(),
                positions,
                file: port.slot(NAME),
            }))
        }
        Err(error) => {
            // What is left of a line that cannot be read is not worth reading.
            if is_of_kind(error, ErrorKind::Read) {
                while !matches!(vm.read_character(port, true)?, None | Some('\n')) {}
            }
            Err(error)
        }
    }
}

/// Reads a datum: a pair of it and its place, or the end-of-file object.
fn read(vm: &mut Vm, port: Value, positions: Value) -> Outcome {
    let datum = vm.read_datum(port, positions)?;
    if datum == Value::EOF {
        return Ok(datum);
    }
    let mut place = Value::FALSE;
    if datum.is_symbol() {
        let length = datum.symbol_name().chars().count() as i64;
        let column = (port.slot(COLUMN).as_fixnum() - length).max(1);
        place = place_of(port.slot(LINE), Value::fixnum(column));
    }
    vm.cons(datum, place)
}

/// A terminal with a line editor.
pub(super) struct Terminal {
    editor: Box<Editor>,
    /// Forms that were entered together and are yet to be evaluated.
    pending: Value,
    positions: Value,
    file: Value,
    /// Lines so far.
    lines: i64,
}

impl Terminal {
    fn next(&mut self, vm: &mut Vm) -> Outcome<Option<Form>> {
        while !self.pending.is_pair() {
            if !self.enter(vm)? {
                return Ok(None);
            }
        }
        let form = self.pending.car();
        self.pending = self.pending.cdr();
        let (datum, place) = (form.car(), form.cdr());
        Ok(Some(Form { datum, place, positions: self.positions, file: self.file }))
    }

    /// Reads lines until they are whole forms. False at the end.
    fn enter(&mut self, vm: &mut Vm) -> Outcome<bool> {
        self.editor.complete_with(names(vm)?);
        let mut text = String::new();
        loop {
            let prompt = if text.is_empty() { "> " } else { ". " };
            let editor = &mut self.editor;
            match vm.mutator.blocking(|| editor.line(prompt)) {
                Ok(line) => text += &(line + "\n"),
                Err(ReadlineError::Interrupted) => return Ok(true),
                Err(ReadlineError::Eof) => return Ok(false),
                Err(error) => {
                    let message = format!("the terminal cannot be read: {error}");
                    return Err(vm.error_of(ErrorKind::File, &message, &[]));
                }
            }
            let forms = self.parse(vm, &text);
            if forms.is_err_and(|error| is_of_kind(error, ErrorKind::Incomplete)) {
                continue;
            }
            self.lines += text.lines().count() as i64;
            self.editor.add_to_history(&text);
            self.pending = forms?;
            return Ok(true);
        }
    }

    fn parse(&mut self, vm: &mut Vm, text: &str) -> Outcome {
        let port = vm.port_on(TEXTUAL, "repl", text.as_bytes())?;
        port.set_slot(LINE, Value::fixnum(self.lines + 1));
        self.positions = vm.table(Equivalence::Eq)?;
        let mut forms = Value::NIL;
        loop {
            let form = read(vm, port, self.positions)?;
            if form == Value::EOF {
                return vm.reverse(forms);
            }
            forms = vm.cons(form, forms)?;
        }
    }
}

/// All names that mean something at the prompt.
pub(super) fn names(vm: &mut Vm) -> Outcome<Vec<String>> {
    let user = vm.shared.get(Global::User);
    let entries = vm.table_entries(user.slot(crate::expand::ENVIRONMENT_TABLE))?;
    let mut names: Vec<_> =
        crate::object::elements(entries).map(|entry| entry.car().symbol_name()).collect();
    names.sort();
    Ok(names)
}
