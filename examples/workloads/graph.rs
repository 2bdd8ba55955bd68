//! The old objects of `oldmut` and `stores`: an array of nodes, in a heap of records.

use strandline::{Heap, Mutator, ObjectRef, OutOfMemory, Root, StackScan};

use crate::driver::Failure;
use crate::model::{Array, new_record};
use crate::write::Writer;

/// A node. A type for layouts only: there is never a value of it, nor a reference to one.
#[repr(C)]
pub(crate) struct Node {
    header: usize,
    pub(crate) left: Option<ObjectRef>,
    pub(crate) right: Option<ObjectRef>,
    pub(crate) young: Option<ObjectRef>,
    pub(crate) id: u64,
    /// In a node that was stored into an old one: which one.
    pub(crate) owner: u64,
    payload: [u64; 2],
}

const _: () = assert!(size_of::<Node>() == 64);

pub(crate) const NODES_PER_MIB: u32 = (1 << 20) / size_of::<Node>() as u32;

#[inline]
pub(crate) fn node(object: ObjectRef) -> *mut Node {
    object.as_ptr()
}

#[inline]
pub(crate) fn new_node(mutator: &mut Mutator, id: u64) -> Result<ObjectRef, OutOfMemory> {
    let object = new_record(mutator, 3, size_of::<Node>())?;
    // SAFETY: the object is that large.
    unsafe { (*node(object)).id = id };
    Ok(object)
}

/// An array with so many nodes, numbered from 0 on.
pub(crate) fn new_nodes(
    mutator: &mut Mutator,
    writer: impl Writer,
    count: usize,
) -> Result<Array, OutOfMemory> {
    let nodes = Array::new(mutator, count)?;
    for index in 0..count {
        nodes.set(index, Some(new_node(mutator, index as u64)?), writer);
    }
    Ok(nodes)
}

/// An array that is alive whether or not a thread that knows it is attached.
pub(crate) struct SharedArray(Root);

impl SharedArray {
    /// What `build` builds, in an attachment of this thread for just that.
    pub(crate) fn build(
        heap: &Heap<crate::model::Records>,
        build: impl FnOnce(&mut Mutator) -> Result<Array, OutOfMemory>,
    ) -> Result<Self, Failure> {
        let mut mutator = heap.attach(StackScan::Conservative)?;
        let array = build(&mut mutator)?;
        Ok(Self(mutator.root(array.object())))
    }

    pub(crate) fn get(&self) -> Array {
        // SAFETY: it was an array that the root was made for.
        unsafe { Array::from_object(self.0.get()) }
    }
}
