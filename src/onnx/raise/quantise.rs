//! Values rounded to a few bits, and back: computed in f32, as the file defines them.

use super::arithmetic::binary;
use super::{Handler, Raise, Step, Value};
use crate::onnx::net::args;
use crate::onnx::proto::element;
use crate::onnx::{Constant, Fault, element_name};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "QuantizeLinear" => quantise,
        "DequantizeLinear" => dequantise,
        _ => return None,
    })
}

/// The numbers that an element type of few bits holds.
pub(in crate::onnx) fn range(element: i32) -> Result<(i64, i64), Fault> {
    match element {
        element::U8 => Ok((0, 255)),
        element::I8 => Ok((-128, 127)),
        element::U16 => Ok((0, 65_535)),
        element::I16 => Ok((-32_768, 32_767)),
        other => Err(Fault::new(format!("quantising to {} is not supported", element_name(other)))),
    }
}

fn quantise(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let to = if step.has(2) { raise.element(step.optional(2)) } else { element::U8 };
    let (low, high) = range(to)?;
    let scaled = binary(raise, "div", step.input(0)?, &along(raise, step, 1)?)?;
    let mut made = raise.map("round", args(), &scaled)?;
    if step.has(2) {
        made = binary(raise, "add", &made, &along(raise, step, 2)?)?;
    }
    let made = raise.map("clip", args().int("min", low).int("max", high), &made)?;
    Ok(vec![raise.taken_for(made, to)])
}

fn dequantise(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let mut made = raise.taken_for(step.input(0)?.clone(), element::F32);
    if step.has(2) {
        made = binary(raise, "sub", &made, &along(raise, step, 2)?)?;
    }
    Ok(vec![binary(raise, "mul", &made, &along(raise, step, 1)?)?])
}

/// Scales or zeros as real numbers: one for all, or one for each place on the axis that the step names.
fn along(raise: &Raise<'_>, step: &Step<'_>, at: usize) -> Result<Value, Fault> {
    let constant = raise.constant(step.input(at)?)?;
    let rank = raise.dims(step.input(0)?)?.len();
    let mut dims = vec![1; rank];
    match constant.len() {
        1 => {}
        count => dims[Step::axis(step.int("axis").unwrap_or(1), rank)?] = count,
    }
    if constant.dims.len() > 1 || step.flag("block_size") {
        return Err(Fault::new("scales of blocks are not supported"));
    }
    Ok(Value::Known(Constant::real(dims, constant.floats())))
}
