//! What layers with windows share: their arguments, the constraints on them, the loops over taps.

use super::{Args, Value, Violation};
use crate::nest::{Affine, Guard};
use crate::shape::{Padding, PerAxis, Shape, Window};

/// The most taps of one window: a square of 4096 rows.
const TAPS_MAX: usize = 1 << 24;

/// The window arguments of a layer, before the number of spatial axes is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Taps on each axis.
    pub kernel: PerAxis<usize>,
    /// Rows between neighbouring places.
    pub stride: PerAxis<usize>,
    /// Rows around the input.
    pub pad: Padding,
    /// Rows between neighbouring taps.
    pub dilation: PerAxis<usize>,
    /// Whether the number of places is rounded up.
    pub ceil: bool,
}

impl Frame {
    /// Reads `kernel`, `stride` and `pad`; without a default the stride is the kernel (pools).
    pub(super) fn parse(args: &mut Args<'_>) -> Self {
        let kernel = args.axes("kernel");
        let has_default = args.raw("stride").is_some();
        let stride = if has_default { args.axes("stride") } else { kernel.clone() };
        Self { kernel, stride, pad: args.padding("pad"), dilation: PerAxis::All(1), ceil: false }
    }

    /// The inverse of [`Frame::parse`], with `dilation` and `ceil` for those that know them.
    pub(super) fn written(&self) -> Vec<(&'static str, Value)> {
        let mut args = vec![("kernel", (&self.kernel).into()), ("stride", (&self.stride).into())];
        args.push(("pad", (&self.pad).into()));
        if self.dilation != PerAxis::All(1) {
            args.push(("dilation", (&self.dilation).into()));
        }
        if self.ceil {
            args.push(("ceil", true.into()));
        }
        args
    }

    /// One window for each spatial axis.
    pub(super) fn windows(&self, extents: &[usize]) -> Vec<Window> {
        let window = |(axis, &extent): (usize, &usize)| {
            let kernel = self.kernel.get(axis).unwrap_or(1);
            let stride = self.stride.get(axis).unwrap_or(1);
            let dilation = self.dilation.get(axis).unwrap_or(1);
            let (before, after) = self.pad.on(axis, extent, kernel, stride, dilation);
            Window { kernel, stride, dilation, before, after, ceil: self.ceil }
        };
        extents.iter().enumerate().map(window).collect()
    }

    /// The lists have one entry for each spatial axis.
    pub(super) fn check_lists(
        &self,
        constraint: &'static str,
        input: &Shape,
    ) -> Result<(), Violation> {
        check_list(constraint, "kernel", &self.kernel, input)?;
        check_list(constraint, "stride", &self.stride, input)?;
        if let Padding::Explicit(pads) = &self.pad {
            check_list(constraint, "pad", pads, input)?;
        }
        check_list(constraint, "dilation", &self.dilation, input)
    }

    /// A window has at most 2^24 taps and each has at least one place.
    pub(super) fn places(
        &self,
        constraint: &'static str,
        layer: &str,
        input: &Shape,
    ) -> Result<Vec<usize>, Violation> {
        let windows = self.windows(input.spatial());
        check_taps(constraint, &windows)?;
        let places = || windows.iter().zip(input.spatial());
        let found: Vec<usize> = places().map(|(it, &extent)| it.places(extent)).collect();
        if !found.contains(&0) {
            return Ok(found);
        }
        let reach: Vec<usize> = windows.iter().map(Window::reach).collect();
        let padded: Vec<usize> =
            places().map(|(it, &extent)| extent + it.before + it.after).collect();
        let least: Vec<usize> = windows
            .iter()
            .map(|it| it.reach().saturating_sub(it.before + it.after).max(1))
            .collect();
        let message = format!(
            "`{layer}` covers {} rows at once, but {input} has {} with its padding",
            times(&reach),
            times(&padded),
        );
        let help = format!(
            "the smallest input that works is {}; pad more or take a smaller kernel",
            times(&least)
        );
        Err(Violation::new(constraint, message).help(help))
    }
}

/// A list has one entry for each spatial axis.
pub(super) fn check_list<T>(
    constraint: &'static str,
    name: &str,
    list: &PerAxis<T>,
    input: &Shape,
) -> Result<(), Violation> {
    let axes = input.spatial().len();
    match list {
        PerAxis::Each(each) if each.len() != axes => {
            let message = format!(
                "`{name}` has {}, but {input} has {}",
                counted(each.len(), "entry", "entries"),
                counted(axes, "spatial axis", "spatial axes")
            );
            let help = "give one entry an axis, or one number for all";
            Err(Violation::new(constraint, message).help(help))
        }
        PerAxis::Each(_) | PerAxis::All(_) => Ok(()),
    }
}

