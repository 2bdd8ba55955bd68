//! Work that takes long without allocating anything, in pieces with a safepoint between them, so that
//! no stop waits for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::{ControlFlow, Range};

use crate::object::{Type, elements, list_length_by};
use crate::value::Value;

use super::Vm;

/// Elements of a piece: some microseconds of work.
const PIECE: usize = 1 << 14;

impl Vm {
    /// Does `work` for all of a range, piece by piece. Between two pieces others may run, and the
    /// collector: what `work` refers to must be in the heap and on this thread's stack, as ever.
    pub(crate) fn in_pieces(&mut self, range: Range<usize>, mut work: impl FnMut(Range<usize>)) {
        let all = self.try_in_pieces(range, |piece| {
            work(piece);
            ControlFlow::<()>::Continue(())
        });
        debug_assert!(all.is_none());
    }

    /// As [`in_pieces`](Self::in_pieces), from the end of the range to its beginning.
    pub(crate) fn in_pieces_from_the_end(
        &mut self,
        range: Range<usize>,
        mut work: impl FnMut(Range<usize>),
    ) {
        let length = range.len();
        self.in_pieces(0..length, |piece| {
            work(range.end - piece.end..range.end - piece.start);
        });
    }

    /// As [`in_pieces`](Self::in_pieces), until there is a result.
    pub(crate) fn try_in_pieces<B>(
        &mut self,
        range: Range<usize>,
        mut work: impl FnMut(Range<usize>) -> ControlFlow<B>,
    ) -> Option<B> {
        let mut start = range.start;
        loop {
            let end = range.end.min(start.saturating_add(PIECE));
            if let ControlFlow::Break(result) = work(start..end) {
                return Some(result);
            }
            if end == range.end {
                return None;
            }
            start = end;
            self.mutator.safepoint();
        }
    }

    /// Does `work`, which looks at no object of the heap, and does not hold up the collector with it
    /// if it is on many (`size`) bytes or digits.
    pub(crate) fn aside<R>(&mut self, size: usize, work: impl FnOnce() -> R) -> R {
        if size < PIECE { work() } else { self.mutator.blocking(work) }
    }

    /// Makes room in a full map for what comes next: to move a large map takes long.
    pub(crate) fn make_room<K: Eq + Hash, V>(&mut self, map: &mut HashMap<K, V>) {
        if map.len() == map.capacity() {
            let entries = map.len();
            self.aside(entries, || map.reserve(entries.max(64)));
        }
    }

    /// The length of a proper list; as [`list_length`](crate::object::list_length), for long ones.
    pub(crate) fn length_of(&mut self, list: Value) -> Option<usize> {
        list_length_by(list, || self.mutator.safepoint())
    }

    /// Calls `visit` with the index and the value of each element of a list.
    pub(crate) fn each_element<E>(
        &mut self,
        list: Value,
        mut visit: impl FnMut(&mut Self, usize, Value) -> Result<(), E>,
    ) -> Result<(), E> {
        for (index, element) in elements(list).enumerate() {
            self.mutator.safepoint();
            visit(self, index, element)?;
        }
        Ok(())
    }

    /// The text of a part of a string.
    pub(crate) fn text_of(&mut self, string: Value, range: Range<usize>) -> String {
        let mut text = String::with_capacity(range.len());
        self.in_pieces(range, |piece| {
            let characters = string.characters()[piece].iter();
            text.extend(characters.map(|&c| char::from_u32(c).unwrap_or('\u{fffd}')));
        });
        text
    }

    /// The bytes of a part of a bytevector.
    pub(crate) fn bytes_of(&mut self, bytevector: Value, range: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(range.len());
        self.in_pieces(range, |piece| bytes.extend_from_slice(&bytevector.bytes()[piece]));
        bytes
    }

    /// Copies a part of a vector, string or bytevector into another of the same type, or the same
    /// one, from index `at` on. Both have the room.
    pub(crate) fn copy_elements(&mut self, to: Value, at: usize, from: Value, range: Range<usize>) {
        debug_assert!(to.object_type() == from.object_type());
        let target = |piece: &Range<usize>| {
            let start = at + (piece.start - range.start);
            start..start + piece.len()
        };
        let ty = from.object_type();
        let copy = |piece: Range<usize>| match ty {
            Type::String if to == from => {
                to.characters_mut().copy_within(piece.clone(), target(&piece).start);
            }
            Type::String => {
                to.characters_mut()[target(&piece)].copy_from_slice(&from.characters()[piece]);
            }
            Type::Bytevector if to == from => {
                to.bytes_mut().copy_within(piece.clone(), target(&piece).start);
            }
            Type::Bytevector => {
                to.bytes_mut()[target(&piece)].copy_from_slice(&from.bytes()[piece]);
            }
            _ => copy_slots(to, target(&piece).start, from, piece),
        };
        if to == from && at > range.start {
            self.in_pieces_from_the_end(range.clone(), copy);
        } else {
            self.in_pieces(range.clone(), copy);
        }
    }
}

/// Word by word: nobody else may see half of a reference.
fn copy_slots(to: Value, at: usize, from: Value, range: Range<usize>) {
    let copy = |index: usize| to.set_slot(at + index, from.slot(range.start + index));
    if at <= range.start {
        (0..range.len()).for_each(copy);
    } else {
        (0..range.len()).rev().for_each(copy);
    }
}
