//! How a graph is computed: the order of steps, the kernel of each, where every value lives.
//!
//! A [`Plan`] holds no graph. A step reads [`View`]s of buffers and packed parameters and writes one view;
//! every address that it forms follows from its views and its loop bounds. `check` proves that views keep to their
//! buffers, tiles to their views, and that no two live buffers overlap; of loops the indices too, in debug builds.
//!
//! Values with channels and space are *blocked*: `[N][C/8][space..][8]`, so that a vector holds eight
//! channels of one pixel. A view may have a *halo*: rows of zeros around its space, so that a padded
//! convolution reads them and never tests for a border. A halo is zero from the moment the arena is made:
//! buffers with one share memory only with buffers of the same geometry, which leave it alone.

mod build;
mod check;
mod choice;
mod function;
pub mod memory;
mod print;
mod processor;
mod select;
mod storage;
pub mod tile;
pub mod view;
pub mod winograd;

pub use choice::{Candidate, Choice, Choices};
pub use function::Function;
pub use processor::Processor;
pub use storage::Storage;
pub use view::{Buffer, BufferId, Home, View};
pub use winograd::{Cut, Scheme, Winograd};

use std::ops::Range;

use crate::graph::{Graph, NodeId, ParamId};
use crate::interpret::Spread;
use crate::nest::suppress::Suppress;
use crate::nest::{Expr, Stage};
use crate::shape::{Shape, Window};

/// The channels in a block: one 256-bit vector of f32.
pub const LANES: usize = 8;

/// The most elements that a tile may reach from where a row begins: its displacements are of 32 bits, in bytes.
const REACH_MAX: usize = (1 << 29) - 1;

/// What a plan may do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Gives every value memory of its own, so that all can be read after a run.
    pub keep_all: bool,
    /// Which algorithms convolutions may use.
    pub algorithms: Algorithms,
    /// What to choose where the cost model is not to decide.
    pub choices: Choices,
    /// For which kind of processor; this machine's, if nothing is said.
    pub processor: Processor,
    /// Whether the weights of fully connected layers and of convolutions with one tap are stored as f16
    /// (`docs/numerics.md` says what that does to results).
    pub half_weights: bool,
}

/// Which algorithms convolutions may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithms {
    /// The one that is expected to be the fastest.
    #[default]
    Fastest,
    /// None that reassociates sums: sums of products in their order only.
    Exact,
    /// Winograd's with this size of tile (2 or 4) wherever it is possible, for tests and measurements.
    Winograd(usize),
}

/// Plans a verified graph: kernels, layouts, order and memory. The result has been checked.
pub fn plan(graph: &Graph, options: &Options) -> Plan {
    let plan = build::build(graph, options);
    plan.check();
    plan
}

/// A schedule for one graph on one kind of machine.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The net's name.
    pub name: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// All memory that steps touch besides parameters.
    pub buffers: Vec<Buffer>,
    /// The parameters as kernels want them.
    pub packed: Vec<Packed>,
    /// The bytes of the arena.
    pub arena_bytes: usize,
    /// The bytes that each thread needs for itself, beside the arena.
    pub scratch_bytes: usize,
    /// Where each node's value lies; it stays there only if [`Options::keep_all`] is set.
    pub values: Vec<(NodeId, View)>,
    /// The convolutions that are computed by Winograd's algorithm.
    pub winograd: Vec<(NodeId, Cut)>,
    /// Names and shapes of what the caller gives, in order ([`Home::Input`] counts these).
    pub inputs: Vec<(String, Shape)>,
    /// Names and shapes of what the caller gets, in order ([`Home::Output`] counts these), row-major.
    pub outputs: Vec<(String, Shape)>,
}

impl Plan {
    /// How a parameter lies in memory. What is [`Storage::F16`] has been rounded, for all layers that read it.
    pub fn storage(&self, param: ParamId) -> Storage {
        let of_param = self.packed.iter().filter(|it| it.param == param);
        let mut stored = of_param.filter_map(|it| match it.packing {
            Packing::Contract { storage, .. } => Some(storage),
            _ => None,
        });
        stored.next().unwrap_or_default()
    }

