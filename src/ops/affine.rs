use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Tolerance, Value, Violation, pointwise};
use crate::nest::{Binary, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// A number times every element, and a number added: `scale * x + shift`. `2 * x` and `x + 1` are written so.
///
/// Source: elementary.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   conv(8, 3, pad=1) -> affine(scale=2, shift=1)
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// The factor.
    pub scale: f32,
    /// What is added.
    pub shift: f32,
}

impl Operator for Affine {
    const NAME: &'static str = "affine";

    const ARGS: &'static [Arg] = &[
        Arg::optional("scale", "a number", "1", "the factor"),
        Arg::optional("shift", "a number", "0", "what is added"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        Affine { scale: args.number("scale"), shift: args.number("shift") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("scale", self.scale.into()), ("shift", self.shift.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let (scale, shift) = (f64::from(self.scale), f64::from(self.shift));
        pointwise::eval_sum(inputs[0], |x| (x * scale + shift, (x * scale).abs() + shift.abs()))
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        let scaled = Expr::It.binary(Binary::Mul, Expr::Const(self.scale));
        Some(scaled.binary(Binary::Add, Expr::Const(self.shift)))
    }

    fn tolerance(&self) -> Tolerance {
        Tolerance::Sum(4.0)
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let scaled = Node::of("Mul", [Operand::Input(0), Operand::Number(self.scale)]);
        let shifted = |it| Node::of("Add", [it, Operand::Number(self.shift)]);
        match (self.scale == 1.0, self.shift == 0.0) {
            (true, true) => vec![Node::map("Identity")],
            (true, false) => vec![shifted(Operand::Input(0))],
            (false, true) => vec![scaled],
            (false, false) => vec![scaled, shifted(Operand::Node(0))],
        }
    }
}
