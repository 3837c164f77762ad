use super::onnx::Node;
use super::{Args, Operator, Tolerance, Violation, pointwise};
use crate::nest::{Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// e to the power of every element.
///
/// Source: ONNX `Exp`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> exp
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exp;

impl Operator for Exp {
    const NAME: &'static str = "exp";

    fn parse(_: &mut Args<'_>) -> Self {
        Exp
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], libm::exp)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.unary(Unary::Exp))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Ulps(4)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Exp")]
    }
}
