//! Suppression of boxes. The operator has a row for every possible pick; the file's value has as many as there
//! are, and the model may put rows together from the columns of that value and what it gathers with them.

use super::{Handler, Id, Made, Raise, Step, Value};
use crate::onnx::constant::is_real;
use crate::onnx::net::{Arguments, args};
use crate::onnx::proto::element;
use crate::onnx::{Constant, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "NonMaxSuppression" => suppress,
        "GatherND" => gather,
        _ => return None,
    })
}

/// A value with a row for each pick of a suppression, whose number only a run tells.
#[derive(Clone, Debug)]
pub(in crate::onnx) struct Picks {
    /// The layer, with room for all picks.
    layer: Id,
    /// The names of its operands in the file.
    operands: [String; 2],
    columns: Vec<Column>,
    /// Whether the rows are numbers rather than lists.
    is_flat: bool,
    element: i32,
    /// Rows of -1 that follow.
    more: usize,
}

/// What a pick has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Sample,
    Class,
    /// The position among the boxes.
    Place,
    Score,
    Corner(usize),
}

/// The columns of the operator's rows, and of those with boxes.
const PICKS: &[Column] = &[Column::Sample, Column::Class, Column::Place];
const BOXES: &[Column] = &[
    Column::Sample,
    Column::Class,
    Column::Score,
    Column::Corner(0),
    Column::Corner(1),
    Column::Corner(2),
    Column::Corner(3),
];

impl Picks {
    /// The extents, for as many picks as there can be.
    pub(super) fn dims(&self, raise: &Raise<'_>) -> Vec<usize> {
        let mut dims = vec![self.room(raise)];
        dims.extend((!self.is_flat).then_some(self.columns.len()));
        dims
    }

    pub(super) fn element(&self) -> i32 {
        self.element
    }

    fn room(&self, raise: &Raise<'_>) -> usize {
        raise.net.values[self.layer.0].shape.dims()[0].saturating_add(self.more)
    }

    /// Whether two values have the same rows.
    fn fits(&self, other: &Picks) -> bool {
        (self.layer, self.more, self.element) == (other.layer, other.more, other.element)
    }
}

fn suppress(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let operands = [step.input(0)?.clone(), step.input(1)?.clone()];
    let scalar = |at: usize| -> Result<Option<f32>, Fault> {
        let Some(constant) = raise.optional(step.optional(at))? else { return Ok(None) };
        constant.scalar().map(Some).ok_or_else(|| {
            Fault::new(format!("operand {at} is {:?}, no single number", constant.dims))
        })
    };
    let (most, iou, score) = (scalar(2)?.unwrap_or(0.0), scalar(3)?.unwrap_or(0.0), scalar(4)?);
    if most < 1.0 {
        return raise.keep(Constant::none(vec![0, 3], element::I64)).map(|it| vec![it]);
    }
    let boxes = raise.dims(&operands[0])?.get(1).copied().unwrap_or(0);
    let mut args = args().number("iou", iou);
    if let Some(score) = score {
        args = args.number("score", score);
    }
    if most < boxes as f32 {
        args = args.int("most", most as i64);
    }
    match step.int("center_point_box") {
        None | Some(0) => {}
        Some(1) => args = args.text("form", "centre"),
        Some(other) => return Err(Fault::new(format!("`center_point_box` is {other}"))),
    }
    let picks = raise.call("nms", args, &operands, Vec::new())?;
    let picks = Picks {
        layer: raise.made(&picks)?.id,
        operands: [0, 1].map(|it| step.node.input[it].clone()),
        columns: PICKS.to_vec(),
        is_flat: false,
        element: element::I64,
        more: 0,
    };
    Ok(vec![Value::Picks(picks)])
}

fn gather(_: &mut Raise<'_>, _: &Step<'_>) -> Result<Vec<Value>, Fault> {
    Err(Fault::new("it is supported only to gather what a suppression picks"))
}

/// What a node makes of the picks of a suppression.
pub(super) fn of_picks(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let made = match (step.node.op_type.as_str(), step.input(0)?) {
        ("Identity", Value::Picks(x)) => Some(Value::Picks(x.clone())),
        ("Cast", Value::Picks(x)) => cast(step, x).map(Value::Picks),
        ("Gather", Value::Picks(x)) => columns(raise, step, x)?.map(Value::Picks),
        ("Unsqueeze", Value::Picks(x)) => column(raise, step, x)?.map(Value::Picks),
        ("Concat", Value::Picks(x)) => beside(step, x).map(Value::Picks),
        ("Pad", Value::Picks(x)) => padded(raise, step, x)?.map(Value::Picks),
        ("Slice", Value::Picks(x)) => cut(raise, step, x)?.map(Value::Made),
        ("GatherND", _) => gathered(step).map(Value::Picks),
        _ => None,
    };
    made.map(|it| vec![it]).ok_or_else(unknown)
}

/// What to say where the number of picks must be known.
pub(super) fn unknown() -> Fault {
    Fault::new(
        "it reads the picks of a suppression, whose number is known only when the net runs; \
         cut the model before it",
    )
}

/// A list that an operand gives, if it is there.
fn list(raise: &Raise<'_>, step: &Step<'_>, at: usize) -> Result<Option<Vec<i64>>, Fault> {
    match step.optional(at) {
        Value::Absent => Ok(None),
        value => raise.ints(value).map(Some),
    }
}

fn cast(step: &Step<'_>, x: &Picks) -> Option<Picks> {
    let to = i32::try_from(step.int("to")?).ok()?;
    let is_whole = matches!(to, element::I32 | element::I64);
    (is_real(to) || is_whole && !is_real(x.element)).then(|| Picks { element: to, ..x.clone() })
}

