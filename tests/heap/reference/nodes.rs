//! The plain graph beside the heap: what every object holds and what a collection must keep.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use strandline::dirty::CardTable;
use strandline::{Kind, ObjectRef};

use super::program::Shape;
use super::shapes;

/// The name of a node.
pub(crate) type Id = usize;

/// A reference: to which node, and how many bytes into it.
pub(crate) type Reference = Option<(Id, usize)>;

/// What is known of an object without asking the heap.
pub(crate) struct Node {
    pub(crate) object: ObjectRef,
    pub(crate) kind: Kind,
    pub(crate) bytes: usize,
    pub(crate) targets: Vec<Reference>,
    /// Slots outside the heap: an index of the graph's tables.
    table: Option<usize>,
}

/// The reference model.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: HashMap<Id, Node>,
    /// For the write barrier, where the heap wants one.
    cards: Option<CardTable>,
    next: Id,
    /// Never dropped before the heap: a conservative stack may keep any object alive.
    tables: Vec<Vec<usize>>,
}

/// The words that a shape's slots and header need.
fn fixed_words(kind: Kind, slots: usize) -> usize {
    match kind {
        Kind::Precise => 1 + slots,
        Kind::External => 2,
        Kind::Conservative => slots,
        Kind::Leaf => 1,
    }
}

/// The bytes to ask the heap for.
pub(crate) fn bytes_of(shape: Shape) -> usize {
    match shape.kind {
        Kind::Leaf => shape.bytes,
        kind => shape.bytes.max(8 * fixed_words(kind, shape.slots)),
    }
}

/// What the payload word `index` of a node holds: never an address, and no two are the same.
fn stamp(id: Id, index: usize) -> usize {
    0xa5 << 56 | id << 24 | index & 0xff_ffff
}

impl Node {
    /// The payload words that are written and compared: all of a small object, some of a large one.
    fn payload(&self) -> impl Iterator<Item = usize> + use<> {
        let words = self.bytes / 8;
        let first = fixed_words(self.kind, self.targets.len());
        let step = if words > 256 { 509 } else { 1 };
        (first..words).step_by(step).chain((first < words).then(|| words - 1))
    }

    pub(crate) fn word(&self, index: usize) -> usize {
        assert!(index < self.bytes / 8);
        // SAFETY: the object has that word and is alive by the reference model.
        unsafe { self.object.as_ptr::<usize>().add(index).read_volatile() }
    }

    fn set_word(&self, index: usize, word: usize) {
        assert!(index < self.bytes / 8);
        // SAFETY: as above. Relaxed is a plain store, which is all that the heap asks for.
        let place = unsafe { AtomicUsize::from_ptr(self.object.as_ptr::<usize>().add(index)) };
        place.store(word, Ordering::Relaxed);
    }
}

impl Graph {
    /// No nodes, for a heap with or without cards.
    pub(crate) fn new(cards: Option<CardTable>) -> Self {
        Self { cards, ..Self::default() }
    }

    /// Takes note of a new object, after checking that its memory is zero; writes its contents.
    pub(crate) fn add(&mut self, object: ObjectRef, shape: Shape, leaf_word: usize) -> Id {
        let (id, bytes) = (self.next, bytes_of(shape));
        self.next += 1;
        // SAFETY: the object was just allocated with that many bytes.
        let contents = unsafe { std::slice::from_raw_parts(object.as_ptr::<u8>(), bytes) };
        assert!(contents.iter().all(|&byte| byte == 0), "{object:?} of {bytes} bytes is not zero");
        let (kind, slots) = (shape.kind, shape.slots);
        let table = (kind == Kind::External).then_some(self.tables.len());
        let node = Node { object, kind, bytes, targets: vec![None; slots], table };
        node.payload().for_each(|index| node.set_word(index, stamp(id, index)));
        match kind {
            Kind::Precise => {
                (1..=slots).for_each(|index| node.set_word(index, shapes::encode(None)));
                node.set_word(0, shapes::header(slots, false));
            }
            Kind::External => {
                let table = vec![shapes::encode(None); slots.max(1)];
                node.set_word(1, table.as_ptr().expose_provenance());
                self.tables.push(table);
                node.set_word(0, shapes::header(slots, true));
            }
            Kind::Leaf if bytes >= 8 => node.set_word(0, leaf_word),
            Kind::Leaf | Kind::Conservative => {}
        }
        self.nodes.insert(id, node);
        id
    }

    /// Stores a reference into a slot, in the model and in the heap.
    pub(crate) fn store(&mut self, id: Id, slot: usize, reference: Reference) {
        let node = &self.nodes[&id];
        let reference = reference.map(|(to, inside)| {
            (to, if node.kind == Kind::Conservative { self.inside(to, inside) } else { 0 })
        });
        let word = self.word_for(node.kind, reference);
        match node.table {
            Some(table) => self.tables[table][slot] = word,
            None => {
                let index = slot + usize::from(node.kind == Kind::Precise);
                node.set_word(index, word);
                if let Some(cards) = &self.cards {
                    cards.mark(node.object.address() + 8 * index);
                }
            }
        }
        self.nodes.get_mut(&id).unwrap().targets[slot] = reference;
    }

    /// An offset that lies inside a node.
    pub(crate) fn inside(&self, id: Id, offset: usize) -> usize {
        offset % self.nodes[&id].bytes.max(1)
    }

    fn word_for(&self, kind: Kind, reference: Reference) -> usize {
        if kind == Kind::Conservative {
            reference.map_or(0, |(to, inside)| self.nodes[&to].object.address() + inside)
        } else {
            shapes::encode(reference.map(|(to, _)| self.nodes[&to].object))
        }
    }

    /// What the roots reach. Everything else is forgotten: a program cannot get at it any more.
    pub(crate) fn keep_reachable(&mut self, roots: impl Iterator<Item = Id>) {
        let mut kept = HashMap::new();
        let mut stack: Vec<_> = roots.collect();
        while let Some(id) = stack.pop() {
            if let Some(node) = self.nodes.remove(&id) {
                stack.extend(node.targets.iter().flatten().map(|&(to, _)| to));
                kept.insert(id, node);
            }
        }
        self.nodes = kept;
    }

    /// Compares the contents of every node with the heap's.
    pub(crate) fn check_contents(&self) {
        for (&id, node) in &self.nodes {
            for index in node.payload() {
                assert_eq!(node.word(index), stamp(id, index), "word {index} of node {id}");
            }
            for (slot, &target) in node.targets.iter().enumerate() {
                let word = match node.table {
                    Some(table) => self.tables[table][slot],
                    None => node.word(slot + usize::from(node.kind == Kind::Precise)),
                };
                assert_eq!(word, self.word_for(node.kind, target), "slot {slot} of node {id}");
            }
        }
    }

    /// No two objects overlap.
    pub(crate) fn check_extents(&self) {
        let mut extents: Vec<_> =
            self.nodes.values().map(|node| (node.object.address(), node.bytes.max(1))).collect();
        extents.sort_unstable();
        for pair in extents.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "objects overlap: {pair:x?}");
        }
    }
}
