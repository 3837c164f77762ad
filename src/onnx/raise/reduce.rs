//! Reductions along axes.

use super::{Handler, Raise, Step, Value};
use crate::onnx::Fault;
use crate::onnx::net::args;

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "ReduceSum" => |raise, step| reduce(raise, step, "sum", 13),
        "ReduceMean" => |raise, step| reduce(raise, step, "mean", 18),
        "ReduceMax" => |raise, step| reduce(raise, step, "max", 18),
        "ReduceMin" => |raise, step| reduce(raise, step, "min", 18),
        "ReduceProd" => |raise, step| reduce(raise, step, "product", 18),
        "ReduceL1" => l1,
        "ReduceL2" => l2,
        "ReduceSumSquare" => square,
        "ReduceLogSum" => log,
        _ => return None,
    })
}

/// Reduces along the axes that an attribute names, or an operand since some version.
fn reduce(
    raise: &mut Raise<'_>,
    step: &Step<'_>,
    word: &str,
    since: i64,
) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?.clone();
    along(raise, step, &x, word, since).map(|it| vec![it])
}

fn along(
    raise: &mut Raise<'_>,
    step: &Step<'_>,
    x: &Value,
    word: &str,
    since: i64,
) -> Result<Value, Fault> {
    let dims = raise.dims(x)?;
    let listed = match step.opset >= since && step.has(1) {
        true => raise.ints(step.input(1)?)?,
        false => step.ints("axes").unwrap_or_default().to_vec(),
    };
    if listed.is_empty() && step.flag("noop_with_empty_axes") {
        return Ok(x.clone());
    }
    let axes = match listed.is_empty() {
        true => (0..dims.len()).collect(),
        false => Step::axes(&listed, dims.len())?,
    };
    let keep = step.int("keepdims").unwrap_or(1) != 0;
    let extent = |(axis, &extent): (usize, &usize)| match axes.contains(&axis) {
        true => keep.then_some(1),
        false => Some(extent),
    };
    let shown: Vec<usize> = dims.iter().enumerate().filter_map(extent).collect();
    if axes.is_empty() {
        return Ok(x.clone());
    }
    let spatial = dims.len() > 2 && axes == (2..dims.len()).collect::<Vec<_>>();
    let made = if spatial && matches!(word, "mean" | "max") {
        let layer = if word == "mean" { "gap" } else { "gmp" };
        let args = if keep { args().flag("keep", true) } else { args() };
        raise.call(layer, args, std::slice::from_ref(x), Vec::new())?
    } else {
        let args = args().text("op", word).ints("axes", axes.iter().map(|&it| it as i64));
        let args = if keep { args.flag("keep", true) } else { args };
        raise.call("reduce", args, std::slice::from_ref(x), Vec::new())?
    };
    Ok(raise.seen_as(made, &shown))
}

fn l1(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = raise.map("abs", args(), step.input(0)?)?;
    along(raise, step, &x, "sum", 18).map(|it| vec![it])
}

fn squares(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Value, Fault> {
    let x = step.input(0)?.clone();
    let dims = raise.dims(&x)?;
    let x = raise.call("mul", args(), &[x.clone(), x], Vec::new())?;
    let x = raise.seen_as(x, &dims);
    along(raise, step, &x, "sum", 18)
}

fn square(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    squares(raise, step).map(|it| vec![it])
}

fn l2(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let sum = squares(raise, step)?;
    Ok(vec![raise.map("sqrt", args(), &sum)?])
}

fn log(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?.clone();
    let sum = along(raise, step, &x, "sum", 18)?;
    Ok(vec![raise.map("log", args(), &sum)?])
}
