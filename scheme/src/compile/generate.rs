//! The code generator: one pass over the expressions, registers handed out like a stack.
//!
//! `next` is always the first register that is free. The register of a result is written last, so it
//! may be one that the expression's parts use.

use super::analysis::Analysis;
use super::function::{Function, Target};
use super::ir::{Clause, Info, Lambda, Node};
use super::loops::mark_loops;
use crate::object::Type;
use crate::value::Value;
use crate::vm::{Op, Outcome, Vm};

/// Writes the code of one form of the top level.
pub(super) struct Generator<'v> {
    pub(super) vm: &'v mut Vm,
    pub(super) variables: Vec<Info>,
    /// Lists of what the unit needs now and of what its code refers to. They are found because this
    /// struct is on the native stack.
    kept: Value,
    pub(super) constants: Value,
    pub(super) file: Value,
    pub(super) functions: Vec<Function>,
}

impl<'v> Generator<'v> {
    pub(super) fn new(
        vm: &'v mut Vm,
        variables: Vec<Info>,
        kept: Value,
        constants: Value,
        file: Value,
    ) -> Self {
        Self { vm, variables, kept, constants, file, functions: Vec::new() }
    }

    /// A closure that evaluates `node`.
    pub(super) fn unit(mut self, mut node: Node) -> Outcome {
        mark_loops(&mut node);
        Analysis::new(&mut self.variables).walk(&mut node, 0);
        let clause = Clause { parameters: Vec::new(), rest: false, body: node };
        let lambda = Lambda { name: Value::FALSE, clauses: vec![clause] };
        let (code, free) = self.lambda(&lambda, None)?;
        debug_assert!(free.is_empty(), "a unit has no free variables");
        std::hint::black_box(self.kept);
        self.vm.object_with(Type::Closure, &[code])
    }

    pub(super) fn function(&mut self) -> &mut Function {
        self.functions.last_mut().expect("code belongs to a function")
    }

    /// Puts a value where it belongs.
    pub(super) fn deliver(&mut self, register: usize, target: Target) {
        match target {
            Target::Register(to) if to == register => {}
            Target::Register(to) => {
                self.function().use_register(to);
                self.function().emit(Op::Move, to, register, 0);
            }
            Target::Return => self.function().emit(Op::Return, register, 0, 0),
        }
    }

    /// The register that a result is worked out in.
    pub(super) fn place(&mut self, target: Target, next: usize) -> usize {
        let register = match target {
            Target::Register(register) => register,
            Target::Return => next,
        };
        self.function().use_register(register);
        register
    }

    /// Evaluates for effect.
    pub(super) fn effect(&mut self, node: &Node, next: usize) -> Outcome<()> {
        match node {
            Node::Constant(_) | Node::Local(_) | Node::Lambda(_) => Ok(()),
            _ => self.generate(node, Target::Register(next), next),
        }
    }

