use super::onnx::{Node, Operand};
use super::{Args, OPERANDS_MAX, Operator, Violation, broadcast};
use crate::nest::{Binary, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, min};

/// Smallest of two or more values, element by element; NaN if any is NaN.
///
/// Extents of 1 broadcast: `[C, H, W]` and `[C, 1, 1]` applies one number a channel.
///
/// Constraints:
/// - (C1) all operands have the same rank;
/// - (C2) on each axis their extents are equal or 1;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `Min`; PyTorch `minimum`.
///
/// ```net
/// net Example {
///   input x: f32[N, 16, 8, 8]
///   min { conv(16, 3, pad=1) | conv(16, 1) }
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Min;

impl Operator for Min {
    const NAME: &'static str = "min";

    const ARITY: (usize, usize) = (2, OPERANDS_MAX);

    fn parse(_: &mut Args<'_>) -> Self {
        Min
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        broadcast::infer(Self::NAME, inputs, ["C1", "C2", "C3"])
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let shapes: Vec<&Shape> = inputs.iter().map(|it| &it.shape).collect();
        let output = self.infer(&shapes).expect("the inputs were accepted");
        broadcast::eval(inputs, &output, min, |(a, _), (b, _)| min(a, b).abs())
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        broadcast::lower(Binary::Min, inputs, output)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::of("Min", Operand::inputs(inputs))]
    }
}
