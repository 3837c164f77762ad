//! Pools among nests.

use std::ops::Range;

use super::super::{PoolAxis, Pooling, Span};
use super::{affine, guards_are_borders};
use crate::nest::{Affine, Binary, Buffer, Expr, Nest, Reduction};
use crate::shape::{Shape, Window};

/// Spans of all axes together: each combination is code of its own.
const SPANS_MAX: usize = 32;

/// A nest seen as a pool of one operand.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Pooled {
    /// What each window becomes.
    pub pooling: Pooling,
    /// One for each spatial axis of the operand.
    pub axes: Vec<PoolAxis>,
}

/// Recognises `out[n, c, y..] = of(i..) in[n, c, s*y + d*i - p ..]`, a sum divided by numbers that depend on `y..`
/// alone; places may be missing where there is only one. `None` for any other nest, and where windows are cut off
/// in too many ways.
pub(in super::super) fn pool(nest: &Nest, input: &Shape) -> Option<Pooled> {
    let [stage] = nest.stages.as_slice() else { return None };
    let (depth, spatial) = (stage.extents.len(), input.spatial().len());
    let mut counts = vec![None; spatial];
    let (reduce, fixed) = divided(&stage.value, &mut counts)?;
    let Expr::Reduce { op, extents, guards, body } = reduce else { return None };
    let Expr::Load(Buffer::Input(0), at) = body.as_ref() else { return None };
    let at = affine(at)?;
    let pooling = match op {
        Reduction::Max if fixed == 1.0 && counts.iter().all(Option::is_none) => Pooling::Max,
        Reduction::Sum => Pooling::Mean,
        _ => return None,
    };
    let whole = |at: &[Affine]| at.iter().enumerate().all(|(i, it)| *it == Affine::axis(i));
    let shaped = spatial >= 1 && at.len() == input.rank() && extents.len() == spatial;
    if !shaped || depth < 2 || !whole(&stage.at) || !whole(&at[..2]) {
        return None;
    }
    if !guards_are_borders(guards, &at[2..]) {
        return None;
    }
    let mut axes = Vec::new();
    for (d, index) in at[2..].iter().enumerate() {
        let (place, tap) = (2 + d, depth + d);
        let places = stage.extents.get(place).copied().unwrap_or(1);
        let of_place = if place < depth { index.coefficient(place) } else { 0 };
        let only = index.terms.iter().all(|it| it.0 == tap || it.0 == place && place < depth);
        let window = Window {
            kernel: extents[d],
            stride: usize::try_from(of_place).ok()?.max(1),
            dilation: usize::try_from(index.coefficient(tap)).ok()?.max(1),
            before: usize::try_from(-index.constant).ok()?,
            after: 0,
            ceil: false,
        };
        // A mean divides by the count once: on its first axis.
        let scale = if d == 0 { fixed } else { 1.0 };
        let count = |it: usize| counts[d].map_or(1.0, |table: &[f32]| table[it]) * scale;
        let spans = only.then(|| spans(&window, input.spatial()[d], places, &count))??;
        axes.push(PoolAxis { window, spans });
    }
    let few = axes.iter().map(|it| it.spans.len()).product::<usize>() <= SPANS_MAX;
    let inner = axes.get(1..spatial - 1).unwrap_or(&[]);
    let rows = inner.iter().all(|it| it.spans.len() == 1);
    (few && rows).then_some(Pooled { pooling, axes })
}

/// What is divided, by which number, and for each spatial axis by which table.
fn divided<'a>(value: &'a Expr, counts: &mut [Option<&'a [f32]>]) -> Option<(&'a Expr, f32)> {
    let Expr::Binary(Binary::Div, value, by) = value else { return Some((value, 1.0)) };
    let (reduce, fixed) = divided(value, counts)?;
    match by.as_ref() {
        Expr::Const(by) => Some((reduce, fixed * by)),
        Expr::Table(table, at) => {
            let of = |it: &usize| *at == Affine::axis(2 + it);
            let count = counts.get_mut((0..counts.len()).find(of)?)?;
            count.replace(table).is_none().then_some((reduce, fixed))
        }
        _ => None,
    }
}

/// The places of an axis by the taps that they see; `None` if a place sees none.
pub(super) fn spans(
    window: &Window,
    extent: usize,
    places: usize,
    count: &dyn Fn(usize) -> f32,
) -> Option<Vec<Span>> {
    let mut spans: Vec<Span> = Vec::new();
    for place in 0..places {
        let (taps, count) = (taps(window, extent, place), count(place));
        if taps.is_empty() || spans.len() == SPANS_MAX {
            return None;
        }
        match spans.last_mut() {
            Some(last) if last.taps == taps && last.count == count => last.places += 1,
            _ => spans.push(Span { places: 1, taps, count }),
        }
    }
    Some(spans)
}

/// The taps of a place that lie on the operand.
fn taps(window: &Window, extent: usize, place: usize) -> Range<usize> {
    let first = place * window.stride;
    let before = |row: usize| {
        (row + window.before).saturating_sub(first).div_ceil(window.dilation).min(window.kernel)
    };
    before(0)..before(extent)
}
