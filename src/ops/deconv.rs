use super::bias::Bias;
use super::conv::{Channels, check_groups};
use super::onnx::{Node, Operand};
use super::window::{self, Frame, Space};
use super::{Arg, Args, Init, Operator, ParamSpec, Role, Tolerance, Value, Violation, sized};
use crate::nest::{Affine, Binary, Buffer, Expr, Guard, Index, Nest, Reduction, Stage};
use crate::shape::{Padding, PerAxis, Shape, Window};
use crate::tensor::{Exact, Tensor};

/// Transposed convolution in one, two or three spatial dimensions: every input element spreads a weighted
/// copy of the filter over the output, `stride` rows apart.
///
/// ```text
/// out[n, k, y, x] = bias[k] + sum(c, i, j) in[n, c, (y + pad - i*dilation) / stride, (x + pad - j*dilation) / stride] * weight[c, k, i, j]
/// ```
///
/// where the divisions are exact and the rows inside; other terms are skipped. An extent becomes
/// `(extent - 1)*stride - padding + dilation*(kernel-1) + output_pad + 1`. Padding cuts rows off the output.
/// `pad=same` makes it `extent * stride`.
///
/// Constraints:
/// - (C1) the input has channels and one to three spatial axes;
/// - (C2) a list for `kernel`, `stride`, `pad`, `dilation` or `output_pad` has one entry a spatial axis;
/// - (C3) `groups` divides the channels of the input and `channels`;
/// - (C4) the kernel has at most 2^24 taps and the padding leaves at least one row of the output;
/// - (C5) `output_pad` is smaller than the stride or the dilation;
/// - (C6) `pad=same` needs a kernel that covers at least `stride` rows;
/// - (C7) output and weights keep the limits of a tensor;
/// - (C8) a bias written in the file has one number a channel.
///
/// Parameters: `weight` `[input channels, channels / groups, kernel..]` (IOHW), `bias` `[channels]`.
///
/// MACs: elements of the input * channels / groups * taps, those that the padding cuts off included.
///
/// Source: Zeiler et al. 2010; ONNX `ConvTranspose`; PyTorch `ConvTranspose2d`.
///
/// ```net
/// net Example {
///   input x: f32[N, 64, 16, 16]
///   deconv(32, 4, stride=2, pad=1)  => [32, 32, 32]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Deconv {
    /// Output channels.
    pub channels: usize,
    /// The windows, over the output, one place for each input element.
    pub frame: Frame,
    /// Rows added after the output.
    pub output_pad: PerAxis<usize>,
    /// Slices of the channels.
    pub groups: usize,
    /// The bias.
    pub bias: Bias,
}

impl Operator for Deconv {
    const NAME: &'static str = "deconv";

