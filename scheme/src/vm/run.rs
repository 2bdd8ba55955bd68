//! The interpreter's loop.

use crate::object::Type;
use crate::prims::{function_at, has_type_number};
use crate::value::Value;

use super::access::{is_object_of, is_record_of};
use super::enter::Next;
use super::frame::{Frame, Pointer};
use super::ops::{Instruction, Op};
use super::stack::Register;
use super::{Outcome, Vm};

impl Vm {
    /// Calls a procedure without arguments, on an empty stack.
    ///
    /// # Errors
    /// What was raised and not handled.
    pub(crate) fn run(&mut self, thunk: Value) -> Outcome {
        self.machine.set(Register::Rest, Value::NIL);
        self.machine.set(Register::Winders, Value::NIL);
        self.machine.set(Register::Handlers, Value::NIL);
        let frame = self.empty_stack();
        frame.set(0, thunk);
        self.machine.set_frame(frame.0);
        let result = self.execute(frame);
        self.machine.set_frame(std::ptr::null_mut());
        result
    }

    /// Runs the closure in `fp` until its caller, which is none, has the result.
    #[expect(clippy::too_many_lines, reason = "one arm for each instruction")]
    fn execute(&mut self, mut fp: Frame) -> Outcome {
        let mut ip;
        let mut argc = 0;
        loop {
            let payload = 'failed: {
                macro_rules! check {
                    ($outcome:expr) => {
                        match $outcome {
                            Ok(value) => value,
                            Err(payload) => break 'failed payload,
                        }
                    };
                }
                // Goes on in the closure in `fp`, with `argc` arguments.
                macro_rules! enter {
                    () => {{
                        let code = fp.get(0).slot(0);
                        ip = Pointer::entry(code);
                        let entry = ip.peek();
                        if entry.a() == argc
                            && entry.b() == 0
                            && fp.above(entry.c()).0 <= self.machine.limit()
                        {
                            self.machine.set_frame(fp.0);
                            ip.jump(2);
                            self.mutator.safepoint();
                        } else {
                            (ip, fp) = check!(self.enter_slowly(fp, argc));
                        }
                    }};
                }
                macro_rules! give_back {
                    ($value:expr) => {{
                        let value = $value;
                        ip = fp.return_address();
                        let (caller, result) = fp.caller();
                        fp = caller;
                        fp.set(result, value);
                        self.machine.set_frame(fp.0);
                    }};
                }
                macro_rules! underflow {
                    ($value:expr) => {{
                        let value = $value;
                        match self.underflow(value) {
                            Some(place) => (ip, fp) = place,
                            None => return Ok(value),
                        }
                    }};
                }
                macro_rules! go_on {
                    ($next:expr) => {
                        match $next {
                            Next::Enter(frame, count) => {
                                (fp, argc) = (frame, count);
                                enter!();
                            }
                            Next::Return(frame, value) => {
                                fp = frame;
                                give_back!(value);
                            }
                            Next::Underflow(value) => underflow!(value),
                        }
                    };
                }
                macro_rules! call {
                    ($callee:expr, $i:expr) => {{
                        let (callee, base): (Value, usize) = ($callee, $i.a());
                        argc = $i.b();
                        if callee.is_closure() {
                            fp = fp.above(base + 1);
                            fp.set_return_address(ip);
                            fp.set(0, callee);
                            enter!();
                        } else if callee.is(Type::Primitive) {
                            let arguments = fp.arguments(base + 2, argc);
                            let value = check!(self.call_primitive(callee, arguments));
                            fp.set(base, value);
                        } else {
                            let frame = fp.above(base + 1);
                            frame.set_return_address(ip);
                            frame.set(0, callee);
                            match self.call_other(frame, argc) {
                                Ok(next) => go_on!(next),
                                Err(payload) => {
                                    self.machine.set_frame(fp.0);
                                    break 'failed payload;
                                }
                            }
                        }
                    }};
                }
                macro_rules! tail_call {
                    ($callee:expr, $i:expr) => {{
                        let (callee, base): (Value, usize) = ($callee, $i.a());
                        argc = $i.b();
                        if callee.is_closure() {
                            fp.set(0, callee);
                            fp.copy_down(base + 2, 1, argc);
                            enter!();
                        } else if callee.is(Type::Primitive) {
                            let arguments = fp.arguments(base + 2, argc);
                            give_back!(check!(self.call_primitive(callee, arguments)));
                        } else if callee.is(Type::Continuation) || callee.is(Type::Parameter) {
                            fp.set(0, callee);
                            fp.copy_down(base + 2, 1, argc);
                            go_on!(check!(self.call_other(fp, argc)));
                        } else {
                            break 'failed self.error("not a procedure", &[callee]);
                        }
                    }};
                }
                // Calls what is in `fp` in place of the procedure that runs.
                macro_rules! call_in_place {
                    () => {{
                        if fp.get(0).is_closure() {
                            enter!();
                        } else {
                            go_on!(check!(self.call_other(fp, argc)));
                        }
                    }};
                }
                macro_rules! branch {
                    ($truth:expr, $i:expr) => {{
                        let truth: bool = $truth;
                        let words = ip.next() as i64;
                        if truth == ($i.c() != 0) {
                            ip.jump(words);
                        }
                    }};
                }
                if !fp.get(0).is_closure() {
                    return Err(fp.get(1));
                }
                enter!();
                loop {
                    let i = Instruction(ip.next());
                    match i.op() {
                        Op::Entry => unreachable!("entries are skipped"),
                        Op::Move => fp.set(i.a(), fp.get(i.b())),
                        Op::Constant => fp.set(i.a(), ip.value()),
                        Op::Integer => fp.set(i.a(), Value::fixnum(i64::from(i.number()))),
                        Op::Global => {
                            let cell = ip.value();
                            let value = cell.slot(0);
                            if value == Value::UNDEFINED {
                                break 'failed self.unbound(cell);
                            }
                            fp.set(i.a(), value);
                        }
                        Op::SetGlobal => {
                            let cell = ip.value();
                            if cell.slot(0) == Value::UNDEFINED {
                                break 'failed self.unbound(cell);
                            }
                            cell.set_slot(0, fp.get(i.a()));
                        }
                        Op::DefineGlobal => ip.value().set_slot(0, fp.get(i.a())),
                        Op::Free => fp.set(i.a(), fp.get(0).slot(1 + i.b())),
                        Op::MakeBox => check!(self.op_make_box(fp, i)),
                        Op::Unbox => fp.set(i.a(), fp.get(i.b()).slot(0)),
                        Op::SetBox => fp.get(i.a()).set_slot(0, fp.get(i.b())),
                        Op::CheckDefined => {
                            let name = ip.value();
                            if fp.get(i.a()) == Value::UNDEFINED {
                                break 'failed self.error("used before it is defined", &[name]);
                            }
                        }
                        Op::Closure => {
                            let code = ip.value();
                            let closure = check!(self.object(Type::Closure, 1 + i.b()));
                            closure.set_slot(0, code);
                            for index in 0..i.b() {
                                let from = ip.next() as i64;
                                let value = match usize::try_from(from) {
                                    Ok(register) => fp.get(register),
                                    Err(_) => fp.get(0).slot(from.unsigned_abs() as usize),
                                };
                                closure.set_slot(1 + index, value);
                            }
                            fp.set(i.a(), closure);
                        }
                        Op::Patch => fp.get(i.a()).set_slot(1 + i.b(), fp.get(i.c())),
                        Op::Jump => {
                            let words = i64::from(i.number());
                            ip.jump(words);
                            if words < 0 {
                                self.mutator.safepoint();
                                if self.machine.is_interrupted() {
                                    break 'failed self.interruption();
                                }
                            }
                        }
                        Op::JumpIf => branch!(fp.get(i.a()).is_true(), i),
                        Op::Call => {
                            ip.jump(1);
                            call!(fp.get(i.a() + 1), i);
                        }
                        Op::CallGlobal => {
                            let cell = ip.value();
                            let callee = cell.slot(0);
                            if callee == Value::UNDEFINED {
                                break 'failed self.unbound(cell);
                            }
                            call!(callee, i);
                        }
                        Op::TailCall => tail_call!(fp.get(i.a() + 1), i),
                        Op::TailCallGlobal => {
                            let cell = ip.value();
                            let callee = cell.slot(0);
                            if callee == Value::UNDEFINED {
                                break 'failed self.unbound(cell);
                            }
                            tail_call!(callee, i);
                        }
                        Op::Return => give_back!(fp.get(i.a())),
                        Op::Primitive => {
                            let address = ip.next();
                            // SAFETY: the compiler puts the address of a primitive here.
                            let function = unsafe { function_at(address) };
                            let value = check!(function(self, fp.arguments(i.a(), i.b())));
                            fp.set(i.a(), value);
                        }

                        Op::Add => check!(self.op_add(fp, i)),
                        Op::AddInteger => check!(self.op_add_integer(fp, i)),
                        Op::Subtract => check!(self.op_subtract(fp, i)),
                        Op::Multiply => check!(self.op_multiply(fp, i)),
                        Op::Quotient | Op::Remainder | Op::Modulo => {
                            check!(self.op_divide(fp, i));
                        }
                        Op::Cons => {
                            let pair = check!(self.cons(fp.get(i.b()), fp.get(i.c())));
                            fp.set(i.a(), pair);
                        }
                        Op::Car => check!(self.op_car(fp, i)),
                        Op::Cdr => check!(self.op_cdr(fp, i)),
                        Op::Caar => check!(self.op_caar(fp, i)),
                        Op::Cadr => check!(self.op_cadr(fp, i)),
                        Op::Cdar => check!(self.op_cdar(fp, i)),
                        Op::Cddr => check!(self.op_cddr(fp, i)),
                        Op::SetCar => check!(self.op_set_car(fp, i)),
                        Op::SetCdr => check!(self.op_set_cdr(fp, i)),
                        Op::VectorRef => check!(self.op_vector_ref(fp, i)),
                        Op::VectorSet => check!(self.op_vector_set(fp, i)),
                        Op::VectorLength => check!(self.op_vector_length(fp, i)),
                        Op::StringRef => check!(self.op_string_ref(fp, i)),
                        Op::StringLength => check!(self.op_string_length(fp, i)),
                        Op::CharToInteger => check!(self.op_char_to_integer(fp, i)),
                        Op::BytevectorRef => check!(self.op_bytevector_ref(fp, i)),
                        Op::RecordRef => check!(self.op_record_ref(fp, i, ip.value())),
                        Op::RecordSet => check!(self.op_record_set(fp, i, ip.value())),

                        Op::JumpEq => branch!(fp.get(i.a()) == fp.get(i.b()), i),
                        Op::JumpEqv => {
                            let (x, y) = (fp.get(i.a()), fp.get(i.b()));
                            branch!(x == y || crate::equality::eqv(x, y), i);
                        }
                        Op::JumpNull => branch!(fp.get(i.a()).is_nil(), i),
                        Op::JumpPair => branch!(fp.get(i.a()).is_pair(), i),
                        Op::JumpObject => branch!(is_object_of(fp.get(i.a()), i.b()), i),
                        Op::JumpType => branch!(has_type_number(fp.get(i.a()), i.b()), i),
                        Op::JumpLess => branch!(check!(self.op_less(fp, i)), i),
                        Op::JumpLessEqual => branch!(check!(self.op_less_equal(fp, i)), i),
                        Op::JumpNumEqual => branch!(check!(self.op_num_equal(fp, i)), i),
                        Op::JumpLessInteger => branch!(check!(self.op_less_integer(fp, i)), i),
                        Op::JumpGreaterInteger => {
                            branch!(check!(self.op_greater_integer(fp, i)), i);
                        }
                        Op::JumpNumEqualInteger => {
                            branch!(check!(self.op_num_equal_integer(fp, i)), i);
                        }
                        Op::JumpCharEqual => branch!(check!(self.op_characters(fp, i)).0, i),
                        Op::JumpCharLess => branch!(check!(self.op_characters(fp, i)).1, i),
                        Op::JumpRecord => {
                            let ty = ip.value();
                            branch!(is_record_of(fp.get(i.a()), ty.slot(0)), i);
                        }

                        Op::Underflow => underflow!(fp.get(i.a())),
                        Op::Apply => {
                            let (callee, list) = (fp.get(1), fp.get(2));
                            fp.set(0, callee);
                            argc = check!(self.spread_arguments(fp, list));
                            call_in_place!();
                        }
                        Op::CallCc => {
                            fp = check!(self.move_stack_to_heap(fp, 1));
                            let continuation = check!(self.continuation());
                            fp.set(0, fp.get(1));
                            fp.set(1, continuation);
                            argc = 1;
                            call_in_place!();
                        }
                        Op::Throw => {
                            let next = self.continue_with(fp.get(1), fp.get(2), fp);
                            go_on!(check!(next));
                        }
                        Op::ApplyValues => {
                            let (consumer, values) = (fp.get(1), fp.get(2));
                            fp.set(0, consumer);
                            argc = if values.is(Type::Values) {
                                let values = values.slots();
                                for (index, &value) in values.iter().enumerate() {
                                    fp.set(1 + index, value);
                                }
                                values.len()
                            } else {
                                fp.set(1, values);
                                1
                            };
                            call_in_place!();
                        }
                        Op::Uncaught => {
                            self.machine.set(Register::Uncaught, fp.get(1));
                            return Err(fp.get(1));
                        }
                    }
                }
            };
            argc = 1;
            self.prepare_raise(fp, ip, payload);
        }
    }
}
