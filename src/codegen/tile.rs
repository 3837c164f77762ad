//! Tiles: the hot inner routines, each described once as a small vector program.
//!
//! A [`Tile`] computes a few pixels of a few channel blocks. It is built by one of
//!
//! | kind | computes | input read by |
//! |---|---|---|
//! | [`Contraction`] | convolution, matrix product, fully connected layer | broadcast |
//! | [`Depthwise`] | a convolution per channel; with one tap, a scale and a shift | vector |
//! | [`Pool`] | maximum or sum of a window, of a whole plane | vector |
//! | [`Elementwise`] | an epilogue over contiguous memory | vector |
//!
//! and becomes [`code`] for `Module::define_function_bytes` in one of two forms with one
//! [`signature`]: [`emit_avx2`], and [`emit_portable`] on four lanes for any target. Where the
//! target has a fused multiply-add both give the same bits, and so do all shapes of tile and all
//! blockings of the reduction: a result is always the sum over the steps in their order.
//!
//! Strides, pitches and trip counts are immediates of the code: a tile never tests for a border,
//! it reads a halo. Activations lie `[C/8][rows][columns][8]`; lanes beyond the last channel may
//! hold anything, and no reduction reads them.
//!
//! # Loops around a contraction
//!
//! ```text
//! for group of V output blocks            weights: V * 32 bytes a step
//!   for block of the reduction            so that its weights stay in L1, or L2
//!     for row
//!       for tile of P pixels              each call prefetches a share of the next block's weights
//! ```
//!
//! On a Zen 3 core (FMA peak 101 GFLOP/s, two loads a cycle, 32 KiB L1, 512 KiB L2):
//!
//! * 8 accumulators hide the latency of FMA: `P * V >= 8`. Then `4x3`, `3x4` and `6x2` are as
//!   good as one another where everything is near (97 to 100% of peak); `12x1` loads 13 times for
//!   12 FMAs and stays at 88%; six vectors of weights (`2x6`) come too fast for L2.
//! * Widths are sums of tiles of one V: 4 and 3 for V = 3, 3 and 2 for V = 4, so 7 = 4 + 3.
//! * Weights that a map of 7x7 uses 49 times arrive from memory at a quarter of the speed at which
//!   the first tile wants them. Prefetching the next block while this one is used 17 times
//!   (`ahead`) takes cold 3x3 512 -> 512 from 63 to 97 GFLOP/s with blocks of 128 channels.
//! * Weights need huge pages: prefetching crosses many of 4 KiB. Cold 1x1 512 -> 2048 at 7x7 runs
//!   at 87 GFLOP/s without and at 98 with them, `3x4`, blocks of 128 channels.

mod avx2;
mod clif;
mod code;
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
pub use code::{ALIGNMENT, code, emit_portable};
pub use contraction::Contraction;
pub use depthwise::Depthwise;
pub use elementwise::Elementwise;
pub use grid::{Epilogue, Grid, PIXEL, Pixel, Start};
pub use pool::{Pool, Pooling};
pub use program::{
    Address, Arithmetic, Estimate, GENERAL, Instr, Operand, Pointer, Tile, VECTORS, Vector,
};
pub use reduction::{Axis, Reduction};
