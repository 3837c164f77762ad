//! Functions of single elements, and softmax.

use super::arithmetic::binary;
use super::{Handler, Raise, Step, Value};
use crate::onnx::net::args;
use crate::onnx::{Constant, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Relu" => |raise, step| plain(raise, step, "relu"),
        "Sigmoid" => |raise, step| plain(raise, step, "sigmoid"),
        "Tanh" => |raise, step| plain(raise, step, "tanh"),
        "HardSwish" => |raise, step| plain(raise, step, "hardswish"),
        "Mish" => |raise, step| plain(raise, step, "mish"),
        "Softplus" => |raise, step| plain(raise, step, "softplus"),
        "Abs" => |raise, step| plain(raise, step, "abs"),
        "Exp" => |raise, step| plain(raise, step, "exp"),
        "Log" => |raise, step| plain(raise, step, "log"),
        "Sqrt" => |raise, step| plain(raise, step, "sqrt"),
        "Erf" => |raise, step| plain(raise, step, "erf"),
        "Floor" => |raise, step| plain(raise, step, "floor"),
        "Ceil" => |raise, step| plain(raise, step, "ceil"),
        "Round" => |raise, step| plain(raise, step, "round"),
        "Sign" => |raise, step| plain(raise, step, "sign"),
        "Neg" => negative,
        "Reciprocal" => reciprocal,
        "Gelu" => gelu,
        "LeakyRelu" => leaky,
        "Elu" => elu,
        "Selu" => selu,
        "Celu" => celu,
        "HardSigmoid" => hard_sigmoid,
        "Softsign" => softsign,
        "PRelu" => prelu,
        "Clip" => clip,
        "Softmax" => |raise, step| softmax(raise, step, "softmax"),
        "LogSoftmax" => |raise, step| softmax(raise, step, "logsoftmax"),
        _ => return None,
    })
}

impl Raise<'_> {
    /// Applies a layer that keeps its operand's extents.
    pub(super) fn map(
        &mut self,
        layer: &'static str,
        args: crate::onnx::net::Arguments,
        x: &Value,
    ) -> Result<Value, Fault> {
        let dims = self.dims(x)?;
        let made = self.call(layer, args, std::slice::from_ref(x), Vec::new())?;
        Ok(self.seen_as(made, &dims))
    }
}

fn plain(raise: &mut Raise<'_>, step: &Step<'_>, layer: &'static str) -> Result<Vec<Value>, Fault> {
    Ok(vec![raise.map(layer, args(), step.input(0)?)?])
}

fn negative(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    Ok(vec![raise.map("affine", args().int("scale", -1), step.input(0)?)?])
}

fn reciprocal(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let one = Value::Known(Constant::real(Vec::new(), vec![1.0]));
    Ok(vec![binary(raise, "div", &one, step.input(0)?)?])
}

fn gelu(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    match step.text("approximate") {
        "" | "none" => plain(raise, step, "gelu"),
        "tanh" => gelu_by_tanh(raise, step.input(0)?),
        other => Err(Fault::new(format!("`approximate` is {other:?}, which is not supported"))),
    }
}

/// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`.
fn gelu_by_tanh(raise: &mut Raise<'_>, x: &Value) -> Result<Vec<Value>, Fault> {
    let root = (2.0 / std::f32::consts::PI).sqrt();
    let square = binary(raise, "mul", x, x)?;
    let slope = args().number("scale", 0.044715 * root).number("shift", root);
    let slope = raise.map("affine", slope, &square)?;
    let inner = binary(raise, "mul", x, &slope)?;
    let gate = raise.map("tanh", args(), &inner)?;
    let gate = raise.map("affine", args().number("scale", 0.5).number("shift", 0.5), &gate)?;
    Ok(vec![binary(raise, "mul", x, &gate)?])
}

fn leaky(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let args = args().number("slope", step.float("alpha").unwrap_or(0.01));
    Ok(vec![raise.map("leaky", args, step.input(0)?)?])
}

fn elu(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let args = args().number("alpha", step.float("alpha").unwrap_or(1.0));
    Ok(vec![raise.map("elu", args, step.input(0)?)?])
}

fn selu(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let [alpha, gamma] = match step.opset {
        ..6 => [1.673_2, 1.050_7],
        _ => [1.673_263_2, 1.050_701],
    };
    let args = args().number("alpha", step.float("alpha").unwrap_or(alpha));
    let elu = raise.map("elu", args, step.input(0)?)?;
    Ok(vec![raise.scaled(elu, step.float("gamma").unwrap_or(gamma))?])
}

