//! Instructions: 64-bit words with an operation and three operands, `a`, `b` and `c`, of 16 bits;
//! some are followed by a word of data.
//!
//! Values and cells are named in the code by their address: objects do not move. The code object
//! has them in a list, too, where the collector finds them.

/// Slots of a code object; the instructions come behind.
pub(crate) const CODE_REGISTERS: usize = 0;
pub(crate) const CODE_CONSTANTS: usize = 1;
pub(crate) const CODE_NAME: usize = 2;
pub(crate) const CODE_POSITIONS: usize = 3;
pub(crate) const CODE_FILE: usize = 4;
pub(crate) const CODE_SLOTS: usize = 6;

/// What an instruction does. `r` is a register of the frame, `+w` a following word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Op {
    /// The beginning of a clause: `a` required arguments, a rest list if `b`, `c` registers.
    /// +w: words from here to the next clause, 0 if there is none.
    Entry,
    /// r[a] = r[b]
    Move,
    /// r[a] = +w
    Constant,
    /// r[a] = the fixnum in b and c
    Integer,
    /// r[a] = the value of the cell +w
    Global,
    /// the value of the cell +w = r[a]
    SetGlobal,
    DefineGlobal,
    /// r[a] = free variable b
    Free,
    /// r[a] = a box that holds r[a]
    MakeBox,
    /// r[a] = what the box r[b] holds
    Unbox,
    /// what the box r[a] holds = r[b]
    SetBox,
    /// fails if r[a] is undefined; +w: its name
    CheckDefined,
    /// r[a] = a closure of the code +w with b free variables, each +w: a register, or a free
    /// variable of this closure if it is negative
    Closure,
    /// free variable b of the closure r[a] = r[c]
    Patch,
    /// jumps by the number in b and c
    Jump,
    /// jumps by +w if the truth of r[a] is c
    JumpIf,
    /// calls r[a+1] with b arguments from r[a+2] on; the result goes to r[a]. +w: nothing, so that
    /// both calls have the same length
    Call,
    /// the same with the value of the cell +w
    CallGlobal,
    TailCall,
    TailCallGlobal,
    Return,
    /// r[a] = primitive c of b arguments from r[a] on
    Primitive,

    // r[a] = ... r[b], r[c]
    Add,
    Subtract,
    Multiply,
    /// c is a number
    AddInteger,
    Quotient,
    Remainder,
    Modulo,
    Cons,
    Car,
    Cdr,
    Caar,
    Cadr,
    Cdar,
    Cddr,
    SetCar,
    SetCdr,
    VectorRef,
    VectorSet,
    VectorLength,
    StringRef,
    StringLength,
    CharToInteger,
    BytevectorRef,
    /// field c of the record r[b], which must be of type +w
    RecordRef,
    /// field c of the record r[a], which must be of type +w, = r[b]
    RecordSet,

    // jumps by +w if the truth of ... r[a], r[b] is c
    JumpEq,
    JumpEqv,
    JumpNull,
    JumpPair,
    /// an object with a header, of type b
    JumpObject,
    /// what the predicate with the number b holds for
    JumpType,
    JumpLess,
    JumpLessEqual,
    JumpNumEqual,
    /// b is a number
    JumpLessInteger,
    JumpGreaterInteger,
    JumpNumEqualInteger,
    JumpCharEqual,
    JumpCharLess,
    JumpRecord,

    // Bodies of procedures that are no ordinary code.
    Underflow,
    Apply,
    CallCc,
    Throw,
    ApplyValues,
    Uncaught,
}

impl Op {
    const LAST: u16 = Self::Uncaught as u16;
}

/// One word of code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instruction(pub(crate) u64);

impl Instruction {
    pub(crate) const fn new(op: Op, a: u16, b: u16, c: u16) -> Self {
        Self(op as u64 | (a as u64) << 16 | (b as u64) << 32 | (c as u64) << 48)
    }

    /// With one operand and a number.
    pub(crate) const fn with_number(op: Op, a: u16, number: i32) -> Self {
        Self(op as u64 | (a as u64) << 16 | (number as u32 as u64) << 32)
    }

    #[inline]
    pub(crate) fn op(self) -> Op {
        debug_assert!(self.0 as u16 <= Op::LAST);
        // SAFETY: instructions are made by the functions above, from an `Op`.
        unsafe { std::mem::transmute::<u16, Op>(self.0 as u16) }
    }

    #[inline]
    pub(crate) const fn a(self) -> usize {
        (self.0 >> 16) as u16 as usize
    }

    #[inline]
    pub(crate) const fn b(self) -> usize {
        (self.0 >> 32) as u16 as usize
    }

    #[inline]
    pub(crate) const fn c(self) -> usize {
        (self.0 >> 48) as usize
    }

    #[inline]
    pub(crate) const fn number(self) -> i32 {
        (self.0 >> 32) as i32
    }
}
