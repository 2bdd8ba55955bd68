//! The heap's memory: addresses and bytes, and nothing of cycles.
//!
//! - [`geometry`]: chunks, blocks, granules, and the arithmetic between them;
//! - [`bitmap`], [`extents`], [`metadata`]: what is known of each granule and block;
//! - [`chunks`], [`pool`], [`large`]: who uses which memory;
//! - [`memory`]: all of it as one thing.

mod bitmap;
mod chunk;
mod chunks;
mod extents;
mod fair_mutex;
pub(crate) mod geometry;
mod large;
mod marks;
mod memory;
mod metadata;
mod pool;
mod unready;
mod words;

pub(crate) use bitmap::Bitmap;
pub(crate) use chunk::Reading;
pub(crate) use chunks::{NoChunk, populate};
pub(crate) use large::LargeObject;
pub(crate) use marks::Marks;
pub(crate) use memory::{Memory, MemoryError, MemoryOptions, is_large};
pub(crate) use metadata::{Age, Content, Metadata, chunks_within};
pub(crate) use pool::{Grant, Pool, Room, Watched, Where, Which, collapse};
pub(crate) use unready::{Unready, zero_bytes};
