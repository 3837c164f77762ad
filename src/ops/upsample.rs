use std::sync::Arc;

use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Tolerance, Value, Violation, sized, window};
use crate::nest::{Affine, Binary, Buffer, Expr, Index, Nest, Reduction};
use crate::shape::{PerAxis, Shape};
use crate::tensor::{Exact, Tensor};

/// A map enlarged by whole factors.
///
/// `"nearest"` repeats every element. `"bilinear"` interpolates linearly along each spatial axis between
/// the two rows around a row's centre: row `y` lies at `(y + 1/2) / factor - 1/2`, held inside the input;
/// with `align_corners=true` at `y * (extent - 1) / (extent * factor - 1)`, so that first and last rows meet.
/// The weights of the rows are rounded to f32.
///
/// Constraints:
/// - (C1) the input has channels and one to three spatial axes;
/// - (C2) a list for `factor` has one entry a spatial axis;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `Resize` (`half_pixel`, `align_corners`; nearest `asymmetric`, `floor`); PyTorch `Upsample`.
///
/// ```net
/// net Example {
///   input x: f32[N, 128, 13, 13]
///   upsample(2)  => [128, 26, 26]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upsample {
    /// Rows of the output for each of the input.
    pub factor: PerAxis<usize>,
    /// How rows between are made.
    pub mode: Resize,
}

/// How an enlarged map is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Every element repeated.
    Nearest,
    /// Linear between the centres of the rows.
    HalfPixel,
    /// Linear, first and last rows meeting.
    AlignCorners,
}

/// The two rows that one row of the output lies between, and their weights.
type Between = ([u32; 2], [f32; 2]);

impl Operator for Upsample {
    const NAME: &'static str = "upsample";

