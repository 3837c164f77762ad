use std::sync::Arc;

use super::bias::Bias;
use super::onnx::{self, Node, Operand};
use super::window::{self, Frame, Space};
use super::{Arg, Args, Init, Operator, ParamSpec, Role, Tolerance, Value, Violation, sized};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction, Stage};
use crate::shape::{Shape, Window};
use crate::tensor::{Exact, Tensor};

/// Convolution in one, two or three spatial dimensions, as many as the input has.
///
/// ```text
/// out[n, k, y, x] = bias[k] + sum(c, i, j) in[n, c, y*stride + i*dilation - pad, x*stride + j*dilation - pad] * weight[k, c, i, j]
/// ```
///
/// As in all of deep learning it is a cross-correlation; `flip=true` turns the filter around, which makes
/// it a convolution as in signal processing. Taps in the padding are skipped, not multiplied.
/// With `groups`, input and output channels are cut into as many equal slices, and each output slice reads
/// its own input slice (`groups` = channels: depthwise). An extent becomes
/// `floor((extent + padding - dilation*(kernel-1) - 1) / stride) + 1`.
///
/// `weight=[[1, 0, -1], ..]` writes the filter in the file: nested lists of as many ranks as the input has
/// spatial axes are one filter for every input channel; two ranks more are all weights in the order of the
/// parameter. Such weights are constants, not learned and not counted; `bias` is off beside them unless
/// given. `bias=[..]` writes the bias.
///
/// Constraints:
/// - (C1) the input has channels and one to three spatial axes;
/// - (C2) a list for `kernel`, `stride`, `pad` or `dilation` has one entry a spatial axis;
/// - (C3) `groups` divides the channels of the input and `channels`;
/// - (C4) the kernel fits the padded input and has at most 2^24 taps;
/// - (C5) output and weights keep the limits of a tensor;
/// - (C6) weights and bias written in the file have the shapes above, at most 2^24 elements in all.
///
/// Parameters: `weight` `[channels, input channels / groups, kernel..]` (OIHW), `bias` `[channels]`.
///
/// MACs: elements of the output * input channels / groups * taps.
///
/// Source: LeCun et al. 1989; ONNX `Conv`; PyTorch `Conv2d`.
///
/// ```net
/// net Example {
///   input x: f32[N, 3, 32, 32]
///   conv(16, 3, stride=2, pad=half) -> conv(16, 3, pad=1, groups=16)  => [16, 16, 16]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Output channels.
    pub channels: usize,
    /// The windows.
    pub frame: Frame,
    /// Slices of the channels.
    pub groups: usize,
    /// The bias.
    pub bias: Bias,
    /// Whether the filter is turned around.
    pub flip: bool,
    /// Weights written in the file.
    pub weight: Option<Arc<Tensor>>,
}

/// The most elements to which written weights may expand.
const WRITTEN_MAX: usize = 1 << 24;

impl Operator for Conv {
    const NAME: &'static str = "conv";

    const ARGS: &'static [Arg] = &[
        Arg::required("channels", "a count", "output channels"),
        Arg::required("kernel", "a count, or one an axis", "taps on each spatial axis"),
        Arg::optional("stride", "a count, or one an axis", "1", "rows between neighbouring places"),
        Arg::optional("pad", "rows, one an axis, or pairs", "0", "rows of padding on both sides")
            .words(&["half", "same", "same_lower", "valid"]),
        Arg::optional("dilation", "a count, or one an axis", "1", "rows between neighbouring taps"),
        Arg::optional("groups", "a count", "1", "slices of the channels"),
        Arg::optional("bias", "true, false or a list", "true", "whether each channel has a bias"),
        Arg::optional("flip", "true or false", "false", "whether the filter is turned around"),
        Arg::optional("weight", "nested lists", "", "the filter, written in the file"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let dilation = args.axes("dilation");
        Conv {
            channels: args.count("channels"),
            frame: Frame { dilation, ..Frame::parse(args) },
            groups: args.count("groups"),
            bias: Bias::parse(args),
            flip: args.flag("flip"),
            weight: args.tensor("weight"),
        }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let mut args = vec![("channels", self.channels.into())];
        args.extend(self.frame.written());
        args.extend([("groups", self.groups.into()), ("flip", self.flip.into())]);
        args.extend(self.weight.iter().map(|it| ("weight", Value::of_tensor(it))));
        args.extend(self.bias.written(self.weight.is_some()));
        args
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        window::check_map("C1", Self::NAME, input)?;
        self.frame.check_lists("C2", input)?;
        check_groups("C3", self.groups, input.channels(), self.channels)?;
        let places = self.frame.places("C4", Self::NAME, input)?;
        let output = [&[input.batch(), self.channels], places.as_slice()].concat();
        let output = sized("C5", "the output", &output)?;
        sized("C5", "the weights", &self.weight_dims(input))?;
        self.bias.check("C6", self.channels)?;
        self.check_weight("C6", input)?;
        Ok(output)
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let shape = Shape::of(&self.weight_dims(inputs[0]));
        let fan_in = shape.dims()[1..].iter().product();
        let role = self.weight.as_ref().map_or(Role::Learned, |it| Role::Fixed(expand(it, &shape)));
        let weight = ParamSpec { name: "weight", shape, role, init: Init::He { fan_in } };
        [weight].into_iter().chain(self.bias.spec(self.channels, fan_in)).collect()
    }

