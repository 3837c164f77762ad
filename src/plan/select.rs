//! Which kernel computes a nest: the one place where contractions and pools are recognised.

mod parts;
mod pool;

pub(super) use pool::{Pooled, pool};

use std::fmt::Write as _;

use super::winograd::{Cut, Scheme, Way, Winograd};
use super::{Contract, Depthwise, Function, LANES, Part, Post, Storage, Taps, tile};
use crate::nest::{Affine, Binary, Buffer, Expr, Guard, Index, Nest, Reduction, Stage};
use crate::ops::Op;
use crate::shape::{Shape, Window};

/// The most parts of a contraction: each is a step of its own.
const PARTS_MAX: usize = 32;

/// A nest seen as a contraction of one operand with one filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contraction {
    /// Slices of the channels.
    pub groups: usize,
    /// Input channels of one group.
    pub in_channels: usize,
    /// Output channels of one group.
    pub out_channels: usize,
    /// How many groups of the layer each of these stands for.
    pub merged: usize,
    /// One window for each spatial axis; `after` is what the last place reads past the operand.
    pub windows: Vec<Window>,
    /// Whether parameter 1 is added.
    pub bias: bool,
    /// Which of the filter's taps are those of the windows, on each spatial axis.
    pub taps: Vec<Taps>,
    /// Whether the filter is `[in, out / groups, taps..]` rather than `[out, in / groups, taps..]`.
    pub transposed: bool,
    /// Whether the filter is one of a convolution, and read whole.
    pub whole: bool,
    /// The part of each spatial axis that is computed; none where that is everything.
    pub parts: Vec<Part>,
    /// How the filter lies in memory.
    pub storage: Storage,
}

/// Recognises stages `out[n, k, y..] = bias[k] + sum(c, i..) in[n, c, s*y + d*i - p ..] * weight[k, c, i..]`, with
/// groups as an axis of their own. The filter may be flipped, or transposed; a stage may write every so many rows
/// only and take every so many taps. `None` if there is any other stage.
pub(super) fn contractions(nest: &Nest, input: &Shape) -> Option<Vec<Contraction>> {
    let stages: Option<Vec<_>> = nest.stages.iter().map(contraction).collect();
    let stages = stages?;
    // Phases are parts already.
    let most = if stages.len() == 1 { PARTS_MAX } else { 1 };
    let refined = stages.into_iter().flat_map(|it| it.merged().refined(input, most));
    let mut all: Vec<Contraction> = refined.collect();
    if let [one] = all.as_mut_slice()
        && one.is_everything()
    {
        one.parts.clear();
    }
    Some(all)
}

fn contraction(stage: &Stage) -> Option<Contraction> {
    if stage.target != Buffer::Output {
        return None;
    }
    let (sum, bias) = split_bias(&stage.value, &stage.at)?;
    let Expr::Reduce { op: Reduction::Sum, extents, guards, body } = sum else { return None };
    let (input, weight) = split_product(body)?;
    let depth = stage.extents.len();
    let rank = stage.at.len();
    if input.len() != rank || weight.len() != rank || extents.len() + 1 != rank {
        return None;
    }
    let spatial = &input[2..];
    let reduced = |axis: usize| extents[axis - depth];
    let channel = depth;
    let in_channels = extents[0];
    let channels = channels(&stage.at[1], &input[1], &stage.extents, channel, in_channels)?;
    let (groups, out_channels) = channels;
    let plain = weight[0] == stage.at[1] && weight[1] == Affine::axis(channel);
    let transposed =
        weight[0] == input[1] && weight[1] == within(&stage.at[1], groups, out_channels);
    if input[0] != stage.at[0] || !(plain || transposed) {
        return None;
    }
    let (mut windows, mut parts, mut taps) = (Vec::new(), Vec::new(), Vec::new());
    for (d, index) in spatial.iter().enumerate() {
        let tap = depth + 1 + d;
        let [(place, step)] = stage.at[2 + d].terms.as_slice() else { return None };
        parts.push(Part {
            first: usize::try_from(stage.at[2 + d].constant).ok()?,
            step: usize::try_from(*step).ok().filter(|it| *it >= 1)?,
            count: stage.extents[*place],
            start: usize::try_from(index.constant).unwrap_or(0),
        });
        windows.push(window(*place, index, tap, reduced(tap))?);
        taps.push(Taps::of(&weight[2 + d], tap, reduced(tap))?);
    }
    let (transposed, storage) = (!plain, Storage::F32);
    let found = Contraction {
        groups,
        in_channels,
        out_channels,
        merged: 1,
        windows,
        bias,
        taps,
        transposed,
        whole: plain,
        parts,
        storage,
    };
    guards_are_borders(guards, spatial).then_some(found)
}

