use std::sync::Arc;

use super::onnx::{self, Node, Operand};
use super::window::{self, Frame};
use super::{Arg, Args, Operator, Value, Violation, pool};
use crate::nest::interpret::for_each_point;
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction, Stage, Unary};
use crate::shape::{Shape, Window};
use crate::tensor::{Exact, Tensor, max};

/// Where the maximum of each window lies: the place of the first in the whole value, batch included. Places are
/// counted row by row, or in each channel column by column: its first spatial axis fastest.
///
/// Windows are those of `maxpool`. The place is NaN where the window holds NaN, and infinities count as the largest
/// finite numbers.
///
/// Constraints:
/// - (C1) the input has channels and one to three spatial axes;
/// - (C2) a list for `kernel`, `stride`, `pad` or `dilation` has one entry a spatial axis;
/// - (C3) the kernel fits the padded input and has at most 2^24 taps;
/// - (C4) the padding on each side is smaller than the kernel;
/// - (C5) the output keeps the limits of a tensor;
/// - (C6) the input has at most 2^24 elements, so that places are exact.
///
/// Source: the second output of ONNX `MaxPool`; PyTorch `MaxPool2d(return_indices=True)`, which counts within a
/// channel.
///
/// ```net
/// net Example {
///   input x: f32[N, 8, 16, 16]
///   argmaxpool(2)  => [8, 8, 8]
///   output places
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgMaxPool {
    /// The windows.
    pub frame: Frame,
    /// Whether places are counted column by column.
    pub by_columns: bool,
}

/// More than any place; every whole number up to it is an f32.
const BEYOND: usize = 1 << 24;

const ORDERS: &[&str] = &["rows", "columns"];

impl Operator for ArgMaxPool {
    const NAME: &'static str = "argmaxpool";

    const ARGS: &'static [Arg] = &[
        pool::KERNEL,
        pool::STRIDE,
        pool::PAD,
        pool::CEIL,
        pool::DILATION,
        Arg::optional("order", "a word", "\"rows\"", "how places are counted").words(ORDERS),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let by_columns = args.word("order", ORDERS) == "columns";
        ArgMaxPool { frame: pool::parse(args), by_columns }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let order = if self.by_columns { "columns" } else { "rows" };
        let mut written = pool::written(&self.frame);
        written.push(("order", Value::Text(order.to_owned())));
        written
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let output =
            pool::infer(&self.frame, Self::NAME, inputs[0], ["C1", "C2", "C3", "C4", "C5"])?;
        if inputs[0].elements() > BEYOND {
            let message = format!(
                "`argmaxpool` counts to 2^24, but the input has {} elements",
                inputs[0].elements()
            );
            return Err(Violation::new("C6", message).help("take fewer samples at once"));
        }
        Ok(output)
    }

    fn windows(&self, input: &Shape) -> Vec<Window> {
        self.frame.windows(input.spatial())
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let windows = self.windows(&input.shape);
        let kernel: Vec<usize> = windows.iter().map(|it| it.kernel).collect();
        let dims = input.shape.dims();
        let (rows_first, steps) = (input.shape.strides(), self.steps(&input.shape));
        let mut value = Vec::with_capacity(output.elements());
        for_each_point(output.dims(), &mut |place| {
            let (mut largest, mut first) = (f64::NEG_INFINITY, f64::NAN);
            for_each_point(&kernel, &mut |tap| {
                let row =
                    |axis: usize| windows[axis].row(place[axis + 2], tap[axis], dims[axis + 2]);
                let rows: Option<Vec<usize>> = (0..tap.len()).map(row).collect();
                let Some(rows) = rows else { return };
                let at = [&place[..2], &rows].concat();
                let flat =
                    |steps: &[usize]| at.iter().zip(steps).map(|it| it.0 * it.1).sum::<usize>();
                let x = f64::from(input.data[flat(&rows_first)].clamp(-f32::MAX, f32::MAX));
                let at = flat(&steps) as f64;
                first = if x > largest { at } else { first };
                largest = max(largest, x);
            });
            value.push(if largest.is_nan() { largest } else { first });
        });
        Exact::plain(output, value)
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let windows = pool::covered(&self.windows(inputs[0]), inputs[0]);
        let pool =
            Node::map("MaxPool").windows(&windows).int("storage_order", i64::from(self.by_columns));
        let places = Node::of("Cast", [Operand::Node(0)]).int("to", onnx::F32);
        vec![pool.second(), places]
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let (input, rank) = (inputs[0], output.rank());
        let windows = self.windows(input);
        let kernel: Vec<usize> = windows.iter().map(|it| it.kernel).collect();
        let (positions, guards) =
            window::positions(&windows, input.spatial(), output.spatial(), (2, rank));
        let at: Vec<Affine> = [0, 1].map(Affine::axis).into_iter().chain(positions).collect();
        let x = Expr::load(Buffer::Input(0), at.clone())
            .binary(Binary::Max, Expr::Const(-f32::MAX))
            .binary(Binary::Min, Expr::Const(f32::MAX));
        let largest = Expr::reduce(Reduction::Max, &kernel, guards.clone(), x.clone());
        let places = at.into_iter().zip(input.dims()).zip(self.steps(input));
        let place = places.map(|((at, &extent), stride)| {
            let table: Arc<[f32]> = (0..extent).map(|it| (it * stride) as f32).collect();
            Expr::Table(table, at)
        });
        let place = place.reduce(|sum, it| sum.binary(Binary::Add, it)).expect("it has axes");
        // What is less than the largest lies beyond every place.
        let here = Expr::load(Buffer::Temp(0), (0..rank).map(Affine::axis));
        let less = x.binary(Binary::Sub, here).unary(Unary::Sign);
        let away = less.binary(Binary::Mul, Expr::Const(BEYOND as f32));
        let first = Expr::reduce(Reduction::Min, &kernel, guards, place.binary(Binary::Sub, away));
        Nest {
            temps: vec![output.clone()],
            stages: vec![
                Stage::each(Buffer::Temp(0), output, largest),
                Stage::each(Buffer::Output, output, first),
            ],
        }
    }
}

impl ArgMaxPool {
    /// How far neighbours on each axis are apart, as places are counted.
    fn steps(&self, input: &Shape) -> Vec<usize> {
        let mut steps = input.strides();
        if self.by_columns {
            let mut step = 1;
            for (to, extent) in steps[2..].iter_mut().zip(input.spatial()) {
                (*to, step) = (step, step * extent);
            }
        }
        steps
    }
}