    fn macs(&self, inputs: &[&Shape], output: &Shape) -> u64 {
        let terms: usize = self.weight_dims(inputs[0])[1..].iter().product();
        output.elements() as u64 * terms as u64
    }

    fn windows(&self, input: &Shape) -> Vec<Window> {
        self.frame.windows(input.spatial())
    }

    fn eval(&self, inputs: &[&Tensor], params: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("inputs were accepted");
        let windows = self.windows(&input.shape);
        let space = Space::new(&windows, input.shape.spatial(), output.spatial());
        let mut exact = Exact::plain(output.clone(), vec![0.0; output.elements()]);
        let x: Vec<f64> = input.data.iter().map(|&it| f64::from(it)).collect();
        let (rows, places) = (product(input.shape.spatial()), product(output.spatial()));
        let (per_in, per_out) = (input.shape.channels() / self.groups, self.channels / self.groups);
        let taps: usize = windows.iter().map(|it| it.kernel).product();
        for plane in 0..output.batch() * self.channels {
            let (n, k) = (plane / self.channels, plane % self.channels);
            let value = &mut exact.value[plane * places..][..places];
            let magnitude = &mut exact.magnitude[plane * places..][..places];
            for c in 0..per_in {
                let channel = n * input.shape.channels() + k / per_out * per_in + c;
                let x = &x[channel * rows..][..rows];
                let filter = &params[0].data[(k * per_in + c) * taps..][..taps];
                for (t, tap) in space.taps().enumerate() {
                    let w = f64::from(filter[if self.flip { taps - 1 - t } else { t }]);
                    space.for_each_row(tap, |row| {
                        let to = row.place..row.place + row.len;
                        let sums = value[to.clone()].iter_mut().zip(&mut magnitude[to]);
                        add_row(sums, &x[row.at..], row.step, w);
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

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let input = inputs[0];
        let windows = self.windows(input);
        let axes = Channels::new(output, self.groups, self.channels);
        let per_in = input.channels() / self.groups;
        let (c, tap) = (axes.extents.len(), axes.extents.len() + 1);
        let (positions, guards) =
            window::positions(&windows, input.spatial(), output.spatial(), (axes.space, tap));
        let channel = axes.slice.clone().scaled(per_in).plus(c, 1);
        let x =
            Expr::load(Buffer::Input(0), [Affine::axis(0), channel].into_iter().chain(positions));
        let filter = windows.iter().enumerate().map(|(i, it)| match self.flip {
            true => Affine::of(&[(tap + i, -1)], it.kernel as i64 - 1),
            false => Affine::axis(tap + i),
        });
        let weight = Expr::load(
            Buffer::Param(0),
            [axes.channel.clone(), Affine::axis(c)].into_iter().chain(filter),
        );
        let reduced: Vec<usize> =
            [per_in].into_iter().chain(windows.iter().map(|it| it.kernel)).collect();
        let sum = Expr::reduce(Reduction::Sum, &reduced, guards, x.binary(Binary::Mul, weight));
        Nest { temps: Vec::new(), stages: vec![axes.stage(sum, self.bias.is_present())] }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(8.0)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let windows = self.windows(inputs[0]);
        let mut nodes = Vec::new();
        let mut weight = Operand::Param(0);
        if self.flip {
            let all = |it: i64| Operand::Ints(vec![it; windows.len()]);
            let axes = Operand::Ints(onnx::ints(2..inputs[0].rank()));
            nodes.push(Node::of("Slice", [weight, all(-1), all(i64::MIN), axes, all(-1)]));
            weight = Operand::Node(0);
        }
        let bias = self.bias.is_present().then_some(Operand::Param(1));
        let operands = [Operand::Input(0), weight].into_iter().chain(bias);
        nodes.push(Node::of("Conv", operands).windows(&windows).groups(self.groups));
        nodes
    }
}

impl Conv {
    fn weight_dims(&self, input: &Shape) -> Vec<usize> {
        let kernel = self.windows(input).into_iter().map(|it| it.kernel);
        [self.channels, input.channels() / self.groups].into_iter().chain(kernel).collect()
    }

    fn check_weight(&self, constraint: &'static str, input: &Shape) -> Result<(), Violation> {
        let Some(weight) = &self.weight else { return Ok(()) };
        let all = self.weight_dims(input);
        let found = weight.shape.dims();
        if found != all && found != &all[2..] {
            let message = format!("`weight` is {found:?}, but the layer needs {all:?}");
            let help =
                format!("write all of {all:?}, or one filter {:?} for every channel", &all[2..]);
            return Err(Violation::new(constraint, message).help(help));
        }
        if all.iter().product::<usize>() > WRITTEN_MAX {
            let message = format!("`weight` expands to {all:?}, more than 2^24 elements");
            return Err(Violation::new(constraint, message).help("load weights from a file"));
        }
        Ok(())
    }
}

/// `sums += x * w` along a row, and the magnitudes.
fn add_row<'a>(
    sums: impl Iterator<Item = (&'a mut f64, &'a mut f64)>,
    x: &[f64],
    step: usize,
    w: f64,
) {
    if step == 1 {
        for ((sum, size), x) in sums.zip(x) {
            let term = x * w;
            *sum += term;
            *size += term.abs();
        }
    } else {
        for ((sum, size), x) in sums.zip(x.iter().step_by(step)) {
            let term = x * w;
            *sum += term;
            *size += term.abs();
        }
    }
}

fn product(extents: &[usize]) -> usize {
    extents.iter().product()
}

/// One filter repeated for every pair of channels, or all weights as they are.
fn expand(weight: &Arc<Tensor>, shape: &Shape) -> Arc<Tensor> {
    if weight.shape == *shape {
        return weight.clone();
    }
    let times = shape.elements() / weight.data.len();
    Arc::new(Tensor::new(shape.clone(), weight.data.repeat(times)))
}

/// `groups` divides both numbers of channels.
pub(super) fn check_groups(
    constraint: &'static str,
    groups: usize,
    inputs: usize,
    outputs: usize,
) -> Result<(), Violation> {
    let message = if !inputs.is_multiple_of(groups) {
        format!("`groups` is {groups}, but the input has {inputs} channels")
    } else if !outputs.is_multiple_of(groups) {
        format!("`groups` is {groups}, but `channels` is {outputs}")
    } else {
        return Ok(());
    };
    let both = |it: &usize| inputs.is_multiple_of(*it) && outputs.is_multiple_of(*it);
    let nearest = (1..=groups.min(inputs).min(outputs)).rev().find(both).unwrap_or(1);
    let help = format!("`groups` must divide both {inputs} and {outputs}, as {nearest} does");
    Err(Violation::new(constraint, message).help(help))
}

/// The axes over the output of a layer with groups: `[n, k, space..]`, or `[n, group, k, space..]` where
/// neither is trivial.
pub(super) struct Channels {
    pub(super) extents: Vec<usize>,
    /// Where an element is written.
    at: Vec<Affine>,
    /// The output channel.
    pub(super) channel: Affine,
    /// The output channel within its group.
    pub(super) within: Affine,
    /// The group.
    pub(super) slice: Affine,
    /// The first spatial axis.
    pub(super) space: usize,
}

impl Channels {
    pub(super) fn new(output: &Shape, groups: usize, channels: usize) -> Self {
        let per_out = channels / groups;
        let split = groups > 1 && per_out > 1;
        let (channel, within, slice) = match split {
            true => {
                (Affine::of(&[(1, per_out as i64), (2, 1)], 0), Affine::axis(2), Affine::axis(1))
            }
            false if groups == 1 => (Affine::axis(1), Affine::axis(1), Affine::constant(0)),
            false => (Affine::axis(1), Affine::constant(0), Affine::axis(1)),
        };
        let mut extents = output.dims().to_vec();
        if split {
            extents.splice(1..2, [groups, per_out]);
        }
        let space = extents.len() - output.spatial().len();
        let mut at = vec![Affine::axis(0), channel.clone()];
        at.extend((space..extents.len()).map(Affine::axis));
        Self { extents, at, channel, within, slice, space }
    }

    /// The same for every `step`-th row of a spatial axis only, from one on: `count` rows.
    pub(super) fn every(&mut self, axis: usize, first: usize, step: usize, count: usize) {
        let axis = self.space + axis;
        self.extents[axis] = count;
        let spatial = self.at.len() - (self.extents.len() - axis);
        self.at[spatial] = Affine::of(&[(axis, step as i64)], first as i64);
    }

    /// One stage that writes the sum, and the bias where there is one (parameter 1).
    pub(super) fn stage(self, sum: Expr, bias: bool) -> Stage {
        let value = if bias {
            sum.binary(Binary::Add, Expr::load(Buffer::Param(1), [self.channel]))
        } else {
            sum
        };
        Stage { target: Buffer::Output, extents: self.extents, at: self.at, value }
    }
}
