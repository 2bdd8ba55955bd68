//! Loops: procedures whose calls are jumps.

use super::function::{Loop, Target};
use super::generate::Generator;
use super::ir::{Fix, Node};
use crate::vm::{Op, Outcome};

impl Generator<'_> {
    pub(super) fn loops(&mut self, fix: &Fix, target: Target, mut next: usize) -> Outcome<()> {
        let end = self.function().label();
        for (&variable, lambda) in fix.variables.iter().zip(&fix.lambdas) {
            let parameters = &lambda.clauses[0].parameters;
            let registers: Vec<_> = (next..next + parameters.len()).collect();
            for (&parameter, &register) in parameters.iter().zip(&registers) {
                self.function().registers.insert(parameter, register);
                self.function().use_register(register);
            }
            next += parameters.len();
            let start = self.function().label();
            let parameters = parameters.clone();
            let label = Loop { start, registers, parameters, target };
            self.function().loops.insert(variable, label);
        }
        self.generate(&fix.body, target, next)?;
        if target != Target::Return {
            self.function().jump(end);
        }
        for (variable, lambda) in fix.variables.iter().zip(&fix.lambdas) {
            let label = self.function().loops[variable].clone();
            self.function().place(label.start);
            for &parameter in &label.parameters {
                self.make_box(parameter);
            }
            self.generate(&lambda.clauses[0].body, target, next)?;
            if target != Target::Return {
                self.function().jump(end);
            }
        }
        self.function().place(end);
        Ok(())
    }

    /// A jump to a loop: its parameters get their new values, as if all at once.
    pub(super) fn jump_to(&mut self, label: &Loop, arguments: &[Node], next: usize) -> Outcome<()> {
        let mut moves = Vec::new();
        let mut scratch = next;
        for (index, argument) in arguments.iter().enumerate() {
            let (parameter, register) = (label.parameters[index], label.registers[index]);
            if matches!(argument, Node::Local(same) if *same == parameter)
                && !self.variables[parameter].boxed
            {
                continue;
            }
            let needed_later = arguments[index + 1..].iter().any(|later| later.mentions(parameter));
            if !needed_later && !self.variables[parameter].boxed {
                self.generate(argument, Target::Register(register), scratch)?;
            } else {
                self.generate(argument, Target::Register(scratch), scratch)?;
                moves.push((register, scratch));
                scratch += 1;
            }
        }
        for (to, from) in moves {
            self.function().use_register(from);
            self.function().emit(Op::Move, to, from, 0);
        }
        self.function().jump(label.start);
        Ok(())
    }
}
