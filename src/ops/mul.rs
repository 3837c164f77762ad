use super::onnx::{self, Node};
use super::{Args, OPERANDS_MAX, Operator, Tolerance, Violation, broadcast};
use crate::nest::{Binary, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Product of two or more values, element by element, from the left: `a * b`.
///
/// Extents of 1 broadcast: `[C, H, W]` * `[C, 1, 1]` applies one number a channel.
///
/// Constraints:
/// - (C1) all operands have the same rank;
/// - (C2) on each axis their extents are equal or 1;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: Hu et al. 2018 (squeeze and excite); ONNX `Mul`.
///
/// ```net
/// net Example {
///   input x: f32[N, 16, 8, 8]
///   mul { | gap(keep=true) -> conv(16, 1) -> sigmoid }
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mul;

impl Operator for Mul {
    const NAME: &'static str = "mul";

    const ARITY: (usize, usize) = (2, OPERANDS_MAX);

    fn parse(_: &mut Args<'_>) -> Self {
        Mul
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        broadcast::infer(Self::NAME, inputs, ["C1", "C2", "C3"])
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let shapes: Vec<&Shape> = inputs.iter().map(|it| &it.shape).collect();
        let output = self.infer(&shapes).expect("the inputs were accepted");
        broadcast::eval(inputs, &output, |a, b| a * b, |(_, a), (_, b)| a * b)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        broadcast::lower(Binary::Mul, inputs, output)
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        onnx::fold("Mul", inputs)
    }
}
