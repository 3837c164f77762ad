use super::onnx::Node;
use super::{Args, Operator, Violation, pointwise};
use crate::nest::{Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// -1 where the element is negative, 1 where it is positive, 0 where it is 0.
///
/// Source: ONNX `Sign`.
///
/// ```net
/// net Example { input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> sign
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign;

impl Operator for Sign {
    const NAME: &'static str = "sign";

    fn parse(_: &mut Args<'_>) -> Self {
        Sign
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], |x| crate::nest::interpret::unary(Unary::Sign, x))
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.unary(Unary::Sign))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Sign")]
    }
}
