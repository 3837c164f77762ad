//! What all tiles share: the results of one call, how they start, how they are finished.

use super::function::Registers;
use super::{Address, Arithmetic, Instr, Operand, Pointer, VECTORS, Vector, WIDE_VECTORS};
use crate::plan::Function;

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

/// Where the lanes of a register lie in a buffer.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Side by side.
    Whole(Address),
    /// The low eight, and the high eight if anywhere.
    Halves(Address, Option<Address>),
}

/// The results of one call: pixels by vectors of eight output channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The pixels.
    pub pixels: Vec<Pixel>,
    /// The blocks of eight output channels.
    pub vectors: u8,
    /// Whether a register holds two of them.
    pub wide: bool,
    /// Whether the output has blocks in pairs, sixteen channels of a pixel side by side.
    pub paired: bool,
    /// Bytes from one channel block (or pair) of the output to the next.
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
            wide: false,
            paired: false,
            output_pitch,
            residual_pitch: output_pitch,
        }
    }

    /// How many pixels.
    #[must_use]
    pub fn width(&self) -> u8 {
        u8::try_from(self.pixels.len()).expect("a tile has few pixels")
    }

    /// Registers of one pixel.
    #[must_use]
    pub fn registers(&self) -> u8 {
        if self.wide { self.vectors.div_ceil(2) } else { self.vectors }
    }

    /// The first block of channels in a register.
    #[must_use]
    pub fn block(&self, register: u8) -> u8 {
        if self.wide { 2 * register } else { register }
    }

    /// How many results, in registers.
    #[must_use]
    pub fn results(&self) -> u8 {
        self.width() * self.registers()
    }

    /// The accumulator of a result: pixels first, from `v0` on.
    #[must_use]
    pub fn accumulator(&self, pixel: u8, register: u8) -> Vector {
        Vector(pixel * self.registers() + register)
    }

    /// Every result: pixel, first block of channels, accumulator.
    pub(super) fn each(&self) -> impl Iterator<Item = (Pixel, u8, Vector)> {
        self.pixels.iter().zip(0..).flat_map(move |(&pixel, index)| {
            (0..self.registers())
                .map(move |it| (pixel, self.block(it), self.accumulator(index, it)))
        })
    }

    /// The registers that a target of this width has.
    #[must_use]
    pub fn limit(&self) -> u8 {
        if self.wide { WIDE_VECTORS } else { VECTORS }
    }

    /// Whether the registers hold the results and operands of a contraction.
    #[must_use]
    pub fn fits(&self) -> bool {
        let (width, vectors) = (self.pixels.len(), usize::from(self.registers()));
        width * vectors + width.min(vectors) < usize::from(self.limit())
    }

    /// Where the blocks of a register lie in the output.
    fn output(&self, pixel: Pixel, vector: u8) -> Place {
        let at = |vector: u8| {
            let pairs = if self.paired { vector / 2 } else { vector };
            let within = if self.paired { vector % 2 } else { 0 };
            pixel.output + i32::from(pairs) * self.output_pitch + i32::from(within) * PIXEL
        };
        self.place(Pointer::Output, vector, &at)
    }

    /// Where the blocks of a register lie in the residual.
    fn residual(&self, pixel: Pixel, vector: u8) -> Place {
        let at = |vector: u8| pixel.residual + i32::from(vector) * self.residual_pitch;
        self.place(Pointer::Residual, vector, &at)
    }

    fn place(&self, base: Pointer, vector: u8, at: &dyn Fn(u8) -> i32) -> Place {
        let address = |vector: u8| Address { base, offset: at(vector) };
        let low = address(vector);
        if !self.wide {
            return Place::Whole(low);
        }
        match (vector + 1 < self.vectors).then(|| address(vector + 1)) {
            Some(high) if high.offset == low.offset + PIXEL => Place::Whole(low),
            high => Place::Halves(low, high),
        }
    }

    /// Writes to a place.
    fn store(to: Place, from: Vector) -> Instr {
        match to {
            Place::Whole(at) => Instr::Store(at, from),
            Place::Halves(low, high) => Instr::Split(low, high, from),
        }
    }

    /// Brings what lies at a place.
    fn load(to: Vector, from: Place) -> Instr {
        match from {
            Place::Whole(at) => Instr::Load(to, at),
            Place::Halves(low, high) => Instr::Join(to, low, high),
        }
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
    /// A longer function of `x`.
    Map(Function),
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
                Start::Output => Grid::load(acc, grid.output(pixel, vector)),
            });
        }
    }
}

