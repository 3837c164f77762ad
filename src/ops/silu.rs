use super::onnx::{Node, Operand};
use super::{Args, Operator, Tolerance, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Sigmoid linear unit, also called swish: `x * sigmoid(x)`.
///
/// Where `e^x` is subnormal, the sigmoid and with it the result may be 0.
///
/// Source: Elfwing et al. 2018; PyTorch `SiLU`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> silu
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silu;

/// Covers what a subnormal sigmoid loses: |x| * 2^-126 is below 8 * 2^-24 * 2^-96 while e^-|x| is subnormal.
const SLACK: f64 = 1.0 / (1_u128 << 96) as f64;

impl Operator for Silu {
    const NAME: &'static str = "silu";

    fn parse(_: &mut Args<'_>) -> Self {
        Silu
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval_sum(inputs[0], |x| {
            let value = x * (1.0 / (1.0 + libm::exp(-x)));
            (value, value.abs() + SLACK)
        })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.binary(Binary::Mul, Expr::It.unary(Unary::Sigmoid)))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(12.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Sigmoid"), Node::of("Mul", [Operand::Input(0), Operand::Node(0)])]
    }
}
