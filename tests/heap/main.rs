//! The heap's behaviour, by its public interface.

mod basics;
mod churn;
mod concurrent;
mod controls;
mod failure;
mod full;
mod graph;
mod observer;
mod property;
mod reference;
mod stress;
mod thief;
mod threads;
mod torture;
mod two_words;
mod written;