/// The output channel within its group, from where an element is written.
fn within(at: &Affine, groups: usize, out_channels: usize) -> Affine {
    match at.terms.last() {
        _ if groups == 1 => at.clone(),
        Some(&(axis, _)) if out_channels > 1 => Affine::axis(axis),
        _ => Affine::constant(0),
    }
}

/// The reduction and whether a bias indexed by the output channel is added to it.
fn split_bias<'a>(value: &'a Expr, at: &[Affine]) -> Option<(&'a Expr, bool)> {
    let is_bias = |it: &Expr| matches!(it, Expr::Load(Buffer::Param(1), index) if index.len() == 1 && index[0] == Index::Affine(at[1].clone()));
    match value {
        Expr::Binary(Binary::Add, a, b) if is_bias(b) => Some((a, true)),
        Expr::Binary(Binary::Add, a, b) if is_bias(a) => Some((b, true)),
        Expr::Reduce { .. } => Some((value, false)),
        _ => None,
    }
}

/// The affine indices of operand 0 and parameter 0 if the expression is their product.
fn split_product(body: &Expr) -> Option<(Vec<Affine>, Vec<Affine>)> {
    let Expr::Binary(Binary::Mul, a, b) = body else { return None };
    match (a.as_ref(), b.as_ref()) {
        (Expr::Load(Buffer::Input(0), input), Expr::Load(Buffer::Param(0), weight))
        | (Expr::Load(Buffer::Param(0), weight), Expr::Load(Buffer::Input(0), input)) => {
            Some((affine(input)?, affine(weight)?))
        }
        _ => None,
    }
}

fn affine(at: &[Index]) -> Option<Vec<Affine>> {
    at.iter().map(|it| if let Index::Affine(it) = it { Some(it.clone()) } else { None }).collect()
}

/// Groups and output channels of one group, from where an element is written (`at`) and which input channel it
/// reads (`read`, over the reduced axis `channel` of `in_channels`).
fn channels(
    at: &Affine,
    read: &Affine,
    extents: &[usize],
    channel: usize,
    in_channels: usize,
) -> Option<(usize, usize)> {
    let of_group = |group: usize| Affine::axis(channel).plus(group, in_channels as i64);
    match at.terms.as_slice() {
        _ if at.constant != 0 => None,
        [(out, 1)] if *read == Affine::axis(channel) => Some((1, extents[*out])),
        [(group, 1)] if *read == of_group(*group) => Some((extents[*group], 1)),
        [(group, step), (out, 1)] if *step == extents[*out] as i64 && *read == of_group(*group) => {
            Some((extents[*group], extents[*out]))
        }
        _ => None,
    }
}

/// The window of an axis, from which row of the operand a place reads for a tap.
fn window(place: usize, index: &Affine, tap: usize, kernel: usize) -> Option<Window> {
    let stride = usize::try_from(index.coefficient(place)).ok().filter(|it| *it >= 1)?;
    let dilation = usize::try_from(index.coefficient(tap)).ok()?;
    let only = index.terms.iter().all(|it| it.0 == place || it.0 == tap);
    let before = usize::try_from(-index.constant).unwrap_or(0);
    only.then_some(Window {
        kernel,
        stride,
        dilation: dilation.max(1),
        before,
        after: 0,
        ceil: false,
    })
}

impl Taps {
    fn of(weight: &Affine, tap: usize, count: usize) -> Option<Taps> {
        let first = usize::try_from(weight.constant).ok()?;
        let step = isize::try_from(weight.coefficient(tap)).ok()?;
        let only = weight.terms.iter().all(|it| it.0 == tap);
        (only && (step != 0 || count == 1)).then_some(Taps { first, step, count })
    }
}

