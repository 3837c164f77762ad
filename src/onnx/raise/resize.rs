//! Maps at other sizes, and rows around them.

use super::{Handler, Raise, Step, Value};
use crate::onnx::net::args;
use crate::onnx::{Constant, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Resize" => resize,
        "Upsample" => upsample,
        "Pad" => pad,
        _ => return None,
    })
}

/// What a resizing node asks for, one entry for each axis of its operand.
struct Asked {
    sizes: Vec<usize>,
    /// As given; empty where sizes were.
    scales: Vec<f32>,
    mode: &'static str,
    at: &'static str,
    round: &'static str,
    roi: Vec<f32>,
}

fn upsample(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let dims = raise.dims(step.input(0)?)?;
    let scales = match step.opset {
        ..9 => step.attribute("scales").map(|it| it.floats.clone()).unwrap_or_default(),
        _ => raise.constant(step.input(1)?)?.floats(),
    };
    let sizes = scaled(&dims, &scales)?;
    let mode =
        if matches!(step.text("mode"), "linear" | "bilinear") { "linear" } else { "nearest" };
    let asked = Asked { sizes, scales, mode, at: "asymmetric", round: "floor", roi: Vec::new() };
    apply(raise, step, &dims, &asked)
}

fn scaled(dims: &[usize], scales: &[f32]) -> Result<Vec<usize>, Fault> {
    if scales.len() != dims.len() || !scales.iter().all(|it| *it > 0.0 && it.is_finite()) {
        return Err(Fault::new(format!("its scales are {scales:?} for an operand {dims:?}")));
    }
    let size =
        |(&extent, &scale): (&usize, &f32)| (extent as f64 * f64::from(scale)).floor() as usize;
    Ok(dims.iter().zip(scales).map(size).collect())
}

