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
        let input = inputs[0];
        let along = axis::resolve(self.axis, input.shape.rank()).expect("the axis was accepted");
        let mut exact = Exact::plain(input.shape.clone(), vec![0.0; input.data.len()]);
        for line in axis::lines(&input.shape, along) {
            let x = axis::gather(input, &line);
            let largest = x.iter().fold(f64::NEG_INFINITY, |a, &b| max(a, b));
            let sum = x.iter().fold(0.0, |sum, x| sum + libm::exp(x - largest));
            for (&at, x) in line.iter().zip(&x) {
                exact.value[at] = libm::exp(x - largest) / sum;
                let share = exact.value[at];
                exact.magnitude[at] =
                    if share == 0.0 { 0.0 } else { share * (1.0 + (x - largest).abs()) };
            }
        }
        exact
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let rank = output.rank();
        let along = axis::resolve(self.axis, rank).expect("the axis was accepted");
        let (x, stages) = exponents(inputs[0], along);
        let sum = axis::load(Buffer::Temp(1), rank, along, Affine::constant(0));
        let share = x.unary(Unary::Exp).binary(Binary::Div, sum);
        let last = Stage::each(Buffer::Output, output, share);
        let line = inputs[0].with(along, 1).expect("a smaller shape");
        Nest { temps: vec![line.clone(), line], stages: stages.into_iter().chain([last]).collect() }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(32.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Softmax").int("axis", self.axis)]
    }
}

/// `in - max`, and the stages that compute the maximum (temporary 0) and the sum of the powers (temporary 1).
pub(super) fn exponents(input: &Shape, along: usize) -> (Expr, [Stage; 2]) {
    let rank = input.rank();
    let line = input.with(along, 1).expect("a smaller shape");
    let extents = [input.dims()[along]];
    let largest = || axis::load(Buffer::Temp(0), rank, along, Affine::constant(0));
    let x = |at| axis::load(Buffer::Input(0), rank, along, at);
    let inner = || x(Affine::axis(rank));
    let power = inner().binary(Binary::Sub, largest()).unary(Unary::Exp);
    let stages = [
        Stage::each(
            Buffer::Temp(0),
            &line,
            Expr::reduce(Reduction::Max, &extents, Vec::new(), inner()),
        ),
        Stage::each(
            Buffer::Temp(1),
            &line,
            Expr::reduce(Reduction::Sum, &extents, Vec::new(), power),
        ),
    ];
    (x(Affine::axis(along)).binary(Binary::Sub, largest()), stages)
}
