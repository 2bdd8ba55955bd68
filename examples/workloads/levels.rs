//! Binary trees whose nodes know their height: 32 bytes, in a heap of records.

use strandline::{Mutator, ObjectRef, OutOfMemory};

use crate::model::new_record;
use crate::write::Writer;

/// A type for layouts only: there is never a value of it, nor a reference to one.
#[repr(C)]
struct Node {
    header: usize,
    left: Option<ObjectRef>,
    right: Option<ObjectRef>,
    height: u64,
}

fn node(object: ObjectRef) -> *mut Node {
    object.as_ptr()
}

/// A tree of that height, built from the leaves to the root.
pub(crate) fn tree<W: Writer>(
    mutator: &mut Mutator,
    writer: W,
    height: u32,
) -> Result<ObjectRef, OutOfMemory> {
    let children = match height {
        0 => None,
        _ => Some((tree(mutator, writer, height - 1)?, tree(mutator, writer, height - 1)?)),
    };
    let new = new_record(mutator, 2, size_of::<Node>())?;
    // SAFETY: the new node and its children are reachable from this frame.
    unsafe {
        (*node(new)).height = u64::from(height);
        if let Some((left, right)) = children {
            writer.write(&raw mut (*node(new)).left, Some(left));
            writer.write(&raw mut (*node(new)).right, Some(right));
        }
    }
    Ok(new)
}

fn children(tree: ObjectRef) -> (Option<ObjectRef>, Option<ObjectRef>) {
    // SAFETY: callers pass nodes that are reachable.
    unsafe { ((*node(tree)).left, (*node(tree)).right) }
}

/// The node below `tree` at the end of a path: to the right where a bit of it is set, the lowest first.
pub(crate) fn descend(tree: ObjectRef, depth: usize, path: usize) -> ObjectRef {
    (0..depth).fold(tree, |tree, bit| {
        let (left, right) = children(tree);
        if path >> bit & 1 == 1 { right } else { left }.expect("the path ends above the leaves")
    })
}

/// Exchanges what is to the left of two nodes.
pub(crate) fn exchange_left(first: ObjectRef, second: ObjectRef, writer: impl Writer) {
    let (of_first, of_second) = (children(first).0, children(second).0);
    // SAFETY: callers pass nodes that are reachable, and what is exchanged is on this stack.
    unsafe {
        writer.write(&raw mut (*node(first)).left, of_second);
        writer.write(&raw mut (*node(second)).left, of_first);
    }
}

/// The number of nodes from the root to the left.
pub(crate) fn left_spine(tree: ObjectRef) -> u64 {
    std::iter::successors(Some(tree), |&tree| children(tree).0).count() as u64
}

/// The sum of the heights of all nodes.
pub(crate) fn sum(tree: ObjectRef) -> u64 {
    let (left, right) = children(tree);
    // SAFETY: callers pass trees that are reachable.
    unsafe { (*node(tree)).height + left.map_or(0, sum) + right.map_or(0, sum) }
}

/// What [`sum`] is of a whole tree of that height.
pub(crate) fn level_sum(height: u32) -> u64 {
    (1..=height).map(|level| u64::from(level) << (height - level)).sum()
}
