use super::onnx::Node;
use super::{Arg, Args, Operator, Value, Violation, pool};
use crate::nest::{Nest, Reduction};
use crate::shape::{Shape, Window};
use crate::tensor::{Exact, Tensor, max};

/// Global maximum pooling: the largest element of each channel over all spatial axes. NaN wins over every number.
///
/// ```text
/// out[n, c] = max(y, x) in[n, c, y, x]
/// ```
///
/// `keep=true` keeps the spatial axes with extent 1, so that the result broadcasts against a map.
///
/// Constraints:
/// - (C1) the input has at least one spatial axis.
///
/// Source: ONNX `GlobalMaxPool`; PyTorch `AdaptiveMaxPool2d(1)`.
///
/// ```net
/// net Example {
///   input x: f32[N, 512, 7, 7]
///   gmp -> fc(10)  => [10]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gmp {
    /// Whether the spatial axes stay, with extent 1.
    pub keep: bool,
}

impl Operator for Gmp {
    const NAME: &'static str = "gmp";

    const ARGS: &'static [Arg] = &[pool::KEEP];

    fn parse(args: &mut Args<'_>) -> Self {
        Gmp { keep: args.flag("keep") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("keep", self.keep.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        pool::infer_global(Self::NAME, self.keep, inputs[0], ["C1"])
    }

    fn windows(&self, input: &Shape) -> Vec<Window> {
        pool::global_windows(input)
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let largest =
            |plane: &[f32]| plane.iter().fold(f64::NEG_INFINITY, |a, &b| max(a, f64::from(b)));
        let planes = input.data.chunks_exact(input.shape.spatial().iter().product());
        Exact::plain(output, planes.map(largest).collect())
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        pool::lower_global(Reduction::Max, inputs[0], output, |it| it)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![pool::global_onnx(self.keep, inputs[0], ["GlobalMaxPool", "ReduceMax"])]
    }
}
