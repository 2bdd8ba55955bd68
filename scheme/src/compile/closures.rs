//! Procedures: their code, and the closures that are made of it.

use super::function::{Function, Target};
use super::generate::Generator;
use super::ir::{Clause, Fix, Lambda, Variable};
use crate::object::Type;
use crate::value::Value;
use crate::vm::{
    CODE_CONSTANTS, CODE_FILE, CODE_NAME, CODE_POSITIONS, CODE_REGISTERS, Op, Outcome,
};

/// Registers that a procedure may have.
const MOST_REGISTERS: usize = 8000;

impl Generator<'_> {
    /// The code of a procedure, and its free variables.
    pub(super) fn lambda(
        &mut self,
        lambda: &Lambda,
        itself: Option<Variable>,
    ) -> Outcome<(Value, Vec<Variable>)> {
        let mut function = Function::new();
        function.itself = itself;
        self.functions.push(function);
        let last = lambda.clauses.len() - 1;
        for (index, clause) in lambda.clauses.iter().enumerate() {
            self.clause(clause, index == last)?;
        }
        let mut function = self.functions.pop().expect("it was pushed");
        if function.size > MOST_REGISTERS {
            return Err(self.vm.error("a procedure with too many variables", &[lambda.name]));
        }
        function.resolve();
        let code = self.code(&function, lambda.name)?;
        Ok((code, function.free))
    }

    pub(super) fn code(&mut self, function: &Function, name: Value) -> Outcome {
        let mut positions = Vec::new();
        for (word, position) in &function.positions {
            for number in [*word, position.line, position.column] {
                positions.extend(number.to_le_bytes());
            }
        }
        let positions = self.vm.bytevector(&positions)?;
        let mut words = function.code.clone();
        // The entries of clauses say how many registers there must be.
        let mut entry = 0;
        loop {
            words[entry] |= (function.size as u64) << 48;
            match words[entry + 1] as usize {
                0 => break,
                distance => entry += 2 + distance,
            }
        }
        let code = self.vm.code(&words)?;
        code.set_slot(CODE_REGISTERS, Value::index(function.size));
        code.set_slot(CODE_CONSTANTS, self.constants);
        code.set_slot(CODE_NAME, name);
        code.set_slot(CODE_POSITIONS, positions);
        code.set_slot(CODE_FILE, self.file);
        self.constants = self.vm.cons(code, self.constants)?;
        Ok(code)
    }

    pub(super) fn clause(&mut self, clause: &Clause, last: bool) -> Outcome<()> {
        let required = clause.parameters.len() - usize::from(clause.rest);
        let function = self.function();
        function.emit(Op::Entry, required, usize::from(clause.rest), 0);
        let next_clause = function.label();
        if last {
            function.word(0);
        } else {
            function.distance(next_clause);
        }
        for (index, &parameter) in clause.parameters.iter().enumerate() {
            function.registers.insert(parameter, 1 + index);
            function.use_register(1 + index);
        }
        for &parameter in &clause.parameters {
            self.make_box(parameter);
        }
        let next = 1 + clause.parameters.len();
        self.generate(&clause.body, Target::Return, next)?;
        self.function().place(next_clause);
        Ok(())
    }

    /// Makes the closures of procedures that refer to each other; the next free register.
    pub(super) fn procedures(&mut self, fix: &Fix, next: usize) -> Outcome<usize> {
        for (index, &variable) in fix.variables.iter().enumerate() {
            self.function().registers.insert(variable, next + index);
            self.function().use_register(next + index);
        }
        let after = next + fix.variables.len();
        let mut patches = Vec::new();
        for (index, lambda) in fix.lambdas.iter().enumerate() {
            let (code, free) = self.lambda(lambda, Some(fix.variables[index]))?;
            self.closure(code, &free, next + index)?;
            for (place, variable) in free.iter().enumerate() {
                let made = fix.variables.iter().position(|other| other == variable);
                if made.is_some_and(|made| made >= index) {
                    patches.push((next + index, place, next + made.expect("just seen")));
                }
            }
        }
        for (closure, place, value) in patches {
            self.function().emit(Op::Patch, closure, place, value);
        }
        Ok(after)
    }

    /// Makes a closure. Without free variables there is one for ever.
    pub(super) fn closure(
        &mut self,
        code: Value,
        free: &[Variable],
        register: usize,
    ) -> Outcome<()> {
        if free.is_empty() {
            let closure = self.vm.object_with(Type::Closure, &[code])?;
            self.constants = self.vm.cons(closure, self.constants)?;
            // The code that refers to it is not made yet, and will have the longer list.
            self.load_constant(closure, register);
            return Ok(());
        }
        let mut places = Vec::new();
        for &variable in free {
            let function = self.function();
            places.push(if let Some(&register) = function.registers.get(&variable) {
                register as i64
            } else if function.itself == Some(variable) {
                0
            } else {
                -(function.free_variable(variable) as i64 + 1)
            });
        }
        self.function().use_register(register);
        self.function().emit(Op::Closure, register, free.len(), 0);
        self.function().word(code.0 as u64);
        for place in places {
            self.function().word(place as u64);
        }
        Ok(())
    }
}
