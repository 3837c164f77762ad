use super::args::Value;
use super::onnx::{Node, Operand};
use super::{Arg, Args, Init, Operator, ParamSpec, Role, Violation, sized};
use crate::nest::{Affine, Buffer, Expr, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};
use std::sync::Arc;

/// Numbers as a value: learned, or written in the file with `weight=[..]`. It takes no operand.
///
/// `shape` is the extents of a sample; the batch is `batch`, which broadcasts where it is 1. Written numbers
/// are nested lists of the extents of a sample.
///
/// Constraints:
/// - (C1) each extent is at least 1 and the value keeps the limits of a tensor;
/// - (C2) written numbers have the extents of a sample.
///
/// Parameters: `weight` `[batch, shape..]`.
///
/// Source: ONNX initializers; PyTorch `Parameter`.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 14, 14]
///   gain = param([8, 1, 1])
///   output y = mul(x, gain)
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The extents of a sample.
    pub shape: Vec<i64>,
    /// Samples.
    pub batch: usize,
    /// Numbers written in the file.
    pub weight: Option<Arc<Tensor>>,
}

impl Operator for Param {
    const NAME: &'static str = "param";

    const ARITY: (usize, usize) = (0, 0);

    const ARGS: &'static [Arg] = &[
        Arg::required("shape", "a list of counts", "the extents of a sample"),
        Arg::optional("batch", "a count", "1", "samples"),
        Arg::optional("weight", "nested lists", "", "the numbers, written in the file"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let weight = match args.raw("weight") {
            Some(Value::Int(_) | Value::Number(_)) => {
                let number = args.numbers("weight");
                Some(Arc::new(Tensor::new(Shape::of(&[1]), number)))
            }
            _ => args.tensor("weight"),
        };
        Param { shape: args.ints("shape"), batch: args.count("batch"), weight }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let mut args = vec![("shape", self.shape.as_slice().into()), ("batch", self.batch.into())];
        args.extend(self.weight.iter().map(|it| ("weight", Value::of_tensor(it))));
        args
    }

    fn infer(&self, _: &[&Shape]) -> Result<Shape, Violation> {
        let shape = self.full()?;
        match &self.weight {
            Some(weight) if weight.shape.dims() != shape.sample() || self.batch != 1 => {
                let message =
                    format!("`weight` is {:?}, but the value is {shape}", weight.shape.dims());
                Err(Violation::new("C2", message)
                    .help("write a number for every element of one sample"))
            }
            _ => Ok(shape),
        }
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let shape = self.infer(inputs).expect("the extents were accepted");
        let role = self.weight.as_ref().map_or(Role::Learned, |it| {
            Role::Fixed(Arc::new(Tensor::new(shape.clone(), it.data.clone())))
        });
        vec![ParamSpec { name: "weight", shape, role, init: Init::Uniform(0.5, 1.5) }]
    }

    fn eval(&self, _: &[&Tensor], params: &[&Tensor]) -> Exact {
        let value = params[0].data.iter().map(|&it| f64::from(it)).collect();
        Exact::plain(params[0].shape.clone(), value)
    }

    fn lower(&self, _: &[&Shape], output: &Shape) -> Nest {
        let at = (0..output.rank()).map(Affine::axis);
        Nest::each(output, Expr::load(Buffer::Param(0), at))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        vec![Node::of("Identity", [Operand::Param(0)])]
    }
}

impl Param {
    fn full(&self) -> Result<Shape, Violation> {
        let extents: Option<Vec<usize>> =
            self.shape.iter().map(|&it| usize::try_from(it).ok().filter(|it| *it >= 1)).collect();
        let extents = extents.ok_or_else(|| {
            let message = format!("{:?} is not a list of extents", self.shape);
            Violation::new("C1", message).help("extents are at least 1")
        })?;
        sized("C1", "the value", &[vec![self.batch], extents].concat())
    }
}
