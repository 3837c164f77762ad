use super::onnx::{Node, Operand};
use super::{Args, Operator, Violation};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// How many rows of a padded list are filled: those whose first number is not negative. The output is `[1]`.
///
/// Constraints:
/// - (C1) the value has rows of numbers: it is of rank 2;
/// - (C2) it has at most 2^24 of them, so that the count is exact.
///
/// Source: the count of what `nms` picks.
///
/// ```net
/// net Example { input picks: f32[100, 3]
///   filled
///   output count }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled;

impl Operator for Filled {
    const NAME: &'static str = "filled";

    fn parse(_: &mut Args<'_>) -> Self {
        Filled
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        if inputs[0].rank() != 2 {
            let message = format!("`filled` counts rows, here the value is {}", inputs[0]);
            return Err(Violation::new("C1", message).help("give it what `nms` picked"));
        }
        let rows = inputs[0].dims()[0];
        if rows > 1 << 24 {
            let message = format!("`filled` counts to 2^24, but the value has {rows} rows");
            return Err(Violation::new("C2", message).help("give `nms` a smaller `capacity`"));
        }
        Ok(Shape::of(&[1]))
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let width = inputs[0].shape.dims()[1];
        let rows = inputs[0].data.chunks_exact(width);
        let one = |it: f32| if it.is_nan() { f64::NAN } else { f64::from(u8::from(it >= 0.0)) };
        Exact::plain(Shape::of(&[1]), vec![rows.map(|it| one(it[0])).sum()])
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let first = Expr::load(Buffer::Input(0), [Affine::axis(1), Affine::constant(0)]);
        let half = || Expr::Const(0.5);
        let side = first.binary(Binary::Positive, Expr::Const(-1.0));
        let sign = side.binary(Binary::Add, half()).unary(Unary::Sign);
        let one = sign.binary(Binary::Mul, half()).binary(Binary::Add, half());
        let rows = [inputs[0].dims()[0]];
        Nest::each(output, Expr::reduce(Reduction::Sum, &rows, Vec::new(), one))
    }

    /// `(sign(sign(x) + 1/2) + 1) / 2` is 1 where the first number of a row is not negative.
    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let list = |it: i64| Operand::Ints(vec![it]);
        let half = || Operand::Number(0.5);
        vec![
            Node::of("Slice", [Operand::Input(0), list(0), list(1), list(1)]),
            Node::of("Sign", [Operand::Node(0)]),
            Node::of("Add", [Operand::Node(1), half()]),
            Node::of("Sign", [Operand::Node(2)]),
            Node::of("Mul", [Operand::Node(3), half()]),
            Node::of("Add", [Operand::Node(4), half()]),
            Node::of("ReduceSum", [Operand::Node(5), Operand::Ints(vec![0, 1])]).int("keepdims", 0),
            Node::of("Reshape", [Operand::Node(6), list(1)]),
        ]
    }
}
