//! The threads that collect, and the protocols by which threads wait for each other.

pub(crate) mod crew;
pub(crate) mod driver;
pub(crate) mod fork;
pub(crate) mod precedence;
pub(crate) mod requests;
pub(crate) mod start;
pub(crate) mod sweep;
pub(crate) mod sweeper;
pub(crate) mod turn;
pub(crate) mod workers;
