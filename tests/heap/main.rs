//! The heap's behaviour, by its public interface.

mod basics;
mod full;
mod graph;
mod property;
mod reference;
mod threads;
