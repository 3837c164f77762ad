use super::onnx::{Node, Operand};
use super::{Arg, Args, OPERANDS_MAX, Operator, Value, Violation, axis, sized};
use crate::nest::{Affine, Buffer, Expr, Nest, Stage};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Two or more values one after the other along an axis, the channels unless `axis` says otherwise.
///
/// Constraints:
/// - (C1) `axis` names an axis of the operands;
/// - (C2) all operands have the same rank;
/// - (C3) on every other axis their extents are equal;
/// - (C4) the output keeps the limits of a tensor.
///
/// Source: Szegedy et al. 2015; ONNX `Concat`.
///
/// ```net
/// net Example {
///   input x: f32[N, 16, 8, 8]
///   concat { conv(8, 1) | conv(8, 3, pad=1) | maxpool(3, 1, pad=1) }  => [32, 8, 8]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concat {
    /// The axis; the batch is 0, negative numbers count from the end.
    pub axis: i64,
}

impl Operator for Concat {
    const NAME: &'static str = "concat";

    const ARITY: (usize, usize) = (2, OPERANDS_MAX);

    const ARGS: &'static [Arg] =
        &[Arg::optional("axis", "a whole number", "1", "the axis along which they follow")];

    fn parse(args: &mut Args<'_>) -> Self {
        Concat { axis: args.int("axis") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("axis", self.axis.into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let first = inputs[0];
        let along = axis::check("C1", Self::NAME, self.axis, first)?;
        let mut dims = first.dims().to_vec();
        for (i, input) in inputs.iter().enumerate().skip(1) {
            if input.rank() != first.rank() {
                let message =
                    format!("`concat` takes values of one rank, here they are {first} and {input}");
                return Err(
                    Violation::new("C2", message).help("`reshape` or `flatten` one of them")
                );
            }
            let unlike = |&it: &usize| it != along && input.dims()[it] != first.dims()[it];
            if let Some(other) = (0..first.rank()).find(unlike) {
                let message = format!(
                    "operand {} of `concat` is {input}, but the first is {first}: {} {} and {}",
                    i + 1,
                    axis::counts(first.rank(), other),
                    input.dims()[other],
                    first.dims()[other]
                );
                let help = format!(
                    "only the {} may differ; give the layers of both arms the same strides and padding",
                    axis::counts(first.rank(), along)
                );
                return Err(Violation::new("C3", message).help(help));
            }
            dims[along] = dims[along].saturating_add(input.dims()[along]);
        }
        sized("C4", "the output", &dims)
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let shapes: Vec<&Shape> = inputs.iter().map(|it| &it.shape).collect();
        let output = self.infer(&shapes).expect("the operands were accepted");
        let along = axis::resolve(self.axis, output.rank()).expect("the axis was accepted");
        let [before, ..] = axis::split(&output, along);
        let mut value = Vec::with_capacity(output.elements());
        for i in 0..before {
            for input in inputs {
                let [_, extent, after] = axis::split(&input.shape, along);
                let rows = &input.data[i * extent * after..][..extent * after];
                value.extend(rows.iter().map(|&it| f64::from(it)));
            }
        }
        Exact::plain(output, value)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let along = axis::resolve(self.axis, output.rank()).expect("the axis was accepted");
        let mut start = 0;
        let mut stages = Vec::new();
        for (i, input) in inputs.iter().enumerate() {
            let place = |axis| match axis == along {
                true => Affine::axis(axis).offset(start as i64),
                false => Affine::axis(axis),
            };
            stages.push(Stage {
                target: Buffer::Output,
                extents: input.dims().to_vec(),
                at: (0..output.rank()).map(place).collect(),
                value: Expr::load(Buffer::Input(i), (0..output.rank()).map(Affine::axis)),
            });
            start += input.dims()[along];
        }
        Nest { temps: Vec::new(), stages }
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::of("Concat", Operand::inputs(inputs)).int("axis", self.axis)]
    }
}