/// Some of the columns, or one as numbers.
fn columns(raise: &Raise<'_>, step: &Step<'_>, x: &Picks) -> Result<Option<Picks>, Fault> {
    if x.is_flat || !matches!(step.int("axis"), Some(1 | -1)) {
        return Ok(None);
    }
    let (dims, list) = (raise.dims(step.input(1)?)?, raise.ints(step.input(1)?)?);
    let columns: Option<Vec<Column>> =
        list.iter().map(|&it| Some(x.columns[Step::axis(it, x.columns.len()).ok()?])).collect();
    let columns = columns.filter(|_| dims.len() < 2);
    Ok(columns.map(|columns| Picks { columns, is_flat: dims.is_empty(), ..x.clone() }))
}

/// Numbers as a column.
fn column(raise: &Raise<'_>, step: &Step<'_>, x: &Picks) -> Result<Option<Picks>, Fault> {
    let axes = match step.opset >= 13 {
        true => list(raise, step, 1)?,
        false => step.ints("axes").map(<[i64]>::to_vec),
    };
    let fits = x.is_flat && matches!(axes.as_deref(), Some([1 | -1]));
    Ok(fits.then(|| Picks { is_flat: false, ..x.clone() }))
}

/// Columns side by side.
fn beside(step: &Step<'_>, x: &Picks) -> Option<Picks> {
    let mut columns = Vec::new();
    for input in &step.inputs {
        let Value::Picks(it) = input else { return None };
        if it.is_flat || !it.fits(x) || columns.len() > BOXES.len() {
            return None;
        }
        columns.extend(&it.columns);
    }
    matches!(step.int("axis"), Some(1 | -1)).then(|| Picks { columns, ..x.clone() })
}

/// The boxes or the scores that were picked.
fn gathered(step: &Step<'_>) -> Option<Picks> {
    let [_, Value::Picks(at)] = step.inputs.as_slice() else { return None };
    let all = step.int("batch_dims").unwrap_or(0) == 0 && at.more == 0 && !at.is_flat;
    let of = at.operands.iter().position(|it| *it == step.node.input[0]).filter(|_| all)?;
    let (columns, is_flat) = match (of, at.columns.as_slice()) {
        (0, [Column::Sample, Column::Place]) => ((0..4).map(Column::Corner).collect(), false),
        (1, PICKS) => (vec![Column::Score], true),
        _ => return None,
    };
    Some(Picks { columns, is_flat, element: element::F32, ..at.clone() })
}

/// Rows of -1 behind the picks.
fn padded(raise: &Raise<'_>, step: &Step<'_>, x: &Picks) -> Result<Option<Picks>, Fault> {
    if step.opset < 11 || !matches!(step.text("mode"), "" | "constant") {
        return Ok(None);
    }
    let value = raise.optional(step.optional(2))?.and_then(|it| it.scalar());
    let more = match (list(raise, step, 1)?.as_deref(), value) {
        (Some(&[0, 0, more, 0]), Some(-1.0)) => usize::try_from(more).ok(),
        _ => None,
    };
    Ok(more.map(|it| Picks { more: x.more.saturating_add(it), ..x.clone() }))
}

/// The first rows, where so many follow the picks that there are always as many.
fn cut(raise: &mut Raise<'_>, step: &Step<'_>, x: &Picks) -> Result<Option<Made>, Fault> {
    if step.opset < 10 {
        return Ok(None);
    }
    let lists = [1, 2, 3, 4].map(|it| list(raise, step, it));
    let [from, to, axes, steps] = lists;
    let (from, to, axes, steps) = (from?, to?, axes?, steps?);
    let first = axes.is_none_or(|it| it == [0]) && steps.is_none_or(|it| it == [1]);
    let (Some(&[0]), Some(&[to]), true) = (from.as_deref(), to.as_deref(), first) else {
        return Ok(None);
    };
    match usize::try_from(to).ok().filter(|it| (1..=x.more).contains(it)) {
        Some(room) => with_room(raise, x, room).map(Some),
        None => Ok(None),
    }
}

/// All rows as a value of the net.
pub(super) fn made(raise: &mut Raise<'_>, picks: &Picks) -> Result<Made, Fault> {
    with_room(raise, picks, picks.room(raise))
}

/// The suppression with so many rows, which has these columns.
fn with_room(raise: &mut Raise<'_>, picks: &Picks, room: usize) -> Result<Made, Fault> {
    let layer = &raise.net.values[picks.layer.0];
    let call = layer.call.as_ref().expect("picks are made by a layer");
    let mut args = Arguments(call.given.clone());
    match picks.columns.as_slice() {
        _ if picks.is_flat => return Err(unknown()),
        PICKS if room == layer.shape.dims()[0] => {
            let dims = layer.shape.dims().to_vec();
            return Ok(Made { id: picks.layer, dims, element: picks.element });
        }
        PICKS => {}
        BOXES => args = args.flag("with_boxes", true),
        _ => return Err(unknown()),
    }
    let operands: Vec<Value> = call
        .operands
        .iter()
        .map(|&id| {
            let dims = raise.net.values[id.0].shape.dims().to_vec();
            Value::Made(Made { id, dims, element: element::F32 })
        })
        .collect();
    if room != layer.shape.dims()[0] {
        args = args.int("capacity", room);
    }
    let made = raise.call("nms", args, &operands, Vec::new())?;
    Ok(Made { element: picks.element, ..raise.made(&made)? })
}
