//! The weights of one tile of a contraction.

use std::ops::Range;

use super::super::tile;
use crate::plan::{LANES, Scheme, Taps};
use crate::shape::Shape;
use crate::weights::Value;

/// The order of a tile's weights: see [`crate::plan::Packing::Contract`].
pub(super) struct Filter {
    pub(super) in_channels: usize,
    pub(super) out_channels: usize,
    /// Slices of both; a weight between two slices is zero and not in the parameter.
    pub(super) merged: usize,
    /// Elements of the parameter for a pair of channels.
    pub(super) all: usize,
    /// Which of them are taps, in order.
    pub(super) taps: Vec<usize>,
    pub(super) plain: bool,
    pub(super) transposed: bool,
}

/// The positions of taps among all elements of a parameter for a pair of channels, and how many elements those are.
pub(super) fn taps(shape: &Shape, along: &[Taps]) -> (usize, Vec<usize>) {
    let mut positions = vec![0];
    for (&extent, along) in shape.spatial().iter().zip(along) {
        let tap = |at: usize, it: usize| {
            let tap = along.first as isize + along.step * it as isize;
            at * extent + usize::try_from(tap).expect("a tap of the filter")
        };
        positions =
            positions.iter().flat_map(|&at| (0..along.count).map(move |it| tap(at, it))).collect();
    }
    (shape.spatial().iter().product(), positions)
}

impl Filter {
    /// Fills a tile from the first of these output channels of a group on; lanes without one stay zero.
    pub(super) fn pack(&self, value: &Value, group: usize, rows: Range<usize>, to: &mut [f32]) {
        if self.transposed {
            self.pack_transposed(value, group, rows, to);
        } else {
            let first = group * self.out_channels;
            self.pack_rows(value, first + rows.start..first + rows.end, to);
        }
    }

    /// Reads the weights of eight output channels at a time, so that they stay near while they are spread.
    fn pack_rows(&self, value: &Value, rows: Range<usize>, to: &mut [f32]) {
        let depth = self.in_channels * self.all;
        let width = to.len() / (self.in_channels * self.taps.len());
        let mut near = vec![0.0; depth * LANES.min(rows.len())];
        for lane in (0..width.min(rows.len())).step_by(LANES) {
            let first = rows.start + lane;
            let near = &mut near[..depth * LANES.min(rows.end - first)];
            self.read_rows(value, first, near);
            self.spread(near, width, &mut to[lane..]);
        }
    }

    /// Reads the weights of some output channels.
    fn read_rows(&self, value: &Value, first: usize, near: &mut [f32]) {
        let depth = self.in_channels * self.all;
        if self.merged == 1 {
            return value.read(first * depth, near);
        }
        near.fill(0.0);
        let (part, slice) = (depth / self.merged, self.out_channels / self.merged);
        for (row, near) in (first..).zip(near.chunks_exact_mut(depth)) {
            let at = row % self.out_channels / slice * part;
            value.read(row * part, &mut near[at..][..part]);
        }
    }

    /// Reads the weights of the tile's output channels for one block of input channels at a time.
    fn pack_transposed(&self, value: &Value, group: usize, rows: Range<usize>, to: &mut [f32]) {
        let width = to.len() / (self.in_channels * self.taps.len());
        let line = self.all * width.min(rows.len());
        let mut near = vec![0.0; line * self.lanes()];
        let mut begun = 0..0;
        self.for_each_step(&mut |step, channel, tap| {
            if !begun.contains(&channel) {
                begun = channel..(channel + self.lanes()).min(self.in_channels);
                for (channel, near) in begun.clone().zip(near.chunks_exact_mut(line)) {
                    self.read_line(value, group, channel, &rows, near);
                }
            }
            let near = near[(channel - begun.start) * line..][..line].chunks_exact(self.all);
            to[step * width..].iter_mut().zip(near).for_each(|(to, it)| *to = it[tap]);
        });
    }