/// Whether guards only keep spatial indices inside the operand, so that a halo of zeros can replace them.
fn guards_are_borders(guards: &[Guard], spatial: &[Affine]) -> bool {
    guards.iter().all(|it| matches!(it, Guard::Within(index, _) if spatial.contains(index)))
}

/// The pixels of a row of a map; the images of a batch where they have no axes of their own.
pub(super) fn row(output: &Shape) -> usize {
    output.spatial().last().copied().unwrap_or(output.batch())
}

impl Contraction {
    /// Whether each channel has its own filter.
    pub(super) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.in_channels == 1 && self.out_channels == 1
    }

    /// Whether tiles fit: groups must start blocks of channels.
    pub(super) fn has_tiles(&self) -> bool {
        let aligned =
            self.in_channels.is_multiple_of(LANES) && self.out_channels.is_multiple_of(LANES);
        self.groups == 1 || self.is_depthwise() || aligned
    }

    /// Whether tiles can convert the filter as they read it: little else waits for so many weights.
    pub(super) fn has_halves(&self) -> bool {
        self.taps() == 1 && !self.is_depthwise()
    }

    /// The taps of all windows together.
    pub(super) fn taps(&self) -> usize {
        self.windows.iter().map(|it| it.kernel).product()
    }

    /// The shape of what is computed of an output.
    pub(super) fn part(&self, output: &Shape) -> Shape {
        let mut dims = output.dims().to_vec();
        dims.iter_mut().skip(2).zip(&self.parts).for_each(|(extent, it)| *extent = it.count);
        Shape::of(&dims)
    }

    /// What is computed: equal for steps that have the same ways to do it, in any net.
    pub(super) fn key(&self, input: &Shape, output: &Shape) -> String {
        let of = |what: fn(&Window) -> usize| {
            let each: Vec<_> = self.windows.iter().map(|it| what(it).to_string()).collect();
            each.join("x")
        };
        let mut key = format!("{:?} to {:?}", input.dims(), output.dims());
        if !self.windows.is_empty() {
            let _ = write!(key, ", kernel {}", of(|it| it.kernel));
        }
        if self.windows.iter().any(|it| it.stride > 1) {
            let _ = write!(key, ", stride {}", of(|it| it.stride));
        }
        if self.windows.iter().any(|it| it.dilation > 1) {
            let _ = write!(key, ", dilation {}", of(|it| it.dilation));
        }
        if self.groups > 1 {
            let _ = write!(key, ", {} groups", self.groups);
        }
        if self.transposed {
            key.push_str(", transposed");
        }
        if self.storage == Storage::F16 {
            key.push_str(", f16 weights");
        }
        key
    }

    /// What a way is called: `tile 6x16`.
    pub(super) fn name(&self, wide: bool, way: Way, row: usize) -> String {
        match way {
            Way::Direct(vectors) => {
                format!("tile {}x{}", self.pixels(wide, row, vectors), vectors * LANES)
            }
            Way::Winograd(Cut {
                scheme: Scheme { outputs, .. }, rows, columns, vectors, ..
            }) => {
                format!("winograd {outputs}x{outputs} block {rows}x{columns}x{}", vectors * LANES)
            }
        }
    }

    /// The pixels of the widest tile of a row.
    fn pixels(&self, wide: bool, row: usize, vectors: usize) -> usize {
        let tiles = tile::row(wide, row, vectors, self.in_channels * self.taps());
        tiles.first().map_or(1, |it| it.0)
    }

    /// A contraction kernel for this many pixels in a row and vectors in a tile.
    pub(super) fn contract(
        &self,
        wide: bool,
        row: usize,
        vectors: usize,
        epilogue: Vec<Post>,
    ) -> Contract {
        let pixels = self.pixels(wide, row, vectors);
        Contract {
            groups: self.groups,
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            windows: self.windows.clone(),
            parts: self.parts.clone(),
            bias: self.bias,
            epilogue,
            pixels,
            vectors,
            wide,
            storage: self.storage,
        }
    }

    /// A Winograd kernel for a map cut like this.
    pub(super) fn winograd(&self, cut: Cut, epilogue: Vec<Post>) -> Winograd {
        Winograd {
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            windows: self.windows.clone(),
            bias: self.bias,
            epilogue,
            cut,
        }
    }

    /// A depthwise kernel for this many pixels in a row.
    pub(super) fn depthwise(&self, wide: bool, row: usize, epilogue: Vec<Post>) -> Depthwise {
        let (windows, pixels) = (self.windows.clone(), row.min(7));
        Depthwise { windows, parts: self.parts.clone(), bias: self.bias, epilogue, pixels, wide }
    }
}