fn resize(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let dims = raise.dims(step.input(0)?)?;
    let old = step.opset < 11;
    let (scales_at, sizes_at) = if old { (1, 9) } else { (2, 3) };
    let axes = match step.ints("axes") {
        Some(axes) => {
            axes.iter().map(|&it| Step::axis(it, dims.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..dims.len()).collect(),
    };
    let list = |raise: &Raise<'_>, at: usize| -> Result<Vec<f32>, Fault> {
        Ok(raise.optional(step.optional(at))?.map(|it| it.floats()).unwrap_or_default())
    };
    // The lists name the axes in `axes`; the others stay.
    let spread = |listed: &[f32], fallback: &dyn Fn(usize) -> f32| -> Result<Vec<f32>, Fault> {
        if listed.len() != axes.len() {
            return Err(Fault::new(format!(
                "it lists {} numbers for {} axes",
                listed.len(),
                axes.len()
            )));
        }
        let mut all: Vec<f32> = (0..dims.len()).map(fallback).collect();
        axes.iter().zip(listed).for_each(|(&axis, &it)| all[axis] = it);
        Ok(all)
    };
    let (scales, sizes) = (list(raise, scales_at)?, list(raise, sizes_at)?);
    let (sizes, scales) = match (scales.is_empty(), sizes.is_empty()) {
        (false, true) => {
            let scales = spread(&scales, &|_| 1.0)?;
            (scaled(&dims, &scales)?, scales)
        }
        (true, false) => {
            let sizes = spread(&sizes, &|it| dims[it] as f32)?;
            kept_aspect(step, &dims, &axes, sizes.iter().map(|&it| it as usize).collect())
        }
        _ => return Err(Fault::new("it needs either scales or sizes")),
    };
    let (mode, at, round) = words(step)?;
    let roi = if at == "crop" { list(raise, 1)? } else { Vec::new() };
    let roi = match roi.split_at_checked(axes.len()) {
        Some((from, to)) if at == "crop" => {
            let (from, to) = (spread(from, &|_| 0.0)?, spread(to, &|_| 1.0)?);
            from.into_iter().zip(to).flat_map(|(from, to)| [from, to]).collect()
        }
        None if at == "crop" => return Err(Fault::new("its `roi` is too short")),
        _ => Vec::new(),
    };
    apply(raise, step, &dims, &Asked { sizes, scales, mode, at, round, roi })
}

/// How rows are made, where they lie and which is nearest, in netc's words.
fn words(step: &Step<'_>) -> Result<(&'static str, &'static str, &'static str), Fault> {
    let old = step.opset < 11;
    let at = match step.text("coordinate_transformation_mode") {
        "" if old => "asymmetric",
        "" | "half_pixel" => "half_pixel",
        "pytorch_half_pixel" => "pytorch_half_pixel",
        "half_pixel_symmetric" => "half_pixel_symmetric",
        "asymmetric" => "asymmetric",
        "tf_half_pixel_for_nn" => "half_pixel_for_nn",
        "align_corners" => "align_corners",
        "tf_crop_and_resize" => "crop",
        other => return Err(Fault::new(format!("`coordinate_transformation_mode` is {other:?}"))),
    };
    let round = match step.text("nearest_mode") {
        "" if old => "floor",
        "" | "round_prefer_floor" => "prefer_floor",
        "round_prefer_ceil" => "prefer_ceil",
        "floor" => "floor",
        "ceil" => "ceil",
        other => return Err(Fault::new(format!("`nearest_mode` is {other:?}"))),
    };
    let mode = match step.text("mode") {
        "" | "nearest" => "nearest",
        "linear" | "bilinear" => "linear",
        "cubic" => "cubic",
        other => return Err(Fault::new(format!("`mode` is {other:?}"))),
    };
    Ok((mode, at, round))
}

/// Sizes and scales under the policy for the aspect ratio.
fn kept_aspect(
    step: &Step<'_>,
    dims: &[usize],
    axes: &[usize],
    sizes: Vec<usize>,
) -> (Vec<usize>, Vec<f32>) {
    let ratios = axes.iter().map(|&it| sizes[it] as f64 / dims[it] as f64);
    let ratio = match step.text("keep_aspect_ratio_policy") {
        "not_larger" => ratios.reduce(|a, b| if b < a { b } else { a }),
        "not_smaller" => ratios.reduce(|a, b| if b > a { b } else { a }),
        _ => None,
    };
    let Some(ratio) = ratio else { return (sizes, Vec::new()) };
    let mut kept = sizes;
    let mut scales = vec![1.0; dims.len()];
    for &axis in axes {
        kept[axis] = (ratio * dims[axis] as f64 + 0.5).floor() as usize;
        scales[axis] = ratio as f32;
    }
    (kept, scales)
}

fn apply(
    raise: &mut Raise<'_>,
    step: &Step<'_>,
    dims: &[usize],
    asked: &Asked,
) -> Result<Vec<Value>, Fault> {
    let x = step.input(0)?;
    let unchanged =
        asked.sizes == dims && asked.roi.is_empty() && asked.scales.iter().all(|it| *it == 1.0);
    if unchanged {
        return Ok(vec![x.clone()]);
    }
    let spatial = dims.len() > 2
        && asked.sizes[..2] == dims[..2]
        && asked.roi.iter().take(4).eq([0.0, 1.0, 0.0, 1.0].iter().take(asked.roi.len().min(4)));
    let outer = if spatial { 2 } else { 0 };
    if let Some(factors) = whole_factors(dims, asked, outer, step) {
        let args = args().axes("factor", &factors);
        let args = match (asked.mode, asked.at) {
            ("nearest", _) => args,
            (_, "align_corners") => args.text("mode", "bilinear").flag("align_corners", true),
            _ => args.text("mode", "bilinear"),
        };
        return Ok(vec![raise.call("upsample", args, std::slice::from_ref(x), Vec::new())?]);
    }
    let mut args = args().ints("size", asked.sizes[outer..].iter().map(|&it| it as i64));
    if asked.mode != "nearest" {
        args = args.text("mode", asked.mode);
    }
    if asked.at != "half_pixel" {
        args = args.text("at", asked.at);
    }
    let exact =
        |((&scale, &size), &extent): ((&f32, &usize), &usize)| scale == size as f32 / extent as f32;
    if !asked.scales.iter().zip(&asked.sizes).zip(dims).all(exact) {
        args = args.numbers("scale", &asked.scales[outer..]);
    }
    if asked.mode == "nearest" && asked.round != "prefer_floor" {
        args = args.text("round", asked.round);
    }
    let cubic = step.float("cubic_coeff_a").unwrap_or(-0.75);
    if asked.mode == "cubic" && cubic != -0.75 {
        args = args.number("cubic", cubic);
    }
    for name in ["exclude_outside", "antialias"] {
        if step.flag(name) {
            args = args.flag(name, true);
        }
    }
    if asked.at == "crop" {
        args = args.numbers("roi", &asked.roi[2 * outer..]);
        args = args.number("extrapolation", step.float("extrapolation_value").unwrap_or(0.0));
    }
    // What resizes batch or channels is seen as a map with one channel more.
    let seen = if spatial { dims.to_vec() } else { [&[1, 1], dims].concat() };
    let x = raise.reshape(x, &seen)?;
    let made = raise.call("resize", args, &[x], Vec::new())?;
    Ok(vec![raise.reshape(&made, &asked.sizes)?])
}

/// The factors of an `upsample` that does the same, if there is one.
fn whole_factors(
    dims: &[usize],
    asked: &Asked,
    outer: usize,
    step: &Step<'_>,
) -> Option<Vec<usize>> {
    let whole = |(&size, &extent): (&usize, &usize)| {
        size.checked_div(extent).filter(|factor| factor * extent == size)
    };
    let factors: Option<Vec<usize>> = asked.sizes.iter().zip(dims).map(whole).collect();
    let factors = factors.filter(|_| outer == 2 && dims.len() <= 5)?;
    let exact = asked.scales.iter().zip(&factors).all(|(&scale, &factor)| scale == factor as f32);
    let same = match (asked.mode, asked.at, asked.round) {
        ("nearest", "asymmetric", "floor") => true,
        ("nearest", "half_pixel" | "pytorch_half_pixel", "prefer_floor" | "prefer_ceil") => true,
        ("linear", "half_pixel" | "align_corners", _) => {
            !step.flag("antialias") && !step.flag("exclude_outside")
        }
        _ => false,
    };
    (exact && same).then(|| factors[outer..].to_vec())
}

fn pad(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let mut x = step.input(0)?.clone();
    let dims = raise.dims(&x)?;
    let rank = dims.len();
    let old = step.opset < 11;
    let listed = match old {
        true => step.ints("pads").or(step.ints("paddings")).unwrap_or_default().to_vec(),
        false => raise.ints(step.input(1)?)?,
    };
    let axes = match step.has(3) && !old {
        true => raise
            .ints(step.input(3)?)?
            .iter()
            .map(|&it| Step::axis(it, rank))
            .collect::<Result<Vec<_>, _>>()?,
        false => (0..rank).collect(),
    };
    if listed.len() != 2 * axes.len() {
        return Err(Fault::new(format!("it has {} pads for {} axes", listed.len(), axes.len())));
    }
    let value = match old {
        true => step.float("value").unwrap_or(0.0),
        false => {
            raise.optional(step.optional(2))?.and_then(|it: Constant| it.scalar()).unwrap_or(0.0)
        }
    };
    let mut rows = vec![(0_usize, 0_usize); rank];
    for (i, &axis) in axes.iter().enumerate() {
        let (before, after) = (listed[i], listed[axes.len() + i]);
        // Negative rows are cut off first.
        let cut = |it: i64| usize::try_from(it.saturating_neg()).unwrap_or(0);
        let extent = raise.dims(&x)?[axis];
        x = raise.cut(&x, axis, cut(before), extent.saturating_sub(cut(after)), 1)?;
        let added = |it: i64| usize::try_from(it.max(0)).ok().filter(|it| *it < 1 << 31);
        let pair = added(before).zip(added(after));
        rows[axis] = pair.ok_or_else(|| Fault::new("it has far too many pads"))?;
    }
    let mode = match step.text("mode") {
        "" | "constant" => "constant",
        "reflect" => "reflect",
        "edge" => "edge",
        "wrap" => "wrap",
        other => return Err(Fault::new(format!("`mode` is {other:?}"))),
    };
    if rows.iter().all(|it| *it == (0, 0)) {
        return Ok(vec![x]);
    }
    padded(raise, &x, &rows, mode, value).map(|it| vec![it])
}

fn padded(
    raise: &mut Raise<'_>,
    x: &Value,
    rows: &[(usize, usize)],
    mode: &str,
    value: f32,
) -> Result<Value, Fault> {
    let dims = raise.dims(x)?;
    let maps = dims.len() >= 2 && rows[0] == (0, 0) && (rows[1] == (0, 0) || mode == "constant");
    let seen = if maps { dims.clone() } else { [&[1, 1], dims.as_slice()].concat() };
    let mut args = args().rows("rows", if maps { &rows[2..] } else { rows });
    if dims.len() == 2 && maps {
        args = super::super::net::args().int("rows", 0);
    }
    if mode != "constant" {
        args = args.text("mode", mode);
    } else if value != 0.0 {
        args = args.number("value", value);
    }
    if maps && rows[1] != (0, 0) {
        args = args.pair("channels", rows[1]);
    }
    let grown = dims.iter().zip(rows).map(|(extent, it)| extent + it.0 + it.1);
    let shown: Vec<usize> = grown.collect();
    let x = raise.reshape(x, &seen)?;
    let made = raise.call("pad", args, &[x], Vec::new())?;
    raise.reshape(&made, &shown)
}
