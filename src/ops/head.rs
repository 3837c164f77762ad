//! What heads that predict boxes from anchors share.

use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Value, Violation};
use crate::nest::{Affine, Binary, Buffer, Expr, Stage, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Numbers of a box besides its classes: x, y, width, height, objectness.
const BOX: usize = 5;

pub(super) const CLASSES: Arg = Arg::required("classes", "a count", "classes that are told apart");
pub(super) const STRIDE: Arg = Arg::required(
    "stride",
    "a number, or one an axis",
    "pixels of the picture between neighbouring cells",
);

/// A head: for each anchor the five numbers of a box and one a class, cell by cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Width and height of the box that each anchor starts from.
    pub anchors: Vec<(f32, f32)>,
    /// Classes that are told apart.
    pub classes: usize,
    /// Pixels between neighbouring cells: one number for both axes, or rows and columns.
    pub stride: Vec<f32>,
}

impl Head {
    pub(super) fn parse(args: &mut Args<'_>) -> Self {
        let anchors = args.sizes("anchors");
        if args.has("anchors") && anchors.iter().any(|it| it.0 <= 0.0 || it.1 <= 0.0) {
            args.fault("anchors", "an anchor has a positive width and height");
        }
        let stride = args.numbers("stride");
        if args.has("stride") && stride.iter().any(|&it| it <= 0.0) {
            args.fault("stride", "`stride` is positive");
        }
        Head { anchors, classes: args.count("classes"), stride }
    }

    /// The inverse of [`Head::parse`].
    pub(super) fn written(&self) -> Vec<(&'static str, Value)> {
        let pair = |it: &(f32, f32)| Value::Tuple(vec![it.0.into(), it.1.into()]);
        let stride = match self.stride.as_slice() {
            [one] => (*one).into(),
            all => all.into(),
        };
        let anchors = Value::List(self.anchors.iter().map(pair).collect());
        vec![("anchors", anchors), ("classes", self.classes.into()), ("stride", stride)]
    }

