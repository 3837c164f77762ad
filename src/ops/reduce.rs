use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Tolerance, Value, Violation, axis};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor, max, min};

/// Sum, mean, maximum, minimum or product over some axes, the batch being axis 0.
///
/// The axes go, or stay with extent 1 with `keep=true`. What has no axis left is a vector of one.
///
/// Constraints:
/// - (C1) `axes` names axes of the input, each once.
///
/// Source: ONNX `ReduceSum`, `ReduceMean`, `ReduceMax`, `ReduceMin`, `ReduceProd`.
///
/// ```net
/// net Example { input x: f32[N, 8, 14, 14]
///   reduce("mean", [1], keep=true)  => [1, 14, 14]
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// How elements combine.
    pub op: Combine,
    /// The axes; negative numbers count from the end.
    pub axes: Vec<i64>,
    /// Whether the axes stay, with extent 1.
    pub keep: bool,
}

/// How the elements of a reduction combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Sum.
    Sum,
    /// Sum divided by the number of elements.
    Mean,
    /// Maximum, NaN if any is NaN.
    Max,
    /// Minimum, NaN if any is NaN.
    Min,
    /// Product.
    Product,
}

const WORDS: &[&str] = &["sum", "mean", "max", "min", "product"];

impl Operator for Reduce {
    const NAME: &'static str = "reduce";

    const ARGS: &'static [Arg] = &[
        Arg::required("op", "a word", "how elements combine").words(WORDS),
        Arg::required("axes", "a list of axes", "the axes that are reduced"),
        Arg::optional("keep", "true or false", "false", "whether the axes stay, with extent 1"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let op = match args.word("op", WORDS) {
            "mean" => Combine::Mean,
            "max" => Combine::Max,
            "min" => Combine::Min,
            "product" => Combine::Product,
            _ => Combine::Sum,
        };
        Reduce { op, axes: args.ints("axes"), keep: args.flag("keep") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let op = match self.op {
            Combine::Sum => "sum",
            Combine::Mean => "mean",
            Combine::Max => "max",
            Combine::Min => "min",
            Combine::Product => "product",
        };
        vec![
            ("op", Value::Text(op.to_owned())),
            ("axes", self.axes.as_slice().into()),
            ("keep", self.keep.into()),
        ]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        for &it in &self.axes {
            axis::check("C1", Self::NAME, it, input)?;
        }
        let axes = self.resolved(input);
        if axes.is_empty() || axes.windows(2).any(|it| it[0] == it[1]) {
            let message =
                format!("`axes` of `reduce` is {:?}, which names none, or one twice", self.axes);
            return Err(Violation::new("C1", message).help("name each axis once"));
        }
        let extent = |(it, &extent): (usize, &usize)| match axes.contains(&it) {
            true => self.keep.then_some(1),
            false => Some(extent),
        };
        let dims: Vec<usize> = input.dims().iter().enumerate().filter_map(extent).collect();
        Ok(Shape::of(if dims.is_empty() { &[1] } else { &dims }))
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let kept = self.places(&input.shape);
        let steps = output.strides();
        let start = match self.op {
            Combine::Sum | Combine::Mean => 0.0,
            Combine::Max => f64::NEG_INFINITY,
            Combine::Min => f64::INFINITY,
            Combine::Product => 1.0,
        };
        let mut exact = Exact::plain(output.clone(), vec![start; output.elements()]);
        exact.magnitude.fill(0.0);
        let mut flat = 0;
        crate::nest::interpret::for_each_point(input.shape.dims(), &mut |point| {
            let place =
                |(axis, to): (usize, &Option<usize>)| to.map_or(0, |it| point[axis] * steps[it]);
            let at: usize = kept.iter().enumerate().map(place).sum();
            let x = f64::from(input.data[flat]);
            flat += 1;
            let value = &mut exact.value[at];
            *value = match self.op {
                Combine::Sum | Combine::Mean => *value + x,
                Combine::Max => max(*value, x),
                Combine::Min => min(*value, x),
                Combine::Product => *value * x,
            };
            exact.magnitude[at] += x.abs();
        });
        let count = self.count(&input.shape);
        match self.op {
            Combine::Sum => exact.summed(count),
            Combine::Mean => {
                exact.value.iter_mut().for_each(|it| *it /= count as f64);
                exact.magnitude.iter_mut().for_each(|it| *it /= count as f64);
                exact.summed(count)
            }
            Combine::Max | Combine::Min | Combine::Product => Exact::plain(output, exact.value),
        }
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let input = inputs[0];
        let mut inner = output.rank();
        let mut extents = Vec::new();
        let mut at = Vec::new();
        for (axis, to) in self.places(input).iter().enumerate() {
            at.push(match to {
                Some(to) => Affine::axis(*to),
                None => {
                    extents.push(input.dims()[axis]);
                    inner += 1;
                    Affine::axis(inner - 1)
                }
            });
        }
        let op = match self.op {
            Combine::Sum | Combine::Mean => Reduction::Sum,
            Combine::Max => Reduction::Max,
            Combine::Min => Reduction::Min,
            Combine::Product => Reduction::Product,
        };
        let all = Expr::reduce(op, &extents, Vec::new(), Expr::load(Buffer::Input(0), at));
        Nest::each(
            output,
            match self.op {
                Combine::Mean => all.binary(Binary::Div, Expr::Const(self.count(input) as f32)),
                _ => all,
            },
        )
    }

    fn tolerance(&self) -> Tolerance {
        match self.op {
            Combine::Sum | Combine::Mean => Tolerance::Sum(8.0),
            Combine::Max | Combine::Min => Tolerance::Exact,
            // Each factor may round once; a product of n factors is n roundings off.
            Combine::Product => Tolerance::Sum(1024.0),
        }
    }

    /// A value of ONNX's may have no axis; here it has one of extent 1.
    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let operator = match self.op {
            Combine::Sum => "ReduceSum",
            Combine::Mean => "ReduceMean",
            Combine::Max => "ReduceMax",
            Combine::Min => "ReduceMin",
            Combine::Product => "ReduceProd",
        };
        let operands = [Operand::Input(0), Operand::Ints(self.axes.clone())];
        let mut nodes = vec![Node::of(operator, operands).int("keepdims", i64::from(self.keep))];
        if !self.keep && self.axes.len() == inputs[0].rank() {
            nodes.push(Node::of("Reshape", [Operand::Node(0), Operand::Ints(vec![1])]));
        }
        nodes
    }
}

impl Reduce {
    /// The axes that are reduced, sorted.
    fn resolved(&self, input: &Shape) -> Vec<usize> {
        let mut axes: Vec<usize> =
            self.axes.iter().filter_map(|&it| axis::resolve(it, input.rank())).collect();
        axes.sort_unstable();
        axes
    }

    /// For each axis of the input, the axis of the output that it becomes, if any.
    fn places(&self, input: &Shape) -> Vec<Option<usize>> {
        let axes = self.resolved(input);
        let mut next = 0;
        let mut place = |axis| {
            let gone = axes.contains(&axis);
            let to = next;
            next += usize::from(!gone || self.keep);
            (!gone).then_some(to)
        };
        (0..input.rank()).map(&mut place).collect()
    }

    /// Elements that one result combines.
    fn count(&self, input: &Shape) -> usize {
        self.resolved(input).iter().map(|&it| input.dims()[it]).product()
    }
}
