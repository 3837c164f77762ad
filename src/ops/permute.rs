use super::onnx::Node;
use super::{Arg, Args, Operator, Value, Violation};
use crate::nest::{Affine, Buffer, Expr, Nest, Stage};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The axes in another order: axis `i` of the output is axis `order[i]` of the input.
///
/// Constraints:
/// - (C1) `order` names every axis of the input once.
///
/// Source: ONNX `Transpose`; PyTorch `permute`.
///
/// ```net
/// net Example {
///   input x: f32[N, 255, 13, 13]
///   permute([0, 2, 3, 1])  => [13, 13, 255]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permute {
    /// The input's axis for each axis of the output, batch included.
    pub order: Vec<i64>,
}

impl Operator for Permute {
    const NAME: &'static str = "permute";

    const ARGS: &'static [Arg] =
        &[Arg::required("order", "a list of axes", "the input's axis for each axis, batch first")];

    fn parse(args: &mut Args<'_>) -> Self {
        Permute { order: args.ints("order") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("order", self.order.as_slice().into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        if sorted != (0..input.rank() as i64).collect::<Vec<_>>() {
            let last = input.rank().saturating_sub(1);
            let message =
                format!("{:?} is not an order of the axes 0 to {last} of {input}", self.order);
            return Err(Violation::new("C1", message).help("name every axis once, the batch as 0"));
        }
        let dims: Vec<usize> = self.order.iter().map(|&it| input.dims()[it as usize]).collect();
        Ok(Shape::of(&dims))
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let strides = input.shape.strides();
        let steps: Vec<usize> = self.order.iter().map(|&it| strides[it as usize]).collect();
        let mut value = Vec::with_capacity(output.elements());
        crate::nest::interpret::for_each_point(output.dims(), &mut |point| {
            let at: usize = point.iter().zip(&steps).map(|(i, step)| i * step).sum();
            value.push(f64::from(input.data[at]));
        });
        Exact::plain(output, value)
    }

    fn lower(&self, inputs: &[&Shape], _: &Shape) -> Nest {
        let input = inputs[0];
        let stage = Stage {
            target: Buffer::Output,
            extents: input.dims().to_vec(),
            at: self.order.iter().map(|&it| Affine::axis(it as usize)).collect(),
            value: Expr::load(Buffer::Input(0), (0..input.rank()).map(Affine::axis)),
        };
        Nest { temps: Vec::new(), stages: vec![stage] }
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::map("Transpose").ints("perm", self.order.iter().map(|&it| it as usize))]
    }
}
