//! Pooling tiles: the greatest or the sum of a window, channel by channel.
//!
//! A maximum keeps NaN: where any tap was NaN, an all-ones mask turns the result into one. A sum is made of the
//! sums of its rows, each begun from zero: the mean of a large map would lose digits in one long chain of additions.
//!
//! | vectors | maximum | sum |
//! |---|---|---|
//! | results | P V | P V |
//! | NaN mask, or sums of a row | 1 | P V |
//! | operands | 3 | |

use super::grid::finish;
use super::program::{bump, displacement};
use super::reduction::{AXES, Walk};
use super::{Address, Arithmetic, Axis, Epilogue, Grid, Instr, Operand, Pointer, Reduction, Start};
use super::{Tile, VECTORS, Vector};

const BODY: u64 = 256;

/// What a pooling tile makes of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pooling {
    /// The greatest tap, NaN if any tap is.
    Max,
    /// The sum of all taps times a constant.
    Sum {
        /// The constant: one over the number of elements for a mean.
        scale: f32,
    },
}

/// `output[p][v] = epilogue(pooling over taps of input[p + tap][v])`
///
/// A window that leaves the image is a tile of its own, with fewer taps.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// What to compute.
    pub pooling: Pooling,
    /// The results; `vectors` are channel blocks of input and output alike.
    pub grid: Grid,
    /// Bytes from one channel block of the input to the next.
    pub input_pitch: i32,
    /// The window, outermost axis first.
    pub taps: Vec<Axis>,
    /// What follows.
    pub epilogue: Vec<Epilogue>,
}

impl Pool {
    /// The program.
    ///
    /// # Panics
    /// When the results of a sum and of its rows, or of a maximum with its four operands, need more than 16
    /// vectors.
    #[must_use]
    pub fn tile(&self) -> Tile {
        match self.pooling {
            Pooling::Max => self.maximum(),
            Pooling::Sum { scale } => self.sum(scale),
        }
    }

    fn places(&self) -> Vec<(i32, Vector)> {
        let offset = |(pixel, vector, acc): (super::Pixel, u8, Vector)| {
            (pixel.input + i32::from(vector) * self.input_pitch, acc)
        };
        self.grid.each().map(offset).collect()
    }

    fn sum(&self, scale: f32) -> Tile {
        let (grid, mut body) = (&self.grid, Vec::new());
        assert!(2 * grid.results() <= VECTORS, "no registers for {grid:?}");
        Start::Zero.emit(grid, &mut body);
        let taps: u64 = self.taps.iter().map(|it| u64::from(it.count)).product();
        let is_short = taps * u64::from(grid.results()) <= BODY;
        self.sum_rows(&self.taps, 0, is_short, &mut body);
        let mut epilogue = vec![Epilogue::Scale(scale)];
        epilogue.extend_from_slice(&self.epilogue);
        finish(grid, &epilogue, grid.results(), &mut body);
        Tile::new(body)
    }

    /// Adds the sums of all rows of a part of the window; the input's pointer ends where it was.
    fn sum_rows(&self, axes: &[Axis], offset: i32, is_short: bool, body: &mut Vec<Instr>) {
        let [axis, inner @ ..] = axes else { return self.sum_row(None, offset, body) };
        if inner.is_empty() {
            return self.sum_row(Some(*axis), offset, body);
        }
        if is_short || axis.count == 1 {
            for at in (0..).take(axis.count as usize) {
                self.sum_rows(inner, offset + at * axis.step, is_short, body);
            }
            return;
        }
        let mut rows = Vec::new();
        self.sum_rows(inner, offset, is_short, &mut rows);
        bump(&mut rows, Pointer::Input, axis.step);
        body.push(Instr::Loop { count: axis.count, body: rows });
        bump(body, Pointer::Input, -axis.step * axis.count.cast_signed());
    }

    /// Adds the sum of one row, or of one tap.
    fn sum_row(&self, axis: Option<Axis>, offset: i32, body: &mut Vec<Instr>) {
        let results = self.grid.results();
        let places = self.places();
        let add =
            |dst: Vector, b: Operand| Instr::Arithmetic { op: Arithmetic::Add, dst, a: dst, b };
        let row = |acc: Vector| Vector(acc.0 + results);
        body.extend(places.iter().map(|it| Instr::Splat(row(it.1), 0.0)));
        let before = displacement(body, Pointer::Input);
        let walk =
            Walk { weights: 0, budget: BODY, step: u64::from(results), ahead: 0, loops: AXES };
        let axes: Vec<Axis> = axis.into_iter().collect();
        walk.emit(&Reduction::window(&axes), body, &mut |body, taps| {
            for tap in taps {
                let tap = tap + offset;
                body.extend(places.iter().map(|&(at, acc)| add(row(acc), memory(at + tap))));
            }
        });
        let after = displacement(body, Pointer::Input);
        bump(body, Pointer::Input, before - after);
        body.extend(places.iter().map(|it| add(it.1, Operand::Vector(row(it.1)))));
    }

    fn maximum(&self) -> Tile {
        let (grid, mut body) = (&self.grid, Vec::new());
        let free = grid.results();
        assert!(free + 4 <= VECTORS, "no registers for {grid:?}");
        let lowest = Vector(free);
        body.push(Instr::Splat(lowest, f32::NEG_INFINITY));
        for (offset, acc) in self.places() {
            body.push(or(acc, lowest, lowest));
            body.push(Instr::Splat(Vector(free + 1), 0.0));
            let walk =
                Walk { weights: 0, budget: BODY / u64::from(free), step: 3, ahead: 0, loops: AXES };
            let before = displacement(&body, Pointer::Input);
            walk.emit(&Reduction::window(&self.taps), &mut body, &mut |body, taps| {
                for pair in taps.chunks(2) {
                    greatest(pair, offset, acc, free + 1, body);
                }
            });
            let after = displacement(&body, Pointer::Input);
            bump(&mut body, Pointer::Input, before - after);
            body.push(or(acc, acc, Vector(free + 1)));
        }
        finish(grid, &self.epilogue, free, &mut body);
        Tile::new(body)
    }
}

/// One or two taps into a maximum and into its NaN mask, which lies in `mask`; operands follow.
fn greatest(taps: &[i32], offset: i32, acc: Vector, mask: u8, body: &mut Vec<Instr>) {
    let (mask, first, second) = (Vector(mask), Vector(mask + 1), Vector(mask + 2));
    let arithmetic = |op, dst, a, b| Instr::Arithmetic { op, dst, a, b };
    let max = |b: Vector| arithmetic(Arithmetic::Max, acc, acc, Operand::Vector(b));
    let unordered = |a, b: Vector| arithmetic(Arithmetic::Unordered, second, a, Operand::Vector(b));
    let load =
        |dst, tap: i32| Instr::Load(dst, Address { base: Pointer::Input, offset: offset + tap });
    body.push(load(first, taps[0]));
    body.push(max(first));
    if let Some(tap) = taps.get(1) {
        body.extend([load(second, *tap), max(second), unordered(first, second)]);
    } else {
        body.push(unordered(first, first));
    }
    body.push(or(mask, mask, second));
}

fn or(dst: Vector, a: Vector, b: Vector) -> Instr {
    Instr::Arithmetic { op: Arithmetic::Or, dst, a, b: Operand::Vector(b) }
}

fn memory(offset: i32) -> Operand {
    Operand::Memory(Address { base: Pointer::Input, offset })
}
