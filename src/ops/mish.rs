use super::onnx::Node;
use super::{Args, Operator, Tolerance, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// `x * tanh(softplus(x))`.
///
/// Source: Misra 2019; ONNX `Mish`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> mish
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mish;

impl Operator for Mish {
    const NAME: &'static str = "mish";

    fn parse(_: &mut Args<'_>) -> Self {
        Mish
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval_sum(inputs[0], |x| {
            let softplus = (if x < 0.0 { 0.0 } else { x }) + libm::log1p(libm::exp(-x.abs()));
            (x * libm::tanh(softplus), x.abs())
        })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let tail = Expr::It.unary(Unary::Abs).unary(Unary::Neg).unary(Unary::Exp);
        let tail = tail.binary(Binary::Add, Expr::Const(1.0)).unary(Unary::Log);
        let softplus =
            Expr::It.binary(Binary::Positive, Expr::Const(0.0)).binary(Binary::Add, tail);
        Some(Expr::It.binary(Binary::Mul, softplus.unary(Unary::Tanh)))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(16.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Mish")]
    }
}
