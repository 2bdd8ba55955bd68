//! Many chains of nodes at once: a graph of any size that needs no memory beside the heap.

use strandline::{Mutator, ObjectRef, Root};

use crate::graph::{get, node, set};

/// Chains of nodes that begin in the slots of one table. The first slot of a node is the next of
/// its chain, and the word behind its slots is its stamp.
pub(crate) struct Chains {
    table: Root,
    lengths: Vec<usize>,
    next: usize,
}

impl Chains {
    pub(crate) fn new(mutator: &mut Mutator, chains: usize) -> Self {
        let table = node(mutator, chains, 0);
        Self { table: mutator.root(table), lengths: vec![0; chains], next: 0 }
    }

    /// Adds a node of a whole number of words, at least 3, to the next chain.
    ///
    /// # Errors
    /// When the heap is full.
    pub(crate) fn add(
        &mut self,
        mutator: &mut Mutator,
        bytes: usize,
    ) -> Result<ObjectRef, strandline::OutOfMemory> {
        let object = mutator.allocate(strandline::Kind::Precise, bytes)?;
        // SAFETY: the object has at least three words: header, one slot, stamp.
        unsafe {
            object.as_ptr::<usize>().write(1);
            object.as_ptr::<usize>().add(2).write(self.lengths[self.next]);
        }
        set(object, 0, get(self.table.get(), self.next));
        set(self.table.get(), self.next, Some(object));
        self.lengths[self.next] += 1;
        self.next = (self.next + 1) % self.lengths.len();
        Ok(object)
    }

    /// Nodes in all chains.
    pub(crate) fn len(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Follows the chains: every node is there, in order, and `visit` agrees.
    pub(crate) fn check(&self, mut visit: impl FnMut(ObjectRef)) {
        for (chain, &length) in self.lengths.iter().enumerate() {
            let mut next = get(self.table.get(), chain);
            for expected in (0..length).rev() {
                let object = next.expect("a chain ends early");
                // SAFETY: a node of these chains has its stamp in the third word.
                let stamp = unsafe { object.as_ptr::<usize>().add(2).read() };
                assert_eq!(stamp, expected, "node {object:?} of chain {chain}");
                visit(object);
                next = get(object, 0);
            }
            assert_eq!(next, None, "chain {chain} is too long");
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        for chain in 0..self.lengths.len() {
            set(self.table.get(), chain, None);
        }
        self.lengths.fill(0);
    }
}