/// The step of a tile's epilogue that a pointwise operator is, if tiles know it.
pub(super) fn post(op: &Op) -> Option<Post> {
    let expr = op.pointwise()?;
    short(&expr).or_else(|| Function::of(&expr).map(Post::Map))
}

/// A step of a few instructions.
fn short(expr: &Expr) -> Option<Post> {
    let it = || Box::new(Expr::It);
    match expr {
        Expr::Binary(Binary::Positive, a, b) if *a == it() => match b.as_ref() {
            Expr::Const(0.0) => Some(Post::Relu),
            Expr::Binary(Binary::Mul, x, y) => match (x.as_ref(), y.as_ref()) {
                (Expr::It, Expr::Const(slope)) | (Expr::Const(slope), Expr::It) => {
                    Some(Post::Leaky(*slope))
                }
                _ => None,
            },
            _ => None,
        },
        Expr::Binary(outer @ (Binary::Min | Binary::Max), inner, bound) => {
            clamp(*outer, inner, bound)
        }
        _ => None,
    }
}

fn clamp(outer: Binary, inner: &Expr, bound: &Expr) -> Option<Post> {
    let Expr::Const(outer_bound) = bound else { return None };
    let (Expr::Binary(inner, it, inner_bound), Expr::It) = (inner, inner_it(inner)?) else {
        return None;
    };
    let Expr::Const(inner_bound) = inner_bound.as_ref() else { return None };
    debug_assert_eq!(**it, Expr::It);
    match (outer, inner) {
        (Binary::Min, Binary::Max) => Some(Post::Clamp(*inner_bound, *outer_bound)),
        (Binary::Max, Binary::Min) => Some(Post::Clamp(*outer_bound, *inner_bound)),
        (Binary::Min, Binary::Positive) if *inner_bound == 0.0 => {
            Some(Post::Clamp(0.0, *outer_bound))
        }
        _ => None,
    }
}

