use super::onnx::{Node, Operand};
use super::window::Frame;
use super::{Arg, Args, Operator, Value, Violation, pool};
use crate::nest::{Nest, Reduction};
use crate::shape::{Shape, Window};
use crate::tensor::{Exact, Tensor, max};

/// Maximum of each window, channel by channel.
///
/// ```text
/// out[n, c, y, x] = max(i, j) in[n, c, y*stride + i*dilation - pad, x*stride + j*dilation - pad]
/// ```
///
/// Taps in the padding are skipped. NaN wins over every number. Extents are rounded down; with `ceil=true`
/// up, but a place that would start in the padding after the last row does not count (PyTorch).
///
/// Constraints:
/// - (C1) the input has channels and one to three spatial axes;
/// - (C2) a list for `kernel`, `stride`, `pad` or `dilation` has one entry a spatial axis;
/// - (C3) the kernel fits the padded input and has at most 2^24 taps;
/// - (C4) the padding on each side is smaller than the kernel;
/// - (C5) the output keeps the limits of a tensor.
///
/// Source: ONNX `MaxPool`; PyTorch `MaxPool2d`.
///
/// ```net
/// net Example {
///   input x: f32[N, 64, 112, 112]
///   maxpool(3, 2, pad=1)  => [64, 56, 56]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// The windows.
    pub frame: Frame,
}

impl Operator for MaxPool {
    const NAME: &'static str = "maxpool";

    const ARGS: &'static [Arg] =
        &[pool::KERNEL, pool::STRIDE, pool::PAD, pool::CEIL, pool::DILATION];

    fn parse(args: &mut Args<'_>) -> Self {
        MaxPool { frame: pool::parse(args) }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        pool::written(&self.frame)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        pool::infer(&self.frame, Self::NAME, inputs[0], ["C1", "C2", "C3", "C4", "C5"])
    }

    fn windows(&self, input: &Shape) -> Vec<Window> {
        self.frame.windows(input.spatial())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let windows = self.windows(&input.shape);
        let largest = |result: &mut f64, x: f64| *result = max(*result, x);
        let exact = pool::eval(input, &output, &windows, f64::NEG_INFINITY, largest);
        Exact::plain(output, exact.value)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let windows = self.windows(inputs[0]);
        Nest::each(output, pool::reduce(Reduction::Max, &windows, inputs[0], output))
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let windows = pool::covered(&self.windows(inputs[0]), inputs[0]);
        if pool::pads_fit(&windows) {
            return vec![Node::map("MaxPool").windows(&windows)];
        }
        let pool = Node::of("MaxPool", [Operand::Node(0)]).windows(&pool::bare(&windows));
        vec![pool::pad(&windows, f32::NEG_INFINITY), pool]
    }
}
