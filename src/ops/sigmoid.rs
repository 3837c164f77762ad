use super::onnx::Node;
use super::{Args, Operator, Tolerance, Violation, pointwise};
use crate::nest::{Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Logistic function of every element: `1 / (1 + e^-x)`.
///
/// Source: ONNX `Sigmoid`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> sigmoid
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sigmoid;

impl Operator for Sigmoid {
    const NAME: &'static str = "sigmoid";

    fn parse(_: &mut Args<'_>) -> Self {
        Sigmoid
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], |x| 1.0 / (1.0 + libm::exp(-x)))
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.unary(Unary::Sigmoid))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Ulps(4)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Sigmoid")]
    }
}
