//! Suppression of boxes. The operator has a row for every possible pick; the file's value has as many as there
//! are.

use super::{Handler, Made, Raise, Step, Value};
use crate::onnx::net::{Arguments, args};
use crate::onnx::proto::element;
use crate::onnx::{Constant, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    (operator == "NonMaxSuppression").then_some(suppress as Handler)
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
    let picks = raise.made(&picks)?;
    raise.padded.insert(picks.id, 0);
    Ok(vec![Value::Made(Made { element: element::I64, ..picks })])
}

/// What a node makes of picks with so many rows of -1 behind them: more of those, or a list of fixed length.
pub(super) fn of_picks(
    raise: &mut Raise<'_>,
    step: &Step<'_>,
    rows: usize,
) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let list = |raise: &Raise<'_>, at: usize| match step.has(at) {
        true => raise.ints(step.input(at)?).map(Some),
        false => Ok(None),
    };
    match step.node.op_type.as_str() {
        "Pad" if step.opset >= 11 && matches!(step.text("mode"), "" | "constant") => {
            let value = raise.optional(step.optional(2))?.and_then(|it| it.scalar());
            if let (Some(&[0, 0, more, 0]), Some(-1.0)) = (list(raise, 1)?.as_deref(), value) {
                let rows = rows.saturating_add(usize::try_from(more).unwrap_or(0));
                let all = raise.dims(x)?[0].saturating_add(rows);
                let picks = with_room(raise, x, all)?;
                raise.padded.insert(picks.id, rows);
                return Ok(vec![Value::Made(picks)]);
            }
        }
        "Slice" if step.opset >= 10 => {
            let lists = [1, 2, 3, 4].map(|it| list(raise, it));
            let [from, to, axes, steps] = lists;
            let (from, to, axes, steps) = (from?, to?, axes?, steps?);
            let first = axes.is_none_or(|it| it == [0]) && steps.is_none_or(|it| it == [1]);
            if let (Some(&[0]), Some(&[to]), true) = (from.as_deref(), to.as_deref(), first)
                && let Some(room) = usize::try_from(to).ok().filter(|it| (1..=rows).contains(it))
            {
                return with_room(raise, x, room).map(|it| vec![Value::Made(it)]);
            }
        }
        _ => {}
    }
    Err(Fault::new(
        "it reads the picks of a suppression, whose number is known only when the net runs; \
         cut the model before it",
    ))
}

/// The suppression behind a value with another capacity.
fn with_room(raise: &mut Raise<'_>, picks: &Value, room: usize) -> Result<Made, Fault> {
    let element = raise.element(picks);
    let Value::Made(made) = picks else { unreachable!("picks are made") };
    let call = raise.net.values[made.id.0].call.as_ref().expect("picks are made by a layer");
    let mut args = Arguments(call.given.clone());
    args.0.retain(|it| it.name != "capacity");
    let operands: Vec<Value> = call
        .operands
        .iter()
        .map(|&id| {
            let dims = raise.net.values[id.0].shape.dims().to_vec();
            Value::Made(Made { id, dims, element: element::F32 })
        })
        .collect();
    let made = raise.call("nms", args.int("capacity", room), &operands, Vec::new())?;
    Ok(Made { element, ..raise.made(&made)? })
}
