//! Tiles: the hot inner routines, each described once as a small vector program.
//!
//! A [`Tile`] computes a few pixels of a few channel blocks. It is built by one of
//!
//! | kind | computes | input read by |
//! |---|---|---|
//! | [`Contraction`] | convolution, matrix product, fully connected layer | broadcast |
//! | [`Depthwise`] | a convolution per channel; with one tap, a scale and a shift | vector |
//! | [`Pool`] | maximum or sum of a window, of a whole plane | vector |
//! | [`Forward`], [`Inverse`] | the transforms around the products of a Winograd convolution | vector |
//!
//! and becomes [`code`] for `Module::define_function_bytes` in one of two forms with one
//! [`signature`]: [`emit_x64`], and [`emit_portable`] on four lanes for any target. A tile is *wide* if its vectors have
//! sixteen lanes, two blocks of channels, and there are 32 of them: that is AVX-512. Where the
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
//! for group of V output blocks            weights: V * 32 bytes a step (V * 16 of f16), in order
//!   for block of the reduction            `plan::tile::channels_at_once`
//!     for run of equal tiles in a row     `plan::tile::row`
//!       one leaf: for row, for tile       `Tile::repeated` twice
//! ```
//!
//! Each tile prefetches its share (`ahead`) of the weights of the next block, which lie behind
//! those of this one; packed in the order of layers, the last block brings the next layer's
//! first. A reduction in blocks keeps its sums in the output, so that the output must not share
//! memory with the residual.
//!
//! Measured on a Zen 3 core (`benches/tiles.rs`; FMA peak 102 GFLOP/s, two loads a cycle, 32 KiB
//! L1, 512 KiB L2), best of several runs on a busy machine; *cold* weights come from memory:
//!
//! | layer | map | P x V | channels at once | GFLOP/s | cold |
//! |---|---|---|---|---:|---:|
//! | first 7x7/2 3 -> 64 | 112 | 6x2 | 3 | 98 | 99 |
//! | 3x3 64 -> 64 | 56 | 6x2 | 64 | 102 | 102 |
//! | 3x3 128 -> 128 | 28 | 6x2, 5x2 | 128 | 101 | 101 |
//! | 3x3 256 -> 256 | 14 | 3x4, 2x4 | 128 | 100 | 99 |
//! | 3x3 512 -> 512 | 7 | 4x3, 3x3 | 128 | 99 | 98 |
//! | 3x3/2 256 -> 256 | 14 | 3x4, 2x4 | 128 | 96 | 90 |
//! | 5x5 64 -> 96 | 27 | 3x4 | 32 | 101 | 101 |
//! | 1x1 64 -> 256 | 56 | 6x2 | 64 | 96 | 96 |
//! | 1x1 512 -> 128 | 28 | 6x2 | 128 | 97 | 97 |
//! | 1x1 1024 -> 256 | 14 | 6x2 | 128 | 98 | 98 |
//! | 1x1 512 -> 2048 | 7 | 6x2, 5x2 | 128 | 97 | 95 |
//! | 1x1 2048 -> 512 | 7 | 6x2, 5x2 | 128 | 92 | 91 |
//! | 1x1/2 1024 -> 2048 | 7 | 4x3, 3x3 | 128 | 86 | 89 |
//! | fc 2048 -> 1000 | 1 | 1x8 | 128 | 25 | 24 |
//! | fc 9216 -> 4096 | 1 | 1x8 | 128 | 9 | 8 |
//! | depthwise 3x3 144 | 56 | 12x1 | | 91 | 91 |
//! | depthwise 3x3/2 144 | 28 | 10x1 | | 42 | 42 |
//! | depthwise 3x3 960 | 7 | 7x1 | | 69 | 70 |
//!
//! The fully connected layers read their weights at 48 and 17 GB/s, what the third-level cache
//! and the memory give. What decides:
//!
//! * Nine accumulators hide the latency of FMA, eight nearly do. Then `4x3`, `3x4` and `6x2` are
//!   alike where everything is near; `12x1` loads 13 times for 12 FMAs and stays at 88%; six
//!   vectors of weights (`2x6`) come too fast for the second-level cache.
//! * A map of 7x7 uses weights 49 times, and the first tile wants them four times as fast as
//!   memory sends them. Cold 3x3 512 -> 512, `4x3`, in huge pages: 80 GFLOP/s with the whole
//!   reduction at once, 88 in blocks of 128 channels, 99 in such blocks with prefetching.
//! * Weights need huge pages: cold 1x1 512 -> 2048, `3x4`, had 98 GFLOP/s with and 88 without.
//! * Loops belong into the leaf: calls from a loop in Rust that kept its addresses in memory cost
//!   some 35 cycles each, a tile of 128 steps takes 768. Calls from Cranelift were not measured.
//! * Pools wait for memory: a 3x3 maximum of stride 2 on 64 x 112 x 112 takes 54 us on a Zen 5 core and took 206
//!   as a loop over 128-bit vectors.
//! * So do depthwise layers: 3x3/2 on 96 x 112 x 112 has 65% of peak there when its input is near, and 22 to 40%
//!   in MobileNetV2, right behind the layer that writes 4.8 MB of it. Both layers band by band were not tried.
//! * Long functions behind a sum (`silu`) take up each result again after its store: 13 cycles a vector of eight
//!   on a Zen 5 core, where a step of its own over 128-bit vectors took 40 and went to memory and back.
//! * Cranelift's optimiser moves arithmetic behind all loads of a body; [`emit_portable`] goes
//!   around it and has 35 GFLOP/s instead of 15, of 47 that 128-bit FMA could do.

mod clif;
mod code;
mod contraction;
mod depthwise;
mod function;
mod grid;
mod pool;
mod program;
mod reduction;
#[cfg(test)]
mod tests;
mod winograd;
mod x64;

pub use clif::{emit_clif, signature};
pub use code::{ALIGNMENT, code, emit_portable};
pub use contraction::Contraction;
pub use depthwise::Depthwise;
pub use grid::{Epilogue, Grid, PIXEL, Pixel, Start};
pub use pool::{Pool, Pooling};
pub use program::{
    Address, Arithmetic, Estimate, GENERAL, Instr, Operand, Pointer, Tile, VECTORS, Vector,
    WIDE_VECTORS,
};
pub use reduction::{Axis, Reduction};
pub use winograd::{Forward, Inverse, Width, filters};
pub use x64::emit_x64;
