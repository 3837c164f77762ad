use super::onnx::Node;
use super::{Args, Operator, Tolerance, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Smooth rectifier: `log(1 + e^x)`, computed as `max(x, 0) + log(1 + e^-|x|)`.
///
/// Source: Dugas et al. 2001; ONNX `Softplus`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> softplus
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Softplus;

impl Operator for Softplus {
    const NAME: &'static str = "softplus";

    fn parse(_: &mut Args<'_>) -> Self {
        Softplus
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval_sum(inputs[0], |x| {
            let value = (if x < 0.0 { 0.0 } else { x }) + libm::log1p(libm::exp(-x.abs()));
            (value, value.abs() + 1.0)
        })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let tail = Expr::It.unary(Unary::Abs).unary(Unary::Neg).unary(Unary::Exp);
        let tail = tail.binary(Binary::Add, Expr::Const(1.0)).unary(Unary::Log);
        let relu = Expr::It.binary(Binary::Positive, Expr::Const(0.0));
        Some(relu.binary(Binary::Add, tail))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(16.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Softplus")]
    }
}
