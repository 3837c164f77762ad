use super::onnx::{self, Node};
use super::{Args, Operator, Violation, broadcast};
use crate::nest::{Binary, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Quotient of two values, element by element. Division by zero gives an infinity or NaN (IEEE 754).
///
/// Extents of 1 broadcast: `[C, H, W]` / `[C, 1, 1]` applies one number a channel.
///
/// Constraints:
/// - (C1) all operands have the same rank;
/// - (C2) on each axis their extents are equal or 1;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `Div`.
///
/// ```net
/// net Example {
///   input x: f32[N, 16, 8, 8]
///   z = x -> gap(keep=true)
///   div(x, z)
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Div;

impl Operator for Div {
    const NAME: &'static str = "div";

    const ARITY: (usize, usize) = (2, 2);

    fn parse(_: &mut Args<'_>) -> Self {
        Div
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        broadcast::infer(Self::NAME, inputs, ["C1", "C2", "C3"])
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let shapes: Vec<&Shape> = inputs.iter().map(|it| &it.shape).collect();
        let output = self.infer(&shapes).expect("the inputs were accepted");
        broadcast::eval(inputs, &output, |a, b| a / b, |(a, _), (b, _)| (a / b).abs())
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        broadcast::lower(Binary::Div, inputs, output)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        onnx::fold("Div", inputs)
    }
}
