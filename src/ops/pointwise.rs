//! What operators share that map every element on its own.

use super::Operator;
use crate::nest::{Affine, Buffer, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// `f` of every element.
pub(super) fn eval(input: &Tensor, f: impl Fn(f64) -> f64) -> Exact {
    let value = input.data.iter().map(|&x| f(f64::from(x))).collect();
    Exact::plain(input.shape.clone(), value)
}

/// The value and the magnitude of every element.
pub(super) fn eval_sum(input: &Tensor, f: impl Fn(f64) -> (f64, f64)) -> Exact {
    let (value, magnitude) = input.data.iter().map(|&x| f(f64::from(x))).unzip();
    Exact { shape: input.shape.clone(), value, magnitude }
}

/// The operator's expression applied to every element.
pub(super) fn lower(op: &impl Operator, output: &Shape) -> Nest {
    let it = Expr::load(Buffer::Input(0), (0..output.rank()).map(Affine::axis));
    Nest::each(output, op.pointwise().expect("the operator is pointwise").map(&it))
}
