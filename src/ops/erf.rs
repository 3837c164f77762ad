use super::onnx::Node;
use super::{Args, Operator, Tolerance, Violation, pointwise};
use crate::nest::{Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The error function of every element: `2 / sqrt(pi)` times the integral of `e^(-t^2)` from 0 to it.
///
/// Source: ONNX `Erf`.
///
/// ```net
/// net Example { input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> erf
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erf;

impl Operator for Erf {
    const NAME: &'static str = "erf";

    fn parse(_: &mut Args<'_>) -> Self {
        Erf
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], libm::erf)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.unary(Unary::Erf))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Ulps(4)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Erf")]
    }
}
