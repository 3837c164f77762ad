use std::sync::Arc;

use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Operator, Value, Violation};
use crate::nest::{Affine, Buffer, Expr, Index, Nest, Stage};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Moves space into channels in the order of Darknet: `[C, H, W]` becomes `[C * s^2, H / s, W / s]`.
///
/// The order is that of the program that trained YOLOv2, which is not the usual space to depth. Element
/// `(k, j, i)` of the output, were it written with the extents `[C, H, W]` of the input, is element
/// `(k mod D, j*s + o / s, i*s + o mod s)` of the input, were it written as `[D, H*s, W*s]`, where
/// `D = C / s^2` and `o = k / D`.
///
/// Constraints:
/// - (C1) the input is a map `[C, H, W]`;
/// - (C2) `stride` divides H and W;
/// - (C3) `stride^2` divides C.
///
/// Source: Redmon and Farhadi 2017; Darknet's `reorg` layer with `reverse=0`.
///
/// ```net
/// net Example {
///   input x: f32[N, 64, 26, 26]
///   reorg(2)  => [256, 13, 13]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reorg {
    /// The factor by which space shrinks.
    pub stride: usize,
}

impl Operator for Reorg {
    const NAME: &'static str = "reorg";

    const ARGS: &'static [Arg] =
        &[Arg::required("stride", "a count", "the factor by which space shrinks")];

    fn parse(args: &mut Args<'_>) -> Self {
        Reorg { stride: args.count("stride") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("stride", self.stride.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let (input, stride) = (inputs[0], self.stride);
        let &[n, channels, height, width] = input.dims() else {
            let message = format!("`reorg` needs a map [C, H, W], here the value is {input}");
            return Err(Violation::new("C1", message).help("leave out `reorg`"));
        };
        if !height.is_multiple_of(stride) || !width.is_multiple_of(stride) {
            let message = format!("`stride` is {stride}, but {input} has {height}x{width} rows");
            return Err(Violation::new("C2", message).help("both must be multiples of the stride"));
        }
        let square = stride.saturating_mul(stride);
        if !channels.is_multiple_of(square) {
            let message =
                format!("`stride` squared is {square}, but {input} has {channels} channels");
            return Err(Violation::new("C3", message).help("the channels must be a multiple of it"));
        }
        Ok(Shape::of(&[n, channels * square, height / stride, width / stride]))
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let (input, s) = (inputs[0], self.stride);
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let &[_, channels, height, width] = input.shape.dims() else { unreachable!("a map") };
        let depth = channels / (s * s);
        let element = |at: usize| {
            let (i, j) = (at % width, at / width % height);
            let (k, n) = (at / width / height % channels, at / width / height / channels);
            let (d, o) = (k % depth, k / depth);
            let row = (n * depth + d) * height * s + j * s + o / s;
            f64::from(input.data[row * width * s + i * s + o % s])
        };
        Exact::plain(output, (0..input.data.len()).map(element).collect())
    }

    /// Axes: batch, row and column of the offset `o`, `d`, then the rows `H * s` of one `(o, d)` cut into
    /// those of the output, and the columns of the output. With them every position is affine but for the
    /// input's row, which wraps at `W`; two tables hold the input's channel and row.
    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let s = self.stride;
        let &[n, channels, height, width] = inputs[0].dims() else { unreachable!("a map") };
        let depth = channels / (s * s);
        let rows = output.spatial()[0];
        let flat = |at: usize| {
            let (d, o, m) = (at / (height * s) / s, at / (height * s) % s, at % (height * s));
            d * height * s * s + (m / s * s + o) * s + m % s
        };
        let table = |f: &dyn Fn(usize) -> usize| -> Arc<[u32]> {
            (0..channels * height).map(|at| f(flat(at)) as u32).collect()
        };
        let line = (height * s) as i64;
        let at = Affine::of(&[(3, line * s as i64), (1, line), (4, rows as i64), (5, 1)], 0);
        let x = Expr::Load(
            Buffer::Input(0),
            vec![
                Index::Affine(Affine::axis(0)),
                Index::Table { table: table(&|it| it / height), at: at.clone() },
                Index::Table { table: table(&|it| it % height), at },
                Index::Affine(Affine::of(&[(6, s as i64), (2, 1)], 0)),
            ],
        );
        let square = (s * s) as i64;
        let block = depth as i64 * square;
        let channel = [(1, s as i64 * block), (2, block), (3, square), (4, 1)];
        let stage = Stage {
            target: Buffer::Output,
            extents: vec![n, s, s, depth, s * s, rows, width / s],
            at: vec![Affine::axis(0), Affine::of(&channel, 0), Affine::axis(5), Affine::axis(6)],
            value: x,
        };
        Nest { temps: Vec::new(), stages: vec![stage] }
    }

    /// Darknet's order is that of ONNX's `SpaceToDepth` on the input seen as `[C / s^2, H * s, W * s]`.
    fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<Node> {
        let s = self.stride;
        let &[_, channels, height, width] = inputs[0].dims() else { unreachable!("a map") };
        let seen = [0, channels / (s * s), height * s, width * s];
        let shown = [&[0], output.sample()].concat();
        let block = i64::try_from(s).expect("a stride is small");
        let extents = |it: &[usize]| Operand::Ints(onnx::ints(it.iter().copied()));
        vec![
            Node::of("Reshape", [Operand::Input(0), extents(&seen)]),
            Node::of("SpaceToDepth", [Operand::Node(0)]).int("blocksize", block),
            Node::of("Reshape", [Operand::Node(1), extents(&shown)]),
        ]
    }
}
