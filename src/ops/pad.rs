use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Operator, Value, Violation, sized, window};
use crate::nest::{Affine, Buffer, Expr, Guard, Index, Nest};
use crate::shape::{PerAxis, Shape};
use crate::tensor::{Exact, Tensor};

/// Rows around the spatial axes: a constant, the rows of the input mirrored at the border row, the border row
/// repeated, or with `"wrap"` the rows from the other end. `channels=(before, after)` adds constant channels.
///
/// Constraints:
/// - (C1) the input has channels, spatial axes if rows are added, and a list for `rows` has one entry for each;
/// - (C2) `reflect` pads less than the extent of the input, `wrap` at most the extent;
/// - (C3) `reflect`, `edge` and `wrap` add no channels;
/// - (C4) the output keeps the limits of a tensor.
///
/// Source: ONNX `Pad`; PyTorch `ReflectionPad2d`, `ReplicationPad2d`.
///
/// ```net
/// net Example {
///   input x: f32[N, 3, 256, 256]
///   pad(40, mode="reflect") -> conv(32, 9)  => [32, 328, 328]
///   output y
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Rows before and after on each spatial axis.
    pub rows: PerAxis<(usize, usize)>,
    /// What the rows hold.
    pub mode: Mode,
    /// The constant.
    pub value: f32,
    /// Channels before and after.
    pub channels: (usize, usize),
}

/// What padding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One number.
    Constant,
    /// The input mirrored, the border row not repeated.
    Reflect,
    /// The border row.
    Edge,
    /// The rows from the other end.
    Wrap,
}

const MODES: &[&str] = &["constant", "reflect", "edge", "wrap"];

impl Operator for Pad {
    const NAME: &'static str = "pad";

    const ARGS: &'static [Arg] = &[
        Arg::required("rows", "rows, one an axis, or pairs", "rows on both sides"),
        Arg::optional("mode", "a word", "\"constant\"", "what the rows hold").words(MODES),
        Arg::optional("value", "a number", "0", "the constant"),
        Arg::optional("channels", "a pair", "0", "constant channels before and after"),
    ];

    fn parse(args: &mut Args<'_>) -> Self {
        let mode = match args.word("mode", MODES) {
            "reflect" => Mode::Reflect,
            "edge" => Mode::Edge,
            "wrap" => Mode::Wrap,
            _ => Mode::Constant,
        };
        let (rows, value) = (args.rows("rows"), args.number("value"));
        Pad { rows, mode, value, channels: args.pair("channels") }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let mode = match self.mode {
            Mode::Constant => "constant",
            Mode::Reflect => "reflect",
            Mode::Edge => "edge",
            Mode::Wrap => "wrap",
        };
        let mut args = vec![("rows", (&self.rows).into()), ("mode", Value::Text(mode.to_owned()))];
        args.push(("value", self.value.into()));
        if self.channels != (0, 0) {
            args.push(("channels", self.channels.into()));
        }
        args
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let input = inputs[0];
        window::check_list("C1", "rows", &self.rows, input)?;
        let idle = input.spatial().is_empty() && self.rows.get(0).is_some_and(|it| it != (0, 0));
        if input.rank() < 2 || idle {
            let message = format!("`pad` adds rows, but {input} has no spatial axes");
            return Err(Violation::new("C1", message).help("put it before `flatten`"));
        }
        let mut dims = vec![input.batch()];
        for axis in 1..input.rank() {
            let ((before, after), extent) = (self.around(axis), input.dims()[axis]);
            let (word, most) = match self.mode {
                Mode::Reflect => ("reflect", extent - 1),
                Mode::Wrap => ("wrap", extent),
                Mode::Constant | Mode::Edge => ("", usize::MAX),
            };
            if axis > 1 && before.max(after) > most {
                let message =
                    format!("`{word}` pads {} rows, but {input} has {extent}", before.max(after));
                return Err(Violation::new("C2", message).help(format!("pad at most {most} rows")));
            }
            dims.push(extent + before + after);
        }
        if self.mode != Mode::Constant && self.channels != (0, 0) {
            let message = "`channels` adds constants, but the mode is not \"constant\"";
            return Err(Violation::new("C3", message).help("take a second `pad` for the channels"));
        }
        sized("C4", "the output", &dims)
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let input = inputs[0];
        let output = self.infer(&[&input.shape]).expect("the input was accepted");
        let (dims, strides) = (input.shape.dims(), input.shape.strides());
        let mut value = Vec::with_capacity(output.elements());
        crate::nest::interpret::for_each_point(output.dims(), &mut |point| {
            let mut at = Some(0);
            for axis in 0..dims.len() {
                let place = self.source(point[axis], self.around(axis).0, dims[axis]);
                at = at.zip(place).map(|(at, place)| at + place * strides[axis]);
            }
            value.push(at.map_or(f64::from(self.value), |it| f64::from(input.data[it])));
        });
        Exact::plain(output, value)
    }

    fn lower(&self, inputs: &[&Shape], output: &Shape) -> Nest {
        let (mut at, mut guards) = (Vec::new(), Vec::new());
        for (axis, &extent) in inputs[0].dims().iter().enumerate() {
            let (before, after) = self.around(axis);
            let place = Affine::axis(axis).offset(-(before as i64));
            if (before, after) == (0, 0) {
                at.push(Index::Affine(place));
            } else if self.mode == Mode::Constant {
                guards.push(Guard::Within(place.clone(), extent));
                at.push(Index::Affine(place));
            } else {
                let row = |it| self.source(it, before, extent).expect("every row has a source");
                let table = (0..output.dims()[axis]).map(|it| row(it) as u32).collect();
                at.push(Index::Table { table, at: Affine::axis(axis) });
            }
        }
        let x = Expr::Load(Buffer::Input(0), at);
        if guards.is_empty() {
            return Nest::each(output, x);
        }
        Nest::each(output, Expr::Choose(guards, Box::new(x), Box::new(Expr::Const(self.value))))
    }

    fn onnx(&self, inputs: &[&Shape], _: &Shape) -> Vec<Node> {
        let around: Vec<_> = (0..inputs[0].rank()).map(|it| self.around(it)).collect();
        let before = around.iter().map(|it| it.0);
        let pads = Operand::Ints(onnx::ints(before.chain(around.iter().map(|it| it.1))));
        let (mode, value) = match self.mode {
            Mode::Constant => ("constant", Operand::Number(self.value)),
            Mode::Reflect => ("reflect", Operand::Absent),
            Mode::Edge => ("edge", Operand::Absent),
            Mode::Wrap => ("wrap", Operand::Absent),
        };
        vec![Node::of("Pad", [Operand::Input(0), pads, value]).word("mode", mode)]
    }
}

impl Pad {
    /// Rows before and after on an axis, the batch being axis 0.
    fn around(&self, axis: usize) -> (usize, usize) {
        match axis {
            0 => (0, 0),
            1 => self.channels,
            _ => self.rows.get(axis - 2).unwrap_or((0, 0)),
        }
    }

    /// The row of the input that a row of the output holds; `None` for the constant.
    fn source(&self, row: usize, before: usize, extent: usize) -> Option<usize> {
        let inside = row.checked_sub(before).filter(|it| *it < extent);
        match self.mode {
            _ if inside.is_some() => inside,
            Mode::Constant => None,
            Mode::Edge => Some(row.saturating_sub(before).min(extent - 1)),
            Mode::Wrap => Some((row + extent - before) % extent),
            Mode::Reflect if row < before => Some(before - row),
            Mode::Reflect => Some(2 * (extent - 1) - (row - before)),
        }
    }
}
