//! Values of the reference: dense f32 tensors, and exact results with the size of their sums.

use crate::shape::Shape;

/// A dense row-major tensor of f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its extents, batch first where it has one.
    pub shape: Shape,
    /// `shape.elements()` values, last axis fastest.
    pub data: Vec<f32>,
}

impl Tensor {
    /// A tensor of the given data; panics if the lengths disagree.
    pub fn new(shape: Shape, data: Vec<f32>) -> Self {
        assert_eq!(shape.elements(), data.len(), "a tensor {shape:?} needs as many values");
        Self { shape, data }
    }

    /// A tensor with every element equal.
    pub fn filled(shape: Shape, value: f32) -> Self {
        let data = vec![value; shape.elements()];
        Self { shape, data }
    }
}

/// What the reference says of one layer's output: the value in f64, and for every element the sum of
/// the absolute values of the terms it was summed from, which bounds what rounding may do to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    /// The extents.
    pub shape: Shape,
    /// The values, last axis fastest.
    pub value: Vec<f64>,
    /// The magnitudes of the sums, element by element; `|value|` where nothing was summed.
    pub magnitude: Vec<f64>,
}

impl Exact {
    /// A result that was not summed: each magnitude is the value's own.
    pub fn plain(shape: Shape, value: Vec<f64>) -> Self {
        let magnitude = value.iter().map(|it| it.abs()).collect();
        Self { shape, value, magnitude }
    }

    /// Counts in what the roundings of a sum of so many terms come to, one after the other. They walk at random around
    /// the result (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019), the farther the
    /// larger partial sums are: with a deviation of `u * magnitude * sqrt(terms / 6)` where these are seven tenths of
    /// the magnitude. Six deviations are allowed, of which a factor `c` of 8 is there already.
    #[must_use]
    pub fn summed(mut self, terms: usize) -> Self {
        let more = 6.0 * (terms as f64 / 6.0).sqrt() / 8.0 - 1.0;
        if more > 0.0 {
            self.magnitude.iter_mut().for_each(|it| *it *= 1.0 + more);
        }
        self
    }

    /// The values rounded once to f32.
    pub fn round(&self) -> Tensor {
        Tensor::new(self.shape.clone(), self.value.iter().map(|&it| it as f32).collect())
    }
}

/// The larger of two numbers, NaN if either is NaN (IEEE 754-2019 `maximum`, but either zero may win).
pub fn max(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// The smaller of two numbers, NaN if either is NaN.
pub fn min(a: f64, b: f64) -> f64 {
    if a.is_nan() || a < b { a } else { b }
}
