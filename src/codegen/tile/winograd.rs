//! The transforms of Winograd's minimal filtering, `F(m x m, r x r)` (Winograd 1980; Lavin and Gray 2016).
//!
//! `m x m` results of an `r x r` convolution of stride 1 come from a patch of `a x a` values, `a = m + r - 1`:
//!
//! ```text
//! patch --Forward--> a * a points --one product of matrices a point--> a * a sums --Inverse--> m * m results
//! ```
//!
//! instead of `r r m m` multiplications a tile and channel there are `a * a`. The matrices come from the points
//! `0, 1, -1` and infinity for `a = 4`, with `1/2` and `-2` for `a = 6`: those make 2.5 times less error than
//! `2` and `-2` (Barabasz et al. 2020). A line of a patch is transformed as a whole, first all columns, then all rows;
//! between them the patch lies in [`Pointer::Temp`].
//!
//! | | `F(2, 3)` | `F(4, 3)` | `F(2, 5)` |
//! |---|---|---|---|
//! | operations of a line, forward and inverse | 4, 4 | 18, 14 | 18, 9 |
//! | vectors: line, results, constants | 4, 2, 0 | 6, 4, 6 | 6, 2, 6 |

use super::grid::finish_within;
use super::{
    Address, Arithmetic, Epilogue, Grid, Instr, Operand, PIXEL, Pixel, Pointer, Tile, Vector,
};
use crate::plan::Scheme;

/// Where the values of a line begin in the inverse; before them are the results.
const LINE: u8 = 4;
/// Where constants begin: above all else that a transform holds.
const CONSTANTS: u8 = 10;

/// `points[i * a + j] = (B' patch B)[i][j]` for one vector of channels and some tiles in a row.
///
/// Reads `a * a` pixels of a blocked map, `m` pixels further for each tile; writes one vector a point and tile. A wide
/// vector takes two blocks of channels, or the last one and zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The size of a tile.
    pub scheme: Scheme,
    /// Bytes from row to row of the map.
    pub row_pitch: i32,
    /// Bytes from point to point of the result; neighbouring tiles are one vector apart.
    pub point_pitch: i32,
    /// Tiles in the row.
    pub tiles: u32,
    /// The vectors.
    pub width: Width,
}

/// The vectors that a transform works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One block of channels.
    Narrow,
    /// Two blocks of channels of the map, so many bytes apart.
    Wide(i32),
    /// The last block of the map in the low half of a vector.
    Half,
}

impl Width {
    fn is_wide(self) -> bool {
        self != Width::Narrow
    }

    /// Bytes of a vector.
    fn bytes(self) -> i32 {
        if self.is_wide() { 2 * PIXEL } else { PIXEL }
    }

    /// Brings what a map has at an address.
    fn load(self, to: Vector, low: Address) -> Instr {
        match self {
            Width::Narrow => Instr::Load(to, low),
            Width::Wide(pitch) => {
                Instr::Join(to, low, Some(Address { offset: low.offset + pitch, ..low }))
            }
            Width::Half => Instr::Join(to, low, None),
        }
    }
}

/// `out[i][j] = epilogue(bias + (A' sums A)[i][j])` for one vector of channels and some tiles in a row.
///
/// Reads what the products left, one vector a point and tile, and writes the first `rows x columns` of the `m x m`
/// results of each tile.
#[derive(Clone, Debug, PartialEq)]
pub struct Inverse {
    /// The size of a tile.
    pub scheme: Scheme,
    /// The rows that exist.
    pub rows: usize,
    /// The columns that exist.
    pub columns: usize,
    /// Bytes from point to point of the sums.
    pub point_pitch: i32,
    /// Bytes from row to row of the output.
    pub output_pitch: i32,
    /// Bytes from row to row of the residual.
    pub residual_pitch: i32,
    /// Whether there is a bias.
    pub bias: bool,
    /// What follows.
    pub epilogue: Vec<Epilogue>,
    /// Tiles in the row.
    pub tiles: u32,
    /// The vectors; in wide ones the blocks of the output are so far apart.
    pub width: Width,
    /// Bytes from block to block of the residual.
    pub residual_block: i32,
}

impl Forward {
    /// The program.
    #[must_use]
    pub fn tile(&self) -> Tile {
        let lines = signed(self.scheme.side());
        let vector = self.width.bytes();
        let temp = |i: i32, j: i32| at(Pointer::Temp, (i * lines + j) * vector);
        let point = |i: i32, j: i32| at(Pointer::Output, (i * lines + j) * self.point_pitch);
        let mut body = Vec::new();
        for column in 0..lines {
            let from = |i: i32| at(Pointer::Input, i * self.row_pitch + column * PIXEL);
            let values = (0..).zip(0..lines).map(|(to, i)| self.width.load(Vector(to), from(i)));
            body.extend(values);
            forward(self.scheme, &mut body, &|i| temp(i, column));
        }
        for row in 0..lines {
            load(0, lines, &|j| temp(row, j), &mut body);
            forward(self.scheme, &mut body, &|j| point(row, j));
        }
        let step = signed(self.scheme.outputs) * PIXEL;
        body.extend([Instr::Bump(Pointer::Input, step), Instr::Bump(Pointer::Output, vector)]);
        let constants = if self.scheme.side() == 6 { &FORWARD[..] } else { &[] };
        each_tile(constants, self.tiles, body, self.width.is_wide())
    }
}

