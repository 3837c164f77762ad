//! Normalisation.

use super::arithmetic::binary;
use super::{Handler, Raise, Step, Value};
use crate::onnx::net::args;
use crate::onnx::{Constant, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "BatchNormalization" => batch,
        "InstanceNormalization" => instance,
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
    let number = |it: f32| Value::Known(Constant::real(Vec::new(), vec![it]));
    let axes = || (0..dims.len() as i64).filter(|it| *it != 1);
    let mean = |raise: &mut Raise<'_>, x: &Value| {
        let args = args().text("op", "mean").ints("axes", axes()).flag("keep", true);
        raise.call("reduce", args, std::slice::from_ref(x), Vec::new())
    };
    let middle = mean(raise, &x)?;
    let off = binary(raise, "sub", &x, &middle)?;
    let square = binary(raise, "mul", &off, &off)?;
    let spread = mean(raise, &square)?;
    let eps = number(step.float("epsilon").unwrap_or(1e-5));
    let deviation = binary(raise, "add", &spread, &eps)?;
    let deviation = raise.map("sqrt", args(), &deviation)?;
    let [scale, shift] = [1, 2].map(|it| raise.reshape(step.optional(it), &line));
    let y = binary(raise, "div", &off, &deviation)?;
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
