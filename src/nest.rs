//! The kernel language: *what* each element of an output is, never how it is computed.
//!
//! A [`Nest`] is a list of stages. Each stage runs over a box of axes and writes one element of its
//! target for every point of the box:
//!
//! ```text
//! conv 3x3:  out[n, k, y, x] = sum(c, i, j | 0 <= y+i-1 < H, 0 <= x+j-1 < W) in[n, c, y+i-1, x+j-1] * weight[k, c, i, j]
//! softmax:   t0[n, c] = max(j) in[n, j];   t1[..] = sum(j) exp(in[n, j] - t0[n, 0]);  out[n, c] = exp(..) / t1[..]
//! ```
//!
//! Knows no layouts, tiles, threads or operators. The plan decides how; `interpret` is its definition.

pub mod interpret;
pub mod print;
pub mod suppress;

use std::sync::Arc;

use crate::shape::Shape;

/// What one layer computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Nest {
    /// Shapes of intermediate buffers, for operators that need several stages.
    pub temps: Vec<Shape>,
    /// The stages, in order. Together they write every element of the output and of each temporary once,
    /// before it is read.
    pub stages: Vec<Stage>,
}

/// A tensor that a nest reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Buffer {
    /// An operand of the layer.
    Input(usize),
    /// A parameter of the layer.
    Param(usize),
    /// An intermediate buffer of the nest.
    Temp(usize),
    /// The layer's output.
    Output,
}

/// One loop nest: `target[at] = value` for every point of the box `extents`.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What it writes.
    pub target: Buffer,
    /// The extents of axes `0..extents.len()`, outermost first.
    pub extents: Vec<usize>,
    /// Where it writes, one index for each axis of the target; different points write different elements.
    pub at: Vec<Affine>,
    /// What it writes there.
    pub value: Expr,
}

/// `constant + sum of coefficient * axis`. Axes of the stage come first; each [`Expr::Reduce`] on the way
/// down adds its own after those in scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Affine {
    /// The term without an axis.
    pub constant: i64,
    /// `(axis, coefficient)`, by axis, no coefficient zero.
    pub terms: Vec<(usize, i64)>,
}

/// A position on one axis of a buffer. It lies inside wherever it is evaluated (guards see to that).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// An affine position.
    Affine(Affine),
    /// `floor(of / by) mod modulo`; `of` is never negative. Without `modulo` only the quotient.
    Part {
        /// The flat position.
        of: Affine,
        /// The divisor, at least 1.
        by: usize,
        /// The extent to wrap at.
        modulo: Option<usize>,
    },
    /// `table[at]`, for resizing, gathering and reflected borders.
    Table {
        /// The positions, known when compiling.
        table: Arc<[u32]>,
        /// Where to look.
        at: Affine,
    },
}

/// A condition on axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// `0 <= index < extent`.
    Within(Affine, usize),
    /// `index` is a multiple of the number (transposed convolution).
    Divides(Affine, usize),
}

/// What an element is.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A number.
    Const(f32),
    /// An element of a buffer, one index for each of its axes.
    Load(Buffer, Vec<Index>),
    /// A number from a table known when compiling.
    Table(Arc<[f32]>, Affine),
    /// The value of the expression that this one is applied to (in [`Expr::map`] and epilogues only).
    It,
    /// A function of one number.
    Unary(Unary, Box<Expr>),
    /// A function of two numbers.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// A sum, a product or a maximum over new axes, in index order, last axis fastest; places that a guard
    /// forbids are skipped. Over nothing a sum is 0 and a maximum -inf.
    Reduce {
        /// How terms combine.
        op: Reduction,
        /// The extents of the new axes.
        extents: Vec<usize>,
        /// Which places count.
        guards: Vec<Guard>,
        /// The term.
        body: Box<Expr>,
    },
    /// The first value where all guards hold, the other elsewhere.
    Choose(Vec<Guard>, Box<Expr>, Box<Expr>),
}

/// How the terms of a reduction combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Sum.
    Sum,
    /// Product.
    Product,
    /// Maximum, NaN if any is NaN.
    Max,
    /// Minimum, NaN if any is NaN.
    Min,
}

/// Functions of one number. Each keeps NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// -x
    Neg,
    /// |x|
    Abs,
    /// e^x, 4 ULP
    Exp,
    /// natural logarithm, 4 ULP
    Log,
    /// square root, exact
    Sqrt,
    /// 1 / x, exact
    Recip,
    /// hyperbolic tangent, 4 ULP
    Tanh,
    /// 1 / (1 + e^-x), 4 ULP
    Sigmoid,
    /// error function, 4 ULP
    Erf,
    /// round towards minus infinity
    Floor,
    /// round towards plus infinity
    Ceil,
    /// round to nearest, ties to even
    Round,
    /// -1, 0 or 1
    Sign,
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a * b
    Mul,
    /// a / b
    Div,
    /// the larger, NaN if either is
    Max,
    /// the smaller, NaN if either is
    Min,
    /// a^b, 16 ULP
    Pow,
    /// `a` where `a` is positive, zero or NaN, else `b` (relu is `Positive(x, 0)`, leaky `Positive(x, slope * x)`)
    Positive,
}

