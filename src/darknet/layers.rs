//! The sections that are layers, each as the operators that compute the same.

use super::build::{Broken, Builder};
use super::cfg::{LOADING, Reader};
use super::weights::Order;
use crate::diag::Diagnostic;
use crate::graph::NodeId;
use crate::ops::{
    Add, Affine, Bias, Bn, Clip, Concat, Conv, Dropout, Elu, Fc, Frame, Gap, Leaky, MaxPool, Mish,
    Mode, Op, Pad, Relu, Relu6, Reorg, Resize, Sigmoid, Silu, Slice, Softmax, Tanh, Upsample,
};
use crate::shape::{Padding, PerAxis};

/// Added to the variance. Darknet adds 1e-6 to the deviation on a processor, and 1e-5 to the variance on a
/// graphics card.
const EPS: f32 = 1e-6;

/// Adds the layers of a section and gives their result.
pub(super) type Read = fn(&mut Builder<'_>, Reader<'_>) -> Result<NodeId, Broken>;

/// How a section is read that is no head; `None` if there is none of that name.
pub(super) fn read(name: &str) -> Option<Read> {
    Some(match name {
        "convolutional" | "conv" => convolutional,
        "connected" | "conn" => connected,
        "batchnorm" => batchnorm,
        "activation" => activated,
        "maxpool" | "max" => maxpool,
        "avgpool" | "avg" => avgpool,
        "dropout" => dropout,
        "cost" => cost,
        "softmax" | "soft" => softmax,
        "crop" => crop,
        "shortcut" => shortcut,
        "route" => route,
        "upsample" => upsample,
        "reorg" => reorg,
        _ => return None,
    })
}

/// The operators that an `activation=` stands for, one after another.
fn activation(reader: &mut Reader<'_>, default: &'static str) -> Vec<(&'static str, Op)> {
    let affine = |scale, shift| ("affine", Affine { scale, shift }.into());
    match reader.word("activation", default) {
        "linear" => vec![],
        "leaky" => vec![("leaky", Leaky { slope: 0.1 }.into())],
        "relu" => vec![("relu", Relu.into())],
        "relu6" => vec![("relu6", Relu6.into())],
        "relie" => vec![("leaky", Leaky { slope: 0.01 }.into())],
        // x where x is positive, and a tenth of x besides: 1.1 times a leaky one.
        "ramp" => vec![("leaky", Leaky { slope: 0.1 / 1.1 }.into()), affine(1.1, 0.0)],
        "elu" => vec![("elu", Elu { alpha: 1.0 }.into())],
        "selu" => vec![("elu", Elu { alpha: 1.6732 }.into()), affine(1.0507, 0.0)],
        "logistic" => vec![("sigmoid", Sigmoid.into())],
        "loggy" => vec![("sigmoid", Sigmoid.into()), affine(2.0, -1.0)],
        "tanh" => vec![("tanh", Tanh.into())],
        "hardtan" => vec![("clip", Clip { min: Some(-1.0), max: Some(1.0) }.into())],
        "mish" => vec![("mish", Mish.into())],
        "swish" => vec![("silu", Silu.into())],
        other => {
            reader.fault("activation", format!("netc has no activation `{other}`"));
            vec![]
        }
    }
}

