//! A tile without a reduction, over contiguous vectors: it shows epilogues alone.

use crate::codegen::tile::grid::finish;
use crate::codegen::tile::{Address, Epilogue, Grid, Instr, PIXEL, Pointer, Tile};

/// Vectors handled by one pass of the loop, which leaves the epilogue four registers.
const UNROLL: u32 = 8;

/// `output = epilogue(input)` over `vectors` contiguous vectors, so `[Residual, Relu]` is
/// relu(input + residual). Any of the buffers may be the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Elementwise {
    /// How many vectors of eight f32; at least one.
    pub(super) vectors: u32,
    /// What is done.
    pub(super) epilogue: Vec<Epilogue>,
}

impl Elementwise {
    /// The program: a loop over eight vectors at a time, then the rest.
    #[must_use]
    pub(super) fn tile(&self) -> Tile {
        let part = |pixels: u32| {
            let pixels = u8::try_from(pixels).expect("few vectors are unrolled");
            let grid = Grid::row(pixels, PIXEL, 1, 0);
            let load = |(pixel, _, acc): (crate::codegen::tile::Pixel, u8, _)| {
                Instr::Load(acc, Address { base: Pointer::Input, offset: pixel.input })
            };
            let mut body: Vec<Instr> = grid.each().map(load).collect();
            finish(&grid, &self.epilogue, pixels, &mut body);
            body
        };
        let (full, rest) = (self.vectors / UNROLL, self.vectors % UNROLL);
        let mut body = Vec::new();
        if full > 0 {
            let mut inner = part(UNROLL);
            let bytes = PIXEL * UNROLL.cast_signed();
            for &pointer in Tile::new(inner.clone()).pointers() {
                inner.push(Instr::Bump(pointer, bytes));
            }
            body.push(Instr::Loop { count: full, body: inner });
        }
        if rest > 0 {
            body.extend(part(rest));
        }
        Tile::new(body)
    }
}
