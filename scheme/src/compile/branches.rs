//! Tests as jumps.

use super::function::Label;
use super::generate::Generator;
use super::ir::{Inline, Node};
use crate::value::Value;
use crate::vm::{Op, Outcome};

impl Generator<'_> {
    /// Jumps to `label` if the truth of `node` is `when`; goes on otherwise.
    pub(super) fn branch(
        &mut self,
        node: &Node,
        next: usize,
        when: bool,
        label: Label,
    ) -> Outcome<()> {
        match node {
            Node::Constant(value) => {
                if value.is_true() == when {
                    self.function().jump(label);
                }
                Ok(())
            }
            Node::Inline(Inline::Not, arguments, _) => {
                self.branch(&arguments[0], next, !when, label)
            }
            Node::Inline(inline, arguments, position) if inline.is_test() => {
                let (op, a, b) = self.test_operands(*inline, arguments, next)?;
                self.function().mark_position(*position);
                self.function().branch(op, a, b, when, label);
                Ok(())
            }
            Node::Record(Op::JumpRecord, cell, _, arguments, _) => {
                let record = self.operand(&arguments[0], next)?;
                self.function().emit(Op::JumpRecord, record, 0, usize::from(when));
                self.function().word(cell.0 as u64);
                self.function().distance(label);
                Ok(())
            }
            Node::If(nodes) => self.branch_if(nodes, next, when, label),
            Node::Sequence(nodes) => {
                let (last, effects) = nodes.split_last().expect("sequences have parts");
                for effect in effects {
                    self.effect(effect, next)?;
                }
                self.branch(last, next, when, label)
            }
            Node::Let(bindings, body) => {
                let next = self.bind(bindings, next)?;
                self.branch(body, next, when, label)
            }
            _ => {
                let register = self.operand(node, next)?;
                self.function().branch(Op::JumpIf, register, 0, when, label);
                Ok(())
            }
        }
    }

    fn branch_if(
        &mut self,
        nodes: &[Node; 3],
        next: usize,
        when: bool,
        label: Label,
    ) -> Outcome<()> {
        let [test, yes, no] = nodes;
        // (if a b #f) and (if a #t b), which and and or become.
        if matches!(no, Node::Constant(Value::FALSE)) {
            if !when {
                self.branch(test, next, false, label)?;
                return self.branch(yes, next, false, label);
            }
            let end = self.function().label();
            self.branch(test, next, false, end)?;
            self.branch(yes, next, true, label)?;
            self.function().place(end);
            return Ok(());
        }
        if matches!(yes, Node::Constant(Value::TRUE)) {
            if when {
                self.branch(test, next, true, label)?;
                return self.branch(no, next, true, label);
            }
            let end = self.function().label();
            self.branch(test, next, true, end)?;
            self.branch(no, next, false, label)?;
            self.function().place(end);
            return Ok(());
        }
        let (otherwise, end) = (self.function().label(), self.function().label());
        self.branch(test, next, false, otherwise)?;
        self.branch(yes, next, when, label)?;
        self.function().jump(end);
        self.function().place(otherwise);
        self.branch(no, next, when, label)?;
        self.function().place(end);
        Ok(())
    }

    /// Puts the operands of a test into registers, and says which; with a small number instead of
    /// the second where there is an instruction for that.
    fn test_operands(
        &mut self,
        inline: Inline,
        arguments: &[Node],
        next: usize,
    ) -> Outcome<(Op, usize, usize)> {
        match inline {
            Inline::Test(op, b) => Ok((op, self.operand(&arguments[0], next)?, usize::from(b))),
            Inline::Compare(op) => {
                if let Some((op, number)) = with_number(op, false, &arguments[1]) {
                    return Ok((op, self.operand(&arguments[0], next)?, number));
                }
                if let Some((op, number)) = with_number(op, true, &arguments[0]) {
                    return Ok((op, self.operand(&arguments[1], next)?, number));
                }
                let (a, b) = self.two_operands(&arguments[0], &arguments[1], next)?;
                Ok((op, a, b))
            }
            Inline::Swapped(op) => {
                if let Some((op, number)) = with_number(op, true, &arguments[1]) {
                    return Ok((op, self.operand(&arguments[0], next)?, number));
                }
                if let Some((op, number)) = with_number(op, false, &arguments[0]) {
                    return Ok((op, self.operand(&arguments[1], next)?, number));
                }
                let (a, b) = self.two_operands(&arguments[0], &arguments[1], next)?;
                Ok((op, b, a))
            }
            _ => unreachable!("these are all the tests"),
        }
    }
}

/// The instruction that compares a register with a small number: on the right, or on the left if
/// `swapped`.
fn with_number(op: Op, swapped: bool, operand: &Node) -> Option<(Op, usize)> {
    let Node::Constant(value) = operand else { return None };
    let number = i16::try_from(value.is_fixnum().then(|| value.as_fixnum())?).ok()?;
    let op = match (op, swapped) {
        (Op::JumpNumEqual, _) => Op::JumpNumEqualInteger,
        (Op::JumpLess, false) => Op::JumpLessInteger,
        (Op::JumpLess, true) => Op::JumpGreaterInteger,
        _ => return None,
    };
    Some((op, usize::from(number as u16)))
}
