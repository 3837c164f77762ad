use super::onnx::Node;
use super::{Args, Operator, Tolerance, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Gaussian error linear unit: `x / 2 * (1 + erf(x / sqrt(2)))`, the exact form.
///
/// Source: Hendrycks and Gimpel 2016; ONNX `Gelu`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> gelu
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gelu;

impl Operator for Gelu {
    const NAME: &'static str = "gelu";

    fn parse(_: &mut Args<'_>) -> Self {
        Gelu
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval_sum(inputs[0], |x| {
            let erf = libm::erf(x * std::f64::consts::FRAC_1_SQRT_2);
            (0.5 * x * (1.0 + erf), 0.5 * x.abs() * (1.0 + erf.abs()))
        })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let scaled = Expr::It.binary(Binary::Mul, Expr::Const(std::f32::consts::FRAC_1_SQRT_2));
        let gate = scaled.unary(Unary::Erf).binary(Binary::Add, Expr::Const(1.0));
        let half = Expr::It.binary(Binary::Mul, Expr::Const(0.5));
        Some(half.binary(Binary::Mul, gate))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(12.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Gelu")]
    }
}