    /// How far a node's rounding spreads, if its results are computed in tiles that share their terms.
    pub fn spread(&self, node: NodeId) -> Option<Spread> {
        let (_, cut) = self.winograd.iter().find(|it| it.0 == node)?;
        let (tile, margin) = (cut.scheme.outputs, cut.scheme.taps - 1);
        Some(Spread { tile, margin, factor: cut.factor() })
    }
}

/// One step: one parallel loop, one barrier after it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The path of the layer that it belongs to.
    pub path: String,
    /// The node whose value the step completes, if it is the last step of that node.
    pub node: Option<NodeId>,
    /// What it runs.
    pub kernel: Kernel,
    /// The operands ([`crate::nest::Buffer::Input`] counts these).
    pub inputs: Vec<View>,
    /// The parameters ([`crate::nest::Buffer::Param`] counts these).
    pub params: Vec<PackedId>,
    /// Intermediate buffers ([`crate::nest::Buffer::Temp`] counts these).
    pub temps: Vec<View>,
    /// What it writes ([`crate::nest::Buffer::Output`]); for a stage that writes a temporary, that view.
    pub output: View,
    /// What its kernel was chosen from, where there was a choice.
    pub choice: Option<Choice>,
}

/// How a step computes.
#[derive(Clone, Debug)]
pub enum Kernel {
    /// Loops over a stage of a nest, vectorised along channels where the stage allows.
    Loops(Loops),
    /// Tiles of pixels by channels over a reduction: convolutions, matrix products.
    Contract(Contract),
    /// A convolution of each channel with its own filter, tiles of pixels.
    Depthwise(Depthwise),
    /// A 3x3 or 5x5 convolution with fewer multiplications.
    Winograd(Winograd),
    /// Picks of boxes, one after another: operand 0 is boxes, operand 1 scores, temporary 0 a list of boxes.
    Suppress(Suppress),
    /// The greatest or the mean of each window, channel by channel, tiles of pixels.
    Pool(Pool),
}

/// `output[at] = epilogue(value)` for every point of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Loops {
    /// What each element is.
    pub stage: Stage,
    /// What happens to it before the store, in order: expressions in [`Expr::It`] and the stage's own axes.
    pub epilogue: Vec<Expr>,
}

/// `out[n, k, y..] = epilogue(bias[k] + sum(c, i..) in[n, c, y * stride + i * dilation - before ..] * weight[k, c, i..])`
/// within each of `groups` equal slices of the channels. The input's halo covers what the windows' padding reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// Slices of the channels.
    pub groups: usize,
    /// Input channels of one group.
    pub in_channels: usize,
    /// Output channels of one group.
    pub out_channels: usize,
    /// One window for each spatial axis; none for a fully connected layer.
    pub windows: Vec<Window>,
    /// The part of each spatial axis that is computed; all where there is none.
    pub parts: Vec<Part>,
    /// Whether a bias is added (parameter 1).
    pub bias: bool,
    /// What happens before the store, in order.
    pub epilogue: Vec<Post>,
    /// Output pixels of one tile along the last axis.
    pub pixels: usize,
    /// Blocks of output channels of one tile.
    pub vectors: usize,
    /// Whether vectors have sixteen lanes.
    pub wide: bool,
    /// How the weights lie in memory.
    pub storage: Storage,
}

/// The rows of an axis that one step computes, where that is not all of them: a phase of a transposed convolution, or
/// rows whose windows have the same taps on the operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first row of the output.
    pub first: usize,
    /// From row to row.
    pub step: usize,
    /// How many.
    pub count: usize,
    /// The row of the operand where the first window begins, less what it pads.
    pub start: usize,
}

/// `out[n, c, y..] = epilogue(bias[c] + sum(i..) in[n, c, y * stride + i * dilation - before ..] * weight[c, i..])`.
#[derive(Clone, Debug, PartialEq)]
pub struct Depthwise {
    /// One window for each spatial axis.
    pub windows: Vec<Window>,
    /// The part of each spatial axis that is computed; all where there is none.
    pub parts: Vec<Part>,
    /// Whether a bias is added (parameter 1).
    pub bias: bool,
    /// What happens before the store, in order.
    pub epilogue: Vec<Post>,
    /// Output pixels of one tile along the last axis.
    pub pixels: usize,
    /// Whether vectors have sixteen lanes.
    pub wide: bool,
}

