//! Error objects: what is raised when something goes wrong.

use strandline::OutOfMemory;

use crate::object::Type;
use crate::value::Value;
use crate::vm::{Global, Outcome, Vm};

/// Slots of a condition.
pub(crate) const CONDITION_KIND: usize = 0;
pub(crate) const CONDITION_MESSAGE: usize = 1;
pub(crate) const CONDITION_IRRITANTS: usize = 2;
/// Where it happened, as a string, or `#f`.
pub(crate) const CONDITION_LOCATION: usize = 3;

/// What kind of error it is, as far as programs can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    General = 0,
    File = 1,
    Read = 2,
    /// Of a thread: join timeout, abandoned mutex, termination, uncaught exception.
    Thread = 3,
    /// As `Read`, where more text could make it right.
    Incomplete = 4,
}

impl Vm {
    /// A new error object. When there is no memory for it, the one that says so.
    #[cold]
    pub(crate) fn error(&mut self, message: &str, irritants: &[Value]) -> Value {
        self.error_of(ErrorKind::General, message, irritants)
    }

    #[cold]
    pub(crate) fn error_of(
        &mut self,
        kind: ErrorKind,
        message: &str,
        irritants: &[Value],
    ) -> Value {
        self.condition(kind, message, irritants).unwrap_or_else(|no_memory| no_memory)
    }

    fn condition(&mut self, kind: ErrorKind, message: &str, irritants: &[Value]) -> Outcome {
        let message = self.string(message)?;
        let irritants = self.list(irritants)?;
        self.condition_of(kind, message, irritants)
    }

    pub(crate) fn condition_of(
        &mut self,
        kind: ErrorKind,
        message: Value,
        irritants: Value,
    ) -> Outcome {
        let kind = Value::fixnum(kind as i64);
        self.object_with(Type::Condition, &[kind, message, irritants, Value::FALSE])
    }

    /// An argument of a type that `who` cannot use.
    #[cold]
    pub(crate) fn wrong_type(&mut self, who: &str, wanted: &str, value: Value) -> Value {
        let article = if wanted.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        self.error(&format!("{who}: not {article} {wanted}"), &[value])
    }

    #[cold]
    pub(crate) fn bad_index(&mut self, who: &str, ty: Type, object: Value, index: Value) -> Value {
        if !object.is(ty) {
            return self.wrong_type(who, &ty.name(), object);
        }
        let length = object.length();
        self.error(&format!("{who}: index out of range, the length is {length}"), &[index])
    }

    #[cold]
    pub(crate) fn wrong_argument_count(&mut self, name: Value, count: usize) -> Value {
        let name = if name.is_symbol() { name.symbol_name() } else { "procedure".to_owned() };
        let s = if count == 1 { "" } else { "s" };
        self.error(&format!("{name}: called with {count} argument{s}, which it does not take"), &[])
    }

    /// The heap is full. The object for that was made in advance.
    #[cold]
    pub(crate) fn out_of_memory(&mut self, error: &OutOfMemory) -> Value {
        let condition = self.shared.get(Global::NoMemory);
        if condition.is(Type::Condition) {
            return condition;
        }
        eprintln!("scheme: {error}");
        std::process::exit(3);
    }
}

/// Message, irritants and location of a condition.
pub(crate) fn condition_parts(condition: Value) -> (Value, Value, Value) {
    (
        condition.slot(CONDITION_MESSAGE),
        condition.slot(CONDITION_IRRITANTS),
        condition.slot(CONDITION_LOCATION),
    )
}
