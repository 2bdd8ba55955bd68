//! A runtime with a write barrier, and a fast path that forgets it: the guide to the referee.
//!
//! The runtime is a stack machine whose objects have named fields. Its barrier marks a card after
//! every store to a field, as for a generational collector with cards. One instruction, `SetKeep`,
//! was added later as a fast path for `Dup`, `Set`, and stores without the barrier. With a card table
//! for a tracker such a mistake loses an object, some day. Here the heap goes by the MMU and has the
//! referee compare, so that nothing is lost and the mistake is named.
//!
//! ```text
//! cargo run --example referee
//! cargo run --example referee -- --fixed
//! ```

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use strandline::dirty::{BackendKind, TrackerOptions};
use strandline::{
    BarrierCheck, Heap, HeapOptions, Kind, Mode, Mutator, ObjectModel, ObjectRef, Registration,
    SlotChange, SlotVisitor, StackScan,
};

/// Runs a queue on a machine whose barrier has a hole, and reports the hole.
#[derive(Parser, Default)]
pub(crate) struct Options {
    /// Give the fast path its barrier
    #[arg(long)]
    pub(crate) fixed: bool,
    /// Collect with the world stopped
    #[arg(long)]
    pub(crate) stopped: bool,
    /// uffd, mprotect or all-dirty; without this the best that works
    #[arg(long)]
    pub(crate) tracker: Option<BackendKind>,
}

/// A class: its name and those of its fields, each a reference.
struct Class {
    name: &'static str,
    fields: &'static [&'static str],
}

const CLASSES: [Class; 2] = [
    Class { name: "Queue", fields: &["head", "tail"] },
    Class { name: "Node", fields: &["value", "next"] },
];
const QUEUE: usize = 0;
const NODE: usize = 1;

/// An object is its class number and then its fields.
struct Classes;

fn class(object: ObjectRef) -> Option<&'static Class> {
    // SAFETY: every object begins with the number of its class plus one; it is zero until then.
    let word = unsafe { object.as_ptr::<usize>().read() };
    CLASSES.get(word.wrapping_sub(1))
}

// SAFETY: the class tells how many fields there are, and all of them are references or null.
unsafe impl ObjectModel for Classes {
    unsafe fn trace<V: SlotVisitor>(&self, object: ObjectRef, visitor: &mut V) {
        for field in 1..=class(object).map_or(0, |class| class.fields.len()) {
            // SAFETY: the object has that field.
            visitor.visit(unsafe { object.slot(field) });
        }
    }
}

/// The instructions. `a b` is a stack with `b` on top.
#[derive(Debug, Clone, Copy)]
enum Code {
    /// `→ object`: a new object of a class, its fields null.
    New(usize),
    /// `a → a a`
    Dup,
    /// `a → `
    Pop,
    /// `object → value`: loads a field.
    Get(usize),
    /// `object value → `: stores to a field.
    Set(usize),
    /// `object value → value`: the fast path.
    SetKeep(usize),
}

const HEAD: usize = 1;
const TAIL: usize = 2;
const NEXT: usize = 2;

/// `queue → queue`: a queue with one node that stays at its head.
const START: &[Code] = &[
    Code::Dup,
    Code::New(NODE),
    Code::SetKeep(HEAD), // The queue is new: it needs no barrier yet.
    Code::Pop,
    Code::Dup,
    Code::Dup,
    Code::Get(HEAD),
    Code::Set(TAIL),
];

/// `queue → queue`: `node = new; queue.tail.next = node; queue.tail = node`.
const ENQUEUE: &[Code] = &[
    Code::Dup,
    Code::Get(TAIL),
    Code::New(NODE),
    Code::Set(NEXT),
    Code::Dup,
    Code::Dup,
    Code::Get(TAIL),
    Code::Get(NEXT),
    Code::SetKeep(TAIL),
    Code::Pop,
];

/// `queue → queue`: `queue.head = queue.head.next`.
const DEQUEUE: &[Code] = &[Code::Dup, Code::Dup, Code::Get(HEAD), Code::Get(NEXT), Code::Set(HEAD)];

const STACK: usize = 16;

struct Machine<'a> {
    heap: &'a Heap<Classes>,
    mutator: Mutator,
    /// The operands: addresses of objects, or zero.
    stack: Box<[Cell<usize>; STACK]>,
    depth: usize,
    fixed: bool,
    /// Dropped before the stack that it registers.
    _roots: Registration,
}

impl<'a> Machine<'a> {
    fn new(heap: &'a Heap<Classes>, fixed: bool) -> Result<Self, Box<dyn Error>> {
        let mutator = heap.attach(StackScan::None)?;
        let stack = Box::new([const { Cell::new(0) }; STACK]);
        let start = stack.as_ptr().expose_provenance();
        // SAFETY: the words live in their box until the registration is dropped, and only this
        // thread, which is a mutator, writes them.
        let roots = unsafe { heap.add_root_range(start..start + size_of_val(&*stack)) };
        Ok(Self { heap, mutator, stack, depth: 0, fixed, _roots: roots })
    }