/// `out[n, c, y..] = epilogue(pooling(i..) in[n, c, y * stride + i * dilation - before ..])`; taps in the padding
/// are skipped.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// What a window becomes.
    pub pooling: Pooling,
    /// One for each spatial axis of the operand. An output may lack axes with one place.
    pub axes: Vec<PoolAxis>,
    /// What happens before the store, in order.
    pub epilogue: Vec<Post>,
}

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The greatest tap, NaN if any is.
    Max,
    /// The sum of the taps, divided by the product of the counts of the [`Span`]s that the place lies in.
    Mean,
}

/// How windows lie on one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolAxis {
    /// The window.
    pub window: Window,
    /// All places, in order.
    pub spans: Vec<Span>,
}

/// Neighbouring places that see the same taps of their windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// How many places.
    pub places: usize,
    /// The taps that lie on the operand, at least one.
    pub taps: Range<usize>,
    /// What a mean is divided by on this axis.
    pub count: f32,
}

/// A step of a tile's epilogue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Post {
    /// Adds the same element of an operand (a position among the step's inputs, at least 1).
    Add(usize),
    /// `x` where it is not negative, else 0.
    Relu,
    /// The number nearest to `x` between two bounds; NaN stays.
    Clamp(f32, f32),
    /// `x` where it is not negative, else `slope * x`.
    Leaky(f32),
    /// A longer function of `x`.
    Map(Function),
}

/// A packed parameter of a [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackedId(pub usize);

/// A parameter in the order in which a kernel reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// The graph's parameter.
    pub param: ParamId,
    /// Its extents.
    pub shape: Shape,
    /// The order.
    pub packing: Packing,
    /// Elements of f32 after packing, padding included; two f16 take the place of one.
    pub elements: usize,
}

/// The taps of a filter that a kernel reads on one axis, in its order: all, the last first where it is flipped, every
/// so many for one phase of a transposed convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Taps {
    /// The first.
    pub first: usize,
    /// From one to the next.
    pub step: isize,
    /// How many.
    pub count: usize,
}

/// The order of a packed parameter. Padding is zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Row-major as it is, padded at the end to a multiple of [`LANES`].
    Rows,
    /// `[group][tile of vectors * 8 out channels][in block][tap][8 in channels][vectors * 8]` from
    /// `[out, in, taps..]`, or `[group][tile][in channel][tap][vectors * 8]` if the operand is `plain`. The last
    /// tile of a group may be narrower (a multiple of 8 out channels), the last block of input channels may have
    /// fewer.
    Contract {
        /// Slices of the channels.
        groups: usize,
        /// Output channels of one group.
        out_channels: usize,
        /// Input channels of one group.
        in_channels: usize,
        /// The taps that are read, on each spatial axis.
        taps: Vec<Taps>,
        /// Blocks of 8 output channels in one tile.
        vectors: usize,
        /// Whether the operand is row-major rather than blocked.
        plain: bool,
        /// Whether the filter is `[in, out, taps..]`.
        transposed: bool,
        /// How many groups of the parameter each of these is; between them are zeros.
        merged: usize,
        /// How a weight lies in memory.
        storage: Storage,
    },
    /// `[tile of vectors * 8 out channels][point][in block][8 in channels][vectors * 8]` from `[out, in, r, r]`,
    /// transformed. The last tile and the last block may be narrower.
    Winograd {
        /// The size of a tile.
        scheme: Scheme,
        /// Output channels.
        out_channels: usize,
        /// Input channels.
        in_channels: usize,
        /// Blocks of 8 output channels in one tile.
        vectors: usize,
        /// Whether the filter is flipped.
        flip: bool,
    },
    /// `[channel block][tap][8]` from `[channels, 1, taps..]`.
    Depthwise {
        /// Channels.
        channels: usize,
        /// The taps that are read, on each spatial axis.
        taps: Vec<Taps>,
    },
    /// `[out channels]` padded for each group to the width of its tiles.
    Bias {
        /// Slices of the channels.
        groups: usize,
        /// Output channels of one group.
        out_channels: usize,
    },
}

impl Packing {
    /// To be raised whenever a packing of the same name puts other bits anywhere: packed weights that were kept hold
    /// only for the version that made them.
    pub const VERSION: u32 = 1;
}
