//! Suppression of boxes. The operator has a row for every possible pick; the file's value has as many as there
//! are.

use super::{Handler, Raise, Step, Value};
use crate::onnx::net::args;
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
    raise.padded.insert(picks.id);
    Ok(vec![Value::Made(super::Made { element: element::I64, ..picks })])
}
