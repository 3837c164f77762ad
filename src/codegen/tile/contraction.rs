//! The contraction tile: convolution, matrix product and fully connected layers.
//!
//! Each step of the reduction broadcasts one input value a pixel and multiplies it into the
//! step's vectors of weights.
//!
//! | vectors | P >= V | P < V | P = 1 |
//! |---|---|---|---|
//! | accumulators | P V | P V | V |
//! | weights | V | 1, in turn | memory operands; 1, in turn, of f16 |
//! | broadcasts | 1, in turn | P | 1 |
//!
//! So `P * V + min(P, V) + 1 <= 16`; the epilogue takes the operands' registers, two at most. In a wide tile a register
//! holds two vectors of weights or results, there are 32, and results are split when they are stored; an odd last
//! vector has a register of its own, whose high lanes compute what nobody stores.

use super::Vector;
use super::grid::finish;
use super::reduction::Walk;
use super::{
    Address, Epilogue, GENERAL, Grid, Instr, Operand, PIXEL, Pointer, Reduction, Start, Tile,
};
use crate::plan::Storage;

/// Unrolled instructions of a loop body: enough that loop control costs nothing, few enough that
/// the tiles of a layer stay in the cache of decoded instructions.
const BODY: u64 = 192;

/// `output[p][v] = epilogue(start + sum over steps of input[p + step] * weights[step][v])`
///
/// Weights lie in the order of steps: `[step][V * 8]` f32 or f16, so `[block][tap][lane][V * 8]` with
/// [`Reduction::blocked`] and `[channel][tap][V * 8]` with [`Reduction::plain`]; zero where an
/// output channel is padding. Every result is summed in the order of steps, whatever the tile's
/// shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Contraction {
    /// The results.
    pub grid: Grid,
    /// What is summed.
    pub reduction: Reduction,
    /// What the sum starts from.
    pub start: Start,
    /// What follows the sum.
    pub epilogue: Vec<Epilogue>,
    /// Bytes of [`Pointer::Ahead`] that the call prefetches, at least: weights that a later call
    /// reads for the first time. Zero, and there is no such pointer; nor where loops need its register.
    pub ahead: u32,
    /// What the weights are.
    pub storage: Storage,
}

impl Contraction {
    /// The program.
    ///
    /// # Panics
    /// When the registers do not hold the grid and its operands, or the epilogue lacks registers.
    #[must_use]
    pub fn tile(&self) -> Tile {
        let (grid, mut body) = (&self.grid, Vec::new());
        assert!(grid.fits(), "no registers for {grid:?}");
        let free = grid.results();
        self.start.emit(grid, &mut body);
        let step = u64::from(free) + u64::from(grid.registers()) + u64::from(grid.width());
        let weights = i32::from(grid.vectors) * self.vector();
        let loops = GENERAL - self.pointers();
        let mut walk = Walk { weights, budget: BODY, step, ahead: 0, loops };
        // To prefetch takes a pointer more: the sum comes first.
        if walk.depth(&self.reduction) < loops {
            (walk.ahead, walk.loops) = (self.ahead, loops - 1);
        }
        walk.emit(&self.reduction, &mut body, &mut |body, offsets| {
            for (offset, row) in offsets.iter().zip(0..) {
                self.step(*offset, row * weights, body);
            }
        });
        finish(grid, &self.epilogue, free, &mut body);
        Tile::of_width(body, grid.wide)
    }

    /// Pointers of the program, but for the one that prefetches: input, weights, output, and what else it reads.
    fn pointers(&self) -> usize {
        let bias = self.start == Start::Bias;
        let residual = self.epilogue.contains(&Epilogue::Residual);
        3 + usize::from(bias) + usize::from(residual)
    }

    /// Bytes of a vector of eight weights.
    fn vector(&self) -> i32 {
        match self.storage {
            Storage::F32 => PIXEL,
            Storage::F16 => PIXEL / 2,
        }
    }

    /// One step: every result gains input times weight. They begin at so many bytes from their pointers.
    fn step(&self, input: i32, weights: i32, body: &mut Vec<Instr>) {
        let grid = &self.grid;
        let free = grid.results();
        let (pixels, vectors) = (grid.width(), grid.registers());
        let input = |pixel: u8| {
            let offset = grid.pixels[usize::from(pixel)].input + input;
            Address { base: Pointer::Input, offset }
        };
        let weights = |register: u8| {
            let offset = weights + i32::from(grid.block(register)) * self.vector();
            Address { base: Pointer::Weights, offset }
        };
        let load = |to: Vector, register: u8| match self.storage {
            Storage::F32 => Instr::Load(to, weights(register)),
            Storage::F16 => Instr::Widen(to, weights(register)),
        };
        let fma = |pixel, vector, a, b| Instr::Fma { acc: grid.accumulator(pixel, vector), a, b };
        if pixels == 1 && self.storage == Storage::F32 {
            body.push(Instr::Broadcast(Vector(free), input(0)));
            let memory = |v| fma(0, v, Vector(free), Operand::Memory(weights(v)));
            body.extend((0..vectors).map(memory));
        } else if pixels >= vectors {
            let (weight, value) = (|v| Vector(free + v), Vector(free + vectors));
            body.extend((0..vectors).map(|v| load(weight(v), v)));
            for pixel in 0..pixels {
                body.push(Instr::Broadcast(value, input(pixel)));
                body.extend((0..vectors).map(|v| fma(pixel, v, value, Operand::Vector(weight(v)))));
            }
        } else {
            let (value, weight) = (|p| Vector(free + p), Vector(free + pixels));
            body.extend((0..pixels).map(|p| Instr::Broadcast(value(p), input(p))));
            for vector in 0..vectors {
                body.push(load(weight, vector));
                body.extend((0..pixels).map(|p| fma(p, vector, value(p), Operand::Vector(weight))));
            }
        }
    }
}