/// `1 entry`, `2 entries`.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A window has at most 2^24 taps.
pub(super) fn check_taps(constraint: &'static str, windows: &[Window]) -> Result<(), Violation> {
    let taps = windows.iter().try_fold(1_usize, |product, it| product.checked_mul(it.kernel));
    if taps.is_some_and(|it| it <= TAPS_MAX) {
        return Ok(());
    }
    let kernel: Vec<usize> = windows.iter().map(|it| it.kernel).collect();
    let message = format!("a kernel of {} has more than 2^24 taps", times(&kernel));
    Err(Violation::new(constraint, message).help("take a smaller kernel"))
}

/// The input has channels and one to three spatial axes.
pub(super) fn check_map(
    constraint: &'static str,
    layer: &str,
    input: &Shape,
) -> Result<(), Violation> {
    if (1..=3).contains(&input.spatial().len()) {
        return Ok(());
    }
    let message = format!("`{layer}` needs a map such as [C, H, W], here the value is {input}");
    Err(Violation::new(constraint, message)
        .help("`[C, L]`, `[C, H, W]` and `[C, D, H, W]` are maps; `reshape` makes one"))
}

/// `3x3`.
pub(super) fn times(extents: &[usize]) -> String {
    extents.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// Windows over three spatial axes; missing ones have extent 1.
pub(super) struct Space {
    windows: [Window; 3],
    extents: [usize; 3],
    places: [usize; 3],
}

/// Neighbouring places along the last axis that one tap meets.
pub(super) struct Row {
    /// The first place, flat over the places of the space.
    pub(super) place: usize,
    /// The element under the tap there, flat over its extents.
    pub(super) at: usize,
    /// How many places.
    pub(super) len: usize,
    /// Elements from one place to the next.
    pub(super) step: usize,
}

impl Space {
    pub(super) fn new(windows: &[Window], extents: &[usize], places: &[usize]) -> Self {
        let pixel = Window { kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, ceil: false };
        let mut space = Self { windows: [pixel; 3], extents: [1; 3], places: [1; 3] };
        if windows.iter().all(|it| *it == pixel) {
            space.extents[2] = extents.iter().product();
            space.places[2] = places.iter().product();
            return space;
        }
        let free = 3 - windows.len();
        space.windows[free..].copy_from_slice(windows);
        space.extents[free..].copy_from_slice(extents);
        space.places[free..].copy_from_slice(places);
        space
    }

    /// Every tap in index order.
    pub(super) fn taps(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let [depth, height, width] = self.windows.map(|it| it.kernel);
        let rows = (0..depth).flat_map(move |i| (0..height).map(move |j| (i, j)));
        rows.flat_map(move |(i, j)| (0..width).map(move |k| [i, j, k]))
    }

    /// Every run of places at which a tap is not in the padding.
    pub(super) fn for_each_row(&self, tap: [usize; 3], mut visit: impl FnMut(Row)) {
        let [planes, rows, columns] =
            [0, 1, 2].map(|it| self.windows[it].inside(tap[it], self.extents[it], self.places[it]));
        if columns.is_empty() {
            return;
        }
        let at = |axis: usize, place: usize| {
            let window = &self.windows[axis];
            place * window.stride + tap[axis] * window.dilation - window.before
        };
        for plane in planes {
            for row in rows.clone() {
                visit(Row {
                    place: (plane * self.places[1] + row) * self.places[2] + columns.start,
                    at: (at(0, plane) * self.extents[1] + at(1, row)) * self.extents[2]
                        + at(2, columns.start),
                    len: columns.len(),
                    step: self.windows[2].stride,
                });
            }
        }
    }
}

/// The positions under the taps: the places are axes from `place`, the taps axes from `tap`. The guards
/// keep them out of the padding.
pub(super) fn positions(
    windows: &[Window],
    extents: &[usize],
    places: &[usize],
    (place, tap): (usize, usize),
) -> (Vec<Affine>, Vec<Guard>) {
    let mut guards = Vec::new();
    let mut positions = Vec::new();
    for (axis, window) in windows.iter().enumerate() {
        let terms = [(place + axis, window.stride as i64), (tap + axis, window.dilation as i64)];
        let position = Affine::of(&terms, -(window.before as i64));
        if window.leaves(extents[axis], places[axis]) {
            guards.push(Guard::Within(position.clone(), extents[axis]));
        }
        positions.push(position);
    }
    (positions, guards)
}
