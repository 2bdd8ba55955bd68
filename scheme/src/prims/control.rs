//! Procedures, values, errors, parameters, promises, records, and evaluation.

use super::{ANY, Definition, predicate};
use crate::error::{CONDITION_KIND, ErrorKind, condition_parts};
use crate::expand::Expander;
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Global, Outcome, Register, Vm};

pub(super) const TABLE: &[Definition] = &[
    ("procedure?", 1, 1, predicate!(Value::is_procedure)),
    ("values", 0, ANY, |vm, a| vm.values(a)),
    ("%winders", 0, 0, |vm, _| Ok(vm.machine.get(Register::Winders))),
    ("%set-winders!", 1, 1, |vm, a| set(vm, Register::Winders, a[0])),
    ("%handlers", 0, 0, |vm, _| Ok(vm.machine.get(Register::Handlers))),
    ("%set-handlers!", 1, 1, |vm, a| set(vm, Register::Handlers, a[0])),
    ("%parameters", 0, 0, |vm, _| Ok(vm.machine.get(Register::Parameters))),
    ("%set-parameters!", 1, 1, |vm, a| set(vm, Register::Parameters, a[0])),
    ("%continuation-winders", 1, 1, |_, a| Ok(a[0].slot(1))),
    ("%parameter", 2, 2, |vm, a| vm.object_with(Type::Parameter, a)),
    ("%parameter?", 1, 1, predicate!(|value| value.is(Type::Parameter))),
    ("%parameter-converter", 1, 1, |_, a| Ok(a[0].slot(1))),
    ("error", 1, ANY, |vm, a| Err(error(vm, a))),
    ("raise", 1, 1, |_, a| Err(a[0])),
    ("%make-error", 3, 3, |vm, a| {
        let kind = if a[0] == Value::fixnum(ErrorKind::Thread as i64) {
            ErrorKind::Thread
        } else {
            ErrorKind::General
        };
        vm.condition_of(kind, a[1], a[2])
    }),
    ("error-object?", 1, 1, predicate!(|value| value.is(Type::Condition))),
    ("condition?", 1, 1, predicate!(|value| value.is(Type::Condition))),
    ("error-object-message", 1, 1, |vm, a| {
        vm.expect("error-object-message", Type::Condition, a[0])?;
        Ok(condition_parts(a[0]).0)
    }),
    ("error-object-irritants", 1, 1, |vm, a| {
        vm.expect("error-object-irritants", Type::Condition, a[0])?;
        Ok(condition_parts(a[0]).1)
    }),
    ("error-object-location", 1, 1, |vm, a| {
        vm.expect("error-object-location", Type::Condition, a[0])?;
        Ok(condition_parts(a[0]).2)
    }),
    ("%error-kind", 1, 1, |_, a| {
        Ok(if a[0].is(Type::Condition) { a[0].slot(CONDITION_KIND) } else { Value::FALSE })
    }),
    ("%describe-error", 1, 1, |vm, a| {
        let text = vm.describe_error(a[0]);
        vm.string(&text)
    }),
    // A promise holds a box, which promises share: whether it is done, and the value or procedure.
    ("%delay", 1, 1, |vm, a| promise(vm, true, a[0], false)),
    ("%delay-force", 1, 1, |vm, a| promise(vm, false, a[0], false)),
    ("make-promise", 1, 1, |vm, a| {
        if a[0].is(Type::Promise) { Ok(a[0]) } else { promise(vm, false, a[0], true) }
    }),
    ("promise?", 1, 1, predicate!(|value| value.is(Type::Promise))),
    ("%promise-content", 1, 1, |vm, a| {
        vm.expect("force", Type::Promise, a[0])?;
        Ok(a[0].slot(0))
    }),
    ("%set-promise-content!", 2, 2, |_, a| {
        a[0].set_slot(0, a[1]);
        Ok(Value::UNSPECIFIED)
    }),
    ("%record-type", 2, 2, |vm, a| vm.object_with(Type::Structure, a)),
    ("%record", 1, ANY, |vm, a| vm.object_with(Type::Record, a)),
    ("%record-is?", 2, 2, |_, a| Ok(Value::boolean(is_record(a[0], a[1])))),
    ("%record-ref", 3, 3, |vm, a| {
        check_record(vm, a[0], a[1])?;
        Ok(a[0].slot(a[2].as_fixnum() as usize))
    }),
    ("%record-set!", 4, 4, |vm, a| {
        check_record(vm, a[0], a[2])?;
        a[0].set_slot(a[3].as_fixnum() as usize, a[1]);
        Ok(Value::UNSPECIFIED)
    }),
    ("%compile", 4, 4, |vm, a| vm.compile(a[0], a[1], a[2], a[3])),
    ("%declare", 4, 4, |vm, a| {
        Expander::new(vm, a[2], a[3]).declare(a[0], a[1]).map(|()| Value::UNSPECIFIED)
    }),
    ("%finish-library", 3, 3, |vm, a| {
        let mut expander = Expander::new(vm, Value::FALSE, Value::FALSE);
        expander.finish_library(a[0], a[1], a[2]).map(|()| Value::UNSPECIFIED)
    }),
    ("%library?", 1, 1, |vm, a| Ok(Value::boolean(vm.find_library(a[0])?.is_some()))),
    ("interaction-environment", 0, 0, |vm, _| Ok(vm.shared.get(Global::User))),
    ("environment", 0, ANY, environment),
    ("environment?", 1, 1, predicate!(|value| value.is(Type::Environment))),
    ("void", 0, ANY, |_, _| Ok(Value::UNSPECIFIED)),
];

fn set(vm: &mut Vm, register: Register, value: Value) -> Outcome {
    vm.machine.set(register, value);
    Ok(Value::UNSPECIFIED)
}

fn error(vm: &mut Vm, arguments: &[Value]) -> Value {
    let irritants = match vm.list(&arguments[1..]) {
        Ok(irritants) => irritants,
        Err(no_memory) => return no_memory,
    };
    let condition = vm.condition_of(ErrorKind::General, arguments[0], irritants);
    condition.unwrap_or_else(|no_memory| no_memory)
}

fn promise(vm: &mut Vm, delay: bool, content: Value, done: bool) -> Outcome {
    // `#t`: a value; a number: a procedure, 1 if what it returns is the value, 0 if a promise.
    let state = if done { Value::TRUE } else { Value::fixnum(i64::from(delay)) };
    let content = vm.cons(state, content)?;
    vm.object_with(Type::Promise, &[content])
}

fn is_record(record: Value, ty: Value) -> bool {
    record.is(Type::Record) && record.slot(0) == ty
}

fn check_record(vm: &mut Vm, record: Value, ty: Value) -> Outcome<()> {
    if is_record(record, ty) {
        return Ok(());
    }
    let name = if ty.is(Type::Structure) { ty.slot(0).symbol_name() } else { "record".into() };
    Err(vm.wrong_type("record access", &name, record))
}

/// A new environment with what some import sets stand for.
fn environment(vm: &mut Vm, sets: &[Value]) -> Outcome {
    let result = vm.environment(Value::FALSE)?;
    let mut expander = Expander::new(vm, Value::FALSE, Value::FALSE);
    for &set in sets {
        let imported = expander.import_set(set)?;
        expander.vm.import_all(imported, result)?;
    }
    Ok(result)
}
