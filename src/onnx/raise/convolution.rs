//! Convolutions, plain and transposed.

use super::{Handler, Raise, Step, Value};
use crate::onnx::Fault;
use crate::onnx::net::{Arguments, args};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Conv" => conv,
        "ConvTranspose" => deconv,
        _ => return None,
    })
}

/// How a window is padded.
pub(super) enum Pads {
    /// A word of netc's.
    Word(&'static str),
    /// Rows before and after each spatial axis.
    Rows(Vec<(usize, usize)>),
}

impl Pads {
    /// As the argument `pad`, unless it is 0.
    pub(super) fn write(&self, args: Arguments) -> Arguments {
        match self {
            Pads::Word(word) => args.word("pad", word),
            Pads::Rows(rows) if rows.iter().all(|it| *it == (0, 0)) => args,
            Pads::Rows(rows) => args.rows("pad", rows),
        }
    }
}

/// The extents of a map's spatial axes.
pub(super) fn spatial(dims: &[usize]) -> Result<&[usize], Fault> {
    dims.get(2..)
        .filter(|it| !it.is_empty())
        .ok_or_else(|| Fault::new(format!("its operand is {dims:?}, which has no spatial axes")))
}

/// The padding of a window on so many axes.
pub(super) fn pads(step: &Step<'_>, axes: usize) -> Result<Pads, Fault> {
    match step.text("auto_pad") {
        "SAME_UPPER" => return Ok(Pads::Word("same")),
        "SAME_LOWER" => return Ok(Pads::Word("same_lower")),
        "VALID" => return Ok(Pads::Rows(vec![(0, 0); axes])),
        "" | "NOTSET" => {}
        other => return Err(Fault::new(format!("`auto_pad` is {other:?}"))),
    }
    let pads = step.extents("pads", 0, 2 * axes)?.unwrap_or_else(|| vec![0; 2 * axes]);
    Ok(Pads::Rows((0..axes).map(|it| (pads[it], pads[axes + it])).collect()))
}

/// A list with one count an axis, written unless all are 1.
pub(super) fn counts(
    step: &Step<'_>,
    name: &str,
    axes: usize,
    as_name: &str,
    args: Arguments,
) -> Result<Arguments, Fault> {
    match step.extents(name, 1, axes)? {
        Some(counts) if counts.iter().any(|it| *it != 1) => Ok(args.axes(as_name, &counts)),
        _ => Ok(args),
    }
}

fn groups(step: &Step<'_>) -> Result<usize, Fault> {
    let groups = step.int("group").unwrap_or(1);
    usize::try_from(groups)
        .ok()
        .filter(|it| (1..1 << 31).contains(it))
        .ok_or_else(|| Fault::new(format!("`group` is {groups}")))
}

fn conv(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let dims = raise.dims(x)?;
    let axes = spatial(&dims)?.len();
    let weight = raise.constant(step.input(1)?)?;
    if weight.dims.len() != dims.len() {
        return Err(Fault::new(format!("its weight is {:?} for an operand {dims:?}", weight.dims)));
    }
    let kernel = kernel(step, &weight)?;
    let mut args = args().int("channels", weight.dims[0]).axes("kernel", &kernel);
    args = counts(step, "strides", axes, "stride", args)?;
    args = pads(step, axes)?.write(args);
    args = counts(step, "dilations", axes, "dilation", args)?;
    let groups = groups(step)?;
    if groups != 1 {
        args = args.int("groups", groups);
    }
    let (args, params) = with_bias(raise, step, args, weight)?;
    Ok(vec![raise.call("conv", args, std::slice::from_ref(x), params)?])
}

/// The weight and, if there is one, the bias; without one the layer says so.
fn with_bias(
    raise: &Raise<'_>,
    step: &Step<'_>,
    args: Arguments,
    weight: crate::onnx::Constant,
) -> Result<(Arguments, Vec<crate::onnx::Constant>), Fault> {
    Ok(match raise.optional(step.optional(2))? {
        Some(bias) => (args, vec![weight, bias]),
        None => (args.flag("bias", false), vec![weight]),
    })
}

/// The extents of a window, which the weight has and the node may repeat.
fn kernel(step: &Step<'_>, weight: &crate::onnx::Constant) -> Result<Vec<usize>, Fault> {
    let kernel = weight.dims[2..].to_vec();
    if weight.is_empty() {
        return Err(Fault::new(format!("its weight is {:?}, without elements", weight.dims)));
    }
    match step.extents("kernel_shape", 1, kernel.len())? {
        Some(said) if said != kernel => {
            Err(Fault::new(format!("`kernel_shape` is {said:?}, but the weight has {kernel:?}")))
        }
        _ => Ok(kernel),
    }
}

fn deconv(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let dims = raise.dims(x)?;
    let extents = spatial(&dims)?;
    if dims.contains(&0) {
        return Err(Fault::new(format!("its operand is {dims:?}, without elements")));
    }
    let axes = extents.len();
    let weight = raise.constant(step.input(1)?)?;
    if weight.dims.len() != dims.len() {
        return Err(Fault::new(format!("its weight is {:?} for an operand {dims:?}", weight.dims)));
    }
    let kernel = kernel(step, &weight)?;
    let groups = groups(step)?;
    let channels = weight.dims[1].saturating_mul(groups);
    let mut args = args().int("channels", channels).axes("kernel", &kernel);
    args = counts(step, "strides", axes, "stride", args)?;
    args = counts(step, "dilations", axes, "dilation", args)?;
    if groups != 1 {
        args = args.int("groups", groups);
    }
    let mut added = step.extents("output_padding", 0, axes)?.unwrap_or_else(|| vec![0; axes]);
    let strides = step.extents("strides", 1, axes)?.unwrap_or_else(|| vec![1; axes]);
    let dilations = step.extents("dilations", 1, axes)?.unwrap_or_else(|| vec![1; axes]);
    let pads = match target(step, extents, &strides)? {
        None => pads(step, axes)?,
        Some(target) => {
            let mut rows = Vec::new();
            for axis in 0..axes {
                let reach = dilations[axis].saturating_mul(kernel[axis] - 1).saturating_add(1);
                let full = (extents[axis] - 1).saturating_mul(strides[axis]).saturating_add(reach);
                let total = full.saturating_add(added[axis]) as i64 - target[axis] as i64;
                // What is missing is added after the last row.
                added[axis] += usize::try_from(-total).unwrap_or(0);
                let total = usize::try_from(total).unwrap_or(0);
                let less = total / 2;
                rows.push(match step.text("auto_pad") {
                    "SAME_UPPER" => (less, total - less),
                    _ => (total - less, less),
                });
            }
            Pads::Rows(rows)
        }
    };
    args = pads.write(args);
    if added.iter().any(|it| *it != 0) {
        args = args.axes("output_pad", &added);
    }
    let (args, params) = with_bias(raise, step, args, weight)?;
    Ok(vec![raise.call("deconv", args, std::slice::from_ref(x), params)?])
}

/// The extents that the output shall have, if the node says: as listed, or `stride` times the input's.
fn target(
    step: &Step<'_>,
    extents: &[usize],
    strides: &[usize],
) -> Result<Option<Vec<usize>>, Fault> {
    let listed = step.ints("output_shape").unwrap_or_default();
    // Some exporters list batch and channels too.
    let listed = if listed.len() == extents.len() + 2 { &listed[2..] } else { listed };
    if !listed.is_empty() {
        let extents: Option<Vec<usize>> = listed
            .iter()
            .map(|&it| usize::try_from(it).ok().filter(|it| (1..1 << 31).contains(it)))
            .collect();
        let extents = extents.filter(|it| it.len() == strides.len());
        return extents
            .map(Some)
            .ok_or_else(|| Fault::new("`output_shape` has not one count an axis"));
    }
    if step.text("auto_pad").starts_with("SAME") {
        return Ok(Some(extents.iter().zip(strides).map(|(a, b)| a.saturating_mul(*b)).collect()));
    }
    Ok(None)
}
