use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Operator, Value, Violation, pointwise, sized};
use crate::nest::{Affine, Buffer, Expr, Index, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// Other extents over the same elements in the order of memory. The batch stays and is not written, unless
/// `batch` says what it becomes.
///
/// One extent may be -1: it becomes what is left.
///
/// Constraints:
/// - (C1) each extent is at least 1, but one may be -1;
/// - (C2) the extents have as many elements as the input;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `Reshape`; PyTorch `reshape`.
///
/// ```net
/// net Example {
///   input x: f32[N, 100]
///   fc(6272) -> reshape([128, 7, -1])  => [128, 7, 7]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The extents of a sample.
    pub shape: Vec<i64>,
    /// The samples; as many as before if not given.
    pub batch: Option<usize>,
}

impl Operator for Reshape {
    const NAME: &'static str = "reshape";

    const ARGS: &'static [Arg] = &[
        Arg::required("shape", "a list of counts, one may be -1", "the extents of a sample"),
        Arg::optional("batch", "a count", "", "the samples; as many as before if not given"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let batch = args.has("batch").then(|| args.count("batch"));
        Reshape { shape: args.ints("shape"), batch }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let shape = ("shape", self.shape.as_slice().into());
        [shape].into_iter().chain(self.batch.map(|it| ("batch", it.into()))).collect()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        let free = self.shape.iter().filter(|it| **it == -1).count();
        if free > 1 || self.shape.iter().any(|it| *it < 1 && *it != -1) {
            let message = format!("{:?} is not a list of extents", self.shape);
            return Err(
                Violation::new("C1", message).help("extents are at least 1; at most one is -1")
            );
        }
        let batch = self.batch.unwrap_or(input.batch());
        let all = input.elements();
        if !all.is_multiple_of(batch) {
            let message = format!("`batch` is {batch}, but there are {all} elements in all");
            return Err(Violation::new("C2", message).help("the products must be equal"));
        }
        let elements = all / batch;
        let mut given = self.shape.iter().filter(|it| **it != -1);
        let known = given.try_fold(1_usize, |product, it| product.checked_mul(*it as usize));
        let fits = known.is_some_and(|it| match free {
            0 => it == elements,
            _ => elements.is_multiple_of(it),
        });
        let Some(known) = known.filter(|_| fits) else {
            let what = known.map_or("too many".to_owned(), |it| it.to_string());
            let has = match self.batch {
                None => format!("{input} has {elements}"),
                Some(batch) => format!("one of {batch} samples has {elements}"),
            };
            let message = format!("{:?} has {what} elements, but {has}", self.shape);
            return Err(Violation::new("C2", message)
                .help("the products must be equal; -1 takes what is left"));
        };
        let extent = |it: &i64| if *it == -1 { elements / known } else { *it as usize };
        let dims: Vec<usize> = [batch].into_iter().chain(self.shape.iter().map(extent)).collect();
        sized("C3", "the output", &dims)
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let shape = self.infer(&[&inputs[0].shape]).expect("the input was accepted");
        Exact { shape, ..pointwise::eval(inputs[0], |x| x) }
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let (from, to) = (inputs[0].dims(), output.dims());
        let mut at = Vec::new();
        let mut taken = 0;
        // Axes of the input, and those of the output with as many elements: no index needs the others.
        while at.len() < from.len() {
            let (first, begun) = (at.len(), taken);
            let (mut axes, mut left, mut right) = (1, from[first], 1);
            while left != right {
                if left < right {
                    left *= from[first + axes];
                    axes += 1;
                } else {
                    right *= to[taken];
                    taken += 1;
                }
            }
            let mut step = right;
            let flat = (begun..taken).fold(Affine::constant(0), |flat, axis| {
                step /= to[axis];
                flat.plus(axis, step as i64)
            });
            for (axis, &extent) in (first..).zip(&from[first..first + axes]) {
                left /= extent;
                let modulo = (axis > first).then_some(extent);
                at.push(match axes {
                    1 => Index::Affine(flat.clone()),
                    _ => Index::Part { of: flat.clone(), by: left, modulo },
                });
            }
        }
        Nest::each(output, Expr::Load(Buffer::Input(0), at))
    }

    fn onnx(&self, _: &[&Shape], output: &Shape) -> Vec<Node> {
        let batch = self.batch.map_or(0, |_| output.batch());
        let extents = onnx::ints([batch].into_iter().chain(output.sample().iter().copied()));
        vec![Node::of("Reshape", [Operand::Input(0), Operand::Ints(extents)])]
    }
}
