//! What operators along one axis share.

use super::Violation;
use crate::nest::{Affine, Buffer, Expr};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The axis that a number names: the batch is axis 0, negative numbers count from the end.
pub(super) fn resolve(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(axis).ok().filter(|it| *it < rank)
}

/// The axis that a number names; 0 is the batch.
pub(super) fn check(
    constraint: &'static str,
    layer: &str,
    axis: i64,
    input: &Shape,
) -> Result<usize, Violation> {
    resolve(axis, input.rank()).ok_or_else(|| {
        let last = input.rank().saturating_sub(1);
        let message = format!("`axis` of `{layer}` is {axis}, but {input} has axes 0 to {last}");
        Violation::new(constraint, message)
            .help("axis 0 is the batch, 1 the channels; negative numbers count from the end")
    })
}

/// What an axis counts, in words: shapes are shown without the batch, so its number would mislead.
pub(super) fn counts(rank: usize, axis: usize) -> &'static str {
    match (rank, axis) {
        (_, 0) => "batches",
        (_, 1) => "channels",
        (3, 2) => "lengths",
        (4, 2) | (5, 3) => "heights",
        (4, 3) | (5, 4) => "widths",
        (5, 2) => "depths",
        _ => "extents",
    }
}

/// The elements before, along and after an axis.
pub(super) fn split(shape: &Shape, axis: usize) -> [usize; 3] {
    let dims = shape.dims();
    [dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product()]
}

/// Every line along an axis: the positions of its elements in memory.
pub(super) fn lines(shape: &Shape, axis: usize) -> impl Iterator<Item = Vec<usize>> + use<> {
    let [before, along, after] = split(shape, axis);
    let line = move |i: usize, k: usize| -> Vec<usize> {
        (0..along).map(|j| (i * along + j) * after + k).collect()
    };
    (0..before).flat_map(move |i| (0..after).map(move |k| line(i, k)))
}

/// The elements at the given positions.
pub(super) fn gather(input: &Tensor, line: &[usize]) -> Vec<f64> {
    line.iter().map(|&it| f64::from(input.data[it])).collect()
}

/// The element of a buffer at this stage's point, with another position on one axis.
pub(super) fn load(buffer: Buffer, rank: usize, axis: usize, at: Affine) -> Expr {
    let place = |it| if it == axis { at.clone() } else { Affine::axis(it) };
    Expr::load(buffer, (0..rank).map(place))
}