/// `alpha * elu(x / alpha)`.
fn celu(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let alpha = step.float("alpha").unwrap_or(1.0);
    let x = raise.scaled(step.input(0)?.clone(), 1.0 / alpha)?;
    let elu = raise.map("elu", args(), &x)?;
    Ok(vec![raise.scaled(elu, alpha)?])
}

fn hard_sigmoid(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let alpha = step.float("alpha").unwrap_or(0.2);
    let args = args().number("alpha", alpha).number("beta", step.float("beta").unwrap_or(0.5));
    Ok(vec![raise.map("hardsigmoid", args, step.input(0)?)?])
}

/// `x / (1 + |x|)`.
fn softsign(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let size = raise.map("abs", args(), x)?;
    let below = raise.map("affine", args().int("shift", 1), &size)?;
    Ok(vec![binary(raise, "div", x, &below)?])
}

fn prelu(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let (dims, slope) = (raise.dims(x)?, step.input(1)?);
    let slopes = raise.dims(slope)?;
    // A vector of slopes belongs to the channels before version 7, to the last axis since.
    let slopes = match slopes.as_slice() {
        [n] if step.opset < 7 && *n > 1 && dims.len() > 1 => {
            [&[*n], vec![1; dims.len() - 2].as_slice()].concat()
        }
        _ => slopes,
    };
    let slope = raise.reshape(slope, &slopes)?;
    let count: usize = slopes.iter().product();
    let channels =
        slopes.len() + 1 == dims.len() || slopes.len() == dims.len() && slopes.first() == Some(&1);
    let per_channel = channels
        && dims.len() >= 2
        && count == dims[1]
        && slopes[slopes.len() - (dims.len() - 1)] == count;
    if !matches!(slope, Value::Made(_)) && (per_channel || count == 1) && dims.len() >= 2 {
        let slope = raise.constant(&slope)?.reshaped(vec![count]);
        let args = if count == 1 && dims[1] != 1 { args().flag("shared", true) } else { args() };
        return Ok(vec![raise.call("prelu", args, std::slice::from_ref(x), vec![slope])?]);
    }
    let above = raise.map("relu", args(), x)?;
    let below = raise.map("clip", args().int("max", 0), x)?;
    let below = binary(raise, "mul", &below, &slope)?;
    Ok(vec![binary(raise, "add", &above, &below)?])
}

fn clip(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let bound = |name: &str, at: usize| -> Result<Option<f32>, Fault> {
        if step.opset < 11 {
            return Ok(step.float(name));
        }
        let bound = raise.optional(step.optional(at))?;
        bound
            .map(|it| {
                it.scalar().ok_or_else(|| Fault::new(format!("`{name}` is not a single number")))
            })
            .transpose()
    };
    let finite = |it: &f32| it.is_finite() && it.abs() < f32::MAX;
    let (min, max) = (bound("min", 1)?.filter(finite), bound("max", 2)?.filter(finite));
    let x = step.input(0)?;
    let made = match (min, max) {
        (None, None) => x.clone(),
        (Some(0.0), None) => raise.map("relu", args(), x)?,
        (Some(0.0), Some(6.0)) => raise.map("relu6", args(), x)?,
        (Some(min), None) => raise.map("clip", args().number("min", min), x)?,
        (None, Some(max)) => raise.map("clip", args().number("max", max), x)?,
        (Some(min), Some(max)) if min <= max => {
            raise.map("clip", args().number("min", min).number("max", max), x)?
        }
        (Some(min), Some(max)) => {
            let low = raise.map("clip", args().number("min", min), x)?;
            raise.map("clip", args().number("max", max), &low)?
        }
    };
    Ok(vec![made])
}

fn softmax(
    raise: &mut Raise<'_>,
    step: &Step<'_>,
    layer: &'static str,
) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let dims = raise.dims(x)?;
    if step.opset >= 13 {
        let axis = Step::axis(step.int("axis").unwrap_or(-1), dims.len())?;
        return Ok(vec![raise.map(layer, args().int("axis", axis), x)?]);
    }
    // Until version 12 the operand is taken for a matrix, cut at the axis.
    let axis = Step::axis(step.int("axis").unwrap_or(1), dims.len())?;
    if dims[axis + 1..].iter().all(|it| *it == 1) {
        return Ok(vec![raise.map(layer, args().int("axis", axis), x)?]);
    }
    let matrix = [dims[..axis].iter().product(), dims[axis..].iter().product()];
    let flat = raise.reshape(x, &matrix)?;
    let made = raise.map(layer, args().int("axis", 1), &flat)?;
    Ok(vec![raise.reshape(&made, &dims)?])
}