    fn run(&mut self, program: &[Code]) -> Result<(), Box<dyn Error>> {
        program.iter().try_for_each(|&code| self.step(code))
    }

    fn step(&mut self, code: Code) -> Result<(), Box<dyn Error>> {
        match code {
            Code::New(class) => {
                let bytes = 8 * (1 + CLASSES[class].fields.len());
                let object = self.mutator.allocate(Kind::Precise, bytes)?;
                // SAFETY: the object has a first word. Its initialisation needs no barrier.
                unsafe { object.as_ptr::<usize>().write(class + 1) };
                self.push(object.address());
            }
            Code::Dup => self.push(self.stack[self.depth - 1].get()),
            Code::Pop => drop(self.pop()),
            Code::Get(field) => {
                let object = self.pop_object()?;
                // SAFETY: the programs here use the fields that their objects have.
                self.push(unsafe { object.slot(field) }.load());
            }
            Code::Set(field) => {
                let (value, object) = (self.pop(), self.pop_object()?);
                self.store(object, field, value);
                self.barrier(object, field);
            }
            Code::SetKeep(field) => {
                let (value, object) = (self.pop(), self.pop_object()?);
                self.store(object, field, value);
                if self.fixed {
                    self.barrier(object, field);
                }
                self.push(value);
            }
        }
        Ok(())
    }

    /// A plain store, and nothing else.
    fn store(&self, object: ObjectRef, field: usize, value: usize) {
        // SAFETY: as for `Get`.
        unsafe { object.as_ptr::<usize>().add(field).write(value) };
    }

    /// (1) The barrier: what the runtime has for its card table marks the referee's cards.
    fn barrier(&self, object: ObjectRef, field: usize) {
        if let Some(cards) = self.heap.tracker().tracker.cards() {
            cards.mark(object.address() + 8 * field);
        }
    }

    fn push(&mut self, word: usize) {
        self.stack[self.depth].set(word);
        self.depth += 1;
    }

    fn pop(&mut self) -> usize {
        self.depth -= 1;
        self.stack[self.depth].replace(0)
    }

    fn pop_object(&mut self) -> Result<ObjectRef, Box<dyn Error>> {
        // SAFETY: the stack holds addresses of objects, or zero.
        unsafe { ObjectRef::from_address(self.pop()) }.ok_or_else(|| "a null reference".into())
    }
}

/// (4) The heap knows objects and slots; the runtime knows what they are called. (Objects that are not
/// reachable any more must not be looked at; the queue is.)
fn name(change: &SlotChange) -> String {
    let field = change.offset() / 8;
    match class(change.object) {
        Some(class) => format!("field `{}` of a {}", class.fields[field - 1], class.name),
        None => "no object of this runtime".to_owned(),
    }
}

/// Rounds of the program; a collection follows each.
const ROUNDS: usize = 3;

/// Runs the program and writes the report. Returns what it lists.
pub(crate) fn run(
    options: &Options,
    out: &mut impl Write,
) -> Result<Vec<SlotChange>, Box<dyn Error>> {
    let heap_options = HeapOptions {
        limit: 32 << 20,
        mode: if options.stopped { Mode::Stopped } else { Mode::Concurrent },
        // (2) The heap is asked to check the barriers; the tracker must see plain stores.
        referee: Some(BarrierCheck { card_bytes: 8, ..BarrierCheck::default() }),
        tracker: TrackerOptions {
            backend: options.tracker,
            barriers: true,
            ..TrackerOptions::default()
        },
        ..HeapOptions::default()
    };
    let heap = Heap::new(Classes, heap_options)?;
    writeln!(out, "{}", heap.tracker())?;
    let mut machine = Machine::new(&heap, options.fixed)?;
    machine.run(&[Code::New(QUEUE)])?;
    machine.run(START)?;
    let mut missed = Vec::new();
    for round in 1..=ROUNDS {
        // What was allocated since the last check needs no barrier.
        machine.mutator.collect();
        (0..10).try_for_each(|_| machine.run(ENQUEUE))?;
        (0..5).try_for_each(|_| machine.run(DEQUEUE))?;
        machine.mutator.collect();
        // (3) Every cycle has checked. The report is taken when the runtime likes.
        let report = heap.take_barrier_report().ok_or("the heap has no referee")?;
        writeln!(out, "round {round}: {report}")?;
        for change in &report.missed {
            writeln!(out, "  {:#x} is {}", change.slot, name(change))?;
        }
        missed.extend(report.missed);
    }
    Ok(missed)
}

fn main() -> ExitCode {
    match run(&Options::parse(), &mut io::stdout()) {
        Ok(missed) if missed.is_empty() => {
            println!("every store had its barrier");
            ExitCode::SUCCESS
        }
        Ok(missed) => {
            println!("{} slots were stored to without the barrier", missed.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("referee: {error}");
            ExitCode::FAILURE
        }
    }
}
