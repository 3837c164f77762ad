use super::onnx::Node;
use super::{Arg, Args, Operator, Tolerance, Value, Violation, pool};
use crate::nest::{Binary, Expr, Nest, Reduction};
use crate::shape::{Shape, Window};
use crate::tensor::{Exact, Tensor};

/// Global average pooling: the mean of each channel over all spatial axes.
///
/// ```text
/// out[n, c] = sum(y, x) in[n, c, y, x] / (H * W)
/// ```
///
/// `keep=true` keeps the spatial axes with extent 1, so that the result broadcasts against a map.
///
/// Constraints:
/// - (C1) the input has at least one spatial axis.
///
/// Source: Lin et al. 2013; ONNX `GlobalAveragePool`; PyTorch `AdaptiveAvgPool2d(1)`.
///
/// ```net
/// net Example {
///   input x: f32[N, 512, 7, 7]
///   gap -> fc(10)  => [10]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whether the spatial axes stay, with extent 1.
    pub keep: bool,
}

impl Operator for Gap {
    const NAME: &'static str = "gap";

    const ARGS: &'static [Arg] = &[pool::KEEP];

    fn parse(args: &mut Args<'_>) -> Self {
        Gap { keep: args.flag("keep") }
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
        let count: usize = input.shape.spatial().iter().product();
        let planes = || input.data.chunks_exact(count);
        let sum = |plane: &[f32], f: fn(f64) -> f64| {
            plane.iter().fold(0.0, |sum, &x| sum + f(f64::from(x))) / count as f64
        };
        let value = planes().map(|it| sum(it, |x| x)).collect();
        let magnitude = planes().map(|it| sum(it, f64::abs)).collect();
        Exact { shape: output, value, magnitude }.summed(count)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let count: usize = inputs[0].spatial().iter().product();
        let count = Expr::Const(count as f32);
        let mean = |sum: Expr| sum.binary(Binary::Div, count.clone());
        pool::lower_global(Reduction::Sum, inputs[0], output, mean)
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![pool::global_onnx(self.keep, inputs[0], ["GlobalAveragePool", "ReduceMean"])]
    }
}
