//! What maximum and average pooling share.

use super::onnx::{self, Node, Operand};
use super::window::{self, Frame, Space};
use super::{Arg, Args, Value, Violation, sized};
use crate::nest::{Affine, Buffer, Expr, Nest, Reduction};
use crate::shape::{Shape, Window};
use crate::tensor::{Exact, Tensor};

pub(super) const KERNEL: Arg =
    Arg::required("kernel", "a count, or one an axis", "taps on each spatial axis");
pub(super) const STRIDE: Arg = Arg::optional(
    "stride",
    "a count, or one an axis",
    "",
    "rows between neighbouring places; the kernel if not given",
);
pub(super) const PAD: Arg =
    Arg::optional("pad", "rows, one an axis, or pairs", "0", "rows of padding on both sides")
        .words(&["half", "same", "same_lower", "valid"]);
pub(super) const DILATION: Arg =
    Arg::optional("dilation", "a count, or one an axis", "1", "rows between neighbouring taps");
pub(super) const CEIL: Arg = Arg::optional(
    "ceil",
    "true or false",
    "false",
    "whether a last place that lies partly outside counts",
);
/// Of global pooling.
pub(super) const KEEP: Arg =
    Arg::optional("keep", "true or false", "false", "whether the spatial axes stay, with extent 1");

pub(super) fn parse(args: &mut Args<'_>) -> Frame {
    let (ceil, dilation) = (args.flag("ceil"), args.axes("dilation"));
    Frame { ceil, dilation, ..Frame::parse(args) }
}

/// The inverse of [`parse`]: a stride that is the kernel goes without saying.
pub(super) fn written(frame: &Frame) -> Vec<(&'static str, Value)> {
    let mut args = frame.written();
    args.retain(|it| it.0 != "stride" || frame.stride != frame.kernel);
    args
}