    pub(super) fn generate(&mut self, node: &Node, target: Target, next: usize) -> Outcome<()> {
        self.vm.check_native_stack("compile")?;
        match node {
            Node::Constant(value) => {
                let register = self.place(target, next);
                self.load_constant(*value, register);
                self.deliver(register, target);
            }
            Node::Local(variable) => {
                let register = self.variable(*variable, self.place_for(target, next));
                self.deliver(register, target);
            }
            Node::SetLocal(variable, value) => {
                self.set_local(*variable, value, next)?;
                self.unspecified(target, next);
            }
            Node::Global(cell, position) => {
                let register = self.place(target, next);
                self.function().mark_position(*position);
                self.function().emit(Op::Global, register, 0, 0);
                self.function().word(cell.0 as u64);
                self.deliver(register, target);
            }
            Node::SetGlobal(cell, value, position) => {
                let register = self.operand(value, next)?;
                self.function().mark_position(*position);
                self.function().emit(Op::SetGlobal, register, 0, 0);
                self.function().word(cell.0 as u64);
                self.unspecified(target, next);
            }
            Node::DefineGlobal(cell, value) => {
                let register = self.operand(value, next)?;
                self.function().emit(Op::DefineGlobal, register, 0, 0);
                self.function().word(cell.0 as u64);
                self.unspecified(target, next);
            }
            Node::If(nodes) => self.conditional(nodes, target, next)?,
            Node::Sequence(nodes) => {
                let (last, effects) = nodes.split_last().expect("sequences have parts");
                for effect in effects {
                    self.effect(effect, next)?;
                }
                self.generate(last, target, next)?;
            }
            Node::Let(bindings, body) => {
                let next = self.bind(bindings, next)?;
                self.generate(body, target, next)?;
            }
            Node::Fix(fix) if fix.is_loop => self.loops(fix, target, next)?,
            Node::Fix(fix) => {
                let next = self.procedures(fix, next)?;
                self.generate(&fix.body, target, next)?;
            }
            Node::Lambda(lambda) => {
                let register = self.place(target, next);
                let (code, free) = self.lambda(lambda, None)?;
                self.closure(code, &free, register)?;
                self.deliver(register, target);
            }
            Node::Call(callee, arguments, position) => {
                self.call(callee, arguments, *position, target, next)?;
            }
            Node::Inline(inline, ..) if inline.is_test() => self.truth(node, target, next)?,
            Node::Inline(inline, arguments, position) => {
                self.inline(*inline, arguments, *position, target, next)?;
            }
            Node::Primitive(primitive, arguments, position) => {
                for (index, argument) in arguments.iter().enumerate() {
                    let register = next + index;
                    self.generate(argument, Target::Register(register), register)?;
                }
                self.function().use_register(next);
                self.function().mark_position(*position);
                self.function().emit(Op::Primitive, next, arguments.len(), 0);
                let word = primitive.slot(0).as_fixnum() as u64;
                self.function().word(word);
                self.deliver(next, target);
            }
            Node::Record(Op::JumpRecord, ..) => self.truth(node, target, next)?,
            Node::Record(op, cell, index, arguments, position) => {
                self.record(*op, *cell, *index, arguments, *position, target, next)?;
            }
        }
        Ok(())
    }

    pub(super) fn place_for(&self, target: Target, next: usize) -> usize {
        match target {
            Target::Register(register) => register,
            Target::Return => next,
        }
    }

    pub(super) fn unspecified(&mut self, target: Target, next: usize) {
        // For effect, nobody looks.
        if target != Target::Register(next) {
            let register = self.place(target, next);
            self.load_constant(Value::UNSPECIFIED, register);
            self.deliver(register, target);
        } else {
            self.function().use_register(next);
            self.load_constant(Value::UNSPECIFIED, next);
        }
    }

    pub(super) fn load_constant(&mut self, value: Value, register: usize) {
        self.function().use_register(register);
        if let Some(number) =
            value.is_fixnum().then(|| value.as_fixnum()).and_then(|n| i32::try_from(n).ok())
        {
            let word = crate::vm::Instruction::with_number(Op::Integer, register as u16, number);
            self.function().word(word.0);
        } else {
            self.function().emit(Op::Constant, register, 0, 0);
            self.function().word(value.0 as u64);
        }
    }

    pub(super) fn conditional(
        &mut self,
        nodes: &[Node; 3],
        target: Target,
        next: usize,
    ) -> Outcome<()> {
        let (otherwise, end) = (self.function().label(), self.function().label());
        self.branch(&nodes[0], next, false, otherwise)?;
        self.generate(&nodes[1], target, next)?;
        if target != Target::Return {
            self.function().jump(end);
        }
        self.function().place(otherwise);
        self.generate(&nodes[2], target, next)?;
        self.function().place(end);
        Ok(())
    }

    /// A test whose value is wanted.
    pub(super) fn truth(&mut self, node: &Node, target: Target, next: usize) -> Outcome<()> {
        let (no, end) = (self.function().label(), self.function().label());
        let register = self.place(target, next);
        self.branch(node, next, false, no)?;
        self.load_constant(Value::TRUE, register);
        self.deliver(register, target);
        if target != Target::Return {
            self.function().jump(end);
        }
        self.function().place(no);
        self.load_constant(Value::FALSE, register);
        self.deliver(register, target);
        self.function().place(end);
        Ok(())
    }
}
