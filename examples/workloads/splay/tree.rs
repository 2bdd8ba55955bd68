//! The tree: top-down splaying ("Self-adjusting binary search trees", Sleator and Tarjan, 1985).

use strandline::{Mutator, ObjectRef, OutOfMemory};

use super::Children;
use crate::model::new_record;
use crate::write::{Field, Writer};

/// A type for layouts only: there is never a value of it, nor a reference to one.
#[repr(C)]
struct Node {
    header: usize,
    left: Option<ObjectRef>,
    right: Option<ObjectRef>,
    payload: Option<ObjectRef>,
    key: u64,
}

fn node(object: ObjectRef) -> *mut Node {
    object.as_ptr()
}

fn key(object: ObjectRef) -> u64 {
    // SAFETY: nodes of the tree are reachable.
    unsafe { (*node(object)).key }
}

fn children(object: ObjectRef) -> Children {
    // SAFETY: as above.
    unsafe { ((*node(object)).left, (*node(object)).right) }
}

fn left(object: ObjectRef) -> Field {
    // SAFETY: as above.
    unsafe { &raw mut (*node(object)).left }
}

fn right(object: ObjectRef) -> Field {
    // SAFETY: as above.
    unsafe { &raw mut (*node(object)).right }
}

/// Lives on the stack, where the collector finds the root.
pub(super) struct SplayTree<W> {
    root: Option<ObjectRef>,
    writer: W,
}

impl<W: Writer> SplayTree<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { root: None, writer }
    }

    fn write(&self, field: Field, value: Option<ObjectRef>) {
        // SAFETY: all fields are those of nodes that are reachable.
        unsafe { self.writer.write(field, value) };
    }

    /// Brings the node with that key to the root, or else one next to where it would be.
    fn splay(&mut self, wanted: u64) {
        let Some(mut top) = self.root else { return };
        // What is smaller and what is larger than all that is below `top`, and where more of it goes.
        let (mut smaller, mut larger) = (None, None);
        let (mut smaller_end, mut larger_end): (Option<Field>, Option<Field>) = (None, None);
        loop {
            let (to_left, to_right) = children(top);
            if wanted < key(top) {
                let Some(mut child) = to_left else { break };
                if wanted < key(child) {
                    self.write(left(top), children(child).1);
                    self.write(right(child), Some(top));
                    top = child;
                    let Some(next) = children(top).0 else { break };
                    child = next;
                }
                self.hang(&mut larger, larger_end, top);
                larger_end = Some(left(top));
                top = child;
            } else if wanted > key(top) {
                let Some(mut child) = to_right else { break };
                if wanted > key(child) {
                    self.write(right(top), children(child).0);
                    self.write(left(child), Some(top));
                    top = child;
                    let Some(next) = children(top).1 else { break };
                    child = next;
                }
                self.hang(&mut smaller, smaller_end, top);
                smaller_end = Some(right(top));
                top = child;
            } else {
                break;
            }
        }
        let (to_left, to_right) = children(top);
        if let Some(end) = smaller_end {
            self.write(end, to_left);
            self.write(left(top), smaller);
        }
        if let Some(end) = larger_end {
            self.write(end, to_right);
            self.write(right(top), larger);
        }
        self.root = Some(top);
    }

    fn hang(&self, tree: &mut Option<ObjectRef>, end: Option<Field>, new: ObjectRef) {
        match end {
            Some(end) => self.write(end, Some(new)),
            None => *tree = Some(new),
        }
    }

    /// Whether there is a node with that key. If not, one next to it is the root.
    pub(super) fn find(&mut self, wanted: u64) -> bool {
        self.splay(wanted);
        self.root.is_some_and(|root| key(root) == wanted)
    }

    /// Inserts a key that was just looked for and is not there.
    pub(super) fn insert(
        &mut self,
        mutator: &mut Mutator,
        new_key: u64,
        payload: ObjectRef,
    ) -> Result<(), OutOfMemory> {
        let new = new_record(mutator, 3, size_of::<Node>())?;
        // SAFETY: the node is on this stack.
        unsafe {
            (*node(new)).key = new_key;
            self.writer.write(&raw mut (*node(new)).payload, Some(payload));
        }
        if let Some(root) = self.root {
            let (to_left, to_right) = children(root);
            if new_key < key(root) {
                self.write(left(new), to_left);
                self.write(right(new), Some(root));
                self.write(left(root), None);
            } else {
                self.write(left(new), Some(root));
                self.write(right(new), to_right);
                self.write(right(root), None);
            }
        }
        self.root = Some(new);
        Ok(())
    }

    /// Removes the node with the largest key below `limit`, which is there; or that, if it is the
    /// smallest.
    pub(super) fn remove_at_or_below(&mut self, limit: u64) {
        self.splay(limit);
        let Some(root) = self.root else { return };
        let mut victim = limit;
        let mut next = children(root).0;
        while let Some(below) = next {
            victim = key(below);
            next = children(below).1;
        }
        self.splay(victim);
        let (to_left, to_right) = children(self.root.expect("it was not empty"));
        self.root = to_left.or(to_right);
        if to_left.is_some() {
            // Nothing on the left is larger, so the new root has nothing on its right.
            self.splay(victim);
            let root = self.root.expect("it is not empty");
            self.write(right(root), to_right);
        }
    }

    /// The keys and payloads in the order of the keys.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (u64, ObjectRef)> {
        let (mut pending, mut next) = (Vec::new(), self.root);
        std::iter::from_fn(move || {
            while let Some(below) = next {
                pending.push(below);
                next = children(below).0;
            }
            let least = pending.pop()?;
            next = children(least).1;
            // SAFETY: the nodes of a tree are reachable while it is there, and have payload.
            Some((key(least), unsafe { (*node(least)).payload }?))
        })
    }
}