impl Epilogue {
    /// Sets the constants of a step, in two vectors.
    fn prepare(self, [first, second]: [Vector; 2], body: &mut Vec<Instr>) {
        match self {
            Epilogue::Residual | Epilogue::Map(_) => {}
            Epilogue::Scale(value) | Epilogue::Leaky { slope: value } => {
                body.push(Instr::Splat(first, value));
            }
            Epilogue::Relu => body.push(Instr::Splat(first, 0.0)),
            Epilogue::Clamp { lo, hi } => {
                body.extend([Instr::Splat(first, lo), Instr::Splat(second, hi)]);
            }
        }
    }

    /// Changes one result, in some vector; the constants are prepared. A NaN stays NaN.
    fn emit(
        self,
        grid: &Grid,
        (pixel, vector, acc): (Pixel, u8, Vector),
        [first, second]: [Vector; 2],
        body: &mut Vec<Instr>,
    ) {
        let arithmetic = |op, dst, a, b| Instr::Arithmetic { op, dst, a, b };
        let (own, constant) = (Operand::Vector(acc), Operand::Vector(first));
        match self {
            Epilogue::Residual => {
                let operand = match grid.residual(pixel, vector) {
                    Place::Whole(at) => Operand::Memory(at),
                    halves @ Place::Halves(..) => {
                        body.push(Grid::load(first, halves));
                        Operand::Vector(first)
                    }
                };
                body.push(arithmetic(Arithmetic::Add, acc, acc, operand));
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
            Epilogue::Map(_) => panic!("a long function follows the store"),
        }
    }
}

/// Applies the epilogue and stores every result; vectors from `free` on hold nothing.
pub(super) fn finish(grid: &Grid, epilogue: &[Epilogue], free: u8, body: &mut Vec<Instr>) {
    finish_within(grid, epilogue, free, grid.limit(), body);
}

/// As [`finish`], where the vectors from `limit` on are not to be touched.
pub(super) fn finish_within(
    grid: &Grid,
    epilogue: &[Epilogue],
    free: u8,
    limit: u8,
    body: &mut Vec<Instr>,
) {
    let first = epilogue.iter().position(|it| matches!(it, Epilogue::Map(_)));
    let (early, late) = epilogue.split_at(first.unwrap_or(epilogue.len()));
    let pair = [Vector(free), Vector(free + 1)];
    for step in early {
        step.prepare(pair, body);
        for result in grid.each() {
            step.emit(grid, result, pair, body);
        }
    }
    for (pixel, vector, acc) in grid.each() {
        body.push(Grid::store(grid.output(pixel, vector), acc));
    }
    if !late.is_empty() {
        let registers = || 1..limit;
        let mut trial = Registers::new(registers(), &[]);
        let one = grid.each().take(1);
        one.for_each(|it| take_up(grid, late, it, &mut trial));
        let mut rest = Registers::new(registers(), &trial.worth_keeping());
        grid.each().for_each(|it| take_up(grid, late, it, &mut rest));
        body.append(&mut rest.body);
    }
}

/// Applies steps to a result that was stored, in the first vector, and stores it again.
fn take_up(
    grid: &Grid,
    steps: &[Epilogue],
    result: (Pixel, u8, Vector),
    registers: &mut Registers,
) {
    let (pixel, vector, _) = result;
    let (it, place) = (Vector(0), grid.output(pixel, vector));
    registers.body.push(Grid::load(it, place));
    for step in steps {
        if let Epilogue::Map(function) = step {
            registers.apply(*function, it);
            continue;
        }
        let pair = registers.pair();
        step.prepare(pair, &mut registers.body);
        step.emit(grid, (pixel, vector, it), pair, &mut registers.body);
    }
    registers.body.push(Grid::store(place, it));
}
