//! The program between the expander and the code generator: what is left when names are resolved.

use crate::object::Type;
use crate::value::Value;
use crate::vm::Op;

/// A local variable, as an index into the unit's table of variables. Every binding has its own.
pub(crate) type Variable = usize;

/// What is known of a local variable.
#[derive(Debug, Clone)]
pub(crate) struct Info {
    /// The symbol, which the symbol table keeps.
    pub(crate) name: Value,
    pub(crate) references: usize,
    pub(crate) assigned: bool,
    /// May be referred to before it has a value.
    pub(crate) checked: bool,
    /// Lives in a box, because a closure or a continuation may share it.
    pub(crate) boxed: bool,
    /// The function whose frame has it.
    pub(crate) function: usize,
    pub(crate) captured: bool,
}

/// Line and column; zero if unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// An expression. The values in it are kept by the unit's list of constants.
#[derive(Debug)]
pub(crate) enum Node {
    Constant(Value),
    Local(Variable),
    SetLocal(Variable, Box<Node>),
    Global(Value, Position),
    SetGlobal(Value, Box<Node>, Position),
    DefineGlobal(Value, Box<Node>),
    If(Box<[Node; 3]>),
    Sequence(Vec<Node>),
    Let(Vec<(Variable, Node)>, Box<Node>),
    Fix(Box<Fix>),
    Lambda(Box<Lambda>),
    Call(Box<Node>, Vec<Node>, Position),
    Inline(Inline, Vec<Node>, Position),
    /// A primitive, by the value of its cell.
    Primitive(Value, Vec<Node>, Position),
    /// An access to a field of a record, whose type is in a cell.
    Record(Op, Value, usize, Vec<Node>, Position),
}

/// Procedures that refer to each other.
#[derive(Debug)]
pub(crate) struct Fix {
    pub(crate) variables: Vec<Variable>,
    pub(crate) lambdas: Vec<Lambda>,
    pub(crate) body: Node,
    /// All calls are tail calls and nothing else refers to them: they are jumps.
    pub(crate) is_loop: bool,
}

#[derive(Debug)]
pub(crate) struct Lambda {
    /// A symbol or `#f`.
    pub(crate) name: Value,
    pub(crate) clauses: Vec<Clause>,
}

#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) parameters: Vec<Variable>,
    /// The last parameter is a list of the remaining arguments.
    pub(crate) rest: bool,
    pub(crate) body: Node,
}

/// How a call of a primitive becomes an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inline {
    /// r[a] = op r[b]
    One(Op),
    /// r[a] = r[b] op r[c]
    Two(Op),
    /// Stores, from operands a, b and c.
    Effect(Op),
    /// A jump on r[a], with a constant b.
    Test(Op, u16),
    /// A jump on r[a] and r[b].
    Compare(Op),
    /// A jump on r[b] and r[a].
    Swapped(Op),
    Not,
}

impl Inline {
    /// The instruction for a call of the primitive `name` with this many arguments.
    pub(crate) fn of(name: &str, count: usize) -> Option<Self> {
        match count {
            1 => Self::of_one(name),
            2 => Self::of_two(name),
            3 if name == "vector-set!" => Some(Self::Effect(Op::VectorSet)),
            _ => None,
        }
    }

    fn of_one(name: &str) -> Option<Self> {
        Some(match name {
            "car" => Self::One(Op::Car),
            "cdr" => Self::One(Op::Cdr),
            "caar" => Self::One(Op::Caar),
            "cadr" => Self::One(Op::Cadr),
            "cdar" => Self::One(Op::Cdar),
            "cddr" => Self::One(Op::Cddr),
            "vector-length" => Self::One(Op::VectorLength),
            "string-length" => Self::One(Op::StringLength),
            "char->integer" => Self::One(Op::CharToInteger),
            "not" => Self::Not,
            "null?" => Self::Test(Op::JumpNull, 0),
            "pair?" => Self::Test(Op::JumpPair, 0),
            "zero?" => Self::Test(Op::JumpNumEqualInteger, 0),
            "positive?" => Self::Test(Op::JumpGreaterInteger, 0),
            "negative?" => Self::Test(Op::JumpLessInteger, 0),
            "symbol?" => Self::Test(Op::JumpObject, Type::Symbol as u16),
            "string?" => Self::Test(Op::JumpObject, Type::String as u16),
            "vector?" => Self::Test(Op::JumpObject, Type::Vector as u16),
            "bytevector?" => Self::Test(Op::JumpObject, Type::Bytevector as u16),
            _ => Self::Test(Op::JumpType, crate::prims::type_number(name)?),
        })
    }

    fn of_two(name: &str) -> Option<Self> {
        Some(match name {
            "+" => Self::Two(Op::Add),
            "-" => Self::Two(Op::Subtract),
            "*" => Self::Two(Op::Multiply),
            "quotient" | "truncate-quotient" => Self::Two(Op::Quotient),
            "remainder" | "truncate-remainder" => Self::Two(Op::Remainder),
            "modulo" | "floor-remainder" => Self::Two(Op::Modulo),
            "cons" => Self::Two(Op::Cons),
            "vector-ref" => Self::Two(Op::VectorRef),
            "string-ref" => Self::Two(Op::StringRef),
            "bytevector-u8-ref" => Self::Two(Op::BytevectorRef),
            "set-car!" => Self::Effect(Op::SetCar),
            "set-cdr!" => Self::Effect(Op::SetCdr),
            "eq?" => Self::Compare(Op::JumpEq),
            "eqv?" => Self::Compare(Op::JumpEqv),
            "<" => Self::Compare(Op::JumpLess),
            "<=" => Self::Compare(Op::JumpLessEqual),
            "=" => Self::Compare(Op::JumpNumEqual),
            ">" => Self::Swapped(Op::JumpLess),
            ">=" => Self::Swapped(Op::JumpLessEqual),
            "char=?" => Self::Compare(Op::JumpCharEqual),
            "char<?" => Self::Compare(Op::JumpCharLess),
            "char>?" => Self::Swapped(Op::JumpCharLess),
            _ => return None,
        })
    }

    /// Whether the result is a truth value, which is a jump's business.
    pub(crate) fn is_test(self) -> bool {
        matches!(self, Self::Test(..) | Self::Compare(_) | Self::Swapped(_) | Self::Not)
    }
}
