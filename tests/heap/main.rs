//! The heap's behaviour, by its public interface.

mod basics;
mod concurrent;
mod failure;
mod graph;
