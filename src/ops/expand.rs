use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Operator, Value, Violation, sized};
use crate::nest::{Affine, Buffer, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// A value whose extents of 1 repeat. The batch stays unless `batch` says what it becomes.
///
/// Constraints:
/// - (C1) `shape` has an extent for each axis of a sample;
/// - (C2) each extent is the input's, or the input's is 1;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `Expand`; PyTorch `expand`.
///
/// ```net
/// net Example { input x: f32[N, 8, 14, 14]
///   gap(keep=true) -> expand([8, 14, 14])
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expand {
    /// The extents of a sample.
    pub shape: Vec<i64>,
    /// The samples; as many as before if not given.
    pub batch: Option<usize>,
}

impl Operator for Expand {
    const NAME: &'static str = "expand";

    const ARGS: &'static [Arg] = &[
        Arg::required("shape", "a list of counts", "the extents of a sample"),
        Arg::optional("batch", "a count", "", "the samples; as many as before if not given"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let batch = args.has("batch").then(|| args.count("batch"));
        Expand { shape: args.ints("shape"), batch }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let shape = ("shape", self.shape.as_slice().into());
        [shape].into_iter().chain(self.batch.map(|it| ("batch", it.into()))).collect()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        if self.shape.len() != input.sample().len() {
            let message = format!("`shape` is {:?}, but the value is {input}", self.shape);
            return Err(Violation::new("C1", message).help("`reshape` adds axes of extent 1"));
        }
        let batch = self.batch.unwrap_or(input.batch()) as i64;
        let mut dims = Vec::new();
        for (axis, (&have, &want)) in
            input.dims().iter().zip([batch].iter().chain(&self.shape)).enumerate()
        {
            let extent =
                usize::try_from(want).ok().filter(|it| *it >= 1 && (have == 1 || have == *it));
            dims.push(extent.ok_or_else(|| {
                let message = format!(
                    "axis {axis} of {input} has extent {have}, which does not become {want}"
                );
                Violation::new("C2", message).help("only extents of 1 repeat")
            })?);
        }
        sized("C3", "the output", &dims)
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let (strides, dims) = (input.shape.strides(), input.shape.dims());
        let mut value = Vec::with_capacity(output.elements());
        crate::nest::interpret::for_each_point(output.dims(), &mut |point| {
            let place = |axis: usize| if dims[axis] == 1 { 0 } else { point[axis] * strides[axis] };
            value.push(f64::from(input.data[(0..point.len()).map(place).sum::<usize>()]));
        });
        Exact::plain(output, value)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let place = |it: usize| match inputs[0].dims()[it] {
            1 => Affine::constant(0),
            _ => Affine::axis(it),
        };
        Nest::each(output, Expr::load(Buffer::Input(0), (0..output.rank()).map(place)))
    }

    /// An extent of 1 asks for nothing, so that what does not grow may have any extent.
    fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<Node> {
        let grown = |(&from, &to): (&usize, &usize)| if from == to { 1 } else { to };
        let extents = onnx::ints(inputs[0].dims().iter().zip(output.dims()).map(grown));
        vec![Node::of("Expand", [Operand::Input(0), Operand::Ints(extents)])]
    }
}
