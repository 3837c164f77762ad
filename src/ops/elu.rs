use super::onnx::Node;
use super::{Arg, Args, Operator, Tolerance, Value, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Exponential linear unit: `x` where `x` is positive, `alpha * (e^x - 1)` where it is negative.
///
/// Its magnitude is that of the two terms, which cancel near 0.
///
/// Source: Clevert et al. 2015; ONNX `Elu`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> elu
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Elu {
    /// The limit towards minus infinity, negated.
    pub alpha: f32,
}

impl Operator for Elu {
    const NAME: &'static str = "elu";

    const ARGS: &'static [Arg] =
        &[Arg::optional("alpha", "a number", "1", "the limit towards minus infinity, negated")];

    fn parse(args: &mut Args<'_>) -> Self {
        Elu { alpha: args.number("alpha") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("alpha", self.alpha.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let alpha = f64::from(self.alpha);
        pointwise::eval_sum(inputs[0], |x| match x < 0.0 {
            true => (alpha * libm::expm1(x), alpha.abs() * (libm::exp(x) + 1.0)),
            false => (x, x.abs()),
        })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let below = Expr::It.unary(Unary::Exp).binary(Binary::Sub, Expr::Const(1.0));
        let below = Expr::Const(self.alpha).binary(Binary::Mul, below);
        Some(Expr::It.binary(Binary::Positive, below))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(16.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Elu").number("alpha", self.alpha)]
    }
}
