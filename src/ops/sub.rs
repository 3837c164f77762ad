use super::onnx::{self, Node};
use super::{Args, Operator, Violation, broadcast};
use crate::nest::{Binary, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Difference of two values, element by element: `a - b`.
///
/// Extents of 1 broadcast: `[C, H, W]` - `[C, 1, 1]` applies one number a channel.
///
/// Constraints:
/// - (C1) all operands have the same rank;
/// - (C2) on each axis their extents are equal or 1;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `Sub`.
///
/// ```net
/// net Example {
///   input x: f32[N, 16, 8, 8]
///   z = x -> conv(16, 3, pad=1)
///   sub(x, z)
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sub;

impl Operator for Sub {
    const NAME: &'static str = "sub";

    const ARITY: (usize, usize) = (2, 2);

    fn parse(_: &mut Args<'_>) -> Self {
        Sub
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        broadcast::infer(Self::NAME, inputs, ["C1", "C2", "C3"])
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let shapes: Vec<&Shape> = inputs.iter().map(|it| &it.shape).collect();
        let output = self.infer(&shapes).expect("the inputs were accepted");
        broadcast::eval(inputs, &output, |a, b| a - b, |(_, a), (_, b)| a + b)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        broadcast::lower(Binary::Sub, inputs, output)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        onnx::fold("Sub", inputs)
    }
}