impl Inverse {
    /// The program.
    #[must_use]
    pub fn tile(&self) -> Tile {
        let lines = signed(self.scheme.side());
        let results = u8::try_from(self.scheme.outputs).expect("a tile is small");
        let vector = self.width.bytes();
        let temp = |i: i32, j: i32| at(Pointer::Temp, (i * lines + j) * vector);
        let mut body = Vec::new();
        for column in 0..lines {
            let from = |i: i32| at(Pointer::Input, (i * lines + column) * self.point_pitch);
            load(LINE, lines, &from, &mut body);
            inverse(self.scheme, &mut body);
            let rows = (0..).zip(0..results).take(self.rows);
            body.extend(rows.map(|(row, result)| Instr::Store(temp(row, column), Vector(result))));
        }
        for row in 0..signed(self.rows) {
            load(LINE, lines, &|j| temp(row, j), &mut body);
            inverse(self.scheme, &mut body);
            let grid = self.row(row);
            if self.bias {
                let bias = Operand::Memory(at(Pointer::Bias, 0));
                let results = grid.each().map(|it| it.2);
                body.extend(results.map(|it| arithmetic(Arithmetic::Add, it, it, bias)));
            }
            finish_within(&grid, &self.epilogue, results, CONSTANTS, &mut body);
        }
        let step = signed(self.scheme.outputs) * PIXEL;
        body.extend([Instr::Bump(Pointer::Input, vector), Instr::Bump(Pointer::Output, step)]);
        if self.epilogue.contains(&Epilogue::Residual) {
            body.push(Instr::Bump(Pointer::Residual, step));
        }
        let constants = if self.scheme.side() == 6 { &INVERSE[..] } else { &[] };
        each_tile(constants, self.tiles, body, self.width.is_wide())
    }

    /// One row of results, in the first vectors.
    fn row(&self, row: i32) -> Grid {
        let pixel = |column: i32| Pixel {
            input: 0,
            residual: row * self.residual_pitch + column * PIXEL,
            output: row * self.output_pitch + column * PIXEL,
        };
        let (vectors, output_pitch) = match self.width {
            Width::Narrow | Width::Half => (1, 0),
            Width::Wide(pitch) => (2, pitch),
        };
        Grid {
            pixels: (0..signed(self.columns)).map(pixel).collect(),
            vectors,
            wide: self.width.is_wide(),
            paired: false,
            output_pitch,
            residual_pitch: self.residual_block,
        }
    }
}

/// The constants of a line's forward transform, `a = 6`.
const FORWARD: [f32; 3] = [1.5, 2.0, -0.5];
/// The constants of a line's inverse transform, `a = 6`.
const INVERSE: [f32; 6] = [0.5, -2.0, 0.25, 4.0, 0.125, -8.0];

/// `B'` of the values in the first vectors; each result goes where `to` says.
fn forward(scheme: Scheme, body: &mut Vec<Instr>, to: &dyn Fn(i32) -> Address) {
    use Arithmetic::{Add, Mul, Sub};
    let x = Vector;
    let (p, q, t, u) = (Vector(6), Vector(7), Vector(8), Vector(9));
    let constant = |i: u8| Vector(CONSTANTS + i);
    let mut line = Line { body, to };
    if scheme.side() == 4 {
        for (i, (op, a, b)) in
            [(Sub, 0, 2), (Add, 1, 2), (Sub, 2, 1), (Sub, 3, 1)].iter().enumerate()
        {
            line.set(*op, t, x(*a), x(*b)).store(i, t);
        }
        return;
    }
    line.set(Sub, p, x(4), x(2)).set(Sub, q, x(3), x(1));
    line.set(Sub, t, x(0), x(2)).set(Add, t, t, p).fma(t, q, constant(0)).store(0, t);
    line.set(Add, t, p, q).set(Add, u, x(2), x(3)).fma(t, u, constant(0)).store(1, t);
    line.set(Sub, t, p, q).set(Sub, u, x(3), x(2)).fma(t, u, constant(0)).store(2, t);
    line.set(Mul, t, q, constant(1)).set(Add, t, t, p).store(3, t);
    line.set(Mul, t, q, constant(2)).set(Add, t, t, p).store(4, t);
    line.set(Sub, t, x(5), x(3)).set(Sub, t, t, q).fma(t, p, constant(0)).store(5, t);
}

