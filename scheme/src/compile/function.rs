//! The code of one procedure while it is being written.

use std::collections::HashMap;

use super::ir::{Position, Variable};
use crate::vm::{Instruction, Op};

/// A place to jump to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Where a loop begins, its parameters' registers, and what becomes of its value.
#[derive(Debug, Clone)]
pub(super) struct Loop {
    pub(super) start: Label,
    pub(super) registers: Vec<usize>,
    pub(super) parameters: Vec<Variable>,
    pub(super) target: Target,
}

/// What becomes of the value of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Register(usize),
    /// It is the value of the procedure.
    Return,
}

#[derive(Default)]
pub(super) struct Function {
    pub(super) code: Vec<u64>,
    /// Registers of variables.
    pub(super) registers: HashMap<Variable, usize>,
    /// Free variables, in the order in which the closure has them.
    pub(super) free: Vec<Variable>,
    /// The variable that is this closure itself.
    pub(super) itself: Option<Variable>,
    pub(super) loops: HashMap<Variable, Loop>,
    /// One more than the highest register in use so far.
    pub(super) size: usize,
    /// Positions by word of code.
    pub(super) positions: Vec<(u32, Position)>,
    /// Where labels are, once they are known.
    labels: Vec<Option<usize>>,
    /// Words that hold the distance to a label, or whole jumps.
    patches: Vec<(usize, Label)>,
}

impl Function {
    pub(super) fn new() -> Self {
        Self { size: 1, ..Self::default() }
    }

    pub(super) fn emit(&mut self, op: Op, a: usize, b: usize, c: usize) {
        self.code.push(Instruction::new(op, a as u16, b as u16, c as u16).0);
    }

    pub(super) fn word(&mut self, word: u64) {
        self.code.push(word);
    }

    /// Takes note that a register is in use.
    pub(super) fn use_register(&mut self, register: usize) {
        self.size = self.size.max(register + 1);
    }

    /// The place of a free variable in the closure.
    pub(super) fn free_variable(&mut self, variable: Variable) -> usize {
        self.free.iter().position(|other| *other == variable).unwrap_or_else(|| {
            self.free.push(variable);
            self.free.len() - 1
        })
    }

    pub(super) fn mark_position(&mut self, position: Position) {
        if position.line > 0 && self.positions.last().is_none_or(|last| last.1 != position) {
            self.positions.push((self.code.len() as u32, position));
        }
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(super) fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.len());
    }

    pub(super) fn jump(&mut self, label: Label) {
        self.patches.push((self.code.len(), label));
        self.code.push(Instruction::with_number(Op::Jump, 0, 0).0);
    }

    /// A conditional jump, whose distance is a word of its own.
    pub(super) fn branch(&mut self, op: Op, a: usize, b: usize, when: bool, label: Label) {
        self.emit(op, a, b, usize::from(when));
        self.distance(label);
    }

    /// A word with the distance to a label.
    pub(super) fn distance(&mut self, label: Label) {
        self.patches.push((self.code.len(), label));
        self.code.push(0);
    }

    /// Fills in the distances.
    pub(super) fn resolve(&mut self) {
        for &(at, label) in &self.patches {
            let target = self.labels[label.0].expect("every label is placed");
            let words = target as i64 - (at as i64 + 1);
            let instruction = Instruction(self.code[at]);
            self.code[at] = if self.code[at] != 0 && instruction.op() == Op::Jump {
                Instruction::with_number(Op::Jump, 0, words as i32).0
            } else {
                words as u64
            };
        }
        self.patches.clear();
    }
}
