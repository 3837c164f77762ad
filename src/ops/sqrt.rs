use super::onnx::Node;
use super::{Args, Operator, Violation, pointwise};
use crate::nest::{Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Square root of every element; NaN below 0.
///
/// Source: ONNX `Sqrt`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> relu -> sqrt
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sqrt;

impl Operator for Sqrt {
    const NAME: &'static str = "sqrt";

    fn parse(_: &mut Args<'_>) -> Self {
        Sqrt
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], f64::sqrt)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.unary(Unary::Sqrt))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Sqrt")]
    }
}
