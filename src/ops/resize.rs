use std::sync::Arc;

use super::args::Value;
use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Operator, Tolerance, Violation, sized};
use crate::nest::{Affine, Binary, Buffer, Expr, Index, Nest, Reduction};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// A map at another size, for whole factors see `upsample`.
///
/// Each row of the output lies at a position among the rows of the input, as `at` says:
/// `"half_pixel"` `(y + 1/2) / scale - 1/2`; `"pytorch_half_pixel"` the same, but 0 for a single row;
/// `"half_pixel_symmetric"` the same, centred where size and scale disagree; `"asymmetric"` `y / scale`;
/// `"half_pixel_for_nn"` `(y + 1/2) / scale`; `"align_corners"` `y * (extent - 1) / (size - 1)`;
/// `"crop"` as `"align_corners"` over the part of the input that `roi` names. `scale` is `size / extent`
/// unless given.
///
/// `"nearest"` takes the row that `round` chooses; `"linear"` weighs the two rows around the position, `"cubic"`
/// four (Keys 1981, with coefficient `cubic`). `antialias=true` widens both where the map shrinks. Rows outside
/// are the border row; with `exclude_outside=true` they weigh nothing. With `"crop"`, positions outside give
/// `extrapolation`. Weights are rounded to f32.
///
/// Constraints:
/// - (C1) the input has channels and spatial axes, and `size` has one entry for each;
/// - (C2) `scale` has one positive entry for each spatial axis, `roi` two;
/// - (C3) the output keeps the limits of a tensor, no element weighs more than 2^16 elements of the input, and no axis
///   has more than 2^24 weights.
///
/// Source: ONNX `Resize`.
///
/// ```net
/// net Example { input x: f32[N, 3, 30, 40]
///   resize([64, 64], mode="linear")  => [3, 64, 64]
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ResizeTo {
    /// The spatial extents of the output.
    pub size: Vec<usize>,
    /// How rows between are made.
    pub mode: Kernel,
    /// Where rows lie.
    pub at: Position,
    /// Rows of the output for each of the input; the ratio of the extents if not given.
    pub scale: Vec<f32>,
    /// Which row is nearest.
    pub round: Rounding,
    /// The coefficient of `"cubic"`.
    pub cubic: f32,
    /// Whether rows outside weigh nothing.
    pub exclude_outside: bool,
    /// Whether weights widen where the map shrinks.
    pub antialias: bool,
    /// The first and the last position of each spatial axis, as shares of the extent.
    pub roi: Vec<f32>,
    /// What lies outside of `"crop"`.
    pub extrapolation: f32,
}

/// How a row between rows is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// One row.
    Nearest,
    /// Two rows.
    Linear,
    /// Four rows.
    Cubic,
}

/// Where the rows of an output lie among those of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Centres over centres.
    HalfPixel,
    /// Centres over centres, a single row at 0.
    PytorchHalfPixel,
    /// Centres over centres, the middle over the middle.
    HalfPixelSymmetric,
    /// First rows over each other.
    Asymmetric,
    /// Half a row late.
    HalfPixelForNn,
    /// First and last rows over each other.
    AlignCorners,
    /// First and last rows over those of a part.
    Crop,
}

/// Which row is nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The nearest, the first of two.
    PreferFloor,
    /// The nearest, the second of two.
    PreferCeil,
    /// The one before.
    Floor,
    /// The one after.
    Ceil,
}

/// For one axis: the rows and weights of every place, equally many for each, and whether it lies inside.
struct Taps {
    count: usize,
    rows: Vec<u32>,
    weights: Vec<f32>,
    inside: Vec<f32>,
}

