//! Arithmetic on values, with broadcasting.

use super::product::{broadcast, with_rank};
use super::{Handler, Raise, Step, Value, wrong_element};
use crate::onnx::constant::is_real;
use crate::onnx::net::args;
use crate::onnx::{Constant, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Add" => |raise, step| pair(raise, step, "add"),
        "Sub" => |raise, step| pair(raise, step, "sub"),
        "Mul" => |raise, step| pair(raise, step, "mul"),
        "Div" => |raise, step| pair(raise, step, "div"),
        "Pow" => |raise, step| pair(raise, step, "pow"),
        "Sum" => |raise, step| several(raise, step, "add"),
        "Max" => |raise, step| several(raise, step, "max"),
        "Min" => |raise, step| several(raise, step, "min"),
        "Mean" => mean,
        _ => return None,
    })
}

fn pair(raise: &mut Raise<'_>, step: &Step<'_>, layer: &'static str) -> Result<Vec<Value>, Fault> {
    let (a, b) = (step.input(0)?, aligned(raise, step)?);
    let known = match layer {
        "mul" => raise.gated(a, &b)?.or(raise.gaussian(a, &b)?),
        "add" => raise.biased(a, &b)?.or(raise.biased(&b, a)?),
        "div" => raise.of_length_one(a, &b)?.or(raise.normalised(a, &b)?),
        _ => None,
    };
    if let Some(known) = known {
        return Ok(vec![known]);
    }
    Ok(vec![binary(raise, layer, a, &b)?])
}

