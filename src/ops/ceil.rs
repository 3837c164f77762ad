use super::onnx::Node;
use super::{Args, Operator, Violation, pointwise};
use crate::nest::{Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The smallest whole number that is not smaller than the element.
///
/// Source: ONNX `Ceil`.
///
/// ```net
/// net Example { input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> ceil
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceil;

impl Operator for Ceil {
    const NAME: &'static str = "ceil";

    fn parse(_: &mut Args<'_>) -> Self {
        Ceil
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], f64::ceil)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.unary(Unary::Ceil))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Ceil")]
    }
}
