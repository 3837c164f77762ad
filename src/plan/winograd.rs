//! Winograd convolutions: which layers, how large tiles, how many at a time.
//!
//! A map is cut into tiles of `m x m` results, and the tiles into *blocks* of some rows and columns. One unit of work is
//! a block for one tile of output channels: transform the block's patches, multiply them point by point with the
//! transformed filters, transform the sums back. Patches and sums lie in scratch memory of the thread; neighbouring units
//! share the patches of their block.
//!
//! The choice is by estimated time, in half cycles as in [`tile`]; the constants are those of a [`Processor`].

use super::select::{self, Contraction};
use super::{LANES, Post, Processor, Storage, tile};
use crate::shape::{Shape, Window};

/// A convolution of stride 1 by minimal filtering.
#[derive(Clone, Debug, PartialEq)]
pub struct Winograd {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub out_channels: usize,
    /// The two windows of the convolution.
    pub windows: Vec<Window>,
    /// Whether a bias is added (parameter 1).
    pub bias: bool,
    /// What happens before the store, in order.
    pub epilogue: Vec<Post>,
    /// How the map is cut.
    pub cut: Cut,
}

/// Minimal filtering of one size, `F(m x m, r x r)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scheme {
    /// Results of a tile along one axis, `m`.
    pub outputs: usize,
    /// Taps of the filter along one axis, `r`.
    pub taps: usize,
}

impl Scheme {
    /// All that there are tiles for.
    pub const ALL: [Scheme; 3] = [
        Scheme { outputs: 2, taps: 3 },
        Scheme { outputs: 4, taps: 3 },
        Scheme { outputs: 2, taps: 5 },
    ];

    /// Values of a patch along one axis, `m + r - 1`.
    #[must_use]
    pub fn side(self) -> usize {
        self.outputs + self.taps - 1
    }

    /// Points of a patch.
    #[must_use]
    pub fn points(self) -> usize {
        self.side() * self.side()
    }

    fn position(self) -> usize {
        Self::ALL.iter().position(|it| *it == self).expect("a known scheme")
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "F({0}x{0}, {1}x{1})", self.outputs, self.taps)
    }
}

/// How a map is cut into tiles, and tiles into units of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The size of a tile.
    pub scheme: Scheme,
    /// Rows of tiles in a block; they divide those of the map.
    pub rows: usize,
    /// Tiles in a row of a block; they divide those of the map. All of them if there is more than one row.
    pub columns: usize,
    /// Blocks of 8 output channels that the products compute at a time.
    pub vectors: usize,
    /// Whether vectors have sixteen lanes.
    pub wide: bool,
}

/// Where things lie in the scratch memory of one thread, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scratch {
    /// From vector to vector of channels, one of each for every tile.
    pub block: usize,
    /// From point to point of the patches, which come first.
    pub patch_point: usize,
    /// Where the sums begin.
    pub sums: usize,
    /// From point to point of the sums.
    pub sum_point: usize,
    /// Where what a transform sets aside begins.
    pub temp: usize,
    /// All of it.
    pub elements: usize,
}

/// Half cycles that a byte of scratch beyond that costs, one part in so many.
const FAR: usize = 48;
/// Half cycles that it costs to hold more weights than the filter has, one part in so many bytes. ResNet-50 needs 40 MB
/// less for 2 parts in 100 of its time.
const SPACE: usize = 2;
/// Bytes of weights that stay in the last cache from one block to the next.
const CACHED: usize = 12 << 20;
/// The most scratch that a thread may need.
const MOST: usize = 16 << 20;
/// Vectors of f16 that a tile takes in a step, at most: 16 of them came at 35 GB/s on a Zen 5 core, 14 at 40.
const HALVES: usize = 14;
/// Fewer input channels than this are not worth transforms.
const CHANNELS: usize = 16;

impl Winograd {
    /// Points of a patch, and of its transform.
    #[must_use]
    pub fn points(&self) -> usize {
        self.cut.points()
    }

    /// What a thread sets aside for one unit.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        self.cut.scratch(self.in_channels)
    }
}

impl Cut {
    /// Points of a patch.
    #[must_use]
    pub fn points(&self) -> usize {
        self.scheme.points()
    }

    /// How far a result may be off, as a multiple of `u` and the magnitude of its tile (`docs/numerics.md`).
    #[must_use]
    pub fn factor(&self) -> f64 {
        if self.scheme.side() == 4 { 8.0 } else { 32.0 }
    }

    /// Tiles in a block.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.rows * self.columns
    }

    /// Channels in a vector.
    #[must_use]
    pub fn lanes(&self) -> usize {
        if self.wide { 2 * LANES } else { LANES }
    }

    fn scratch(&self, in_channels: usize) -> Scratch {
        let lanes = self.lanes();
        let block = self.tiles() * lanes;
        let patch_point = spread(in_channels.div_ceil(lanes) * block);
        let sum_point = spread((self.vectors * LANES).div_ceil(lanes) * block);
        let sums = patch_point * self.points();
        let temp = sums + sum_point * self.points();
        let elements = temp + self.points() * lanes;
        Scratch { block, patch_point, sums, sum_point, temp, elements }
    }
}

/// Elements rounded up to an odd number of cache lines, so that neighbouring points do not fall into one set.
fn spread(elements: usize) -> usize {
    const LINE: usize = 16;
    (elements.div_ceil(LINE) | 1) * LINE
}