/// Constraints C1 to C5 of both.
pub(super) fn infer(
    frame: &Frame,
    layer: &str,
    input: &Shape,
    [map, lists, fits, pads, size]: [&'static str; 5],
) -> Result<Shape, Violation> {
    window::check_map(map, layer, input)?;
    frame.check_lists(lists, input)?;
    let places = frame.places(fits, layer, input)?;
    for window in frame.windows(input.spatial()) {
        let rows = window.before.max(window.after);
        if rows >= window.reach() {
            let message =
                format!("`pad` is {rows}, but the kernel covers only {} rows", window.reach());
            let help = "a place in the padding alone has no value; pad less than the kernel";
            return Err(Violation::new(pads, message).help(help));
        }
    }
    sized(size, "the output", &[&input.dims()[..2], places.as_slice()].concat())
}

/// Combines the rows under each window, tap by tap: `step(result, size, x)`.
pub(super) fn eval(
    input: &Tensor,
    output: &Shape,
    windows: &[Window],
    start: f64,
    step: impl Fn(&mut f64, f64),
) -> Exact {
    let space = Space::new(windows, input.shape.spatial(), output.spatial());
    let rows: usize = input.shape.spatial().iter().product();
    let places: usize = output.spatial().iter().product();
    let mut exact = Exact::plain(output.clone(), vec![start; output.elements()]);
    exact.magnitude.fill(0.0);
    let planes = exact.value.chunks_exact_mut(places).zip(exact.magnitude.chunks_exact_mut(places));
    for ((value, magnitude), x) in planes.zip(input.data.chunks_exact(rows)) {
        for tap in space.taps() {
            space.for_each_row(tap, |row| {
                let to = row.place..row.place + row.len;
                let results = value[to.clone()].iter_mut().zip(&mut magnitude[to]);
                for ((result, size), &x) in results.zip(x[row.at..].iter().step_by(row.step)) {
                    step(result, f64::from(x));
                    *size += f64::from(x).abs();
                }
            });
        }
    }
    exact
}

/// The reduction over each window.
pub(super) fn reduce(op: Reduction, windows: &[Window], input: &Shape, output: &Shape) -> Expr {
    let axes = (2, output.rank());
    let (positions, guards) = window::positions(windows, input.spatial(), output.spatial(), axes);
    let at = [0, 1].map(Affine::axis).into_iter().chain(positions);
    let kernel: Vec<usize> = windows.iter().map(|it| it.kernel).collect();
    Expr::reduce(op, &kernel, guards, Expr::load(Buffer::Input(0), at))
}

/// The shape of global pooling: `[N, C]`, or with extents of 1 in the place of the spatial ones.
pub(super) fn infer_global(
    layer: &str,
    keep: bool,
    input: &Shape,
    [map]: [&'static str; 1],
) -> Result<Shape, Violation> {
    if input.spatial().is_empty() {
        let message = format!("`{layer}` needs a map such as [C, H, W], here the value is {input}");
        return Err(Violation::new(map, message).help(format!("leave out `{layer}`")));
    }
    let mut dims = input.dims()[..2].to_vec();
    if keep {
        dims.resize(input.rank(), 1);
    }
    Ok(Shape::of(&dims))
}

/// One window over everything.
pub(super) fn global_windows(input: &Shape) -> Vec<Window> {
    let window = |&kernel: &usize| Window {
        kernel,
        stride: kernel,
        dilation: 1,
        before: 0,
        after: 0,
        ceil: false,
    };
    input.spatial().iter().map(window).collect()
}

/// Global pooling with a reduction; `finish` makes the element of it.
pub(super) fn lower_global(
    op: Reduction,
    input: &Shape,
    output: &Shape,
    finish: impl Fn(Expr) -> Expr,
) -> Nest {
    let spatial = (0..input.spatial().len()).map(|it| Affine::axis(output.rank() + it));
    let at = [0, 1].map(Affine::axis).into_iter().chain(spatial);
    let all = Expr::reduce(op, input.spatial(), Vec::new(), Expr::load(Buffer::Input(0), at));
    Nest::each(output, finish(all))
}

/// Global pooling as ONNX has it: its own operator where the spatial axes stay, else a reduction.
pub(super) fn global_onnx(keep: bool, input: &Shape, [own, reduction]: [&'static str; 2]) -> Node {
    if keep {
        return Node::map(own);
    }
    let axes = Operand::Ints(onnx::ints(2..input.rank()));
    Node::of(reduction, [Operand::Input(0), axes]).int("keepdims", 0)
}

/// The same windows without `ceil`: rows after the last are padded as far as the last place reaches.
pub(super) fn covered(windows: &[Window], input: &Shape) -> Vec<Window> {
    let cover = |(window, &extent): (&Window, &usize)| {
        let last = (window.places(extent) - 1) * window.stride + window.reach();
        let after = if window.ceil { last.saturating_sub(extent + window.before) } else { 0 };
        Window { after: window.after.max(after), ceil: false, ..*window }
    };
    windows.iter().zip(input.spatial()).map(cover).collect()
}

/// Whether the number of places is rounded up on every axis, no place starting in the padding after the input.
pub(super) fn rounds_up(windows: &[Window], input: &Shape) -> bool {
    windows.iter().zip(input.spatial()).all(|(it, &extent)| {
        let room = extent + it.before + it.after - it.reach();
        it.ceil && it.places(extent) == room.div_ceil(it.stride) + 1
    })
}

/// Whether ONNX's pools take these pads: fewer than the kernel has taps.
pub(super) fn pads_fit(windows: &[Window]) -> bool {
    windows.iter().all(|it| it.before.max(it.after) < it.kernel)
}

/// The same windows without padding.
pub(super) fn bare(windows: &[Window]) -> Vec<Window> {
    windows.iter().map(|it| Window { before: 0, after: 0, ..*it }).collect()
}

/// The padding of windows, as a node of its own.
pub(super) fn pad(windows: &[Window], value: f32) -> Node {
    let before = [0; 2].into_iter().chain(windows.iter().map(|it| it.before));
    let after = [0; 2].into_iter().chain(windows.iter().map(|it| it.after));
    let pads = Operand::Ints(onnx::ints(before.chain(after)));
    Node::of("Pad", [Operand::Input(0), pads, Operand::Number(value)])
}
