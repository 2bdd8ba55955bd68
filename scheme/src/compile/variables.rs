//! Local variables: which register or box they are in, and how they get there.

use super::function::Target;
use super::generate::Generator;
use super::ir::{Node, Variable};
use crate::vm::{Op, Outcome};

impl Generator<'_> {
    /// Puts a variable's value into a box, if it lives in one.
    pub(super) fn make_box(&mut self, variable: Variable) {
        if self.variables[variable].boxed {
            let register = self.function().registers[&variable];
            self.function().emit(Op::MakeBox, register, 0, 0);
        }
    }

    /// The register that holds a variable's value; `scratch` if it has to be fetched.
    pub(super) fn variable(&mut self, variable: Variable, scratch: usize) -> usize {
        let register = self.raw_variable(variable, scratch);
        let info = &self.variables[variable];
        let (boxed, checked, name) = (info.boxed, info.checked, info.name);
        let mut result = register;
        if boxed {
            self.function().use_register(scratch);
            self.function().emit(Op::Unbox, scratch, register, 0);
            result = scratch;
        }
        if checked {
            self.function().emit(Op::CheckDefined, result, 0, 0);
            self.function().word(name.0 as u64);
        }
        result
    }

    /// The register that holds a variable, or the box that it lives in.
    pub(super) fn raw_variable(&mut self, variable: Variable, scratch: usize) -> usize {
        let function = self.function();
        if let Some(&register) = function.registers.get(&variable) {
            return register;
        }
        if function.itself == Some(variable) {
            return 0;
        }
        let index = function.free_variable(variable);
        function.use_register(scratch);
        function.emit(Op::Free, scratch, index, 0);
        scratch
    }

    pub(super) fn set_local(
        &mut self,
        variable: Variable,
        value: &Node,
        next: usize,
    ) -> Outcome<()> {
        if !self.variables[variable].boxed {
            let register = self.function().registers[&variable];
            return self.generate(value, Target::Register(register), next);
        }
        let value = self.operand(value, next)?;
        let scratch = if value == next { next + 1 } else { next };
        let place = self.raw_variable(variable, scratch);
        self.function().emit(Op::SetBox, place, value, 0);
        Ok(())
    }

    /// Evaluates the bindings of a `let` into registers from `next` on; the next free one.
    pub(super) fn bind(&mut self, bindings: &[(Variable, Node)], next: usize) -> Outcome<usize> {
        for (index, (variable, value)) in bindings.iter().enumerate() {
            let register = next + index;
            self.generate(value, Target::Register(register), register)?;
            self.function().use_register(register);
            self.function().registers.insert(*variable, register);
            self.make_box(*variable);
        }
        Ok(next + bindings.len())
    }
}