    const ARGS: &'static [Arg] = &[
        Arg::required(
            "factor",
            "a count, or one an axis",
            "rows of the output for each of the input",
        ),
        Arg::optional("mode", "a word", "\"nearest\"", "how rows between are made")
            .words(&["nearest", "bilinear"]),
        Arg::optional(
            "align_corners",
            "true or false",
            "false",
            "whether first and last rows meet",
        ),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let bilinear = args.word("mode", &["nearest", "bilinear"]) == "bilinear";
        let mode = match (bilinear, args.flag("align_corners")) {
            (true, true) => Resize::AlignCorners,
            (true, false) => Resize::HalfPixel,
            (false, corners) => {
                if corners {
                    args.fault("align_corners", "`align_corners` goes with `mode=\"bilinear\"`");
                }
                Resize::Nearest
            }
        };
        Upsample { factor: args.axes("factor"), mode }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let mut args = vec![("factor", (&self.factor).into())];
        if self.mode != Resize::Nearest {
            args.push(("mode", Value::Text("bilinear".to_owned())));
            args.push(("align_corners", (self.mode == Resize::AlignCorners).into()));
        }
        args
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        window::check_map("C1", Self::NAME, input)?;
        window::check_list("C2", "factor", &self.factor, input)?;
        let spatial = input.spatial().iter().enumerate();
        let spatial = spatial.map(|(axis, it)| it.saturating_mul(self.by(axis)));
        let dims: Vec<usize> = input.dims()[..2].iter().copied().chain(spatial).collect();
        sized("C3", "the output", &dims)
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let strides = input.shape.strides();
        let between: Vec<Vec<Between>> = (0..output.spatial().len())
            .map(|it| self.rows(it, input.shape.spatial()[it]))
            .collect();
        let ways = if self.mode == Resize::Nearest { 1 } else { 2 };
        let corners = vec![ways; between.len()];
        let mut exact = Exact::plain(output.clone(), Vec::with_capacity(output.elements()));
        crate::nest::interpret::for_each_point(output.dims(), &mut |point| {
            let base = point[0] * strides[0] + point[1] * strides[1];
            let (mut sum, mut size) = (0.0, 0.0);
            crate::nest::interpret::for_each_point(&corners, &mut |corner| {
                let (mut at, mut weight) = (base, 1.0);
                for (axis, &way) in corner.iter().enumerate() {
                    let (rows, weights) = between[axis][point[axis + 2]];
                    at += rows[way] as usize * strides[axis + 2];
                    weight *= f64::from(weights[way]);
                }
                let x = f64::from(input.data[at]);
                sum = if ways == 1 { x } else { sum + x * weight };
                size += (x * weight).abs();
            });
            exact.value.push(sum);
            exact.magnitude.push(size);
        });
        exact
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let axes = 0..output.spatial().len();
        let channel = [0, 1].map(|it| Index::Affine(Affine::axis(it)));
        if self.mode == Resize::Nearest {
            let row =
                |axis| Index::Part { of: Affine::axis(axis + 2), by: self.by(axis), modulo: None };
            let at = channel.into_iter().chain(axes.map(row)).collect();
            return Nest::each(output, Expr::Load(Buffer::Input(0), at));
        }
        let mut at = channel.to_vec();
        let mut weight: Option<Expr> = None;
        for axis in axes.clone() {
            let between = self.rows(axis, inputs[0].spatial()[axis]);
            let place = Affine::of(&[(axis + 2, 2), (output.rank() + axis, 1)], 0);
            let table: Arc<[u32]> = between.iter().flat_map(|it| it.0).collect();
            at.push(Index::Table { table, at: place.clone() });
            let weights = Expr::Table(between.iter().flat_map(|it| it.1).collect(), place);
            weight = Some(weight.map_or(weights.clone(), |it| it.binary(Binary::Mul, weights)));
        }
        let weight = weight.expect("there is at least one spatial axis");
        let term = Expr::Load(Buffer::Input(0), at).binary(Binary::Mul, weight);
        let corners = vec![2; axes.len()];
        Nest::each(output, Expr::reduce(Reduction::Sum, &corners, Vec::new(), term))
    }

    fn tolerance(&self) -> Tolerance {
        match self.mode {
            Resize::Nearest => Tolerance::Exact,
            Resize::HalfPixel | Resize::AlignCorners => Tolerance::Sum(8.0),
        }
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let axes = inputs[0].spatial().len();
        let scales = [1.0; 2].into_iter().chain((0..axes).map(|it| self.by(it) as f32)).collect();
        let scales = Operand::Numbers(scales, vec![axes + 2]);
        let node = Node::of("Resize", [Operand::Input(0), Operand::Absent, scales]);
        let at = "coordinate_transformation_mode";
        vec![match self.mode {
            Resize::Nearest => node.word(at, "asymmetric").word("nearest_mode", "floor"),
            Resize::HalfPixel => node.word("mode", "linear").word(at, "half_pixel"),
            Resize::AlignCorners => node.word("mode", "linear").word(at, "align_corners"),
        }]
    }
}

impl Upsample {
    fn by(&self, axis: usize) -> usize {
        self.factor.get(axis).unwrap_or(1)
    }

    /// For each row of the output, the rows that it lies between.
    fn rows(&self, axis: usize, extent: usize) -> Vec<Between> {
        let places = extent * self.by(axis);
        let row = |place: usize| {
            let centre = match self.mode {
                Resize::Nearest => (place / self.by(axis)) as f64,
                Resize::HalfPixel => (place as f64 + 0.5) / self.by(axis) as f64 - 0.5,
                Resize::AlignCorners if places == 1 => 0.0,
                Resize::AlignCorners => (place * (extent - 1)) as f64 / (places - 1) as f64,
            };
            let centre = if centre < 0.0 { 0.0 } else { centre };
            let low = (centre.floor() as usize).min(extent - 1);
            let share = (centre - low as f64) as f32;
            let high = (low + 1).min(extent - 1);
            ([low as u32, high as u32], [1.0 - share, share])
        };
        (0..places).map(row).collect()
    }
}
