//! Normalisation.

use super::arithmetic::binary;
use super::{Handler, Raise, Step, Value};
use crate::onnx::net::args;
use crate::onnx::{Constant, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "BatchNormalization" => batch,
        "InstanceNormalization" => instance,
        "LayerNormalization" => layer,
        "GroupNormalization" => group,
        "LRN" => local,
        "LpNormalization" => lp,
        "Dropout" => dropout,
        _ => return None,
    })
}

fn batch(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    if step.flag("training_mode") {
        return trained(raise, step);
    }
    if step.opset < 9 && step.int("spatial") == Some(0) {
        return Err(Fault::new("`spatial=0` is not supported"));
    }
    let params: Result<Vec<Constant>, Fault> =
        (1..5).map(|it| raise.constant(step.input(it)?)).collect();
    let args = args().number("eps", step.float("epsilon").unwrap_or(1e-5));
    Ok(vec![raise.call("bn", args, std::slice::from_ref(step.input(0)?), params?)?])
}

/// Normalisation by the batch's own mean and variance, and the running ones moved towards these.
fn trained(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?.clone();
    let dims = raise.dims(&x)?;
    let channels = *dims.get(1).ok_or_else(|| Fault::new("its operand has no channels"))?;
    let mut line = vec![1; dims.len()];
    line[1] = channels;
    let axes: Vec<i64> = (0..dims.len() as i64).filter(|it| *it != 1).collect();
    let Standard { y, middle, spread, .. } = standardised(raise, step, &x, &axes)?;
    let [scale, shift] = [1, 2].map(|it| raise.reshape(step.optional(it), &line));
    let y = binary(raise, "mul", &y, &scale?)?;
    let mut made = vec![binary(raise, "add", &y, &shift?)?];
    let old = step.float("momentum").unwrap_or(0.9);
    for (at, new) in [(3, middle), (4, spread)] {
        let new = raise.reshape(&new, &[channels])?;
        let new = binary(raise, "mul", &new, &number(1.0 - old))?;
        let kept = binary(raise, "mul", step.input(at)?, &number(old))?;
        made.push(binary(raise, "add", &kept, &new)?);
    }
    Ok(made)
}

/// A value less its mean, divided by its standard deviation.
struct Standard {
    y: Value,
    middle: Value,
    /// The variance.
    spread: Value,
    deviation: Value,
}

fn number(it: f32) -> Value {
    Value::Known(Constant::real(Vec::new(), vec![it]))
}

/// A value with mean 0 and variance 1 over some axes, which stay with an extent of 1 in the statistics.
fn standardised(
    raise: &mut Raise<'_>,
    step: &Step<'_>,
    x: &Value,
    axes: &[i64],
) -> Result<Standard, Fault> {
    let mean = |raise: &mut Raise<'_>, x: &Value| {
        let axes = axes.iter().copied();
        let args = args().text("op", "mean").ints("axes", axes).flag("keep", true);
        raise.call("reduce", args, std::slice::from_ref(x), Vec::new())
    };
    let middle = mean(raise, x)?;
    let off = binary(raise, "sub", x, &middle)?;
    let square = binary(raise, "mul", &off, &off)?;
    let spread = mean(raise, &square)?;
    let eps = number(step.float("epsilon").unwrap_or(1e-5));
    let deviation = binary(raise, "add", &spread, &eps)?;
    let deviation = raise.map("sqrt", args(), &deviation)?;
    let y = binary(raise, "div", &off, &deviation)?;
    Ok(Standard { y, middle, spread, deviation })
}

fn layer(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?.clone();
    let rank = raise.dims(&x)?.len();
    let first = Step::axis(step.int("axis").unwrap_or(-1), rank)?;
    let axes: Vec<i64> = (first as i64..rank as i64).collect();
    let Standard { y, middle, deviation, .. } = standardised(raise, step, &x, &axes)?;
    let mut y = binary(raise, "mul", &y, step.input(1)?)?;
    if step.has(2) {
        y = binary(raise, "add", &y, step.input(2)?)?;
    }
    let mut made = vec![y, middle, Value::Absent];
    if step.wants(2) {
        made[2] = binary(raise, "div", &number(1.0), &deviation)?;
    }
    Ok(made)
}

/// Scale and bias belong to groups before version 21, to channels since.
fn group(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let dims = raise.dims(x)?;
    let groups = step.int("num_groups").and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
    let &[batch, channels, ..] = dims.as_slice() else {
        return Err(Fault::new(format!("its operand is {dims:?}, without channels")));
    };
    if groups == 0 || !channels.is_multiple_of(groups) || dims.contains(&0) {
        return Err(Fault::new(format!("{channels} channels are not {groups} groups")));
    }
    let elements: usize = dims[1..].iter().product();
    let seen = raise.reshape(x, &[batch, groups, elements / groups])?;
    let Standard { y, .. } = standardised(raise, step, &seen, &[2])?;
    let of_groups = step.opset < 21;
    let y = if of_groups { y } else { raise.reshape(&y, &dims)? };
    let mut line = vec![1; if of_groups { 3 } else { dims.len() }];
    line[1] = if of_groups { groups } else { channels };
    let [scale, shift] = [1, 2].map(|it| raise.reshape(step.optional(it), &line));
    let y = binary(raise, "mul", &y, &scale?)?;
    let y = binary(raise, "add", &y, &shift?)?;
    Ok(vec![raise.reshape(&y, &dims)?])
}

fn instance(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let params = vec![raise.constant(step.input(1)?)?, raise.constant(step.input(2)?)?];
    let args = args().number("eps", step.float("epsilon").unwrap_or(1e-5));
    Ok(vec![raise.call("instancenorm", args, std::slice::from_ref(step.input(0)?), params)?])
}

fn local(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let args = args()
        .int("size", step.int("size").ok_or_else(|| Fault::new("`size` is missing"))?)
        .number("alpha", step.float("alpha").unwrap_or(1e-4))
        .number("beta", step.float("beta").unwrap_or(0.75))
        .number("k", step.float("bias").unwrap_or(1.0));
    Ok(vec![raise.call("lrn", args, std::slice::from_ref(step.input(0)?), Vec::new())?])
}

fn lp(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let axis = Step::axis(step.int("axis").unwrap_or(-1), raise.dims(x)?.len())?;
    match (step.int("p").unwrap_or(2), axis) {
        (2, 1) => Ok(vec![raise.map("l2norm", args(), x)?]),
        (p, axis) => Err(Fault::new(format!("p = {p} along axis {axis} is not supported"))),
    }
}

fn dropout(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let training =
        raise.optional(step.optional(2))?.and_then(|it| it.scalar()).is_some_and(|it| it != 0.0);
    let ratio = raise.optional(step.optional(1))?.and_then(|it| it.scalar()).unwrap_or(0.5);
    if training && ratio != 0.0 {
        return Err(Fault::new("it is in training mode, which is not supported"));
    }
    if !step.wants(1) {
        return Ok(vec![x.clone()]);
    }
    let dims = raise.dims(x)?;
    let count = crate::onnx::constant::shape(&dims)?.elements();
    raise.room(count)?;
    let mask = Constant::whole(dims, vec![1; count]).of_element(crate::onnx::proto::element::BOOL);
    Ok(vec![x.clone(), raise.keep(mask)?])
}
