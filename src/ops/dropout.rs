use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Value, Violation, pointwise};
use crate::nest::{Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Drops elements at random while training; in inference the identity.
///
/// Source: Srivastava et al. 2014; ONNX `Dropout`.
///
/// ```net
/// net Example {
///   input x: f32[N, 4096]
///   fc(4096) -> relu -> dropout(0.5)
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dropout {
    /// The share of elements dropped while training.
    pub p: f32,
}

impl Operator for Dropout {
    const NAME: &'static str = "dropout";

    const ARGS: &'static [Arg] =
        &[Arg::optional("p", "a number from 0 to below 1", "0.5", "the share dropped in training")];

    fn parse(args: &mut Args<'_>) -> Self {
        let p = args.number("p");
        if !(0.0..1.0).contains(&p) {
            args.fault("p", format!("`p` of `dropout` is {p}, not from 0 to below 1"));
        }
        Dropout { p }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("p", self.p.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        pointwise::eval(inputs[0], |x| x)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        pointwise::lower(self, output)
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It)
    }

    fn is_identity(&self) -> bool {
        true
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::of("Dropout", [Operand::Input(0), Operand::Number(self.p)])]
    }
}
