use super::head::{self, Head};
use super::onnx::Node;
use super::{Arg, Args, Operator, Tolerance, Value, Violation, softmax};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction, Stage, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The head of YOLOv2: boxes and class scores of the raw map `[A * (5 + classes), H, W]` as `[4 + classes, A * H * W]`.
///
/// It differs from `yolo` in two things: anchors are in cells, and the classes of a box share 1 by softmax.
/// With five channels and one a class for each anchor, `tx, ty, tw, th, to, t[c]`, box `(a*H + y)*W + x` of the
/// result is a column of
///
/// ```text
/// (sigmoid(tx) + x) * stride,  (sigmoid(ty) + y) * stride              its centre
/// anchor width * stride * e^tw,  anchor height * stride * e^th         its width and height
/// sigmoid(to) * e^(t[c] - m) / sum(j) e^(t[j] - m),  m = max(j) t[j]   the score of each class
/// ```
///
/// Boxes are in pixels of the net's input. `stride` is how many of them lie between neighbouring cells, one
/// number or rows and columns.
///
/// Constraints:
/// - (C1) the input is a map `[C, H, W]`;
/// - (C2) it has `anchors * (5 + classes)` channels;
/// - (C3) `stride` is one number or two.
///
/// Source: Redmon and Farhadi 2016, YOLO9000; Darknet's `region` layer with `softmax=1`.
///
/// ```net
/// net Example {
///   input x: f32[N, 3, 416, 416]
///   conv(50, 32, 32) -> region([(1.08, 1.19), (3.42, 4.41)], 20, 32)  => [24, 338]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Anchors, classes and stride.
    pub head: Head,
}

impl Operator for Region {
    const NAME: &'static str = "region";

    const ARGS: &'static [Arg] = &[
        Arg::required("anchors", "pairs (width, height)", "the boxes to start from, in cells"),
        head::CLASSES,
        head::STRIDE,
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        Region { head: Head::parse(args) }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        self.head.written()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        self.head.infer(Self::NAME, inputs[0], ["C1", "C2", "C3"])
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let output = self.infer(&[&inputs[0].shape]).expect("the input was accepted");
        let shares = |classes: &[f64]| softmax::of_each(classes, softmax::share);
        self.head.eval(inputs[0], &output, self.head.strides(), shares)
    }

    fn lower(&self, inputs: &[&Shape], _: &Shape) -> Nest {
        let (head, input) = (&self.head, inputs[0]);
        let cells = head.cells(input);
        let classes = [head.classes];
        let largest = |axes| head::temporary(1, axes);
        // The classes of one cell are summed over axis 4; where they are written, they are axis 2.
        let raw = |class: usize| Affine::of(&[(class, 1)], 5);
        let all = || head.load(raw(4), 4);
        let power = all().binary(Binary::Sub, largest(4)).unary(Unary::Exp);
        let mut stages = head.boxes(input, head.strides());
        for (temp, op, term) in [(1, Reduction::Max, all()), (2, Reduction::Sum, power)] {
            let value = Expr::reduce(op, &classes, Vec::new(), term);
            stages.push(Stage::each(Buffer::Temp(temp), &cells, value));
        }
        let power = head.load(raw(2), 5).binary(Binary::Sub, largest(5)).unary(Unary::Exp);
        let share = power.binary(Binary::Div, head::temporary(2, 5));
        let value = head::temporary(0, 5).binary(Binary::Mul, share);
        stages.push(head.stage(input, Affine::of(&[(2, 1)], 4), &classes, value));
        Nest { temps: vec![cells.clone(), cells.clone(), cells], stages }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(32.0)
    }

    fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<Node> {
        let share = |raw| Node::of("Softmax", [raw]).int("axis", 2);
        self.head.onnx(inputs[0], output, self.head.strides(), share)
    }
}
