//! Markers at work.

mod arrays;
mod sharing;
