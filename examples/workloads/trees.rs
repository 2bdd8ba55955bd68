//! Binary trees of headerless nodes.
//!
//! References are in local variables and nowhere else while a tree grows; that is enough, because
//! the stacks of these threads are scanned. So the code is what it would be without a collector, but for
//! one thing: what is dropped leaves its address behind, where the next call of the same function has the
//! same variable and has not written it yet ([`forget`]).

use std::hint::black_box;
use std::marker::PhantomData;

use strandline::{Kind, Mutator, ObjectRef, OutOfMemory};

use crate::write::{Field, Writer};

/// A tree whose nodes are laid out like `N`, which begins with the two references.
///
/// `N` is a type for layouts only: there is never a value of it, nor a reference to one.
pub(crate) struct Tree<N> {
    node: ObjectRef,
    layout: PhantomData<*mut N>,
}

impl<N> Clone for Tree<N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Tree<N> {}

/// The part that all layouts begin with.
#[repr(C)]
pub(crate) struct Children {
    left: Option<ObjectRef>,
    right: Option<ObjectRef>,
}

/// The levels of a tree that is worth forgetting, and bytes of stack that have known it.
const LARGE: u32 = 12;
const FRAMES: usize = 8 << 10;

/// Overwrites what functions that have returned have left on the stack, if they had a large tree of so many
/// levels: otherwise it would often be found, and kept, until the next one is complete.
#[inline(never)]
pub(crate) fn forget(depth: u32) {
    if depth >= LARGE {
        black_box(&mut [0_u8; FRAMES]);
    }
}

/// The number of nodes of a tree with `depth` levels below the root.
pub(crate) fn tree_size(depth: u32) -> u64 {
    (1 << (depth + 1)) - 1
}

impl<N> Tree<N> {
    /// A node without children.
    #[inline]
    pub(crate) fn leaf(mutator: &mut Mutator) -> Result<Self, OutOfMemory> {
        let node = mutator.allocate(Kind::Precise, size_of::<N>())?;
        Ok(Self { node, layout: PhantomData })
    }

    /// A tree built from the leaves to the root.
    pub(crate) fn bottom_up<W: Writer>(
        mutator: &mut Mutator,
        writer: W,
        depth: u32,
    ) -> Result<Self, OutOfMemory> {
        if depth == 0 {
            return Self::leaf(mutator);
        }
        let left = Self::bottom_up(mutator, writer, depth - 1)?;
        let right = Self::bottom_up(mutator, writer, depth - 1)?;
        let tree = Self::leaf(mutator)?;
        tree.set_children(left, right, writer);
        Ok(tree)
    }

    /// A tree built from the root to the leaves.
    pub(crate) fn top_down<W: Writer>(
        mutator: &mut Mutator,
        writer: W,
        depth: u32,
    ) -> Result<Self, OutOfMemory> {
        let tree = Self::leaf(mutator)?;
        tree.grow(mutator, writer, depth)?;
        Ok(tree)
    }

    fn grow<W: Writer>(
        self,
        mutator: &mut Mutator,
        writer: W,
        depth: u32,
    ) -> Result<(), OutOfMemory> {
        if depth == 0 {
            return Ok(());
        }
        let (left, right) = (Self::leaf(mutator)?, Self::leaf(mutator)?);
        self.set_children(left, right, writer);
        left.grow(mutator, writer, depth - 1)?;
        right.grow(mutator, writer, depth - 1)
    }

    #[inline]
    fn set_children<W: Writer>(self, left: Self, right: Self, writer: W) {
        let (left_field, right_field) = self.fields();
        // SAFETY: the fields of a node that is reachable from this thread's stack.
        unsafe {
            writer.write(left_field, Some(left.node));
            writer.write(right_field, Some(right.node));
        }
    }

    fn fields(self) -> (Field, Field) {
        let children = self.node.as_ptr::<Children>();
        // SAFETY: every node begins with its children.
        unsafe { (&raw mut (*children).left, &raw mut (*children).right) }
    }

    fn children(self) -> (Option<Self>, Option<Self>) {
        let (left, right) = self.fields();
        let tree = |node| Self { node, layout: PhantomData };
        // SAFETY: the node is reachable, and its fields are null or nodes.
        unsafe { (left.read().map(tree), right.read().map(tree)) }
    }

    /// The number of nodes. A long walk without an allocation, so it has safepoints of its own.
    pub(crate) fn count(self, mutator: &mut Mutator) -> u64 {
        mutator.safepoint();
        let (left, right) = self.children();
        let mut count = |tree: Option<Self>| tree.map_or(0, |tree| tree.count(mutator));
        1 + count(left) + count(right)
    }

    /// The number of nodes from the root to the left.
    pub(crate) fn left_spine(self) -> u64 {
        std::iter::successors(Some(self), |tree| tree.children().0).count() as u64
    }
}