const MODES: &[&str] = &["nearest", "linear", "cubic"];
const POSITIONS: &[&str] = &[
    "half_pixel",
    "pytorch_half_pixel",
    "half_pixel_symmetric",
    "asymmetric",
    "half_pixel_for_nn",
    "align_corners",
    "crop",
];
const ONNX_POSITIONS: &[&str] = &[
    "half_pixel",
    "pytorch_half_pixel",
    "half_pixel_symmetric",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "align_corners",
    "tf_crop_and_resize",
];
const ONNX_ROUNDINGS: &[&str] = &["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];
const ROUNDINGS: &[&str] = &["prefer_floor", "prefer_ceil", "floor", "ceil"];
/// The most elements of the input that one of the output weighs.
const TAPS_MAX: f64 = (1 << 16) as f64;
/// The most weights of all rows of an axis: they lie in the program.
const WEIGHTS_MAX: f64 = (1 << 24) as f64;

impl Operator for ResizeTo {
    const NAME: &'static str = "resize";

    const ARGS: &'static [Arg] = &[
        Arg::required("size", "a list of counts", "the spatial extents of the output"),
        Arg::optional("mode", "a word", "\"nearest\"", "how rows between are made").words(MODES),
        Arg::optional("at", "a word", "\"half_pixel\"", "where rows lie").words(POSITIONS),
        Arg::optional(
            "scale",
            "numbers, one an axis",
            "",
            "rows of the output for each of the input",
        ),
        Arg::optional("round", "a word", "\"prefer_floor\"", "which row is nearest")
            .words(ROUNDINGS),
        Arg::optional("cubic", "a number", "-0.75", "the coefficient of \"cubic\""),
        Arg::optional(
            "exclude_outside",
            "true or false",
            "false",
            "whether rows outside weigh nothing",
        ),
        Arg::optional(
            "antialias",
            "true or false",
            "false",
            "whether weights widen where the map shrinks",
        ),
        Arg::optional(
            "roi",
            "numbers, two an axis",
            "",
            "the part of the input, as shares of its extents",
        ),
        Arg::optional("extrapolation", "a number", "0", "what lies outside of \"crop\""),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let size = match args.raw("size") {
            Some(Value::List(_)) => args.ints("size"),
            _ => vec![args.count("size") as i64],
        };
        let counts: Option<Vec<usize>> =
            size.iter().map(|&it| usize::try_from(it).ok().filter(|it| *it >= 1)).collect();
        if counts.is_none() {
            args.fault("size", format!("`size` of `resize` is {size:?}, not all at least 1"));
        }
        let list = |args: &mut Args<'_>, name| {
            if args.has(name) { args.numbers(name) } else { Vec::new() }
        };
        ResizeTo {
            size: counts.unwrap_or_default(),
            mode: match args.word("mode", MODES) {
                "linear" => Kernel::Linear,
                "cubic" => Kernel::Cubic,
                _ => Kernel::Nearest,
            },
            at: match args.word("at", POSITIONS) {
                "pytorch_half_pixel" => Position::PytorchHalfPixel,
                "half_pixel_symmetric" => Position::HalfPixelSymmetric,
                "asymmetric" => Position::Asymmetric,
                "half_pixel_for_nn" => Position::HalfPixelForNn,
                "align_corners" => Position::AlignCorners,
                "crop" => Position::Crop,
                _ => Position::HalfPixel,
            },
            scale: list(args, "scale"),
            round: match args.word("round", ROUNDINGS) {
                "prefer_ceil" => Rounding::PreferCeil,
                "floor" => Rounding::Floor,
                "ceil" => Rounding::Ceil,
                _ => Rounding::PreferFloor,
            },
            cubic: args.number("cubic"),
            exclude_outside: args.flag("exclude_outside"),
            antialias: args.flag("antialias"),
            roi: list(args, "roi"),
            extrapolation: args.number("extrapolation"),
        }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let mode = match self.mode {
            Kernel::Nearest => "nearest",
            Kernel::Linear => "linear",
            Kernel::Cubic => "cubic",
        };
        let at = match self.at {
            Position::HalfPixel => "half_pixel",
            Position::PytorchHalfPixel => "pytorch_half_pixel",
            Position::HalfPixelSymmetric => "half_pixel_symmetric",
            Position::Asymmetric => "asymmetric",
            Position::HalfPixelForNn => "half_pixel_for_nn",
            Position::AlignCorners => "align_corners",
            Position::Crop => "crop",
        };
        let round = match self.round {
            Rounding::PreferFloor => "prefer_floor",
            Rounding::PreferCeil => "prefer_ceil",
            Rounding::Floor => "floor",
            Rounding::Ceil => "ceil",
        };
        let word = |name, it: &str| (name, Value::Text(it.to_owned()));
        let mut args = vec![("size", self.size.as_slice().into())];
        args.extend([word("mode", mode), word("at", at), word("round", round)]);
        let lists = [("scale", &self.scale), ("roi", &self.roi)].into_iter();
        args.extend(lists.filter(|it| !it.1.is_empty()).map(|it| (it.0, it.1.as_slice().into())));
        args.extend([("cubic", self.cubic.into()), ("extrapolation", self.extrapolation.into())]);
        args.push(("exclude_outside", self.exclude_outside.into()));
        args.push(("antialias", self.antialias.into()));
        args
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        let axes = input.spatial().len();
        if axes == 0 || self.size.len() != axes {
            let message = format!("`size` is {:?}, but {input} has {axes} spatial axes", self.size);
            return Err(Violation::new("C1", message).help("give one extent a spatial axis"));
        }
        let scales = self.scale.is_empty()
            || self.scale.len() == axes && self.scale.iter().all(|it| *it > 0.0);
        let parts = self.roi.is_empty() && self.at != Position::Crop || self.roi.len() == 2 * axes;
        if !scales || !parts {
            let message =
                format!("`scale` is {:?} and `roi` is {:?} for {axes} axes", self.scale, self.roi);
            return Err(Violation::new("C2", message)
                .help("give one scale an axis, above 0; two numbers for `roi`"));
        }
        let reach = |axis: usize| self.reach(axis, input.spatial()[axis]);
        let fault = if (0..axes).map(reach).product::<f64>() > TAPS_MAX {
            Some(format!("an element would weigh more than 2^16 elements of {input}"))
        } else {
            let far = (0..axes).find(|&it| reach(it) * self.size[it] as f64 > WEIGHTS_MAX);
            far.map(|axis| format!("axis {axis} would have more than 2^24 weights"))
        };
        if let Some(message) = fault {
            return Err(
                Violation::new("C3", message).help("resize in two steps, or without `antialias`")
            );
        }
        sized("C3", "the output", &[&input.dims()[..2], &self.size].concat())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let strides = input.shape.strides();
        let taps = self.all(&input.shape);
        let corners: Vec<usize> = taps.iter().map(|it| it.count).collect();
        let mut exact = Exact::plain(output.clone(), Vec::with_capacity(output.elements()));
        crate::nest::interpret::for_each_point(output.dims(), &mut |point| {
            let base = point[0] * strides[0] + point[1] * strides[1];
            let (mut sum, mut size) = (0.0, 0.0);
            crate::nest::interpret::for_each_point(&corners, &mut |corner| {
                let (mut at, mut weight) = (base, 1.0);
                for (axis, &tap) in corner.iter().enumerate() {
                    let place = point[axis + 2] * taps[axis].count + tap;
                    at += taps[axis].rows[place] as usize * strides[axis + 2];
                    weight *= f64::from(taps[axis].weights[place]);
                }
                let x = f64::from(input.data[at]);
                sum = if self.mode == Kernel::Nearest { x } else { sum + x * weight };
                size += (x * weight).abs();
            });
            if self.at == Position::Crop {
                let inside: f64 = taps
                    .iter()
                    .enumerate()
                    .map(|(axis, it)| f64::from(it.inside[point[axis + 2]]))
                    .product();
                let outside = f64::from(self.extrapolation) * (1.0 - inside);
                sum = sum * inside + outside;
                size += outside.abs();
            }
            exact.value.push(sum);
            exact.magnitude.push(size);
        });
        exact
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let rank = output.rank();
        let taps = self.all(inputs[0]);
        let mut at: Vec<Index> = [0, 1].map(|it| Affine::axis(it).into()).to_vec();
        let mut weight: Option<Expr> = None;
        let mut inside: Option<Expr> = None;
        let times =
            |a: Option<Expr>, b: Expr| Some(a.map_or(b.clone(), |a| a.binary(Binary::Mul, b)));
        for (axis, it) in taps.iter().enumerate() {
            let place = Affine::of(&[(axis + 2, it.count as i64), (rank + axis, 1)], 0);
            let place = if self.mode == Kernel::Nearest { Affine::axis(axis + 2) } else { place };
            at.push(Index::Table { table: Arc::from(it.rows.as_slice()), at: place.clone() });
            weight = times(weight, Expr::Table(Arc::from(it.weights.as_slice()), place));
            inside =
                times(inside, Expr::Table(Arc::from(it.inside.as_slice()), Affine::axis(axis + 2)));
        }
        let (weight, inside) = weight.zip(inside).expect("there is a spatial axis");
        let x = Expr::Load(Buffer::Input(0), at);
        let value = if self.mode == Kernel::Nearest {
            x
        } else {
            let counts: Vec<usize> = taps.iter().map(|it| it.count).collect();
            Expr::reduce(Reduction::Sum, &counts, Vec::new(), x.binary(Binary::Mul, weight))
        };
        if self.at != Position::Crop {
            return Nest::each(output, value);
        }
        let outside = Expr::Const(1.0).binary(Binary::Sub, inside.clone());
        let outside = Expr::Const(self.extrapolation).binary(Binary::Mul, outside);
        Nest::each(output, value.binary(Binary::Mul, inside).binary(Binary::Add, outside))
    }

    fn tolerance(&self) -> Tolerance {
        match (self.mode, self.at) {
            (Kernel::Nearest, Position::Crop) => Tolerance::Sum(4.0),
            (Kernel::Nearest, _) => Tolerance::Exact,
            (Kernel::Linear | Kernel::Cubic, _) => Tolerance::Sum(16.0),
        }
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let (input, axes) = (inputs[0], self.size.len());
        if !self.is_onnx(input) {
            return self.spelled_out(input);
        }
        let roi = match self.at {
            Position::Crop => {
                let ends = |at| (0..axes).map(move |it| self.roi[2 * it + at]);
                Operand::Numbers(ends(0).chain(ends(1)).collect(), vec![2 * axes])
            }
            _ => Operand::Absent,
        };
        let mut operands = vec![Operand::Input(0), roi];
        if self.scale.is_empty() {
            let sizes = onnx::ints(self.size.iter().copied());
            operands.extend([Operand::Absent, Operand::Ints(sizes)]);
        } else {
            operands.push(Operand::Numbers(self.scale.clone(), vec![axes]));
        }
        let node = Node::of("Resize", operands)
            .ints("axes", 2..input.rank())
            .word("mode", MODES[self.mode as usize])
            .word("coordinate_transformation_mode", ONNX_POSITIONS[self.at as usize])
            .int("antialias", i64::from(self.antialias));
        vec![
            match self.mode {
                Kernel::Nearest => node.word("nearest_mode", ONNX_ROUNDINGS[self.round as usize]),
                Kernel::Linear => node,
                Kernel::Cubic => node.number("cubic_coeff_a", self.cubic),
            }
            .int("exclude_outside", i64::from(self.excludes()))
            .number("extrapolation_value", self.extrapolation),
        ]
    }
}

