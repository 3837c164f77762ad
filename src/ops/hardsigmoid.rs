use super::onnx::Node;
use super::{Arg, Args, Operator, Tolerance, Value, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, min};

/// A cheap approximation of `sigmoid`: the nearest number to `alpha * x + beta` between 0 and 1.
///
/// The default is PyTorch's and MobileNetV3's `clip(x + 3, 0, 6) / 6`; ONNX's own default has `alpha=0.2`.
///
/// Source: Howard et al. 2019; ONNX `HardSigmoid`; PyTorch `Hardsigmoid`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> hardsigmoid
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HardSigmoid {
    /// The slope.
    pub alpha: f32,
    /// The value at 0.
    pub beta: f32,
}

impl Operator for HardSigmoid {
    const NAME: &'static str = "hardsigmoid";

    const ARGS: &'static [Arg] = &[
        Arg::optional("alpha", "a number", "0.16666667", "the slope"),
        Arg::optional("beta", "a number", "0.5", "the value at 0"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        HardSigmoid { alpha: args.number("alpha"), beta: args.number("beta") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("alpha", self.alpha.into()), ("beta", self.beta.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let (alpha, beta) = (f64::from(self.alpha), f64::from(self.beta));
        pointwise::eval_sum(inputs[0], |x| {
            let line = alpha * x + beta;
            let value = min(if line < 0.0 { 0.0 } else { line }, 1.0);
            (value, min((alpha * x).abs(), 2.0) + beta.abs())
        })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let line = Expr::It.binary(Binary::Mul, Expr::Const(self.alpha));
        let line = line.binary(Binary::Add, Expr::Const(self.beta));
        let line = line.binary(Binary::Positive, Expr::Const(0.0));
        Some(line.binary(Binary::Min, Expr::Const(1.0)))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("HardSigmoid").number("alpha", self.alpha).number("beta", self.beta)]
    }
}
