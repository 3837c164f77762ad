use super::onnx::Node;
use super::{Arg, Args, Operator, Tolerance, Value, Violation, axis};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction, Stage, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, max};

/// Softmax along one axis: positive numbers that sum to 1.
///
/// ```text
/// out[n, c, ..] = e^(in[n, c, ..] - m) / sum(j) e^(in[n, j, ..] - m),   m = max(j) in[n, j, ..]
/// ```
///
/// A line that holds NaN or +inf, or nothing but -inf, becomes NaN, as in PyTorch.
///
/// Constraints:
/// - (C1) `axis` names an axis of the input.
///
/// Source: Bridle 1990; ONNX `Softmax`.
///
/// ```net
/// net Example {
///   input x: f32[N, 84]
///   fc(10) -> softmax
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// The axis; the batch is 0, negative numbers count from the end.
    pub axis: i64,
}

impl Operator for Softmax {
    const NAME: &'static str = "softmax";

    const ARGS: &'static [Arg] =
        &[Arg::optional("axis", "a whole number", "1", "the axis whose elements sum to 1")];

    fn parse(args: &mut Args<'_>) -> Self {
        Softmax { axis: args.int("axis") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        axis::check("C1", Self::NAME, self.axis, inputs[0])?;
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        eval(self.axis, inputs[0], share)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        lower(self.axis, inputs[0], output, |x, sum| x.unary(Unary::Exp).binary(Binary::Div, sum))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(32.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Softmax").int("axis", self.axis)]
    }
}

/// `e^x / sum`, and the size of the terms that it came from.
pub(super) fn share(x: f64, sum: f64) -> (f64, f64) {
    let share = libm::exp(x) / sum;
    (share, if share == 0.0 { 0.0 } else { share * (1.0 + x.abs()) })
}

/// `element(x - m, sum(j) e^(x[j] - m))` of each of some numbers, `m` the largest.
pub(super) fn of_each(x: &[f64], element: impl Fn(f64, f64) -> (f64, f64)) -> Vec<(f64, f64)> {
    let largest = x.iter().fold(f64::NEG_INFINITY, |a, &b| max(a, b));
    let sum = x.iter().fold(0.0, |sum, x| sum + libm::exp(x - largest));
    x.iter().map(|x| element(x - largest, sum)).collect()
}

/// [`of_each`] of every line along an axis.
pub(super) fn eval(axis: i64, input: &Tensor, element: impl Fn(f64, f64) -> (f64, f64)) -> Exact {
    let along = axis::resolve(axis, input.shape.rank()).expect("the axis was accepted");
    let mut exact = Exact::plain(input.shape.clone(), vec![0.0; input.data.len()]);
    for line in axis::lines(&input.shape, along) {
        let elements = of_each(&axis::gather(input, &line), &element);
        for (at, (value, magnitude)) in line.into_iter().zip(elements) {
            exact.value[at] = value;
            exact.magnitude[at] = magnitude;
        }
    }
    exact
}

/// The nest of [`eval`]: the largest are temporary 0, the sums temporary 1.
pub(super) fn lower(
    axis: i64,
    input: &Shape,
    output: &Shape,
    element: impl FnOnce(Expr, Expr) -> Expr,
) -> Nest {
    let rank = input.rank();
    let along = axis::resolve(axis, rank).expect("the axis was accepted");
    let line = input.with(along, 1).expect("a smaller shape");
    let x = |at| axis::load(Buffer::Input(0), rank, along, at);
    let temporary = |at| axis::load(Buffer::Temp(at), rank, along, Affine::constant(0));
    let less = |x: Expr| x.binary(Binary::Sub, temporary(0));
    let over = |at, op, term| {
        let value = Expr::reduce(op, &[input.dims()[along]], Vec::new(), term);
        Stage::each(Buffer::Temp(at), &line, value)
    };
    let inner = || x(Affine::axis(rank));
    let value = element(less(x(Affine::axis(along))), temporary(1));
    let stages = vec![
        over(0, Reduction::Max, inner()),
        over(1, Reduction::Sum, less(inner()).unary(Unary::Exp)),
        Stage::each(Buffer::Output, output, value),
    ];
    Nest { temps: vec![line.clone(), line], stages }
}
