use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Tolerance, Value, Violation, axis};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction, Stage, Unary};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, max};

/// Scales every line along an axis to Euclidean length 1.
///
/// ```text
/// out[n, c, ..] = in[n, c, ..] / max(sqrt(sum(j) in[n, j, ..]^2), eps)
/// ```
///
/// Constraints:
/// - (C1) `axis` names an axis of the input other than the batch.
///
/// Source: Schroff et al. 2015; ONNX `LpNormalization`; PyTorch `normalize`.
///
/// ```net
/// net Example {
///   input x: f32[N, 512]
///   fc(128) -> l2norm
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct L2Norm {
    /// The axis; the batch is 0, negative numbers count from the end.
    pub axis: i64,
    /// The least length that divides.
    pub eps: f32,
}

impl Operator for L2Norm {
    const NAME: &'static str = "l2norm";

    const ARGS: &'static [Arg] = &[
        Arg::optional("axis", "a whole number", "1", "the axis along which lengths are taken"),
        Arg::optional("eps", "a number", "1e-12", "the least length that divides"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        L2Norm { axis: args.int("axis"), eps: args.number("eps") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("axis", self.axis.into()), ("eps", self.eps.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        axis::check("C1", Self::NAME, self.axis, inputs[0])?;
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let along = axis::resolve(self.axis, input.shape.rank()).expect("the axis was accepted");
        let mut value = vec![0.0; input.data.len()];
        for line in axis::lines(&input.shape, along) {
            let x = axis::gather(input, &line);
            let length = x.iter().fold(0.0, |sum, x| sum + x * x).sqrt();
            for (&at, x) in line.iter().zip(&x) {
                value[at] = x / max(length, f64::from(self.eps));
            }
        }
        Exact::plain(input.shape.clone(), value)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let rank = output.rank();
        let along = axis::resolve(self.axis, rank).expect("the axis was accepted");
        let line = inputs[0].with(along, 1).expect("a smaller shape");
        let x = |at| axis::load(Buffer::Input(0), rank, along, at);
        let square = x(Affine::axis(rank)).binary(Binary::Mul, x(Affine::axis(rank)));
        let sum = Expr::reduce(Reduction::Sum, &[inputs[0].dims()[along]], Vec::new(), square);
        let length = sum.unary(Unary::Sqrt).binary(Binary::Max, Expr::Const(self.eps));
        let first = Stage::each(Buffer::Temp(0), &line, length);
        let length = axis::load(Buffer::Temp(0), rank, along, Affine::constant(0));
        let value = x(Affine::axis(along)).binary(Binary::Div, length);
        let last = Stage::each(Buffer::Output, output, value);
        Nest { temps: vec![line], stages: vec![first, last] }
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(16.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let x = Operand::Input(0);
        vec![
            Node::of("ReduceL2", [x.clone(), Operand::Ints(vec![self.axis])]).int("keepdims", 1),
            Node::of("Clip", [Operand::Node(0), Operand::Number(self.eps)]),
            Node::of("Div", [x, Operand::Node(1)]),
        ]
    }
}