    /// Reads the weights of some output channels for one input channel.
    fn read_line(
        &self,
        value: &Value,
        group: usize,
        channel: usize,
        rows: &Range<usize>,
        near: &mut [f32],
    ) {
        let slice = self.out_channels / self.merged;
        let from = channel / (self.in_channels / self.merged) * slice;
        let to = from..from + slice;
        let (begin, end) =
            (rows.start.max(to.start), (rows.start + near.len() / self.all).min(to.end));
        near.fill(0.0);
        if begin < end {
            let row = (group * self.in_channels + channel) * slice + begin - from;
            let near = &mut near[(begin - rows.start) * self.all..][..(end - begin) * self.all];
            value.read(row * self.all, near);
        }
    }

    /// Input channels whose steps lie between two taps.
    fn lanes(&self) -> usize {
        if self.plain { 1 } else { LANES }
    }

    /// Writes one element of every row for each step of the reduction, `width` from step to step.
    fn spread(&self, rows: &[f32], width: usize, to: &mut [f32]) {
        let rows: Vec<&[f32]> = rows.chunks_exact(self.in_channels * self.all).collect();
        match <[&[f32]; LANES]>::try_from(rows) {
            Ok(rows) => self.for_each_step(&mut |step, channel, tap| {
                let column = channel * self.all + tap;
                let to = to[step * width..].first_chunk_mut().expect("a step has eight lanes");
                *to = rows.map(|it| it[column]);
            }),
            Err(rows) => self.for_each_step(&mut |step, channel, tap| {
                let column = channel * self.all + tap;
                to[step * width..].iter_mut().zip(&rows).for_each(|(to, it)| *to = it[column]);
            }),
        }
    }

    /// The input channel and the tap of each step of the reduction.
    #[inline]
    fn for_each_step(&self, visit: &mut impl FnMut(usize, usize, usize)) {
        let mut step = 0;
        for block in (0..self.in_channels).step_by(self.lanes()) {
            for &tap in &self.taps {
                for channel in block..(block + self.lanes()).min(self.in_channels) {
                    visit(step, channel, tap);
                    step += 1;
                }
            }
        }
    }
}

/// The filters of one tile of a Winograd convolution: see [`crate::plan::Packing::Winograd`].
#[derive(Clone, Copy)]
pub(super) struct Transformed {
    pub(super) scheme: Scheme,
    pub(super) in_channels: usize,
    pub(super) flip: bool,
}

impl Transformed {
    /// Fills a tile from the first of these rows on, as [`Filter::pack`]; in f64, rounded once.
    pub(super) fn pack(self, value: &Value, rows: Range<usize>, to: &mut [f32]) {
        let points = self.scheme.points();
        let taps = self.scheme.taps * self.scheme.taps;
        let width = to.len() / (self.in_channels * points);
        let depth = self.in_channels * taps;
        let mut near = vec![0.0; depth * LANES];
        let mut filters: Vec<[f64; LANES]> = Vec::with_capacity(taps);
        for lane in (0..width.min(rows.len())).step_by(LANES) {
            let first = rows.start + lane;
            let count = LANES.min(rows.end - first);
            value.read(first * depth, &mut near[..depth * count]);
            near[depth * count..].fill(0.0);
            let rows: [&[f32]; LANES] = std::array::from_fn(|it| &near[it * depth..][..depth]);
            for channel in 0..self.in_channels {
                let tap = |tap: usize| rows.map(|row| f64::from(row[channel * taps + tap]));
                filters.clear();
                filters.extend((0..taps).map(tap));
                if self.flip {
                    filters.reverse();
                }
                let place = channel * width + lane;
                tile::filters(self.scheme, &filters, &mut |point, values| {
                    let to = to[point * self.in_channels * width + place..].first_chunk_mut();
                    *to.expect("a point has eight lanes") = values.map(|it| it as f32);
                });
            }
        }
    }
}
