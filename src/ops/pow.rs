use super::onnx::{self, Node};
use super::{Args, Operator, Tolerance, Violation, broadcast};
use crate::nest::{Binary, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The first value to the power of the second, element by element: `a^b`.
///
/// Extents of 1 broadcast. A negative number to a power that is not whole is NaN.
///
/// Constraints:
/// - (C1) all operands have the same rank;
/// - (C2) on each axis their extents are equal or 1;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `Pow`.
///
/// ```net
/// net Example {
///   input x: f32[N, 16, 8, 8]
///   gamma = param([16, 1, 1])
///   output y = pow(x, gamma)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pow;

impl Operator for Pow {
    const NAME: &'static str = "pow";

    const ARITY: (usize, usize) = (2, 2);

    fn parse(_: &mut Args<'_>) -> Self {
        Pow
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        broadcast::infer(Self::NAME, inputs, ["C1", "C2", "C3"])
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let shapes: Vec<&Shape> = inputs.iter().map(|it| &it.shape).collect();
        let output = self.infer(&shapes).expect("the inputs were accepted");
        broadcast::eval(inputs, &output, libm::pow, |(a, _), (b, _)| libm::pow(a, b).abs())
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        broadcast::lower(Binary::Pow, inputs, output)
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Ulps(16)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        onnx::fold("Pow", inputs)
    }
}
