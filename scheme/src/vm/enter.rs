//! Entering procedures, where the loop's short way does not do: rest arguments, several clauses, a
//! full stack, a stop, and what is called without being a closure.

use crate::object::Type;
use crate::prims::primitive_of;
use crate::value::Value;

use super::capture::CONTINUATION_WINDERS;
use super::frame::{Frame, Pointer};
use super::ops::{CODE_NAME, CODE_REGISTERS};
use super::shared::Global;
use super::stack::Register;
use super::{Outcome, Vm};

/// What to do after something was called that is no closure.
pub(super) enum Next {
    /// Enter the closure in the frame with this many arguments.
    Enter(Frame, usize),
    /// Return a value from the frame.
    Return(Frame, Value),
    /// Return a value to the frames in the heap.
    Underflow(Value),
}

impl Vm {
    /// Enters the closure in `frame`, which has `argc` arguments.
    #[cold]
    #[inline(never)]
    pub(super) fn enter_slowly(&mut self, frame: Frame, argc: usize) -> Outcome<(Pointer, Frame)> {
        let code = frame.get(0).slot(0);
        self.machine.set_frame(frame.0);
        self.machine.set_top(frame.above(argc + 1).0);
        self.mutator.safepoint();
        let result = if self.machine.is_interrupted() {
            Err(self.interruption())
        } else {
            self.enter_clause(frame, argc, code)
        };
        self.machine.set_top(std::ptr::null_mut());
        result
    }

    fn enter_clause(
        &mut self,
        mut frame: Frame,
        argc: usize,
        code: Value,
    ) -> Outcome<(Pointer, Frame)> {
        let registers = code.slot(CODE_REGISTERS).as_fixnum() as usize;
        if frame.above(registers.max(argc + 1)).0 > self.machine.soft_limit() {
            frame = self.move_stack_to_heap(frame, argc)?;
            self.machine.set_top(frame.above(argc + 1).0);
        }
        let mut pointer = Pointer::entry(code);
        loop {
            let entry = pointer.peek();
            pointer.jump(1);
            let next = pointer.next() as i64;
            let (required, rest) = (entry.a(), entry.b() != 0);
            if argc == required && !rest {
                return Ok((pointer, frame));
            }
            if argc >= required && rest {
                let arguments = frame.arguments(1 + required, argc - required);
                let list = self.list(arguments)?;
                frame.set(1 + required, list);
                return Ok((pointer, frame));
            }
            if next == 0 {
                return Err(self.wrong_argument_count(code.slot(CODE_NAME), argc));
            }
            pointer.jump(next);
        }
    }

    /// Calls what is in the frame and is no closure.
    #[inline(never)]
    pub(super) fn call_other(&mut self, frame: Frame, argc: usize) -> Outcome<Next> {
        let callee = frame.get(0);
        self.machine.set_frame(frame.0);
        self.machine.set_top(frame.above(argc + 1).0);
        let result = self.call_object(callee, frame, argc);
        self.machine.set_top(std::ptr::null_mut());
        result
    }

    fn call_object(&mut self, callee: Value, frame: Frame, argc: usize) -> Outcome<Next> {
        let arguments = frame.arguments(1, argc);
        if callee.is(Type::Primitive) {
            return Ok(Next::Return(frame, self.call_primitive(callee, arguments)?));
        }
        if callee.is(Type::Parameter) {
            if argc != 0 {
                let name = self.symbol("parameter")?;
                return Err(self.wrong_argument_count(name, argc));
            }
            return Ok(Next::Return(frame, self.parameter_value(callee)));
        }
        if callee.is(Type::Continuation) {
            let value = self.values(arguments)?;
            return self.continue_with(callee, value, frame);
        }
        Err(self.error("not a procedure", &[callee]))
    }

    /// Passes `value` to a continuation; through `dynamic-wind`'s procedures if there are any.
    #[inline(never)]
    pub(super) fn continue_with(
        &mut self,
        continuation: Value,
        value: Value,
        frame: Frame,
    ) -> Outcome<Next> {
        let winders = continuation.slot(CONTINUATION_WINDERS);
        if winders == self.machine.get(Register::Winders) {
            self.reinstate(continuation);
            return Ok(Next::Underflow(value));
        }
        frame.set(0, self.shared.get(Global::Rewind));
        frame.set(1, continuation);
        frame.set(2, value);
        Ok(Next::Enter(frame, 2))
    }

    /// Calls a primitive procedure, given as an object.
    #[inline]
    pub(super) fn call_primitive(&mut self, primitive: Value, arguments: &[Value]) -> Outcome {
        let (function, least, most) = primitive_of(primitive);
        if arguments.len() < least || arguments.len() > most {
            return Err(self.wrong_argument_count(primitive.slot(3), arguments.len()));
        }
        function(self, arguments)
    }

    /// The value of a parameter in this thread, here and now.
    pub(crate) fn parameter_value(&mut self, parameter: Value) -> Value {
        let bindings = self.machine.get(Register::Parameters);
        crate::object::elements(bindings)
            .find(|binding| binding.car() == parameter)
            .map_or_else(|| parameter.slot(0), Value::cdr)
    }

    /// Puts the elements of a list behind the callee in a frame; how many there are.
    pub(super) fn spread(&mut self, frame: Frame, first: usize, list: Value) -> Outcome<usize> {
        let mut count = first;
        for element in crate::object::elements(list) {
            if frame.above(2 + count).0 >= self.machine.hard_limit() {
                return Err(self.error("apply: too many arguments", &[Value::index(count)]));
            }
            frame.set(1 + count, element);
            count += 1;
        }
        Ok(count)
    }
}
