//! Pools.

use super::arithmetic::binary;
use super::convolution::{Pads, counts, pads, spatial};
use super::{Handler, Raise, Step, Value};
use crate::onnx::Fault;
use crate::onnx::net::{Arguments, args};
use crate::onnx::proto::element;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "MaxPool" => max_pool,
        "AveragePool" => average_pool,
        "LpPool" => lp_pool,
        "GlobalAveragePool" => |raise, step| global(raise, step, "gap"),
        "GlobalMaxPool" => |raise, step| global(raise, step, "gmp"),
        _ => return None,
    })
}

/// The arguments that both pools have.
fn window(raise: &Raise<'_>, step: &Step<'_>) -> Result<(Arguments, Pads), Fault> {
    let dims = raise.dims(step.input(0)?)?;
    let axes = spatial(&dims)?.len();
    let kernel = step
        .extents("kernel_shape", 1, axes)?
        .ok_or_else(|| Fault::new("`kernel_shape` is missing"))?;
    let strides = step.extents("strides", 1, axes)?.unwrap_or_else(|| vec![1; axes]);
    let mut args = args().axes("kernel", &kernel);
    if strides != kernel {
        args = args.axes("stride", &strides);
    }
    let pads = pads(step, axes)?;
    args = pads.write(args);
    args = counts(step, "dilations", axes, "dilation", args)?;
    if step.flag("ceil_mode") {
        args = args.flag("ceil", true);
    }
    Ok((args, pads))
}

fn max_pool(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let (args, _) = window(raise, step)?;
    let x = std::slice::from_ref(step.input(0)?);
    let made = raise.call("maxpool", args.clone(), x, Vec::new())?;
    if !step.wants(1) {
        return Ok(vec![made]);
    }
    let args = if step.flag("storage_order") { args.text("order", "columns") } else { args };
    let places = raise.call("argmaxpool", args, x, Vec::new())?;
    Ok(vec![made, raise.taken_for(places, element::I64)])
}

fn average_pool(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let (mut args, pads) = window(raise, step)?;
    let none = matches!(&pads, Pads::Rows(rows) if rows.iter().all(|it| *it == (0, 0)));
    if !step.flag("count_include_pad") && !none {
        args = args.flag("count_pad", false);
    }
    Ok(vec![raise.call("avgpool", args, std::slice::from_ref(step.input(0)?), Vec::new())?])
}

/// The norm of each window. What it sums is its mean times its taps, of which those in the padding are some.
fn lp_pool(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    if step.flag("ceil_mode") {
        return Err(Fault::new("`ceil_mode` is not supported"));
    }
    let x = step.input(0)?;
    let axes = spatial(&raise.dims(x)?)?.len();
    let kernel = step.extents("kernel_shape", 1, axes)?.unwrap_or_default();
    let taps = kernel.iter().fold(1.0, |taps, &it| taps * it as f32);
    let (window, _) = window(raise, step)?;
    let p = step.int("p").unwrap_or(2);
    let powers = match p {
        1 => raise.map("abs", args(), x)?,
        2 => binary(raise, "mul", x, x)?,
        _ => return Err(Fault::new(format!("p = {p} is not supported"))),
    };
    let mean = raise.call("avgpool", window, &[powers], Vec::new())?;
    let sum = raise.scaled(mean, taps)?;
    Ok(vec![if p == 2 { raise.map("sqrt", args(), &sum)? } else { sum }])
}

fn global(
    raise: &mut Raise<'_>,
    step: &Step<'_>,
    layer: &'static str,
) -> Result<Vec<Value>, Fault> {
    let args = args().flag("keep", true);
    Ok(vec![raise.call(layer, args, std::slice::from_ref(step.input(0)?), Vec::new())?])
}