fn inner_it(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Binary(_, it, _) if **it == Expr::It => Some(it),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;
    use crate::ops::{Given, Value};
    use crate::shape::Shape;

    fn found(input: &[usize], layer: &str, args: &[(&str, Value)]) -> Option<Contraction> {
        let all = all(input, layer, args)?;
        let [one] = all.as_slice() else { panic!("{} contractions", all.len()) };
        Some(one.clone())
    }

    fn all(input: &[usize], layer: &str, args: &[(&str, Value)]) -> Option<Vec<Contraction>> {
        let given: Vec<_> = args
            .iter()
            .map(|(name, value)| Given {
                name: (*name).to_owned(),
                value: value.clone(),
                span: Span::default(),
            })
            .collect();
        let op =
            Op::parse(layer, Span::default(), &given).expect("a layer").expect("its arguments");
        let input = Shape::of(input);
        let output = op.infer(&[&input]).expect("a shape");
        contractions(&op.lower(&[&input], &output)?, &input)
    }

    fn int(value: i64) -> Value {
        Value::Int(value)
    }

    #[test]
    fn convolutions_are_contractions() {
        let args = [("channels", int(24)), ("kernel", int(3)), ("stride", int(2)), ("pad", int(1))];
        let it = found(&[2, 16, 9, 8], "conv", &args).expect("a convolution");
        let window = Window { kernel: 3, stride: 2, dilation: 1, before: 1, after: 0, ceil: false };
        assert_eq!(
            (it.groups, it.in_channels, it.out_channels, it.bias, it.transposed),
            (1, 16, 24, true, false)
        );
        assert_eq!(it.windows, [window, window]);
    }

    #[test]
    fn groups_are_found() {
        let args = |groups| [("channels", int(32)), ("kernel", int(3)), ("groups", int(groups))];
        let it = found(&[1, 16, 9, 9], "conv", &args(2)).expect("two groups");
        assert_eq!((it.groups, it.in_channels, it.out_channels), (2, 8, 16));
        let it = found(&[1, 32, 9, 9], "conv", &args(32)).expect("depthwise");
        assert!(it.is_depthwise());
        let it = found(&[1, 64, 9, 9], "conv", &args(32)).expect("one output channel a group");
        assert_eq!((it.groups, it.in_channels, it.out_channels), (4, 16, 8));
        assert_eq!((it.merged, it.has_tiles()), (8, true));
    }

    #[test]
    fn other_ranks_and_vectors() {
        let args = [("channels", int(8)), ("kernel", int(1)), ("flip", Value::Bool(true))];
        assert_eq!(found(&[1, 4, 7], "conv", &args).expect("1-D").windows.len(), 1);
        let args = [("channels", int(8)), ("kernel", int(3)), ("flip", Value::Bool(true))];
        let it = found(&[1, 4, 5, 5, 5], "conv", &args).expect("3-D");
        assert_eq!(it.taps, [Taps { first: 2, step: -1, count: 3 }; 3]);
        let it = found(&[3, 100], "fc", &[("features", int(10))]).expect("a product");
        assert_eq!((it.in_channels, it.out_channels, it.windows.len()), (100, 10, 0));
        assert_eq!(found(&[1, 8, 4, 4], "maxpool", &[("kernel", int(2))]), None);
    }

    #[test]
    fn each_phase_of_a_transposed_convolution_is_one() {
        let args = [("channels", int(8)), ("kernel", int(3)), ("stride", int(2)), ("pad", int(1))];
        let phases = all(&[1, 16, 5, 5], "deconv", &args).expect("four convolutions");
        let of = |it: &Contraction, axis: usize| {
            (it.parts[axis], it.taps[axis], it.windows[axis].before)
        };
        let even = (
            Part { first: 0, step: 2, count: 5, start: 0 },
            Taps { first: 1, step: -2, count: 1 },
            0,
        );
        let odd = (
            Part { first: 1, step: 2, count: 4, start: 0 },
            Taps { first: 2, step: -2, count: 2 },
            0,
        );
        let axes: Vec<_> = phases.iter().map(|it| [of(it, 0), of(it, 1)]).collect();
        assert_eq!(axes, [[even, even], [even, odd], [odd, even], [odd, odd]]);
        assert!(phases.iter().all(|it| it.transposed && !it.whole));
        assert_eq!(phases[1].part(&Shape::of(&[1, 8, 9, 9])).dims(), [1, 8, 5, 4]);
        let each = [("channels", int(16)), ("kernel", int(2)), ("groups", int(16))];
        let it = found(&[1, 16, 5, 5], "deconv", &each).expect("depthwise");
        assert!(it.is_depthwise() && it.transposed);
        let none = [("channels", int(8)), ("kernel", int(1)), ("stride", int(2))];
        assert_eq!(all(&[1, 16, 5, 5], "deconv", &none), None, "some rows meet no tap");
    }

    #[test]
    fn tiles_know_the_common_activations() {
        let op = |layer, args: &[Given]| {
            Op::parse(layer, Span::default(), args).expect("a layer").expect("its arguments")
        };
        let slope =
            [Given { name: "slope".to_owned(), value: Value::Number(0.1), span: Span::default() }];
        assert_eq!(post(&op("relu", &[])), Some(Post::Relu));
        assert_eq!(post(&op("relu6", &[])), Some(Post::Clamp(0.0, 6.0)));
        assert_eq!(post(&op("leaky", &slope)), Some(Post::Leaky(0.1)));
        assert_eq!(post(&op("tanh", &[])), Some(Post::Map(Function::Tanh)));
        assert_eq!(post(&op("mish", &[])), None);
    }
}
