use super::onnx::Node;
use super::{Arg, Args, Operator, Tolerance, Value, Violation, axis, softmax};
use crate::nest::{Affine, Binary, Buffer, Nest, Stage, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, max};

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
        let input = inputs[0];
        let along = axis::resolve(self.axis, input.shape.rank()).expect("the axis was accepted");
        let mut exact = Exact::plain(input.shape.clone(), vec![0.0; input.data.len()]);
        for line in axis::lines(&input.shape, along) {
            let x = axis::gather(input, &line);
            let largest = x.iter().fold(f64::NEG_INFINITY, |a, &b| max(a, b));
            let sum = x.iter().fold(0.0, |sum, x| sum + libm::exp(x - largest));
            for (&at, x) in line.iter().zip(&x) {
                exact.value[at] = (x - largest) - libm::log(sum);
                exact.magnitude[at] = (x - largest).abs() + libm::log(sum).abs() + 1.0;
            }
        }
        exact
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let rank = output.rank();
        let along = axis::resolve(self.axis, rank).expect("the axis was accepted");
        let (x, stages) = softmax::exponents(inputs[0], along);
        let sum = axis::load(Buffer::Temp(1), rank, along, Affine::constant(0));
        let value = x.binary(Binary::Sub, sum.unary(Unary::Log));
        let last = Stage::each(Buffer::Output, output, value);
        let line = inputs[0].with(along, 1).expect("a smaller shape");
        Nest { temps: vec![line.clone(), line], stages: stages.into_iter().chain([last]).collect() }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(32.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("LogSoftmax").int("axis", self.axis)]
    }
}
