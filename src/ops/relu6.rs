use super::onnx::{Node, Operand};
use super::{Args, Operator, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, min};

/// Rectified linear unit with a ceiling: the nearest number to `x` between 0 and 6. NaN stays NaN and -0 stays -0.
///
/// Source: Howard et al. 2017; PyTorch `ReLU6`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> relu6
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relu6;

impl Operator for Relu6 {
    const NAME: &'static str = "relu6";

    fn parse(_: &mut Args<'_>) -> Self {
        Relu6
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], |x| min(if x < 0.0 { 0.0 } else { x }, 6.0))
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let relu = Expr::It.binary(Binary::Positive, Expr::Const(0.0));
        Some(relu.binary(Binary::Min, Expr::Const(6.0)))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let bounds = [Operand::Number(0.0), Operand::Number(6.0)];
        vec![Node::of("Clip", [Operand::Input(0)].into_iter().chain(bounds))]
    }
}
