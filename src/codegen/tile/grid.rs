//! What all tiles share: the results of one call, how they start, how they are finished.

use super::{Address, Arithmetic, Instr, Operand, Pointer, Vector};

/// Bytes of a vector of eight f32: one pixel of one channel block.
pub const PIXEL: i32 = 32;

/// One pixel of a tile: bytes from the tile's pointers, in each buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pixel {
    /// Its window's first tap, from the input pointer.
    pub input: i32,
    /// From the residual pointer.
    pub residual: i32,
    /// From the output pointer.
    pub output: i32,
}

/// The results of one call: pixels by vectors of eight output channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The pixels.
    pub pixels: Vec<Pixel>,
    /// The vectors of output channels.
    pub vectors: u8,
    /// Bytes from one channel block of the output to the next.
    pub output_pitch: i32,
    /// Bytes from one channel block of the residual to the next.
    pub residual_pitch: i32,
}

impl Grid {
    /// Consecutive pixels of a row: the input moves `input_step` bytes from pixel to pixel,
    /// output and residual one [`PIXEL`] each, and both have the same pitch.
    #[must_use]
    pub fn row(pixels: u8, input_step: i32, vectors: u8, output_pitch: i32) -> Grid {
        let pixel = |index: i32| Pixel {
            input: index * input_step,
            residual: index * PIXEL,
            output: index * PIXEL,
        };
        Grid {
            pixels: (0..i32::from(pixels)).map(pixel).collect(),
            vectors,
            output_pitch,
            residual_pitch: output_pitch,
        }
    }

    /// How many pixels.
    #[must_use]
    pub fn width(&self) -> u8 {
        u8::try_from(self.pixels.len()).expect("a tile has few pixels")
    }

    /// How many results.
    #[must_use]
    pub fn results(&self) -> u8 {
        self.width() * self.vectors
    }

    /// The accumulator of a result: pixels first, from `v0` on.
    #[must_use]
    pub fn accumulator(&self, pixel: u8, vector: u8) -> Vector {
        Vector(pixel * self.vectors + vector)
    }

    /// Every result: pixel, vector of channels, accumulator.
    pub(super) fn each(&self) -> impl Iterator<Item = (Pixel, u8, Vector)> {
        self.pixels.iter().zip(0..).flat_map(move |(&pixel, index)| {
            (0..self.vectors).map(move |vector| (pixel, vector, self.accumulator(index, vector)))
        })
    }
}

/// What the accumulators are before the reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Zero.
    Zero,
    /// The bias of the channel.
    Bias,
    /// What the output holds: the reduction goes on where an earlier call stopped.
    Output,
}

/// One thing done to the results before they are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Epilogue {
    /// Adds the residual.
    Residual,
    /// Multiplies by a constant.
    Scale(f32),
    /// `x < 0 ? 0 : x`
    Relu,
    /// `x < lo ? lo : x > hi ? hi : x`
    Clamp {
        /// The least result.
        lo: f32,
        /// The greatest result.
        hi: f32,
    },
    /// `x`, times the slope where the sign bit is set.
    Leaky {
        /// The factor of negative values.
        slope: f32,
    },
}

impl Start {
    /// Sets the accumulators.
    pub(super) fn emit(self, grid: &Grid, body: &mut Vec<Instr>) {
        for (pixel, vector, acc) in grid.each() {
            let index = i32::from(vector);
            body.push(match self {
                Start::Zero => Instr::Splat(acc, 0.0),
                Start::Bias => {
                    Instr::Load(acc, Address { base: Pointer::Bias, offset: index * PIXEL })
                }
                Start::Output => Instr::Load(acc, output(grid, pixel, vector)),
            });
        }
    }
}

impl Epilogue {
    /// Changes the accumulators; vectors from `free` on hold nothing. A NaN stays NaN.
    fn emit(self, grid: &Grid, free: u8, body: &mut Vec<Instr>) {
        let (first, second) = (Vector(free), Vector(free + 1));
        match self {
            Epilogue::Residual => {}
            Epilogue::Scale(value) | Epilogue::Leaky { slope: value } => {
                body.push(Instr::Splat(first, value));
            }
            Epilogue::Relu => body.push(Instr::Splat(first, 0.0)),
            Epilogue::Clamp { lo, hi } => {
                body.extend([Instr::Splat(first, lo), Instr::Splat(second, hi)]);
            }
        }
        for (pixel, vector, acc) in grid.each() {
            let arithmetic = |op, dst, a, b| Instr::Arithmetic { op, dst, a, b };
            let (own, constant) = (Operand::Vector(acc), Operand::Vector(first));
            match self {
                Epilogue::Residual => {
                    let offset = pixel.residual + i32::from(vector) * grid.residual_pitch;
                    let memory = Operand::Memory(Address { base: Pointer::Residual, offset });
                    body.push(arithmetic(Arithmetic::Add, acc, acc, memory));
                }
                Epilogue::Scale(_) => body.push(arithmetic(Arithmetic::Mul, acc, acc, constant)),
                Epilogue::Relu => body.push(arithmetic(Arithmetic::Max, acc, first, own)),
                Epilogue::Clamp { .. } => body.extend([
                    arithmetic(Arithmetic::Max, acc, first, own),
                    arithmetic(Arithmetic::Min, acc, second, own),
                ]),
                Epilogue::Leaky { .. } => body.extend([
                    arithmetic(Arithmetic::Mul, second, acc, constant),
                    Instr::Select { dst: acc, mask: acc, negative: second, other: acc },
                ]),
            }
        }
    }
}

/// Applies the epilogue and stores every result; vectors from `free` on hold nothing.
pub(super) fn finish(grid: &Grid, epilogue: &[Epilogue], free: u8, body: &mut Vec<Instr>) {
    for step in epilogue {
        step.emit(grid, free, body);
    }
    for (pixel, vector, acc) in grid.each() {
        body.push(Instr::Store(output(grid, pixel, vector), acc));
    }
}

fn output(grid: &Grid, pixel: Pixel, vector: u8) -> Address {
    let offset = pixel.output + i32::from(vector) * grid.output_pitch;
    Address { base: Pointer::Output, offset }
}