/// Tiles of a map along one axis.
#[must_use]
pub fn tiles(extent: usize, outputs: usize) -> usize {
    extent.div_ceil(outputs)
}

/// The input rows past the last result's that the last tile reads, on each axis.
pub(super) fn overhang(output: &Shape, outputs: usize) -> Vec<usize> {
    output.spatial().iter().map(|&it| tiles(it, outputs) * outputs - it).collect()
}

/// A way to compute a contraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Tiles of so many vectors of output channels.
    Direct(usize),
    /// Tiles between transforms.
    Winograd(Cut),
}

/// All ways to compute a contraction with the half cycles that each is expected to take, the fewest first. `weights`
/// are the bytes of all parameters of the net.
pub(super) fn ways(
    processor: Processor,
    found: &Contraction,
    output: &Shape,
    weights: usize,
) -> Vec<(Way, usize)> {
    let mut all = direct(processor, found, output, weights);
    if is_eligible(found) {
        for scheme in Scheme::ALL.into_iter().filter(|it| it.taps == found.windows[0].kernel) {
            // Which cuts are candidates does not depend on the rest of the net.
            let mut cuts: Vec<_> = cuts(processor.wide, found, output, scheme).collect();
            cuts.sort_by_cached_key(|it| cost(processor, found, output, it, usize::MAX));
            let best = cuts.into_iter().take(CUTS);
            let cost = |cut: &Cut| cost(processor, found, output, cut, weights);
            all.extend(best.map(|it| (Way::Winograd(it), cost(&it))));
        }
    }
    all.sort_by_key(|it| it.1);
    all
}

/// So many ways to cut a map are worth measuring.
const CUTS: usize = 3;

fn is_eligible(found: &Contraction) -> bool {
    let plain =
        |it: &Window| it.kernel == found.windows[0].kernel && it.stride == 1 && it.dilation == 1;
    found.groups == 1
        && found.whole
        && found.parts.is_empty()
        && found.windows.len() == 2
        && found.windows.iter().all(plain)
        && found.in_channels >= CHANNELS
}

/// Every way to cut a map that keeps to the scratch memory.
fn cuts<'a>(
    wide: bool,
    found: &'a Contraction,
    output: &Shape,
    scheme: Scheme,
) -> impl Iterator<Item = Cut> + use<'a> {
    let [rows, columns] = [0, 1].map(|axis| tiles(output.spatial()[axis], scheme.outputs));
    let divisors = |of: usize| (1..=of).filter(move |it| of.is_multiple_of(*it));
    let whole = divisors(rows).map(move |it| (it, columns));
    let part = divisors(columns).filter(move |it| *it < columns).map(|it| (1, it));
    whole.chain(part).filter_map(move |(rows, columns)| {
        let width = rows * columns;
        let blocks = found.out_channels.div_ceil(LANES);
        let vectors = tile::vectors(wide, width, blocks, found.in_channels);
        let cut = Cut { scheme, rows, columns, vectors, wide };
        (cut.scratch(found.in_channels).elements * 4 <= MOST).then_some(cut)
    })
}

fn direct(
    processor: Processor,
    found: &Contraction,
    output: &Shape,
    weights: usize,
) -> Vec<(Way, usize)> {
    let steps = found.in_channels * found.taps();
    let blocks = found.out_channels.div_ceil(LANES);
    let row = select::row(output);
    let rows = output.elements() / output.channels() / row;
    let bytes = found.storage.bytes() * steps * blocks * LANES * found.groups;
    let streamed = processor.stream(bytes, 1, weights);
    let way = |(vectors, cost): (usize, usize)| {
        (Way::Direct(vectors), (rows * found.groups * cost).max(streamed))
    };
    let options = tile::options(processor.wide, row, blocks, steps).into_iter();
    let fast = |it: &(usize, usize)| found.storage == Storage::F32 || it.0 <= HALVES;
    options.filter(fast).map(way).collect()
}

fn cost(
    processor: Processor,
    found: &Contraction,
    output: &Shape,
    cut: &Cut,
    weights: usize,
) -> usize {
    let map: usize = output.spatial().iter().map(|&it| tiles(it, cut.scheme.outputs)).product();
    let rounds = output.batch() * map / cut.tiles();
    let blocks = found.out_channels.div_ceil(LANES);
    let (forward, inverse) = processor.transforms[cut.scheme.position()];
    let products = cut.points() * tile::cost(cut.wide, cut.tiles(), blocks, found.in_channels);
    let bytes = 4 * cut.points() * found.in_channels * blocks * LANES;
    let transforms = cut.tiles() * (found.in_channels.div_ceil(LANES) * forward + blocks * inverse);
    let far = (4 * cut.scratch(found.in_channels).elements).saturating_sub(processor.near);
    let passes = blocks.div_ceil(cut.vectors);
    let plain = bytes / cut.points() * found.taps();
    rounds * (transforms + far * passes.min(4) / FAR)
        + (rounds * products).max(processor.stream(bytes, rounds, weights))
        + (bytes - plain) / SPACE
}

impl Processor {
    /// Half cycles in which so many bytes of weights come in, so many times over.
    fn stream(self, bytes: usize, times: usize, weights: usize) -> usize {
        let first = if weights > CACHED { self.memory } else { self.cache };
        let again = if bytes > CACHED { self.memory } else { self.cache };
        10 * bytes / first + 10 * bytes * (times - 1) / again
    }
}
