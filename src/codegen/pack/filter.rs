//! The weights of one tile of a contraction.

use std::ops::Range;

use super::super::tile;
use crate::plan::{LANES, Scheme};
use crate::weights::Value;

/// The order of a tile's weights: see [`crate::plan::Packing::Contract`].
#[derive(Clone, Copy)]
pub(super) struct Filter {
    pub(super) in_channels: usize,
    pub(super) taps: usize,
    pub(super) plain: bool,
    pub(super) flip: bool,
}

impl Filter {
    /// Fills a tile from the first of these rows on; lanes without a row stay zero. A row is the weights of one
    /// output channel. Eight are read at a time, so that they stay near while they are spread.
    pub(super) fn pack(self, value: &Value, rows: Range<usize>, to: &mut [f32]) {
        let depth = self.in_channels * self.taps;
        let width = to.len() / depth;
        let mut near = vec![0.0; depth * LANES.min(rows.len())];
        for lane in (0..width.min(rows.len())).step_by(LANES) {
            let first = rows.start + lane;
            let near = &mut near[..depth * LANES.min(rows.end - first)];
            value.read(first * depth, near);
            self.spread(near, width, &mut to[lane..]);
        }
    }

    /// Writes one element of every row for each step of the reduction, `width` from step to step.
    fn spread(self, rows: &[f32], width: usize, to: &mut [f32]) {
        let rows: Vec<&[f32]> = rows.chunks_exact(self.in_channels * self.taps).collect();
        match <[&[f32]; LANES]>::try_from(rows) {
            Ok(rows) => self.for_each_step(&mut |step, column| {
                let to = to[step * width..].first_chunk_mut().expect("a step has eight lanes");
                *to = rows.map(|it| it[column]);
            }),
            Err(rows) => self.for_each_step(&mut |step, column| {
                to[step * width..].iter_mut().zip(&rows).for_each(|(to, it)| *to = it[column]);
            }),
        }
    }

    /// The column of a row that each step of the reduction reads.
    #[inline]
    fn for_each_step(self, visit: &mut impl FnMut(usize, usize)) {
        let lanes = if self.plain { 1 } else { LANES };
        let mut step = 0;
        for block in (0..self.in_channels).step_by(lanes) {
            for tap in 0..self.taps {
                let tap = if self.flip { self.taps - 1 - tap } else { tap };
                for channel in block..(block + lanes).min(self.in_channels) {
                    visit(step, channel * self.taps + tap);
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