    const ARGS: &'static [Arg] = &[
        Arg::required("channels", "a count", "output channels"),
        Arg::required("kernel", "a count, or one an axis", "taps on each spatial axis"),
        Arg::optional(
            "stride",
            "a count, or one an axis",
            "1",
            "output rows from one input to the next",
        ),
        Arg::optional("pad", "rows, one an axis, or pairs", "0", "rows cut off both sides")
            .words(&["half", "same", "same_lower", "valid"]),
        Arg::optional("output_pad", "rows, or one an axis", "0", "rows added after the output"),
        Arg::optional("groups", "a count", "1", "slices of the channels"),
        Arg::optional("bias", "true, false or a list", "true", "whether each channel has a bias"),
        Arg::optional("dilation", "a count, or one an axis", "1", "rows between neighbouring taps"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let dilation = args.axes("dilation");
        Deconv {
            channels: args.count("channels"),
            frame: Frame { dilation, ..Frame::parse(args) },
            output_pad: args.axes_from_zero("output_pad"),
            groups: args.count("groups"),
            bias: Bias::parse(args),
        }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let mut args = vec![("channels", self.channels.into())];
        args.extend(self.frame.written());
        args.extend([("output_pad", (&self.output_pad).into()), ("groups", self.groups.into())]);
        args.extend(self.bias.written(false));
        args
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        window::check_map("C1", Self::NAME, input)?;
        self.frame.check_lists("C2", input)?;
        window::check_list("C2", "output_pad", &self.output_pad, input)?;
        check_groups("C3", self.groups, input.channels(), self.channels)?;
        let windows = self.gather(input);
        window::check_taps("C4", &windows)?;
        let mut output = vec![input.batch(), self.channels];
        for (axis, window) in windows.iter().enumerate() {
            output.push(self.extent(axis, window, input)?);
        }
        let output = sized("C7", "the output", &output)?;
        sized("C7", "the weights", &self.weight_dims(input))?;
        self.bias.check("C8", self.channels)?;
        Ok(output)
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let shape = Shape::of(&self.weight_dims(inputs[0]));
        let taps: usize = shape.spatial().iter().product();
        let fan_in = (inputs[0].channels() / self.groups * taps).max(1);
        let init = Init::He { fan_in };
        let weight = ParamSpec { name: "weight", shape, role: Role::Learned, init };
        [weight].into_iter().chain(self.bias.spec(self.channels, fan_in)).collect()
    }

    fn macs(&self, inputs: &[&Shape], _: &Shape) -> u64 {
        let terms: usize = self.weight_dims(inputs[0])[1..].iter().product();
        inputs[0].elements() as u64 * terms as u64
    }

    fn eval(&self, inputs: &[&Tensor], params: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let windows = self.gather(&input.shape);
        let space = Space::new(&windows, output.spatial(), input.shape.spatial());
        let rows: usize = input.shape.spatial().iter().product();
        let places: usize = output.spatial().iter().product();
        let taps: usize = windows.iter().map(|it| it.kernel).product();
        let (per_in, per_out) = (input.shape.channels() / self.groups, self.channels / self.groups);
        let mut exact = Exact::plain(output.clone(), vec![0.0; output.elements()]);
        for plane in 0..output.batch() * self.channels {
            let (n, k) = (plane / self.channels, plane % self.channels);
            let value = &mut exact.value[plane * places..][..places];
            let magnitude = &mut exact.magnitude[plane * places..][..places];
            for c in k / per_out * per_in..(k / per_out + 1) * per_in {
                let x = &input.data[(n * input.shape.channels() + c) * rows..][..rows];
                let filter = &params[0].data[(c * per_out + k % per_out) * taps..][..taps];
                for (tap, &w) in space.taps().zip(filter) {
                    space.for_each_row(tap, |row| {
                        let places = (row.at..).step_by(row.step);
                        for (at, &x) in places.zip(&x[row.place..][..row.len]) {
                            let term = f64::from(x) * f64::from(w);
                            value[at] += term;
                            magnitude[at] += term.abs();
                        }
                    });
                }
            }
            if let Some(bias) = params.get(1) {
                let bias = f64::from(bias.data[k]);
                value.iter_mut().for_each(|it| *it += bias);
                magnitude.iter_mut().for_each(|it| *it += bias.abs());
            }
        }
        exact.summed(per_in * taps)
    }

