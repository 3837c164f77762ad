//! Tiles: the hot inner routines, each described once as a small vector program.

mod avx2;
mod clif;
mod contraction;
mod depthwise;
mod elementwise;
mod grid;
mod pool;
mod program;
mod reduction;
#[cfg(test)]
mod tests;

pub use avx2::emit_avx2;
pub use clif::{emit_clif, signature};
pub use contraction::Contraction;
pub use depthwise::Depthwise;
pub use elementwise::Elementwise;
pub use grid::{Epilogue, Grid, PIXEL, Pixel, Start};
pub use pool::{Pool, Pooling};
pub use program::{
    Address, Arithmetic, Estimate, GENERAL, Instr, Operand, Pointer, Tile, VECTORS, Vector,
};
pub use reduction::{Axis, Reduction};
