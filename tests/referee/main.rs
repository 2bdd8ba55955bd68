//! The referee: no false report, no missed barrier that goes unreported, and the example.

mod example;
mod heap;
mod program;
mod words;
