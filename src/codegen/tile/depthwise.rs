//! The depthwise tile: every channel is its own convolution.
//!
//! No broadcasts: eight channels of a pixel are one vector. A group of taps has its weights in
//! registers; each input vector is loaded once and goes into every result that it meets through
//! the group, so neighbouring windows of stride one share their loads.
//!
//! | vectors | how many |
//! |---|---|
//! | accumulators | P V |
//! | weights | up to 3 taps |
//! | input | 1, in turn |
//!
//! So `P * V <= 12` with groups of three taps, and 14 with one; 28 and 30 in a wide tile, whose vectors are two blocks
//! of channels, joined as they are loaded.

use super::Vector;
use super::grid::finish;
use super::reduction::{AXES, Walk};
use super::{
    Address, Axis, Epilogue, Grid, Instr, Operand, PIXEL, Pointer, Reduction, Start, Tile,
};

/// Unrolled instructions of a loop body: windows of 5x5 on six pixels are straight code.
const BODY: u64 = 256;

/// `output[p][v] = epilogue(start + sum over taps of input[p + tap][v] * weights[v][tap])`
///
/// Weights: `[V][tap][8]` f32, so a layer's are `[C/8][tap][8]`; zero where a channel is
/// padding. With a single tap this is a scale and a shift per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Depthwise {
    /// The results; `vectors` are channel blocks of input and output alike.
    pub grid: Grid,
    /// Bytes from one channel block of the input to the next.
    pub input_pitch: i32,
    /// The window, outermost axis first.
    pub taps: Vec<Axis>,
    /// What the sum starts from.
    pub start: Start,
    /// What follows the sum.
    pub epilogue: Vec<Epilogue>,
}

impl Depthwise {
    /// The program.
    ///
    /// # Panics
    /// When results and operands need more than 16 vectors.
    #[must_use]
    pub fn tile(&self) -> Tile {
        let (grid, mut body) = (&self.grid, Vec::new());
        let free = grid.results();
        assert!(free + 2 <= grid.limit(), "no registers for {grid:?}");
        self.start.emit(grid, &mut body);
        let reduction = Reduction::window(&self.taps);
        let taps = i32::try_from(reduction.steps()).expect("a window has few taps");
        let walk =
            Walk { weights: PIXEL, budget: BODY, step: 2 * u64::from(free), ahead: 0, loops: AXES };
        walk.emit(&reduction, &mut body, &mut |body, offsets| {
            let group = usize::from(grid.limit() - free - 1).min(3);
            for (first, offsets) in (0..).step_by(group).zip(offsets.chunks(group)) {
                for register in 0..grid.registers() {
                    self.group(register, offsets, (first, taps), body);
                }
            }
        });
        finish(grid, &self.epilogue, free, &mut body);
        Tile::of_width(body, grid.wide)
    }

    /// Some taps of one register of channels; `at` is the first of so many.
    fn group(&self, register: u8, taps: &[i32], at: (i32, i32), body: &mut Vec<Instr>) {
        let grid = &self.grid;
        let free = grid.results();
        let weight = |index: u8| Vector(free + 1 + index);
        for (index, _) in (0..).zip(taps) {
            let offset = (at.0 + i32::from(index)) * PIXEL;
            let low = Address { base: Pointer::Weights, offset };
            body.push(self.load(weight(index), register, low, at.1 * PIXEL));
        }
        let mut meetings = Vec::new();
        for (pixel, place) in (0..).zip(&grid.pixels) {
            for (index, tap) in (0..).zip(taps) {
                meetings.push((place.input + tap, index, pixel));
            }
        }
        meetings.sort_unstable();
        for same in meetings.chunk_by(|a, b| a.0 == b.0) {
            let place = Address { base: Pointer::Input, offset: same[0].0 };
            let load = self.load(Vector(free), register, place, self.input_pitch);
            let input = match load {
                Instr::Load(_, place) if same.len() == 1 => Operand::Memory(place),
                load => {
                    body.push(load);
                    Operand::Vector(Vector(free))
                }
            };
            for &(_, index, pixel) in same {
                let acc = grid.accumulator(pixel, register);
                body.push(Instr::Fma { acc, a: weight(index), b: input });
            }
        }
    }

    /// Brings the blocks of a register, which lie `pitch` bytes apart from the address of the first block on.
    fn load(&self, to: Vector, register: u8, first: Address, pitch: i32) -> Instr {
        let block = self.grid.block(register);
        let at = |block: u8| Address { offset: first.offset + i32::from(block) * pitch, ..first };
        if !self.grid.wide {
            return Instr::Load(to, at(block));
        }
        let high = (block + 1 < self.grid.vectors).then(|| at(block + 1));
        Instr::Join(to, at(block), high)
    }
}
