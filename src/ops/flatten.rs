use super::onnx::Node;
use super::{Args, Operator, Violation, pointwise};
use crate::nest::{Affine, Buffer, Expr, Nest, Stage};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// All elements of a sample as one vector, in the order of memory: `[C, H, W]` becomes `[C * H * W]`.
///
/// Source: ONNX `Flatten`; PyTorch `Flatten`.
///
/// ```net
/// net Example {
///   input x: f32[N, 16, 5, 5]
///   flatten  => [400]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flatten;

impl Operator for Flatten {
    const NAME: &'static str = "flatten";

    fn parse(_: &mut Args<'_>) -> Self {
        Flatten
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let elements = inputs[0].sample().iter().product();
        Ok(Shape::of(&[inputs[0].batch(), elements]))
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let shape = self.infer(&[&inputs[0].shape]).expect("the input was accepted");
        Exact { shape, ..pointwise::eval(inputs[0], |x| x) }
    }

    fn lower(&self, inputs: &[&Shape], _: &Shape) -> Nest {
        let input = inputs[0];
        let strides = input.strides();
        let terms: Vec<_> = (1..input.rank()).map(|it| (it, strides[it] as i64)).collect();
        let stage = Stage {
            target: Buffer::Output,
            extents: input.dims().to_vec(),
            at: vec![Affine::axis(0), Affine::of(&terms, 0)],
            value: Expr::load(Buffer::Input(0), (0..input.rank()).map(Affine::axis)),
        };
        Nest { temps: Vec::new(), stages: vec![stage] }
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Flatten").int("axis", 1)]
    }
}
