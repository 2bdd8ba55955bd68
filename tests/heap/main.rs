//! The heap's behaviour, by its public interface.

mod basics;
mod churn;
mod concurrent;
mod controls;
mod full;
mod graph;
mod property;
mod reference;
mod threads;
