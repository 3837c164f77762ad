use super::head::{self, Head};
use super::onnx::Node;
use super::{Arg, Args, Operator, Tolerance, Value, Violation};
use crate::nest::{Affine, Binary, Nest, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The head of YOLOv3: boxes and class scores of the raw map `[A * (5 + classes), H, W]` as `[4 + classes, A * H * W]`.
///
/// For each anchor the map has five channels and one a class: `tx, ty, tw, th, to, t[c]`. Box `(a*H + y)*W + x`
/// of the result is a column of
///
/// ```text
/// (sigmoid(tx) + x) * stride,  (sigmoid(ty) + y) * stride      its centre
/// anchor width * e^tw,  anchor height * e^th                   its width and height
/// sigmoid(to) * sigmoid(t[c])                                  the score of each class
/// ```
///
/// Boxes are in pixels of the net's input, as the anchors are: `[(width, height), ..]`. `stride` is how many
/// pixels lie between neighbouring cells, one number or rows and columns.
///
/// Constraints:
/// - (C1) the input is a map `[C, H, W]`;
/// - (C2) it has `anchors * (5 + classes)` channels;
/// - (C3) `stride` is one number or two.
///
/// Source: Redmon and Farhadi 2018, YOLOv3; Darknet's `yolo` layer.
///
/// ```net
/// net Example {
///   input x: f32[N, 3, 416, 416]
///   conv(255, 32, 32) -> yolo([(81, 82), (135, 169), (344, 319)], 80, 32)  => [84, 507]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Yolo {
    /// Anchors, classes and stride.
    pub head: Head,
}

impl Operator for Yolo {
    const NAME: &'static str = "yolo";

    const ARGS: &'static [Arg] = &[
        Arg::required("anchors", "pairs (width, height)", "the boxes to start from, in pixels"),
        head::CLASSES,
        head::STRIDE,
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        Yolo { head: Head::parse(args) }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        self.head.written()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        self.head.infer(Self::NAME, inputs[0], ["C1", "C2", "C3"])
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let output = self.infer(&[&inputs[0].shape]).expect("the input was accepted");
        self.head.eval(inputs[0], &output, [1.0, 1.0], |classes| {
            classes.iter().map(|&it| head::sigmoid(it)).map(|it| (it, it)).collect()
        })
    }

    fn lower(&self, inputs: &[&Shape], _: &Shape) -> Nest {
        let (head, input) = (&self.head, inputs[0]);
        let mut stages = head.boxes(input, [1.0, 1.0]);
        let share = head.load(Affine::of(&[(2, 1)], 5), 5).unary(Unary::Sigmoid);
        let value = head::temporary(0, 5).binary(Binary::Mul, share);
        stages.push(head.stage(input, Affine::of(&[(2, 1)], 4), &[head.classes], value));
        Nest { temps: vec![head.cells(input)], stages }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(32.0)
    }

    fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<Node> {
        self.head.onnx(inputs[0], output, [1.0, 1.0], |raw| Node::of("Sigmoid", [raw]))
    }
}
