use super::onnx::Node;
use super::{Arg, Args, Operator, Value, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Leaky rectifier: `x` where `x` is positive, `slope * x` where it is negative.
///
/// Source: Maas et al. 2013; ONNX `LeakyRelu`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> leaky(0.1)
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Leaky {
    /// The factor of negative numbers.
    pub slope: f32,
}

impl Operator for Leaky {
    const NAME: &'static str = "leaky";

    const ARGS: &'static [Arg] =
        &[Arg::required("slope", "a number", "the factor of negative numbers")];

    fn parse(args: &mut Args<'_>) -> Self {
        Leaky { slope: args.number("slope") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("slope", self.slope.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let slope = f64::from(self.slope);
        pointwise::eval(inputs[0], |x| if x < 0.0 { slope * x } else { x })
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let below = Expr::Const(self.slope).binary(Binary::Mul, Expr::It);
        Some(Expr::It.binary(Binary::Positive, below))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("LeakyRelu").number("alpha", self.slope)]
    }
}
