use super::onnx::Node;
use super::{Args, Operator, Violation, pointwise};
use crate::nest::{Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The nearest whole number, the even one of two that are equally near.
///
/// Source: ONNX `Round`; IEEE 754 `roundToIntegralTiesToEven`.
///
/// ```net
/// net Example { input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> round
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round;

impl Operator for Round {
    const NAME: &'static str = "round";

    fn parse(_: &mut Args<'_>) -> Self {
        Round
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], f64::round_ties_even)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.unary(Unary::Round))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Round")]
    }
}
