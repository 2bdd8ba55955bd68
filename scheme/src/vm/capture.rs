//! Continuations: the stack goes to the heap in chunks, and comes back chunk by chunk.
//!
//! To capture a continuation is to move all frames to the heap; what runs on begins an empty stack.
//! A frame is copied once out and at most once per return in, however often continuations are
//! captured, and a continuation is one pointer. Deep recursion does the same: there is no stack
//! overflow, only a full heap. (The strategy is known as stack/heap; see Clinger, Hartheimer, Ost:
//! Implementation strategies for first-class continuations.)

use crate::object::Type;
use crate::value::Value;

use super::frame::{Frame, Pointer};
use super::shared::Global;
use super::stack::Register;
use super::{Outcome, Vm};

/// Slots of a chunk; the words of its frames come behind.
const NEXT: usize = 0;
const RETURN_ADDRESS: usize = 1;
const FRAMES: usize = 2;

/// Words of a chunk, roughly: few, so that returning into a deep stack does not copy much at once.
const CHUNK: usize = 512;

/// Slots of a continuation.
pub(crate) const CONTINUATION_REST: usize = 0;
pub(crate) const CONTINUATION_WINDERS: usize = 1;
pub(crate) const CONTINUATION_HANDLERS: usize = 2;
pub(crate) const CONTINUATION_PARAMETERS: usize = 3;

impl Vm {
    /// Where a frame returns to that has no caller.
    fn underflow_address(&self) -> Pointer {
        let base = self.shared.get(Global::Base);
        let mut address = Pointer::entry(base.slot(0));
        address.jump(4);
        address
    }

    /// An empty stack; the first frame is yet to be filled.
    pub(super) fn empty_stack(&mut self) -> Frame {
        Frame(self.machine.base()).set(0, self.shared.get(Global::Base));
        let first = Frame(self.machine.first());
        first.set_return_address(self.underflow_address());
        first
    }

    /// Moves all frames below `frame` to the heap and `frame` itself, with `argc` arguments, to the
    /// beginning of the stack.
    #[inline(never)]
    pub(super) fn move_stack_to_heap(&mut self, frame: Frame, argc: usize) -> Outcome<Frame> {
        let first = Frame(self.machine.first());
        if frame == first {
            return Ok(frame);
        }
        let (mut upper, mut newest, mut last) = (frame, Value::NIL, None::<Value>);
        while upper != first {
            let mut lower = upper.caller().0;
            while lower != first && distance(lower, upper) < CHUNK {
                lower = lower.caller().0;
            }
            let words = distance(lower, upper) - 1;
            let chunk = self.object(Type::Chunk, FRAMES + words)?;
            chunk.set_slot(NEXT, Value::NIL);
            chunk.set_slot(RETURN_ADDRESS, upper.below(1).get(0));
            (0..words).for_each(|index| chunk.set_slot(FRAMES + index, lower.get(index)));
            match last {
                Some(last) => last.set_slot(NEXT, chunk),
                None => newest = chunk,
            }
            last = Some(chunk);
            upper = lower;
        }
        if let Some(last) = last {
            last.set_slot(NEXT, self.machine.get(Register::Rest));
        }
        self.machine.set(Register::Rest, newest);
        let first = self.empty_stack();
        (0..=argc).for_each(|index| first.set(index, frame.get(index)));
        self.machine.set_frame(first.0);
        Ok(first)
    }

    /// Returns `value` to the frames that are in the heap. `None` if there are none.
    #[inline(never)]
    pub(super) fn underflow(&mut self, value: Value) -> Option<(Pointer, Frame)> {
        let chunk = self.machine.get(Register::Rest);
        if chunk.is_nil() {
            return None;
        }
        let first = self.empty_stack();
        let words = chunk.length() - FRAMES;
        (0..words).for_each(|index| first.set(index, chunk.slot(FRAMES + index)));
        let upper = first.above(words + 1);
        upper.below(1).set(0, chunk.slot(RETURN_ADDRESS));
        self.machine.set(Register::Rest, chunk.slot(NEXT));
        let address = upper.return_address();
        let (frame, result) = upper.caller();
        frame.set(result, value);
        self.machine.set_frame(frame.0);
        Some((address, frame))
    }

    /// The continuation of a frame that has been moved to the beginning of the stack.
    #[inline(never)]
    pub(super) fn continuation(&mut self) -> Outcome {
        let slots = [Register::Rest, Register::Winders, Register::Handlers, Register::Parameters]
            .map(|register| self.machine.get(register));
        self.object_with(Type::Continuation, &slots)
    }

    /// Makes a continuation the current one. Its winders are in place already.
    #[inline(never)]
    pub(super) fn reinstate(&mut self, continuation: Value) {
        self.machine.set(Register::Rest, continuation.slot(CONTINUATION_REST));
        self.machine.set(Register::Winders, continuation.slot(CONTINUATION_WINDERS));
        self.machine.set(Register::Handlers, continuation.slot(CONTINUATION_HANDLERS));
        self.machine.set(Register::Parameters, continuation.slot(CONTINUATION_PARAMETERS));
    }
}

fn distance(lower: Frame, upper: Frame) -> usize {
    (upper.0.addr() - lower.0.addr()) / size_of::<Value>()
}
