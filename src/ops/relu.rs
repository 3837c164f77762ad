use super::{Args, Operator, Violation};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Rectified linear unit: `x` where `x` is positive, 0 where it is negative, element by element.
/// NaN stays NaN and -0 stays -0.
///
/// Source: Nair and Hinton 2010. ONNX `Relu`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relu;

impl Operator for Relu {
    const NAME: &'static str = "relu";

    fn parse(_: &mut Args<'_>) -> Self {
        Relu
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        Ok(inputs[0].clone())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let value =
            inputs[0].data.iter().map(|&x| if x < 0.0 { 0.0 } else { f64::from(x) }).collect();
        Exact::plain(inputs[0].shape.clone(), value)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        let it = Expr::load(Buffer::Input(0), (0..output.rank()).map(Affine::axis));
        Nest::each(output, self.pointwise().expect("relu is pointwise").map(&it))
    }

    fn pointwise(&self) -> Option<Expr> {
        Some(Expr::It.binary(Binary::Positive, Expr::Const(0.0)))
    }
}