/// The second operand, its axes where version 6 puts them.
fn aligned(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Value, Fault> {
    let b = step.input(1)?;
    let Some(axis) = step.int("axis").filter(|_| step.opset < 7 && step.flag("broadcast")) else {
        return Ok(b.clone());
    };
    let (rank, mut dims) = (raise.dims(step.input(0)?)?.len(), raise.dims(b)?);
    let axis = Step::axis(axis, rank)?;
    let after = rank.checked_sub(axis + dims.len());
    dims.resize(
        dims.len() + after.ok_or_else(|| Fault::new("`axis` leaves no room for its operand"))?,
        1,
    );
    raise.reshape(b, &dims)
}

/// Combines two values, stretching extents of 1.
pub(super) fn binary(
    raise: &mut Raise<'_>,
    layer: &'static str,
    a: &Value,
    b: &Value,
) -> Result<Value, Fault> {
    let (left, right) = (raise.dims(a)?, raise.dims(b)?);
    let shown = broadcast(&left, &right)?;
    let (element, exponent) = (raise.element(a), raise.element(b));
    if let Some(made) = with_number(raise, layer, a, b, &shown)? {
        return Ok(made);
    }
    if element != exponent && layer != "pow" {
        return Err(Fault::new("its operands have different element types"));
    }
    let a = raise.reshape(a, &with_rank(&left, shown.len()))?;
    let b = raise.reshape(b, &with_rank(&right, shown.len()))?;
    let made = raise.call(layer, args(), &[a, b], Vec::new())?;
    let made = if layer == "div" && !is_real(element) { raise.truncated(made)? } else { made };
    Ok(raise.seen_as(made, &shown))
}

/// A value with a single number, if there is a layer for it.
fn with_number(
    raise: &mut Raise<'_>,
    layer: &str,
    a: &Value,
    b: &Value,
    shown: &[usize],
) -> Result<Option<Value>, Fault> {
    let number = |it: &Value| -> Result<Option<f32>, Fault> {
        if matches!(it, Value::Made(_)) || raise.dims(it)?.iter().product::<usize>() != 1 {
            return Ok(None);
        }
        Ok(raise.known(it)?.and_then(|it| it.scalar()).filter(|it| it.is_finite()))
    };
    let real = is_real(raise.element(a));
    let numbers = (number(a)?, number(b)?);
    if let Some(made) = shifted(raise, layer, (a, b), numbers)? {
        return raise.reshape(&made, shown).map(Some);
    }
    let (x, call) = match numbers {
        (None, Some(c)) => match layer {
            "add" => (a, Some(("affine", args().number("shift", c)))),
            "sub" => (a, Some(("affine", args().number("shift", -c)))),
            "mul" => (a, Some(("affine", args().number("scale", c)))),
            "div" if real && c != 0.0 && (1.0 / c).is_finite() => {
                (a, Some(("affine", args().number("scale", 1.0 / c))))
            }
            "max" => (a, Some(("clip", args().number("min", c)))),
            "min" => (a, Some(("clip", args().number("max", c)))),
            "pow" if c == 1.0 => (a, None),
            "pow" if c == 0.5 => (a, Some(("sqrt", args()))),
            "pow" if c == 2.0 => {
                let square = raise.call("mul", args(), &[a.clone(), a.clone()], Vec::new())?;
                return raise.reshape(&square, shown).map(Some);
            }
            _ => return Ok(None),
        },
        (Some(c), None) => match layer {
            "add" => (b, Some(("affine", args().number("shift", c)))),
            "sub" => (b, Some(("affine", args().number("scale", -1.0).number("shift", c)))),
            "mul" => (b, Some(("affine", args().number("scale", c)))),
            "max" => (b, Some(("clip", args().number("min", c)))),
            "min" => (b, Some(("clip", args().number("max", c)))),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let identity = match (&call, layer) {
        (None, _) => true,
        (Some(("affine", it)), _) => it.is_identity(),
        _ => false,
    };
    let made = match call {
        Some((layer, args)) if !identity => {
            let dims = raise.dims(x)?;
            let made = raise.call(layer, args, std::slice::from_ref(x), Vec::new())?;
            raise.seen_as(made, &dims)
        }
        _ => x.clone(),
    };
    raise.reshape(&made, shown).map(Some)
}

/// A summand behind a factor: both are one `affine`.
fn shifted(
    raise: &mut Raise<'_>,
    layer: &str,
    (a, b): (&Value, &Value),
    numbers: (Option<f32>, Option<f32>),
) -> Result<Option<Value>, Fault> {
    let (scaled, shift) = match (layer, numbers) {
        ("add", (None, Some(c))) => (a, c),
        ("add", (Some(c), None)) => (b, c),
        ("sub", (None, Some(c))) => (a, -c),
        _ => return Ok(None),
    };
    let Some((x, scale)) = raise.scaled_before(scaled) else { return Ok(None) };
    let args = args().number("scale", scale).number("shift", shift);
    raise.map("affine", args, &x).map(Some)
}

fn several(
    raise: &mut Raise<'_>,
    step: &Step<'_>,
    layer: &'static str,
) -> Result<Vec<Value>, Fault> {
    combine(raise, step, layer).map(|it| vec![it])
}

/// Combines one or more values.
fn combine(raise: &mut Raise<'_>, step: &Step<'_>, layer: &'static str) -> Result<Value, Fault> {
    let first = step.input(0)?;
    match step.inputs.as_slice() {
        [_] => return Ok(first.clone()),
        [a, b] => return binary(raise, layer, a, b),
        _ => {}
    }
    let mut shown = Vec::new();
    for input in &step.inputs {
        shown = broadcast(&shown, &raise.dims(input)?)?;
    }
    let mut operands = Vec::new();
    for input in &step.inputs {
        let dims = with_rank(&raise.dims(input)?, shown.len());
        operands.push(raise.reshape(input, &dims)?);
    }
    let made = raise.call(layer, args(), &operands, Vec::new())?;
    Ok(raise.seen_as(made, &shown))
}

fn mean(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    if !is_real(raise.element(step.input(0)?)) {
        return Err(wrong_element(raise.element(step.input(0)?)));
    }
    let sum = combine(raise, step, "add")?;
    Ok(vec![raise.scaled(sum, 1.0 / step.inputs.len() as f32)?])
}

impl Raise<'_> {
    /// Every element times a number.
    pub(super) fn scaled(&mut self, value: Value, factor: f32) -> Result<Value, Fault> {
        if factor == 1.0 {
            return Ok(value);
        }
        binary(self, "mul", &value, &Value::Known(Constant::real(Vec::new(), vec![factor])))
    }

    /// Quotients of whole numbers, rounded towards zero.
    pub(super) fn truncated(&mut self, value: Value) -> Result<Value, Fault> {
        let dims = self.dims(&value)?;
        let size = self.call("abs", args(), std::slice::from_ref(&value), Vec::new())?;
        let whole = self.call("floor", args(), &[size], Vec::new())?;
        let sign = self.call("sign", args(), &[value], Vec::new())?;
        let made = self.call("mul", args(), &[whole, sign], Vec::new())?;
        Ok(self.seen_as(made, &dims))
    }
}
