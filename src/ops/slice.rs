use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Value, Violation, axis};
use crate::nest::{Affine, Buffer, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The part of a value from one position on an axis to before another, every `step`-th.
///
/// Negative positions count from the end; without `to` the part goes on to the end.
///
/// Constraints:
/// - (C1) `axis` names an axis of the input;
/// - (C2) `from` lies inside and `to` lies after it, at most at the end.
///
/// Source: ONNX `Slice`; PyTorch `narrow`.
///
/// ```net
/// net Example {
///   input x: f32[N, 64, 28, 28]
///   concat { slice(1, 0, 32) | slice(1, 32) -> conv(32, 3, pad=1) }
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The axis; the batch is 0, negative numbers count from the end.
    pub axis: i64,
    /// The first position.
    pub from: i64,
    /// The position after the last; the end if not given.
    pub to: Option<i64>,
    /// Positions from one element to the next.
    pub step: usize,
}

impl Operator for Slice {
    const NAME: &'static str = "slice";

    const ARGS: &'static [Arg] = &[
        Arg::required("axis", "a whole number", "the axis that is cut"),
        Arg::optional("from", "a whole number", "0", "the first position"),
        Arg::optional(
            "to",
            "a whole number",
            "",
            "the position after the last; the end if not given",
        ),
        Arg::optional("step", "a count", "1", "positions from one element to the next"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        Slice {
            axis: args.int("axis"),
            from: args.int("from"),
            to: args.has("to").then(|| args.int("to")),
            step: args.count("step"),
        }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let mut args = vec![("axis", self.axis.into()), ("from", self.from.into())];
        args.extend(self.to.map(|it| ("to", it.into())));
        args.push(("step", self.step.into()));
        args
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let along = axis::check("C1", Self::NAME, self.axis, inputs[0])?;
        let extent = inputs[0].dims()[along];
        let Some((from, to)) = self.range(extent) else {
            let to = self.to.map_or("the end".to_owned(), |it| it.to_string());
            let message = format!(
                "from {} to {to} is not a part of axis {along} with extent {extent}",
                self.from
            );
            return Err(Violation::new("C2", message).help(format!(
                "positions are 0 to {extent}; negative numbers count from the end"
            )));
        };
        let dims = inputs[0].with(along, (to - from).div_ceil(self.step));
        Ok(dims.expect("a part is no larger than the whole"))
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let along = axis::resolve(self.axis, output.rank()).expect("the axis was accepted");
        let (from, to) = self.range(input.shape.dims()[along]).expect("the range was accepted");
        let [before, extent, after] = axis::split(&input.shape, along);
        let mut value = Vec::with_capacity(output.elements());
        for i in 0..before {
            for j in (from..to).step_by(self.step) {
                let row = &input.data[(i * extent + j) * after..][..after];
                value.extend(row.iter().map(|&it| f64::from(it)));
            }
        }
        Exact::plain(output, value)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let along = axis::resolve(self.axis, output.rank()).expect("the axis was accepted");
        let (from, _) = self.range(inputs[0].dims()[along]).expect("the range was accepted");
        let at = Affine::of(&[(along, self.step as i64)], from as i64);
        Nest::each(output, axis::load(Buffer::Input(0), output.rank(), along, at))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let step = i64::try_from(self.step).unwrap_or(i64::MAX);
        let [from, to, axis, step] = [self.from, self.to.unwrap_or(i64::MAX), self.axis, step]
            .map(|it| Operand::Ints(vec![it]));
        vec![Node::of("Slice", [Operand::Input(0), from, to, axis, step])]
    }
}

impl Slice {
    /// The channels that it gives of a value, if it cuts these.
    pub fn channels(&self, input: &Shape) -> Option<Vec<usize>> {
        (axis::resolve(self.axis, input.rank()) == Some(1)).then_some(())?;
        let (from, to) = self.range(input.channels())?;
        Some((from..to).step_by(self.step).collect())
    }

    /// The positions on an axis of this extent.
    fn range(&self, extent: usize) -> Option<(usize, usize)> {
        let resolve = |at: i64| {
            let at = if at < 0 { at.checked_add(extent as i64)? } else { at };
            usize::try_from(at).ok()
        };
        let (from, to) = (resolve(self.from)?, self.to.map_or(Some(extent), resolve)?);
        (from < to && to <= extent).then_some((from, to))
    }
}
