use super::onnx::{Node, Operand};
use super::window::Frame;
use super::{Arg, Args, Operator, Tolerance, Value, Violation, pool};
use crate::nest::{Affine, Binary, Expr, Nest, Reduction};
use crate::shape::{Shape, Window};
use crate::tensor::{Exact, Tensor};

/// Mean of each window, channel by channel.
///
/// ```text
/// out[n, c, y, x] = sum(i, j) in[n, c, y*stride + i*dilation - pad, x*stride + j*dilation - pad] / taps
/// ```
///
/// Taps in the padding add nothing. With `count_pad=true` they count as taps all the same, but what `ceil`
/// lets hang over the padding does not; with `count_pad=false` only taps on the input count (PyTorch).
///
/// Constraints:
/// - (C1) the input has channels and one to three spatial axes;
/// - (C2) a list for `kernel`, `stride`, `pad` or `dilation` has one entry a spatial axis;
/// - (C3) the kernel fits the padded input and has at most 2^24 taps;
/// - (C4) the padding on each side is smaller than the kernel;
/// - (C5) the output keeps the limits of a tensor.
///
/// Source: ONNX `AveragePool`; PyTorch `AvgPool2d`.
///
/// ```net
/// net Example {
///   input x: f32[N, 6, 28, 28]
///   avgpool(2)  => [6, 14, 14]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvgPool {
    /// The windows.
    pub frame: Frame,
    /// Whether taps in the padding count.
    pub count_pad: bool,
}

impl Operator for AvgPool {
    const NAME: &'static str = "avgpool";

    const ARGS: &'static [Arg] = &[
        pool::KERNEL,
        pool::STRIDE,
        pool::PAD,
        pool::CEIL,
        pool::DILATION,
        Arg::optional("count_pad", "true or false", "true", "whether taps in the padding count"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        AvgPool { frame: pool::parse(args), count_pad: args.flag("count_pad") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let mut args = pool::written(&self.frame);
        args.push(("count_pad", self.count_pad.into()));
        args
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
        let mut exact = pool::eval(input, &output, &windows, 0.0, |sum, x| *sum += x);
        let taps = self.all_taps(&windows, &input.shape, &output);
        for (i, (value, size)) in exact.value.iter_mut().zip(&mut exact.magnitude).enumerate() {
            *value /= taps[i % taps.len()];
            *size /= taps[i % taps.len()];
        }
        exact.summed(windows.iter().map(|it| it.kernel).product())
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let windows = self.windows(inputs[0]);
        let mut value = pool::reduce(Reduction::Sum, &windows, inputs[0], output);
        let mut fixed = 1.0;
        for (axis, window) in windows.iter().enumerate() {
            let (extent, places) = (inputs[0].spatial()[axis], output.spatial()[axis]);
            let taps: Vec<f32> =
                (0..places).map(|it| self.taps(window, it, extent) as f32).collect();
            if taps.iter().all(|it| *it == taps[0]) {
                fixed *= taps[0];
            } else {
                value = value.binary(Binary::Div, Expr::Table(taps.into(), Affine::axis(2 + axis)));
            }
        }
        Nest::each(output, value.binary(Binary::Div, Expr::Const(fixed)))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    /// Where ONNX's pool does not count as this one does, it takes in zeros as if they were the input's and
    /// divides by all taps, which a factor for each place puts right.
    fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<Node> {
        let windows = self.windows(inputs[0]);
        let covered = pool::covered(&windows, inputs[0]);
        let hangs = windows.iter().zip(&covered).any(|(it, covered)| it.after < covered.after);
        if pool::pads_fit(&covered) && !(self.count_pad && hangs) {
            let node = Node::map("AveragePool").windows(&covered);
            return vec![node.int("count_include_pad", i64::from(self.count_pad))];
        }
        if pool::pads_fit(&covered) && pool::rounds_up(&windows, inputs[0]) {
            let node = Node::map("AveragePool").windows(&windows);
            return vec![node.int("ceil_mode", 1).int("count_include_pad", 1)];
        }
        let all: usize = windows.iter().map(|it| it.kernel).product();
        let taps = self.all_taps(&windows, inputs[0], output);
        let factors = taps.iter().map(|it| (all as f64 / it) as f32).collect();
        let extents = [&[1, 1], output.spatial()].concat();
        vec![
            pool::pad(&covered, 0.0),
            Node::of("AveragePool", [Operand::Node(0)]).windows(&pool::bare(&covered)),
            Node::of("Mul", [Operand::Node(1), Operand::Numbers(factors, extents)]),
        ]
    }
}

impl AvgPool {
    /// The taps that count at every place.
    fn all_taps(&self, windows: &[Window], input: &Shape, output: &Shape) -> Vec<f64> {
        let axes = windows.iter().zip(input.spatial()).zip(output.spatial());
        axes.fold(vec![1.0], |taps: Vec<f64>, ((window, &extent), &places)| {
            let on_axis: Vec<f64> =
                (0..places).map(|it| self.taps(window, it, extent) as f64).collect();
            taps.iter().flat_map(|it| on_axis.iter().map(move |other| it * other)).collect()
        })
    }

    /// The taps of one axis that count at a place.
    fn taps(&self, window: &Window, place: usize, extent: usize) -> usize {
        let (first, last) = match self.count_pad {
            true => (0, window.before + extent + window.after),
            false => (window.before, window.before + extent),
        };
        let row = |tap: usize| place * window.stride + tap * window.dilation;
        (0..window.kernel).filter(|&it| (first..last).contains(&row(it))).count()
    }
}
