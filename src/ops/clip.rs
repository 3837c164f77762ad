use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Value, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, max, min};

/// The nearest number to `x` between `min` and `max`. NaN stays NaN. A bound that is not given does not hold.
///
/// Source: ONNX `Clip`; PyTorch `clamp`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> clip(min=-1, max=1)
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The least value.
    pub min: Option<f32>,
    /// The largest value.
    pub max: Option<f32>,
}

impl Operator for Clip {
    const NAME: &'static str = "clip";

    const ARGS: &'static [Arg] = &[
        Arg::optional("min", "a number", "", "the least value"),
        Arg::optional("max", "a number", "", "the largest value"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let [min, max] = ["min", "max"].map(|it| args.has(it).then(|| args.number(it)));
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            args.fault("min", format!("`min` of `clip` is {min}, more than `max`, {max}"));
        }
        Clip { min, max }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let [min, max] = [("min", self.min), ("max", self.max)];
        [min, max].into_iter().filter_map(|(name, it)| Some((name, it?.into()))).collect()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let low = |x| self.min.map_or(x, |it| max(x, f64::from(it)));
        let high = |x| self.max.map_or(x, |it| min(x, f64::from(it)));
        pointwise::eval(inputs[0], |x| high(low(x)))
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let low = match self.min {
            Some(min) => Expr::It.binary(Binary::Max, Expr::Const(min)),
            None => Expr::It,
        };
        Some(match self.max {
            Some(max) => low.binary(Binary::Min, Expr::Const(max)),
            None => low,
        })
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let [min, max] = [self.min, self.max].map(|it| it.map_or(Operand::Absent, Operand::Number));
        vec![Node::of("Clip", [Operand::Input(0), min, max])]
    }
}