fn apply(
    to: &mut Builder<'_>,
    steps: Vec<(&'static str, Op)>,
    from: NodeId,
) -> Result<NodeId, Broken> {
    steps.into_iter().try_fold(from, |x, (word, op)| to.add(word, op, &[x]))
}

fn activated(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let steps = activation(&mut reader, "linear");
    to.finish(reader)?;
    let x = to.before()?;
    apply(to, steps, x)
}

fn batchnorm(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    reader.refuse(LOADING);
    to.finish(reader)?;
    let x = to.before()?;
    let bn = to.add("bn", Bn { eps: EPS }, &[x])?;
    to.store(bn, &["bias", "weight", "running_mean", "running_var"], Order::Plain);
    Ok(bn)
}

fn convolutional(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let channels = reader.count("filters", 1, 1);
    let kernel = reader.count("size", 1, 1);
    let stride = reader.count("stride", 1, 1);
    let strides = strides(&mut reader, stride);
    let groups = reader.count("groups", 1, 1);
    let (half, padding) = (reader.flag("pad", false), reader.count("padding", 0, 0));
    let normalised = reader.flag("batch_normalize", false);
    let flipped = reader.flag("flipped", false);
    let steps = activation(&mut reader, "logistic");
    reader.refuse(&[
        ("binary", "0"),
        ("xnor", "0"),
        ("dilation", "1"),
        ("antialiasing", "0"),
        ("share_index", "-1000000000"),
        ("cbn", "0"),
        ("bin_output", "0"),
        ("sway", "0"),
        ("rotate", "0"),
        ("stretch", "0"),
        ("stretch_sway", "0"),
        ("deform", "0"),
        ("assisted_excitation", "0"),
        ("dot", "0"),
    ]);
    reader.refuse(LOADING);
    to.finish(reader)?;
    let rows = if half { kernel / 2 } else { padding };
    let frame = Frame {
        kernel: PerAxis::All(kernel),
        stride: per_axis(strides),
        pad: match (half, kernel % 2) {
            (true, 1) if kernel > 1 => Padding::Half,
            _ => Padding::Explicit(PerAxis::All((rows, rows))),
        },
        dilation: PerAxis::All(1),
        ceil: false,
    };
    let bias = if normalised { Bias::Absent } else { Bias::Learned };
    let x = to.before()?;
    let x = to.map(x)?;
    let conv =
        to.add("conv", Conv { channels, frame, groups, bias, flip: false, weight: None }, &[x])?;
    let order = if flipped { Order::Transposed } else { Order::Plain };
    let mut x = conv;
    if normalised {
        x = to.add("bn", Bn { eps: EPS }, &[conv])?;
        to.store(x, &["bias", "weight", "running_mean", "running_var"], Order::Plain);
    } else {
        to.store(conv, &["bias"], Order::Plain);
    }
    to.store(conv, &["weight"], order);
    apply(to, steps, x)
}

fn connected(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let features = reader.count("output", 1, 1);
    let normalised = reader.flag("batch_normalize", false);
    let steps = activation(&mut reader, "logistic");
    reader.refuse(LOADING);
    to.finish(reader)?;
    let x = to.before()?;
    let x = to.vector(x)?;
    let bias = if normalised { Bias::Absent } else { Bias::Learned };
    let fc = to.add("fc", Fc { features, bias }, &[x])?;
    if !normalised {
        to.store(fc, &["bias"], Order::Plain);
        to.store(fc, &["weight"], Order::TransposedByVersion);
        return apply(to, steps, fc);
    }
    let bn = to.add("bn", Bn { eps: EPS }, &[fc])?;
    to.store(bn, &["bias"], Order::Plain);
    to.store(fc, &["weight"], Order::TransposedByVersion);
    to.store(bn, &["weight", "running_mean", "running_var"], Order::Plain);
    apply(to, steps, bn)
}

/// Rows and columns from one window to the next.
fn strides(reader: &mut Reader<'_>, both: usize) -> [usize; 2] {
    [reader.count("stride_y", both, 1), reader.count("stride_x", both, 1)]
}

/// What rows and columns have, once where it is the same.
fn per_axis<T: PartialEq>([rows, columns]: [T; 2]) -> PerAxis<T> {
    if rows == columns { PerAxis::All(rows) } else { PerAxis::Each(vec![rows, columns]) }
}

/// Darknet pads `size - 1` rows in all unless told otherwise, half of them before, and never reads the last of
/// them where the stride passes over.
fn maxpool(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let stride = reader.count("stride", 1, 1);
    let strides = strides(&mut reader, stride);
    let kernel = reader.count("size", stride, 1);
    let padding = reader.count("padding", kernel - 1, 0);
    reader.refuse(&[("maxpool_depth", "0"), ("antialiasing", "0")]);
    to.finish(reader)?;
    let x = to.before()?;
    let x = to.map(x)?;
    let before = padding / 2;
    let shape = to.shape(x);
    let around = |axis: usize| {
        let (extent, stride) = (shape.spatial()[axis], strides[axis]);
        let room = (extent + padding).saturating_sub(kernel);
        let read = room / stride * stride + kernel;
        (before, read.saturating_sub(extent + before))
    };
    let pads = match per_axis([0, 1].map(around)) {
        PerAxis::All(pad) if pad.0 != pad.1 => PerAxis::Each(vec![pad; 2]),
        pads => pads,
    };
    let frame = Frame {
        kernel: PerAxis::All(kernel),
        stride: per_axis(strides),
        pad: Padding::Explicit(pads),
        dilation: PerAxis::All(1),
        ceil: false,
    };
    to.add("maxpool", MaxPool { frame }, &[x])
}

fn avgpool(to: &mut Builder<'_>, reader: Reader<'_>) -> Result<NodeId, Broken> {
    to.finish(reader)?;
    let x = to.before()?;
    let keep = !matches!(to.next, None | Some("softmax" | "soft" | "connected" | "conn" | "cost"));
    to.add("gap", Gap { keep }, &[x])
}

fn dropout(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let p = reader.number("probability", 0.5);
    if !(0.0..1.0).contains(&p) {
        reader.fault("probability", format!("`probability` is from 0 to below 1, found {p}"));
    }
    to.finish(reader)?;
    let x = to.before()?;
    to.add("dropout", Dropout { p }, &[x])
}

/// A loss: the result of the net is what comes before it.
fn cost(to: &mut Builder<'_>, reader: Reader<'_>) -> Result<NodeId, Broken> {
    to.finish(reader)?;
    to.before()
}

fn softmax(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let groups = reader.count("groups", 1, 1);
    let temperature = reader.number("temperature", 1.0);
    if temperature <= 0.0 {
        reader.fault("temperature", "`temperature` is positive".to_owned());
    }
    reader.refuse(&[("spatial", "0")]);
    let tree = reader.has("tree");
    to.finish(reader)?;
    let x = to.before()?;
    let mut x = to.vector(x)?;
    if tree {
        no_tree(to);
        return Ok(x);
    }
    if temperature != 1.0 {
        x = to.add("affine", Affine { scale: 1.0 / temperature, shift: 0.0 }, &[x])?;
    }
    if groups == 1 {
        return to.add("softmax", Softmax { axis: 1 }, &[x]);
    }
    let shape = vec![groups as i64, -1];
    let x = to.add("groups", crate::ops::Reshape { shape, batch: None }, &[x])?;
    let x = to.add("softmax", Softmax { axis: 2 }, &[x])?;
    to.vector(x)
}

/// Classes in a tree have their shares among their siblings only, and the tree is a file of its own.
pub(super) fn no_tree(to: &mut Builder<'_>) {
    let message = "the tree of classes is not read: the result is what comes before this layer";
    to.found.push(Diagnostic::warning("unknown-argument", to.section.span, message));
}

/// The middle, and -1 to 1 rather than 0 to 1.
fn crop(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let sizes = [reader.count("crop_height", 1, 1), reader.count("crop_width", 1, 1)];
    let plain = reader.flag("noadjust", false);
    to.finish(reader)?;
    let mut x = to.before()?;
    let extents = to.shape(x).spatial().to_vec();
    for (axis, (&extent, size)) in extents.iter().zip(sizes).enumerate() {
        if size < extent {
            let from = (extent - size) / 2;
            x = part(to, x, axis as i64 + 2, from, from + size, 1)?;
        } else if size > extent {
            let message = format!("a crop of {size} rows does not fit {}", to.shape(x));
            return to.fail("broken-model", message, None);
        }
    }
    if plain { Ok(x) } else { to.add("affine", Affine { scale: 2.0, shift: -1.0 }, &[x]) }
}

/// Positions `from` to before `to` on an axis, every `step`-th.
pub(super) fn part(
    builder: &mut Builder<'_>,
    x: NodeId,
    axis: i64,
    from: usize,
    to: usize,
    step: usize,
) -> Result<NodeId, Broken> {
    builder.add("slice", Slice { axis, from: from as i64, to: Some(to as i64), step }, &[x])
}

/// Adds an earlier value: of a larger map every n-th cell, and of channels those that both have.
fn shortcut(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let from = reader.ints("from");
    if from.len() != 1 {
        reader.fault("from", "`from` is the number of one layer".to_owned());
    }
    let steps = activation(&mut reader, "linear");
    reader.refuse(&[("alpha", "1"), ("beta", "1"), ("weights_type", "none")]);
    to.finish(reader)?;
    let x = to.before()?;
    let mut other = to.layer(from[0])?;
    let (wanted, found) = (to.shape(x), to.shape(other));
    if wanted != found {
        other = fitted(to, other, &wanted)?;
    }
    let sum = to.add("add", Add, &[x, other])?;
    apply(to, steps, sum)
}

/// A value at the size of another: every n-th cell, surplus channels left out, missing ones 0.
fn fitted(
    to: &mut Builder<'_>,
    mut value: NodeId,
    wanted: &crate::shape::Shape,
) -> Result<NodeId, Broken> {
    let found = to.shape(value);
    let (&[height, width], &[rows, columns]) = (wanted.spatial(), found.spatial()) else {
        let message = format!("a shortcut of {found} to {wanted}");
        return to.fail("broken-model", message, None);
    };
    let step = columns / width;
    if step == 0 || step != rows / height {
        let message = format!(
            "a shortcut of {found} to {wanted}: the earlier map is not larger by a whole factor"
        );
        return to.fail("broken-model", message, None);
    }
    for (axis, extent, found) in [(2, height, rows), (3, width, columns)] {
        if extent != found {
            value = part(to, value, axis, 0, (extent - 1) * step + 1, step)?;
        }
    }
    let (channels, held) = (wanted.channels(), found.channels());
    if held > channels {
        value = part(to, value, 1, 0, channels, 1)?;
    } else if held < channels {
        let rows = PerAxis::All((0, 0));
        let pad = Pad { rows, mode: Mode::Constant, value: 0.0, channels: (0, channels - held) };
        value = to.add("pad", pad, &[value])?;
    }
    Ok(value)
}

fn route(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let numbers = reader.ints("layers");
    if numbers.is_empty() {
        reader
            .fault("layers", "`[route]` needs `layers`, the numbers of earlier layers".to_owned());
    }
    let groups = reader.count("groups", 1, 1);
    let group = reader.count("group_id", 0, 0);
    if group >= groups {
        reader.fault("group_id", format!("`group_id` is {group}, but there are {groups} groups"));
    }
    to.finish(reader)?;
    let mut values = Vec::with_capacity(numbers.len());
    for number in numbers {
        let mut value = to.layer(number)?;
        if groups > 1 {
            let channels = to.shape(value).channels();
            if !channels.is_multiple_of(groups) {
                let message = format!("{channels} channels do not make {groups} groups");
                return to.fail("broken-model", message, None);
            }
            let each = channels / groups;
            value = part(to, value, 1, group * each, (group + 1) * each, 1)?;
        }
        values.push(value);
    }
    match values.as_slice() {
        [only] => Ok(*only),
        _ => to.add("concat", Concat { axis: 1 }, &values),
    }
}

fn upsample(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let factor = reader.count("stride", 2, 1);
    let scale = reader.number("scale", 1.0);
    to.finish(reader)?;
    let x = to.before()?;
    let x = to.map(x)?;
    let upsample = Upsample { factor: PerAxis::All(factor), mode: Resize::Nearest };
    let x = to.add("upsample", upsample, &[x])?;
    if scale == 1.0 { Ok(x) } else { to.add("affine", Affine { scale, shift: 0.0 }, &[x]) }
}

/// With `extra`, only a vector with so many zeros behind.
fn reorg(to: &mut Builder<'_>, mut reader: Reader<'_>) -> Result<NodeId, Broken> {
    let stride = reader.count("stride", 1, 1);
    let extra = reader.count("extra", 0, 0);
    reader.refuse(&[("reverse", "0"), ("flatten", "0")]);
    to.finish(reader)?;
    let x = to.before()?;
    if extra == 0 {
        let x = to.map(x)?;
        return to.add("reorg", Reorg { stride }, &[x]);
    }
    let x = to.vector(x)?;
    let rows = PerAxis::All((0, 0));
    to.add("pad", Pad { rows, mode: Mode::Constant, value: 0.0, channels: (0, extra) }, &[x])
}