/// `A'` of the values from [`LINE`] on; the results are the first vectors.
fn inverse(scheme: Scheme, body: &mut Vec<Instr>) {
    use Arithmetic::{Add, Mul, Sub};
    let y = Vector;
    let x = |i: u8| Vector(LINE + i);
    let constant = |i: u8| Vector(CONSTANTS + i);
    let mut line = Line { body, to: &|_| panic!("results stay in their vectors") };
    if scheme.side() == 4 {
        line.set(Add, y(0), x(0), x(1)).set(Add, y(0), y(0), x(2));
        line.set(Sub, y(1), x(1), x(2)).set(Add, y(1), y(1), x(3));
        return;
    }
    // The sum of the second and third value, then their difference in the place of the second.
    line.set(Add, y(0), x(1), x(2)).set(Sub, x(1), x(1), x(2));
    if scheme.outputs == 4 {
        line.set(Mul, y(2), x(3), constant(2)).set(Add, y(2), y(2), y(0));
        line.fma(y(2), x(4), constant(3));
        line.set(Add, y(3), x(1), x(5)).fma(y(3), x(3), constant(4)).fma(y(3), x(4), constant(5));
    } else {
        // The last value counts in the last result.
        line.set(Add, x(1), x(1), x(5));
    }
    line.set(Add, y(0), y(0), x(0)).set(Add, y(0), y(0), x(3)).set(Add, y(0), y(0), x(4));
    line.set(Mul, y(1), x(3), constant(0)).set(Add, y(1), y(1), x(1)).fma(y(1), x(4), constant(1));
}

/// `G filter G'` of some square filters side by side, tap by tap; hands over the points in order.
pub fn filters<const N: usize>(
    scheme: Scheme,
    filters: &[[f64; N]],
    take: &mut impl FnMut(usize, [f64; N]),
) {
    let rows = filter_rows(scheme);
    let line = |row: &[f64], taps: &dyn Fn(usize) -> [f64; N]| {
        let mut sum = [0.0; N];
        for (tap, factor) in row.iter().enumerate() {
            sum.iter_mut().zip(taps(tap)).for_each(|(sum, it)| *sum += factor * it);
        }
        sum
    };
    let mut columns = vec![[0.0; N]; scheme.taps];
    for (at, row) in rows.iter().enumerate() {
        for (column, to) in columns.iter_mut().enumerate() {
            *to = line(row, &|tap| filters[tap * scheme.taps + column]);
        }
        for (point, it) in rows.iter().enumerate() {
            take(at * rows.len() + point, line(it, &|tap| columns[tap]));
        }
    }
}

/// `G`: the powers of each point over its distances from the others, signs as in the forward transform; the last tap for
/// infinity.
fn filter_rows(scheme: Scheme) -> Vec<Vec<f64>> {
    const FOUR: [(f64, f64); 3] = [(0.0, 1.0), (1.0, 0.5), (-1.0, 0.5)];
    const SIX: [(f64, f64); 5] =
        [(0.0, 1.0), (1.0, 1.0 / 3.0), (-1.0, -1.0 / 3.0), (0.5, -16.0 / 15.0), (-2.0, 1.0 / 15.0)];
    let points = if scheme.side() == 4 { &FOUR[..] } else { &SIX[..] };
    let powers = |&(point, factor): &(f64, f64)| {
        std::iter::successors(Some(factor), |it| Some(it * point)).take(scheme.taps).collect()
    };
    let mut last = vec![0.0; scheme.taps];
    last[scheme.taps - 1] = 1.0;
    points.iter().map(powers).chain([last]).collect()
}

/// A line's instructions, one result after another.
struct Line<'a> {
    body: &'a mut Vec<Instr>,
    to: &'a dyn Fn(i32) -> Address,
}

impl Line<'_> {
    fn set(&mut self, op: Arithmetic, dst: Vector, a: Vector, b: Vector) -> &mut Self {
        self.body.push(arithmetic(op, dst, a, Operand::Vector(b)));
        self
    }

    fn fma(&mut self, acc: Vector, a: Vector, b: Vector) -> &mut Self {
        self.body.push(Instr::Fma { acc, a, b: Operand::Vector(b) });
        self
    }

    fn store(&mut self, result: usize, from: Vector) {
        self.body.push(Instr::Store((self.to)(signed(result)), from));
    }
}

fn arithmetic(op: Arithmetic, dst: Vector, a: Vector, b: Operand) -> Instr {
    Instr::Arithmetic { op, dst, a, b }
}

/// Loads the values of a line into the vectors from `first` on.
fn load(first: u8, lines: i32, from: &dyn Fn(i32) -> Address, body: &mut Vec<Instr>) {
    body.extend((first..).zip(0..lines).map(|(to, i)| Instr::Load(Vector(to), from(i))));
}

/// The body for each tile of a row, constants set once.
fn each_tile(constants: &[f32], tiles: u32, body: Vec<Instr>, wide: bool) -> Tile {
    let set = |(at, value): (u8, &f32)| Instr::Splat(Vector(at), *value);
    let mut all: Vec<Instr> = (CONSTANTS..).zip(constants).map(set).collect();
    all.push(Instr::Loop { count: tiles, body });
    Tile::of_width(all, wide)
}

fn at(base: Pointer, offset: i32) -> Address {
    Address { base, offset }
}

fn signed(count: usize) -> i32 {
    i32::try_from(count).expect("a tile is small")
}
