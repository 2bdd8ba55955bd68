//! Calls, and the primitives that are instructions.

use super::function::Target;
use super::generate::Generator;
use super::ir::{Inline, Node, Position};
use crate::value::Value;
use crate::vm::{Op, Outcome};

impl Generator<'_> {
    pub(super) fn call(
        &mut self,
        callee: &Node,
        arguments: &[Node],
        position: Position,
        target: Target,
        next: usize,
    ) -> Outcome<()> {
        if let Node::Local(variable) = callee
            && let Some(label) = self.function().loops.get(variable).cloned()
        {
            debug_assert_eq!(label.target, target, "a jump is in tail position of its loop");
            return self.jump_to(&label, arguments, next);
        }
        // next: the return address, then the callee and the arguments.
        let tail = target == Target::Return;
        if !matches!(callee, Node::Global(..)) {
            self.generate(callee, Target::Register(next + 1), next + 1)?;
        }
        for (index, argument) in arguments.iter().enumerate() {
            let register = next + 2 + index;
            self.generate(argument, Target::Register(register), register)?;
        }
        let function = self.function();
        function.use_register(next + 1 + arguments.len());
        function.mark_position(position);
        match (callee, tail) {
            (Node::Global(cell, _), true) => {
                function.emit(Op::TailCallGlobal, next, arguments.len(), 0);
                function.word(cell.0 as u64);
            }
            (Node::Global(cell, _), false) => {
                function.emit(Op::CallGlobal, next, arguments.len(), 0);
                function.word(cell.0 as u64);
            }
            (_, true) => function.emit(Op::TailCall, next, arguments.len(), 0),
            (_, false) => {
                function.emit(Op::Call, next, arguments.len(), 0);
                function.word(0);
            }
        }
        if !tail {
            self.deliver(next, target);
        }
        Ok(())
    }

    /// A register with the value of an expression: that of a variable, or `next`.
    pub(super) fn operand(&mut self, node: &Node, next: usize) -> Outcome<usize> {
        match node {
            Node::Local(variable) => Ok(self.variable(*variable, next)),
            _ => {
                self.generate(node, Target::Register(next), next)?;
                self.function().use_register(next);
                Ok(next)
            }
        }
    }

    /// Registers with the values of two expressions.
    pub(super) fn two_operands(
        &mut self,
        a: &Node,
        b: &Node,
        next: usize,
    ) -> Outcome<(usize, usize)> {
        let first = self.operand_before(a, &[b], next)?;
        let after = if first == next { next + 1 } else { next };
        Ok((first, self.operand(b, after)?))
    }

    /// As [`operand`](Self::operand), safe from what evaluating the `later` ones does: a variable
    /// that they may assign is copied.
    pub(super) fn operand_before(
        &mut self,
        node: &Node,
        later: &[&Node],
        next: usize,
    ) -> Outcome<usize> {
        if let Node::Local(variable) = node
            && self.variables[*variable].assigned
            && later.iter().any(|node| !matches!(node, Node::Local(_) | Node::Constant(_)))
        {
            self.generate(node, Target::Register(next), next)?;
            return Ok(next);
        }
        self.operand(node, next)
    }

    pub(super) fn inline(
        &mut self,
        inline: Inline,
        arguments: &[Node],
        position: Position,
        target: Target,
        next: usize,
    ) -> Outcome<()> {
        match inline {
            Inline::One(op) => {
                let operand = self.operand(&arguments[0], next)?;
                let result = self.place(target, next);
                self.function().mark_position(position);
                self.function().emit(op, result, operand, 0);
                self.deliver(result, target);
            }
            Inline::Two(op) => {
                let (op, a, b) = match added_number(op, arguments) {
                    Some((node, number)) => {
                        (Op::AddInteger, self.operand(node, next)?, usize::from(number as u16))
                    }
                    None => {
                        let (a, b) = self.two_operands(&arguments[0], &arguments[1], next)?;
                        (op, a, b)
                    }
                };
                let result = self.place(target, next);
                self.function().mark_position(position);
                self.function().emit(op, result, a, b);
                self.deliver(result, target);
            }
            Inline::Effect(op) => {
                let (mut registers, mut free) = ([0; 3], next);
                for (index, argument) in arguments.iter().enumerate() {
                    let later: Vec<_> = arguments[index + 1..].iter().collect();
                    registers[index] = self.operand_before(argument, &later, free)?;
                    free += usize::from(registers[index] == free);
                }
                self.function().mark_position(position);
                self.function().emit(op, registers[0], registers[1], registers[2]);
                self.unspecified(target, next);
            }
            _ => unreachable!("tests are jumps"),
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what a record access has, and where it goes")]
    pub(super) fn record(
        &mut self,
        op: Op,
        cell: Value,
        index: usize,
        arguments: &[Node],
        position: Position,
        target: Target,
        next: usize,
    ) -> Outcome<()> {
        if op == Op::RecordRef {
            let record = self.operand(&arguments[0], next)?;
            let result = self.place(target, next);
            self.function().mark_position(position);
            self.function().emit(op, result, record, index);
            self.function().word(cell.0 as u64);
            self.deliver(result, target);
        } else {
            let (record, value) = self.two_operands(&arguments[0], &arguments[1], next)?;
            self.function().mark_position(position);
            self.function().emit(op, record, value, index);
            self.function().word(cell.0 as u64);
            self.unspecified(target, next);
        }
        Ok(())
    }
}

/// The other operand and the number, where a small number is added or subtracted.
fn added_number(op: Op, arguments: &[Node]) -> Option<(&Node, i16)> {
    let small = |node: &Node| match node {
        Node::Constant(value) if value.is_fixnum() => i16::try_from(value.as_fixnum()).ok(),
        _ => None,
    };
    match op {
        Op::Add => small(&arguments[1])
            .map(|number| (&arguments[0], number))
            .or_else(|| small(&arguments[0]).map(|number| (&arguments[1], number))),
        Op::Subtract => {
            let number = small(&arguments[1])?.checked_neg()?;
            Some((&arguments[0], number))
        }
        _ => None,
    }
}