impl ResizeTo {
    /// Whether rows outside are left out of sums; a single row is none.
    fn excludes(&self) -> bool {
        self.exclude_outside && self.mode != Kernel::Nearest
    }

    /// Whether ONNX's `Resize`, as ONNX Runtime reads it, does the same.
    fn is_onnx(&self, input: &Shape) -> bool {
        let sizes = self.scale.iter().zip(input.spatial()).zip(&self.size);
        let floors = |((&scale, &extent), &size): ((&f32, &usize), &usize)| {
            (scale * extent as f32) as usize == size
        };
        let axes = match self.mode {
            Kernel::Nearest => true,
            Kernel::Linear => self.size.len() <= 3,
            Kernel::Cubic => self.size.len() == 2,
        };
        let excludes = self.excludes() && self.mode == Kernel::Linear && !self.antialias;
        axes && !excludes && sizes.into_iter().all(floors)
    }

    /// Axis by axis: each tap's rows times its weights, summed.
    fn spelled_out(&self, input: &Shape) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        let all = self.all(input);
        let column = |numbers: Vec<f32>, axis: usize| {
            let extents = [&[numbers.len()], vec![1; all.len() - 1 - axis].as_slice()].concat();
            Operand::Numbers(numbers, extents)
        };
        let last = |nodes: &[Node]| match nodes.len() {
            0 => Operand::Input(0),
            it => Operand::Node(it - 1),
        };
        for (axis, taps) in all.iter().enumerate() {
            let x = last(&nodes);
            let mut terms = Vec::new();
            for tap in 0..taps.count {
                let rows = taps.rows.iter().skip(tap).step_by(taps.count);
                let rows = Operand::Ints(rows.map(|&it| i64::from(it)).collect());
                nodes.push(Node::of("Gather", [x.clone(), rows]).int("axis", axis as i64 + 2));
                if self.mode != Kernel::Nearest {
                    let weights = taps.weights.iter().skip(tap).step_by(taps.count).copied();
                    let weights = column(weights.collect(), axis);
                    nodes.push(Node::of("Mul", [last(&nodes), weights]));
                    terms.push(last(&nodes));
                }
            }
            if terms.len() > 1 {
                nodes.push(Node::of("Sum", terms));
            }
            if self.at == Position::Crop {
                let outside = taps.inside.iter().map(|it| self.extrapolation * (1.0 - it));
                let outside = column(outside.collect(), axis);
                nodes.push(Node::of("Mul", [last(&nodes), column(taps.inside.clone(), axis)]));
                nodes.push(Node::of("Add", [last(&nodes), outside]));
            }
        }
        nodes
    }

    fn ratio(&self, axis: usize, extent: usize) -> f64 {
        let given = self.scale.get(axis).map(|&it| f64::from(it));
        given.unwrap_or(self.size[axis] as f64 / extent as f64)
    }

    /// Rows of the input that one row weighs, about.
    fn reach(&self, axis: usize, extent: usize) -> f64 {
        let ratio = self.ratio(axis, extent);
        let widened = if self.antialias && ratio < 1.0 { 1.0 / ratio } else { 1.0 };
        match self.mode {
            Kernel::Nearest => 1.0,
            Kernel::Linear => 2.0 * widened.ceil(),
            Kernel::Cubic => 4.0 * widened.ceil(),
        }
    }

    fn position(&self, axis: usize, extent: usize, place: usize) -> f64 {
        let (size, ratio, y) = (self.size[axis], self.ratio(axis, extent), place as f64);
        let last = extent as f64 - 1.0;
        let half = (y + 0.5) / ratio - 0.5;
        match self.at {
            Position::HalfPixel => half,
            Position::PytorchHalfPixel => {
                if size > 1 {
                    half
                } else {
                    0.0
                }
            }
            Position::HalfPixelSymmetric => {
                let share = size as f64 / (ratio * extent as f64);
                extent as f64 / 2.0 * (1.0 - share) + half
            }
            Position::Asymmetric => y / ratio,
            Position::HalfPixelForNn => (y + 0.5) / ratio,
            Position::AlignCorners => {
                if size > 1 {
                    y * last / (size as f64 - 1.0)
                } else {
                    0.0
                }
            }
            Position::Crop => {
                let (from, to) = (f64::from(self.roi[2 * axis]), f64::from(self.roi[2 * axis + 1]));
                match size {
                    1 => 0.5 * (from + to) * last,
                    _ => from * last + y * (to - from) * last / (size as f64 - 1.0),
                }
            }
        }
    }

    fn all(&self, input: &Shape) -> Vec<Taps> {
        input.spatial().iter().enumerate().map(|(axis, &extent)| self.taps(axis, extent)).collect()
    }

    fn taps(&self, axis: usize, extent: usize) -> Taps {
        let mut taps = Taps { count: 1, rows: Vec::new(), weights: Vec::new(), inside: Vec::new() };
        for place in 0..self.size[axis] {
            let x = self.position(axis, extent, place);
            taps.inside.push(if x >= 0.0 && x <= extent as f64 - 1.0 { 1.0 } else { 0.0 });
            let (low, share) = (x.floor(), x - x.floor());
            let (first, mut weights) = match self.mode {
                Kernel::Nearest => (self.nearest(share), vec![1.0]),
                Kernel::Linear | Kernel::Cubic => self.weights(share, self.ratio(axis, extent)),
            };
            let rows: Vec<f64> =
                (0..weights.len()).map(|it| low + (first + it as i64) as f64).collect();
            let last = extent as f64 - 1.0;
            if self.exclude_outside {
                for (weight, row) in weights.iter_mut().zip(&rows) {
                    if !(0.0..=last).contains(row) {
                        *weight = 0.0;
                    }
                }
                let sum: f64 = weights.iter().sum();
                weights.iter_mut().for_each(|it| *it /= sum);
            }
            taps.count = weights.len();
            taps.rows.extend(rows.iter().map(|it| it.clamp(0.0, last) as u32));
            taps.weights.extend(weights.iter().map(|it| *it as f32));
        }
        taps
    }

    /// Which row after the one before the position is nearest: that one, or the next.
    fn nearest(&self, share: f64) -> i64 {
        i64::from(match self.round {
            Rounding::PreferFloor => share > 0.5,
            Rounding::PreferCeil => share >= 0.5,
            Rounding::Floor => false,
            Rounding::Ceil => share > 0.0,
        })
    }

    /// The weights of neighbouring rows, and the first of these counted from the one before the position.
    fn weights(&self, share: f64, ratio: f64) -> (i64, Vec<f64>) {
        let ratio = if self.antialias && ratio < 1.0 { ratio } else { 1.0 };
        let reach = if self.mode == Kernel::Linear { 1.0 } else { 2.0 };
        let first = (-reach / ratio).floor() as i64 + 1;
        let value = |i: i64| {
            let x = ((i as f64 - share) * ratio).abs();
            let a = f64::from(self.cubic);
            match self.mode {
                Kernel::Linear | Kernel::Nearest => {
                    if x < 1.0 {
                        1.0 - x
                    } else {
                        0.0
                    }
                }
                Kernel::Cubic if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
                Kernel::Cubic if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
                Kernel::Cubic => 0.0,
            }
        };
        let mut weights: Vec<f64> = (first..=1 - first).map(value).collect();
        if self.antialias {
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|it| *it /= sum);
        }
        (first, weights)
    }
}