    /// One stage for each phase of the strides: its places share their taps, so that each stage is a convolution.
    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let windows = self.gather(inputs[0]);
        let count = windows.iter().try_fold(1_usize, |count, it| count.checked_mul(it.stride));
        if count.is_none_or(|it| it > PHASES_MAX) {
            return Nest {
                temps: Vec::new(),
                stages: vec![self.guarded(inputs[0], output, &windows)],
            };
        }
        let residues = |(window, &extent): (&Window, &usize)| window.stride.min(extent);
        let residues: Vec<usize> = windows.iter().zip(output.spatial()).map(residues).collect();
        let mut nest = Nest { temps: Vec::new(), stages: Vec::new() };
        let mut first = vec![0; windows.len()];
        loop {
            let phases: Vec<Phase> =
                windows.iter().zip(&first).map(|(window, &it)| Phase::of(window, it)).collect();
            nest.stages.push(self.phase(inputs[0], output, &windows, &phases));
            // The last axis counts fastest.
            let Some(axis) = (0..first.len()).rev().find(|&it| first[it] + 1 < residues[it]) else {
                return nest;
            };
            first[axis] += 1;
            first[axis + 1..].fill(0);
        }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let windows = self.gather(inputs[0]);
        let params = (0..1 + usize::from(self.bias.is_present())).map(Operand::Param);
        let added = (0..windows.len()).map(|it| self.output_pad.get(it).unwrap_or(0));
        let node = Node::of("ConvTranspose", [Operand::Input(0)].into_iter().chain(params));
        vec![node.windows(&windows).groups(self.groups).ints("output_padding", added)]
    }
}

/// The most phases that become stages; more are looked for place by place.
const PHASES_MAX: usize = 64;

/// The places of an axis that lie `first` behind a multiple of the stride, and what they read.
struct Phase {
    first: usize,
    /// The first tap that meets an input there, and how far on the next one is.
    tap: usize,
    step: usize,
    /// How many taps do.
    count: usize,
    /// The input that the last of them meets in the first place, and from tap to tap.
    before: i64,
    dilation: usize,
}

