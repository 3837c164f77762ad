use super::onnx::Node;
use super::{Arg, Args, Operator, Tolerance, Value, Violation, axis, softmax};
use crate::nest::{Binary, Expr, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The logarithm of `softmax`, without its underflow.
///
/// ```text
/// out[n, c, ..] = in[n, c, ..] - m - log(sum(j) e^(in[n, j, ..] - m)),   m = max(j) in[n, j, ..]
/// ```
///
/// Constraints:
/// - (C1) `axis` names an axis of the input.
///
/// Source: ONNX `LogSoftmax`; PyTorch `LogSoftmax`.
///
/// ```net
/// net Example {
///   input x: f32[N, 84]
///   fc(10) -> logsoftmax
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSoftmax {
    /// The axis; the batch is 0, negative numbers count from the end.
    pub axis: i64,
}

impl Operator for LogSoftmax {
    const NAME: &'static str = "logsoftmax";

    const ARGS: &'static [Arg] =
        &[Arg::optional("axis", "a whole number", "1", "the axis whose powers sum to 1")];

    fn parse(args: &mut Args<'_>) -> Self {
        LogSoftmax { axis: args.int("axis") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        axis::check("C1", Self::NAME, self.axis, inputs[0])?;
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        softmax::eval(self.axis, inputs[0], |x, sum| {
            let log = libm::log(sum);
            (x - log, x.abs() + log.abs() + 1.0)
        })
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let less = |x: Expr, sum: Expr| x.binary(Binary::Sub, sum.unary(Unary::Log));
        softmax::lower(self.axis, inputs[0], output, less)
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(32.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("LogSoftmax").int("axis", self.axis)]
    }
}
