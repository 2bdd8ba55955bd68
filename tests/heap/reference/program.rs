//! Programs: sequences of operations, each decoded from eight bytes so that any bytes are one.

use strandline::Kind;

/// An operation as it is generated.
pub(crate) type Code = [u8; 8];

/// Somewhere to start from: one of the [`ROOTS`](super::ROOTS), and which slots to follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub(crate) root: usize,
    /// Four steps of four bits: the slot to follow, `0` to stay.
    pub(crate) steps: u16,
}

/// Where a reference is put.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// A root.
    Root(usize),
    /// A slot of the object that a path leads to.
    Slot(Path, usize),
}

/// What to allocate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) slots: usize,
    /// Wanted bytes; more if the slots need it.
    pub(crate) bytes: usize,
    pub(crate) alignment: usize,
}

/// What a program does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    /// Allocates and puts the reference somewhere.
    Allocate(Shape, Place),
    /// Copies a reference. `inside` is the offset for places that may hold interior addresses.
    Store { from: Path, to: Place, inside: usize },
    /// Puts no reference there.
    Clear(Place),
    /// Allocates this many objects and forgets them.
    Garbage(Shape, usize),
    /// Allocates until the heap is full, then forgets it all.
    Fill(Shape),
    /// Asks for more than there can be.
    TooMuch(Kind, usize),
    /// A full collection.
    Collect,
    /// Compares everything that is reachable.
    Check,
    /// Looks an address up.
    Find(Path, usize),
    /// Spends a moment in a blocking region.
    Blocking,
}

fn path(bytes: [u8; 3]) -> Path {
    Path { root: usize::from(bytes[0]), steps: u16::from_le_bytes([bytes[1], bytes[2]]) }
}

fn place(selector: u8, bytes: [u8; 3]) -> Place {
    let slot = usize::from(selector >> 2);
    if selector & 3 == 0 { Place::Root(slot) } else { Place::Slot(path(bytes), slot) }
}

/// Sizes from one granule to several chunks, the small ones most often.
fn bytes(class: u8, detail: u8) -> usize {
    let detail = usize::from(detail);
    match class % 16 {
        0..=6 => detail,
        7..=9 => 8 * detail,
        10..=11 => 48 * detail,
        12 => 8 * 1024 - 128 + detail,
        13 => 256 * detail,
        14 => 4096 * (detail % 80) + detail,
        _ => 65_536 * (detail % 64) + detail,
    }
}

fn shape(code: Code) -> Shape {
    let kind = Kind::ALL[usize::from(code[6] & 3)];
    let alignment = if code[7] & 7 == 7 { 16 << (code[7] >> 4).min(8) } else { 1 };
    let slots = if kind == Kind::Leaf { 0 } else { usize::from(code[6] >> 2) % 12 };
    Shape { kind, slots, bytes: bytes(code[7] >> 3, code[5]), alignment }
}

/// Sizes that no heap has room for, up to those that overflow when they are rounded.
fn too_much(selector: u8) -> usize {
    match selector % 5 {
        0 => usize::MAX - usize::from(selector),
        1 => usize::MAX - 4096 + usize::from(selector),
        2 => isize::MAX as usize + usize::from(selector),
        3 => 1 << (40 + selector % 20),
        _ => 1 << 31,
    }
}

impl Operation {
    /// Any eight bytes are an operation.
    pub(crate) fn decode(code: Code) -> Self {
        let (front, back) = ([code[2], code[3], code[4]], [code[5], code[6], code[7]]);
        match code[0] % 32 {
            0..=11 => Self::Allocate(shape(code), place(code[1], front)),
            12..=19 => {
                let inside = usize::from(code[7]) * usize::from(code[6]);
                Self::Store { from: path(back), to: place(code[1], front), inside }
            }
            20..=22 => Self::Clear(place(code[1], front)),
            23..=24 => Self::Garbage(shape(code), usize::from(code[1])),
            25 => Self::Fill(shape(code)),
            26 => Self::TooMuch(Kind::ALL[usize::from(code[1] % 4)], too_much(code[2])),
            27..=28 => Self::Collect,
            29 => Self::Check,
            30 => Self::Find(path(front), usize::from(code[5]) * usize::from(code[6])),
            _ => Self::Blocking,
        }
    }
}