impl Phase {
    fn of(window: &Window, first: usize) -> Phase {
        let Window { kernel, stride, dilation, .. } = *window;
        let common = greatest_common_divisor(stride, dilation);
        let (step, dilation_in) = (stride / common, dilation / common);
        let row = first + window.before;
        // The row less `tap * dilation` is a multiple of the stride.
        let meets = |tap: &usize| (row as i64 - (tap * dilation) as i64) % stride as i64 == 0;
        let tap = (0..step.min(kernel)).find(meets);
        let count = tap.map_or(0, |it| (kernel - it).div_ceil(step));
        let tap = tap.unwrap_or(0);
        let last = tap + count.saturating_sub(1) * step;
        let before = (row as i64 - (last * dilation) as i64) / stride as i64;
        Phase { first, tap, step, count, before, dilation: dilation_in }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl Deconv {
    /// The stage of one phase: a convolution whose taps are every so many of the filter's, last first.
    fn phase(&self, input: &Shape, output: &Shape, windows: &[Window], phases: &[Phase]) -> Stage {
        let mut axes = Channels::new(output, self.groups, self.channels);
        let (space, tap) = (axes.space, axes.extents.len() + 1);
        let (mut rows, mut taps, mut guards) = (Vec::new(), Vec::new(), Vec::new());
        for (axis, (window, phase)) in windows.iter().zip(phases).enumerate() {
            let places = (output.spatial()[axis] - phase.first).div_ceil(window.stride);
            axes.every(axis, phase.first, window.stride, places);
            let terms = [(space + axis, 1), (tap + axis, phase.dilation as i64)];
            let row = Affine::of(&terms, phase.before);
            guards.push(Guard::Within(row.clone(), input.spatial()[axis]));
            rows.push(Index::Affine(row));
            let last = phase.tap + phase.count.saturating_sub(1) * phase.step;
            taps.push(Affine::of(&[(tap + axis, -(phase.step as i64))], last as i64));
        }
        let counts: Vec<usize> = phases.iter().map(|it| it.count).collect();
        self.stage(input, axes, rows, taps, &counts, guards)
    }

    /// The stage of all places, which looks in each for the taps that meet an input.
    fn guarded(&self, input: &Shape, output: &Shape, windows: &[Window]) -> Stage {
        let axes = Channels::new(output, self.groups, self.channels);
        let (space, tap) = (axes.space, axes.extents.len() + 1);
        let (mut rows, mut guards) = (Vec::new(), Vec::new());
        for (axis, window) in windows.iter().enumerate() {
            let terms = [(space + axis, 1), (tap + axis, -(window.dilation as i64))];
            let row = Affine::of(&terms, window.before as i64);
            let last = (input.spatial()[axis] - 1) * window.stride;
            guards.push(Guard::Within(row.clone(), last + 1));
            guards.push(Guard::Divides(row.clone(), window.stride));
            rows.push(Index::Part { of: row, by: window.stride, modulo: None });
        }
        let taps = (0..windows.len()).map(|it| Affine::axis(tap + it)).collect();
        let counts: Vec<usize> = windows.iter().map(|it| it.kernel).collect();
        self.stage(input, axes, rows, taps, &counts, guards)
    }

    /// A sum over the input's channels and so many taps an axis: which rows they read, and which of the filter's they
    /// are, by the axes that follow those of `axes`.
    fn stage(
        &self,
        input: &Shape,
        axes: Channels,
        rows: Vec<Index>,
        taps: Vec<Affine>,
        counts: &[usize],
        guards: Vec<Guard>,
    ) -> Stage {
        let per_in = input.channels() / self.groups;
        let channel = axes.slice.clone().scaled(per_in).plus(axes.extents.len(), 1);
        let at = [Index::Affine(Affine::axis(0)), Index::Affine(channel.clone())];
        let x = Expr::Load(Buffer::Input(0), at.into_iter().chain(rows).collect());
        let weight =
            Expr::load(Buffer::Param(0), [channel, axes.within.clone()].into_iter().chain(taps));
        let extents = [&[per_in], counts].concat();
        let sum = match extents.contains(&0) {
            true => Expr::Const(0.0),
            false => Expr::reduce(Reduction::Sum, &extents, guards, x.binary(Binary::Mul, weight)),
        };
        axes.stage(sum, self.bias.is_present())
    }

    /// One window for each spatial axis, with the padding that cuts the output.
    pub fn gather(&self, input: &Shape) -> Vec<Window> {
        let mut windows = self.frame.windows(input.spatial());
        for (axis, window) in windows.iter_mut().enumerate() {
            let total = (window.reach() + self.output_pad.get(axis).unwrap_or(0))
                .saturating_sub(window.stride);
            let (less, more) = (total / 2, total - total / 2);
            (window.before, window.after) = match self.frame.pad {
                Padding::Same => (less, more),
                Padding::SameLower => (more, less),
                Padding::Explicit(_) | Padding::Half => continue,
            };
        }
        windows
    }

    fn extent(&self, axis: usize, window: &Window, input: &Shape) -> Result<usize, Violation> {
        let added = self.output_pad.get(axis).unwrap_or(0);
        if added > 0 && added >= window.stride.max(window.dilation) {
            let message = format!("`output_pad` is {added}, but `stride` is {}", window.stride);
            return Err(Violation::new("C5", message).help("it must be smaller than the stride"));
        }
        let same = matches!(self.frame.pad, Padding::Same | Padding::SameLower);
        if same && window.reach() + added < window.stride {
            let message = format!(
                "`pad=same` makes every row {} rows, but the kernel covers only {}",
                window.stride,
                window.reach()
            );
            return Err(
                Violation::new("C6", message).help("take a larger kernel or a smaller stride")
            );
        }
        let rows = (input.spatial()[axis] - 1)
            .saturating_mul(window.stride)
            .saturating_add(window.reach())
            .saturating_add(added);
        let cut = window.before.saturating_add(window.after);
        rows.checked_sub(cut).filter(|it| *it >= 1).ok_or_else(|| {
            let message =
                format!("`deconv` makes {rows} rows of {input}, but the padding cuts off {cut}");
            Violation::new("C4", message).help("pad less or take a larger kernel")
        })
    }

    fn weight_dims(&self, input: &Shape) -> Vec<usize> {
        let kernel = self.gather(input).into_iter().map(|it| it.kernel);
        [input.channels(), self.channels / self.groups].into_iter().chain(kernel).collect()
    }
}
