use super::onnx::Node;
use super::{Args, Operator, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Rectified linear unit: `x` where `x` is positive, 0 where it is negative, element by element.
/// NaN stays NaN and -0 stays -0.
///
/// Source: Nair and Hinton 2010; ONNX `Relu`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> relu
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relu;

impl Operator for Relu {
    const NAME: &'static str = "relu";

    fn parse(_: &mut Args<'_>) -> Self {
        Relu
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], |x| if x < 0.0 { 0.0 } else { x })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.binary(Binary::Positive, Expr::Const(0.0)))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Relu")]
    }
}
