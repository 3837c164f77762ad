//! Text to tree and back: the grammar of `.net` files.
//!
//! Knows no operator, no shape and no file system.

pub mod ast;
