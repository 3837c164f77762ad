use super::onnx::{Node, Operand};
use super::{Arg, Args, Operator, Value, Violation, axis, sized};
use crate::nest::{Affine, Buffer, Expr, Index, Nest};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The elements at the given positions of an axis, in that order; positions may come again.
///
/// Negative positions count from the end.
///
/// Constraints:
/// - (C1) `axis` names an axis of the input;
/// - (C2) there is a position, and each lies inside;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `Gather`; PyTorch `index_select`.
///
/// ```net
/// net Example { input x: f32[N, 3, 28, 28]
///   take(1, [2, 1, 0])
///   output y }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// The axis; the batch is 0, negative numbers count from the end.
    pub axis: i64,
    /// The positions.
    pub at: Vec<i64>,
}

impl Operator for Take {
    const NAME: &'static str = "take";

    const ARGS: &'static [Arg] = &[
        Arg::required("axis", "a whole number", "the axis that is read"),
        Arg::required("at", "a list of positions", "what is taken, in order"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        Take { axis: args.int("axis"), at: args.ints("at") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        vec![("axis", self.axis.into()), ("at", self.at.as_slice().into())]
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        let along = axis::check("C1", Self::NAME, self.axis, input)?;
        let extent = input.dims()[along];
        let outside = self.at.iter().find(|it| axis::resolve(**it, extent).is_none());
        if self.at.is_empty() || outside.is_some() {
            let message = match outside {
                Some(it) => format!("position {it} lies outside axis {along} with extent {extent}"),
                None => "`at` of `take` is empty".to_owned(),
            };
            return Err(
                Violation::new("C2", message).help(format!("positions are 0 to {}", extent - 1))
            );
        }
        let mut dims = input.dims().to_vec();
        dims[along] = self.at.len();
        sized("C3", "the output", &dims)
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let along = axis::resolve(self.axis, output.rank()).expect("the axis was accepted");
        let [before, extent, after] = axis::split(&input.shape, along);
        let mut value = Vec::with_capacity(output.elements());
        for i in 0..before {
            for j in self.positions(extent) {
                let row = &input.data[(i * extent + j) * after..][..after];
                value.extend(row.iter().map(|&it| f64::from(it)));
            }
        }
        Exact::plain(output, value)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let along = axis::resolve(self.axis, output.rank()).expect("the axis was accepted");
        let table = self.positions(inputs[0].dims()[along]).map(|it| it as u32).collect();
        let mut at: Vec<Index> = (0..output.rank()).map(|it| Affine::axis(it).into()).collect();
        at[along] = Index::Table { table, at: Affine::axis(along) };
        Nest::each(output, Expr::Load(Buffer::Input(0), at))
    }

    fn onnx(&self, _: &[&Shape], _: &Shape) -> Vec<Node> {
        let operands = [Operand::Input(0), Operand::Ints(self.at.clone())];
        vec![Node::of("Gather", operands).int("axis", self.axis)]
    }
}

impl Take {
    /// The channels that it gives of a value, if it takes these.
    pub fn channels(&self, input: &Shape) -> Option<Vec<usize>> {
        (axis::resolve(self.axis, input.rank()) == Some(1)).then_some(())?;
        Some(self.positions(input.channels()).collect())
    }

    fn positions(&self, extent: usize) -> impl Iterator<Item = usize> {
        self.at
            .iter()
            .map(move |&it| axis::resolve(it, extent).expect("the positions were accepted"))
    }
}