impl Affine {
    /// A constant position.
    pub fn constant(constant: i64) -> Self {
        Self { constant, terms: Vec::new() }
    }

    /// The position on one axis.
    pub fn axis(axis: usize) -> Self {
        Self { constant: 0, terms: vec![(axis, 1)] }
    }

    /// Several axes with coefficients, and a constant.
    pub fn of(terms: &[(usize, i64)], constant: i64) -> Self {
        let mut sum = Self::constant(constant);
        for &(axis, coefficient) in terms {
            sum = sum.plus(axis, coefficient);
        }
        sum
    }

    /// This and `coefficient * axis`.
    #[must_use]
    pub fn plus(mut self, axis: usize, coefficient: i64) -> Self {
        match self.terms.binary_search_by_key(&axis, |it| it.0) {
            Ok(at) => {
                self.terms[at].1 += coefficient;
                if self.terms[at].1 == 0 {
                    self.terms.remove(at);
                }
            }
            Err(_) if coefficient == 0 => {}
            Err(at) => self.terms.insert(at, (axis, coefficient)),
        }
        self
    }

    /// This and a constant.
    #[must_use]
    pub fn offset(mut self, by: i64) -> Self {
        self.constant += by;
        self
    }

    /// So many times this.
    #[must_use]
    pub fn scaled(mut self, by: usize) -> Self {
        self.constant *= by as i64;
        self.terms.iter_mut().for_each(|it| it.1 *= by as i64);
        self.terms.retain(|it| it.1 != 0);
        self
    }

    /// The coefficient of an axis; 0 where it does not occur.
    pub fn coefficient(&self, axis: usize) -> i64 {
        self.terms.iter().find(|it| it.0 == axis).map_or(0, |it| it.1)
    }

    /// The position at a point.
    pub fn at(&self, point: &[usize]) -> i64 {
        self.terms.iter().map(|&(axis, coefficient)| coefficient * point[axis] as i64).sum::<i64>()
            + self.constant
    }
}

impl From<Affine> for Index {
    fn from(affine: Affine) -> Self {
        Index::Affine(affine)
    }
}

impl Expr {
    /// An element of a buffer at affine positions.
    pub fn load(buffer: Buffer, at: impl IntoIterator<Item = Affine>) -> Self {
        Expr::Load(buffer, at.into_iter().map(Index::Affine).collect())
    }

    /// `f(self)`.
    #[must_use]
    pub fn unary(self, f: Unary) -> Self {
        Expr::Unary(f, Box::new(self))
    }

    /// `f(self, other)`.
    #[must_use]
    pub fn binary(self, f: Binary, other: Expr) -> Self {
        Expr::Binary(f, Box::new(self), Box::new(other))
    }

    /// `self op other` for a reduction over new axes, with guards.
    pub fn reduce(op: Reduction, extents: &[usize], guards: Vec<Guard>, body: Expr) -> Self {
        Expr::Reduce { op, extents: extents.to_vec(), guards, body: Box::new(body) }
    }

    /// The places that are looked at for one element.
    fn terms(&self) -> u64 {
        match self {
            Expr::It | Expr::Const(_) | Expr::Load(..) | Expr::Table(..) => 1,
            Expr::Unary(_, a) => a.terms(),
            Expr::Binary(_, a, b) | Expr::Choose(_, a, b) => a.terms().saturating_add(b.terms()),
            Expr::Reduce { extents, body, .. } => volume(extents).saturating_mul(body.terms()),
        }
    }

    /// This with every [`Expr::It`] replaced.
    #[must_use]
    pub fn map(&self, it: &Expr) -> Expr {
        match self {
            Expr::It => it.clone(),
            Expr::Const(_) | Expr::Load(..) | Expr::Table(..) => self.clone(),
            Expr::Unary(f, a) => a.map(it).unary(*f),
            Expr::Binary(f, a, b) => a.map(it).binary(*f, b.map(it)),
            Expr::Reduce { op, extents, guards, body } => {
                Expr::reduce(*op, extents, guards.clone(), body.map(it))
            }
            Expr::Choose(guards, a, b) => {
                Expr::Choose(guards.clone(), Box::new(a.map(it)), Box::new(b.map(it)))
            }
        }
    }
}

/// The points of a box.
fn volume(extents: &[usize]) -> u64 {
    extents.iter().fold(1, |product, &it| product.saturating_mul(it as u64))
}

impl Nest {
    /// One stage that writes each element of an output of this shape at its own place.
    pub fn each(output: &Shape, value: Expr) -> Self {
        Self { temps: Vec::new(), stages: vec![Stage::each(Buffer::Output, output, value)] }
    }

    /// The points and terms that all stages have together, those that guards forbid included.
    pub fn terms(&self) -> u64 {
        let stage = |it: &Stage| volume(&it.extents).saturating_mul(it.value.terms());
        self.stages.iter().map(stage).fold(0, u64::saturating_add)
    }
}

impl Stage {
    /// A stage that writes each element of a buffer of this shape at its own place.
    pub fn each(target: Buffer, shape: &Shape, value: Expr) -> Self {
        let at = (0..shape.rank()).map(Affine::axis).collect();
        Self { target, extents: shape.dims().to_vec(), at, value }
    }
}
