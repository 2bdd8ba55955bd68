//! Minor or full.

/// How much of the heap a cycle looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The young objects: what is marked stays marked.
    Minor,
    /// All objects.
    Full,
}
