//! Contractions as tiles like them: without taps that meet nothing but padding, and without groups that are narrower
//! than a vector.

use std::ops::Range;

use super::super::{LANES, Part, Taps};
use super::Contraction;
use super::pool::spans;
use crate::shape::Shape;

/// A contraction is taken apart on all axes where at most so many of its products meet the operand: each part reads
/// weights of its own.
const FEW: f64 = 1.0 / 3.0;
/// On an axis of its own if so many do at most, and each part has so many places at least.
const SOME: f64 = 0.92;
const PLACES_MIN: f64 = 400.0;
/// So many more weights may be packed for that.
const MORE_MAX: f64 = (4 << 20) as f64;
/// An axis with more places has few whose windows meet padding.
const PLACES_MAX: usize = 1 << 12;
/// The most groups that are taken together: all but one of so many products are with zeros.
const MERGED_MAX: usize = 16;

/// Neighbouring places of an axis, and which taps they look at.
type Span = (Range<usize>, Range<usize>);

impl Contraction {
    /// Groups whose channels are no whole vectors, some together: the filter of each is zero for the others' channels.
    #[must_use]
    pub(super) fn merged(self) -> Contraction {
        if self.has_tiles() {
            return self;
        }
        let fits = |it: &usize| {
            let whole = |channels: usize| (channels * it).is_multiple_of(LANES);
            let blocks = whole(self.in_channels) && whole(self.out_channels);
            self.groups.is_multiple_of(*it) && (blocks || *it == self.groups)
        };
        let Some(merged) = (2..=MERGED_MAX.min(self.groups)).find(fits) else { return self };
        Contraction {
            groups: self.groups / merged,
            in_channels: self.in_channels * merged,
            out_channels: self.out_channels * merged,
            merged,
            whole: false,
            ..self
        }
    }

    /// The contraction without the taps that meet nothing but padding: in parts if that leaves few of the products, or
    /// on axes where it saves some and parts are so large that they hardly read more weights; `most` parts, or one.
    #[must_use]
    pub(super) fn refined(self, input: &Shape, most: usize) -> Vec<Contraction> {
        let axes: Vec<Vec<Span>> =
            (0..self.windows.len()).map(|it| self.spans(it, input.spatial()[it])).collect();
        let count = |spans: &[Span]| spans.iter().map(|it| it.0.len() as f64).sum::<f64>();
        let left = |spans: &[Span]| {
            let all = count(spans) * hull(spans).1.len() as f64;
            spans.iter().map(|it| it.0.len() as f64 * it.1.len() as f64).sum::<f64>() / all
        };
        let places: f64 = axes.iter().map(|it| count(it)).product();
        let few = axes.iter().map(|it| left(it)).product::<f64>() <= FEW;
        let worth = |spans: &[Span]| {
            let smallest = spans.iter().map(|it| it.0.len()).min().unwrap_or(0) as f64;
            left(spans) <= SOME && places / count(spans) * smallest >= PLACES_MIN
        };
        let hulls: Vec<Vec<Span>> = axes.iter().map(|it| vec![hull(it)]).collect();
        let cut: Vec<Vec<Span>> = (axes.iter().zip(&hulls))
            .map(|(it, hull)| if few || worth(it) { it } else { hull }.clone())
            .collect();
        let parts: usize = cut.iter().map(Vec::len).product();
        let small = parts <= most && self.weights(&cut) - self.weights(&hulls) <= MORE_MAX;
        let axes = if small { cut } else { hulls };
        let mut all = vec![self];
        for (axis, spans) in axes.iter().enumerate() {
            let cut = |it: &Contraction| spans.iter().map(|span| it.cut(axis, span)).collect();
            all = all.iter().flat_map(|it| -> Vec<Contraction> { cut(it) }).collect();
        }
        all
    }

    /// The weights that all parts read.
    fn weights(&self, axes: &[Vec<Span>]) -> f64 {
        let taps = |spans: &Vec<Span>| spans.iter().map(|it| it.1.len() as f64).sum::<f64>();
        let channels = self.groups as f64 * self.in_channels as f64 * self.out_channels as f64;
        channels * axes.iter().map(taps).product::<f64>()
    }

    /// The places of an axis by the taps that meet the operand; all with all taps if that is not known.
    fn spans(&self, axis: usize, extent: usize) -> Vec<Span> {
        let (window, part) = (&self.windows[axis], self.parts[axis]);
        let known = part.start == 0 && part.count <= PLACES_MAX;
        let found = known.then(|| spans(window, extent, part.count, &|_| 1.0)).flatten();
        let Some(found) = found else { return vec![(0..part.count, 0..window.kernel)] };
        let mut first = 0;
        let span = found.into_iter().map(|it| {
            first += it.places;
            (first - it.places..first, it.taps)
        });
        span.collect()
    }

    /// Only these places of an axis, with these taps.
    fn cut(&self, axis: usize, (places, taps): &Span) -> Contraction {
        let mut cut = self.clone();
        let (window, part) = (&mut cut.windows[axis], &mut cut.parts[axis]);
        cut.whole &= taps.len() == window.kernel;
        let row = part.start + places.start * window.stride + taps.start * window.dilation;
        (part.start, window.before) =
            (row.saturating_sub(window.before), window.before.saturating_sub(row));
        window.kernel = taps.len();
        part.first += places.start * part.step;
        part.count = places.len();
        let along = &mut cut.taps[axis];
        let first = along.first as isize + along.step * taps.start as isize;
        let first = usize::try_from(first).expect("a tap of the filter");
        *along = Taps { first, count: taps.len(), ..*along };
        cut
    }

    /// Whether all rows of the output are computed.
    pub(super) fn is_everything(&self) -> bool {
        let all = |it: &Part| (it.first, it.step, it.start) == (0, 1, 0);
        self.parts.iter().all(all)
    }
}

/// All places, with every tap that any of them looks at.
fn hull(spans: &[Span]) -> Span {
    let places = spans.iter().map(|it| it.0.len()).sum();
    let from = spans.iter().map(|it| it.1.start).min().unwrap_or(0);
    let to = spans.iter().map(|it| it.1.end).max().unwrap_or(0);
    (0..places, from..to)
}
