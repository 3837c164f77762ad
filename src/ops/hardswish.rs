use super::onnx::Node;
use super::{Args, Operator, Tolerance, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, min};

/// A cheap approximation of `silu`: `x * clip(x + 3, 0, 6) / 6`.
///
/// Source: Howard et al. 2019; ONNX `HardSwish`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> hardswish
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HardSwish;

impl Operator for HardSwish {
    const NAME: &'static str = "hardswish";

    fn parse(_: &mut Args<'_>) -> Self {
        HardSwish
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], |x| {
            let gate = if x < -3.0 { 0.0 } else { x + 3.0 };
            x * (min(gate, 6.0) / 6.0)
        })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let gate = Expr::It.binary(Binary::Add, Expr::Const(3.0));
        let gate = gate.binary(Binary::Positive, Expr::Const(0.0));
        let gate = gate.binary(Binary::Min, Expr::Const(6.0));
        let gate = gate.binary(Binary::Div, Expr::Const(6.0));
        Some(Expr::It.binary(Binary::Mul, gate))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("HardSwish")]
    }
}