    /// Constraints C1 to C3 of both: `[N, 4 + classes, anchors * H * W]`.
    pub(super) fn infer(
        &self,
        layer: &str,
        input: &Shape,
        [map, channels_fit, strides]: [&'static str; 3],
    ) -> Result<Shape, Violation> {
        let &[n, channels, height, width] = input.dims() else {
            let message = format!("`{layer}` needs a map [C, H, W], here the value is {input}");
            return Err(Violation::new(map, message).help(format!("leave out `{layer}`")));
        };
        let (anchors, each) = (self.anchors.len(), self.classes.saturating_add(BOX));
        let wanted = anchors.saturating_mul(each);
        if wanted != channels {
            let message = format!(
                "{anchors} anchors with {BOX} + {} numbers need {wanted} channels, but {input} has {channels}",
                self.classes
            );
            let help = format!("the layer before has {wanted} channels: anchors * (5 + classes)");
            return Err(Violation::new(channels_fit, message).help(help));
        }
        if !matches!(self.stride.len(), 1 | 2) {
            let message = format!(
                "`stride` has {} numbers, but {input} has 2 spatial axes",
                self.stride.len()
            );
            return Err(
                Violation::new(strides, message).help("give one number, or rows and columns")
            );
        }
        Ok(Shape::of(&[n, self.classes + 4, anchors * height * width]))
    }

    /// Rows and columns.
    pub(super) fn strides(&self) -> [f32; 2] {
        [self.stride[0], *self.stride.last().expect("there is one or two")]
    }

    /// The first channel of an anchor.
    fn channel(&self, anchor: usize) -> usize {
        anchor * (BOX + self.classes)
    }

    /// The reference. `unit` is what one unit of an anchor is, on both axes; `score` gives the share of each
    /// class, and the size of the terms that it came from, of the numbers before activation.
    pub(super) fn eval(
        &self,
        input: &Tensor,
        output: &Shape,
        unit: [f32; 2],
        score: impl Fn(&[f64]) -> Vec<(f64, f64)>,
    ) -> Exact {
        let &[n, channels, height, width] = input.shape.dims() else { unreachable!("a map") };
        let (cells, boxes) = (height * width, output.dims()[2]);
        let mut exact = Exact::plain(output.clone(), vec![0.0; output.elements()]);
        let [rows, columns] = self.strides().map(f64::from);
        for b in 0..n * boxes {
            let (sample, anchor, cell) = (b / boxes, b % boxes / cells, b % cells);
            let raw = |it: usize| {
                let channel = self.channel(anchor) + it;
                f64::from(input.data[(sample * channels + channel) * cells + cell])
            };
            let mut set = |row: usize, value: f64, magnitude: f64| {
                let at = (sample * output.channels() + row) * boxes + b % boxes;
                exact.value[at] = value;
                exact.magnitude[at] = magnitude;
            };
            let size = [self.anchors[anchor].0, self.anchors[anchor].1].map(f64::from);
            let x = (sigmoid(raw(0)) + (cell % width) as f64) * columns;
            let y = (sigmoid(raw(1)) + (cell / width) as f64) * rows;
            set(0, x, x.abs());
            set(1, y, y.abs());
            for i in 0..2 {
                let extent = libm::exp(raw(2 + i)) * (size[i] * f64::from(unit[1 - i]));
                set(2 + i, extent, extent);
            }
            let objectness = sigmoid(raw(4));
            let classes: Vec<f64> = (0..self.classes).map(|it| raw(BOX + it)).collect();
            for (c, (share, magnitude)) in score(&classes).into_iter().enumerate() {
                set(4 + c, objectness * share, objectness * magnitude);
            }
        }
        exact
    }

    /// One number for every box: `[N, A, H, W]`.
    pub(super) fn cells(&self, input: &Shape) -> Shape {
        let &[n, _, height, width] = input.dims() else { unreachable!("a map") };
        Shape::of(&[n, self.anchors.len(), height, width])
    }

    /// The number of an anchor's box in channel `row` of it, at this stage's point: batch, anchor and cell are
    /// axes 0, 1 and the last two of so many.
    pub(super) fn load(&self, row: Affine, axes: usize) -> Expr {
        let channel = row.plus(1, self.channel(1) as i64);
        let at = [Affine::axis(0), channel, Affine::axis(axes - 2), Affine::axis(axes - 1)];
        Expr::load(Buffer::Input(0), at)
    }

    /// The stages that write the boxes, and one that writes objectness to temporary 0, `[N, A, H, W]`.
    pub(super) fn boxes(&self, input: &Shape, unit: [f32; 2]) -> Vec<Stage> {
        let cells = input.spatial();
        let centre = |row: usize, axis: usize| {
            let place = self.load(Affine::constant(row as i64), 4).unary(Unary::Sigmoid);
            let cell =
                Expr::Table((0..cells[axis]).map(|it| it as f32).collect(), Affine::axis(2 + axis));
            let stride = Expr::Const(self.strides()[axis]);
            let value = place.binary(Binary::Add, cell).binary(Binary::Mul, stride);
            self.stage(input, Affine::constant(row as i64), &[], value)
        };
        let sizes = self.anchors.iter().flat_map(|it| [it.0 * unit[1], it.1 * unit[0]]);
        let size = Expr::Table(sizes.collect(), Affine::of(&[(1, 2), (2, 1)], 0));
        let extent = self.load(Affine::of(&[(2, 1)], 2), 5).unary(Unary::Exp);
        let extent = extent.binary(Binary::Mul, size);
        let objectness = self.load(Affine::constant(4), 4).unary(Unary::Sigmoid);
        vec![
            centre(0, 1),
            centre(1, 0),
            self.stage(input, Affine::of(&[(2, 1)], 2), &[2], extent),
            Stage::each(Buffer::Temp(0), &self.cells(input), objectness),
        ]
    }

    /// The nodes of both: rows of `[N, A, 5 + classes, H * W]`, each kind in its own way; `share` makes that of
    /// each class of axis 2.
    pub(super) fn onnx(
        &self,
        input: &Shape,
        output: &Shape,
        unit: [f32; 2],
        share: impl Fn(Operand) -> Node,
    ) -> Vec<Node> {
        let (anchors, [height, width]) = (self.anchors.len(), [input.dims()[2], input.dims()[3]]);
        let cells = height * width;
        let columns = (0..cells).map(|it| (it % width) as f32);
        let grid = columns.chain((0..cells).map(|it| (it / width) as f32)).collect();
        let [rows, columns] = self.strides();
        let sizes = self.anchors.iter().flat_map(|it| [it.0 * unit[1], it.1 * unit[0]]);
        let extents = |it: &[usize]| Operand::Ints(onnx::ints(it.iter().copied()));
        let rows_of = |from: usize, to: usize| {
            let lists = [&[from], &[to], &[2]].map(|it| extents(it));
            Node::of("Slice", [Operand::Node(0)].into_iter().chain(lists))
        };
        let made = Operand::Node;
        vec![
            Node::of(
                "Reshape",
                [Operand::Input(0), extents(&[0, anchors, self.channel(1), cells])],
            ),
            rows_of(0, 2),
            Node::of("Sigmoid", [made(1)]),
            Node::of("Add", [made(2), Operand::Numbers(grid, vec![2, cells])]),
            Node::of("Mul", [made(3), Operand::Numbers(vec![columns, rows], vec![2, 1])]),
            rows_of(2, 4),
            Node::of("Exp", [made(5)]),
            Node::of("Mul", [made(6), Operand::Numbers(sizes.collect(), vec![anchors, 2, 1])]),
            rows_of(4, BOX),
            Node::of("Sigmoid", [made(8)]),
            rows_of(BOX, self.channel(1)),
            share(made(10)),
            Node::of("Mul", [made(9), made(11)]),
            Node::of("Concat", [made(4), made(7), made(12)]).int("axis", 2),
            Node::of("Transpose", [made(13)]).ints("perm", [0, 2, 1, 3]),
            Node::of("Reshape", [made(14), extents(&[0, output.dims()[1], output.dims()[2]])]),
        ]
    }

    /// A stage that writes a row, or `inner` rows, of every box.
    pub(super) fn stage(&self, input: &Shape, row: Affine, inner: &[usize], value: Expr) -> Stage {
        let &[n, _, height, width] = input.dims() else { unreachable!("a map") };
        let extents = [&[n, self.anchors.len()], inner, &[height, width]].concat();
        let last = extents.len() - 1;
        let place =
            Affine::of(&[(1, (height * width) as i64), (last - 1, width as i64), (last, 1)], 0);
        Stage { target: Buffer::Output, extents, at: vec![Affine::axis(0), row, place], value }
    }
}

/// The number that a temporary `[N, A, H, W]` has for the box at this stage's point; its axes as in [`Head::load`].
pub(super) fn temporary(at: usize, axes: usize) -> Expr {
    Expr::load(Buffer::Temp(at), [0, 1, axes - 2, axes - 1].map(Affine::axis))
}

/// 1 / (1 + e^-x)
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}
