//! Parameters in the order in which kernels read them, and constant tables: one read-only blob.

use std::collections::HashMap;
use std::sync::Mutex;

use super::jit::in_parallel;
use super::memory::{ALIGNMENT, Floats};
use super::tile;
use crate::graph::ParamId;
use crate::nest::{Expr, Guard, Index};
use crate::plan::{Kernel, LANES, Packed, PackedId, Packing, Plan};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Elements in a cache line: every parameter begins on one.
const LINE: usize = ALIGNMENT / size_of::<f32>();

/// Weights that are worth threads to pack.
const PARALLEL: usize = 1 << 16;

/// What generated code reads and nobody writes.
#[derive(Debug)]
pub struct Blob {
    memory: Floats,
    /// First element and original extents of each packed parameter.
    params: Vec<(usize, Shape)>,
    /// First element of each table, by its bits.
    tables: HashMap<Vec<u32>, usize>,
}

/// A constant table of a nest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table<'a> {
    /// Positions.
    Positions(&'a [u32]),
    /// Numbers.
    Numbers(&'a [f32]),
}

impl Table<'_> {
    fn bits(self) -> Vec<u32> {
        match self {
            Table::Positions(it) => it.to_vec(),
            Table::Numbers(it) => it.iter().map(|it| it.to_bits()).collect(),
        }
    }
}

impl Blob {
    /// Packs all parameters of a plan. Each tensor is asked for once for each of its packings, and dropped before
    /// the next.
    pub(super) fn pack(plan: &Plan, tensor: &dyn Fn(ParamId) -> Tensor) -> Blob {
        let mut end = 0;
        let mut reserve = |elements: usize| {
            let from = end;
            end += elements.next_multiple_of(LINE);
            from
        };
        let offsets: Vec<usize> = plan.packed.iter().map(|it| reserve(it.elements)).collect();
        let mut tables = HashMap::new();
        for_each_table(plan, &mut |table| {
            let bits = table.bits();
            let len = bits.len();
            tables.entry(bits).or_insert_with(|| reserve(len));
        });
        // A vector at the last element of a parameter reads up to seven past it.
        let mut memory = Floats::zeroed(end + LINE);
        let slice = memory.as_mut_slice();
        for (bits, &at) in sorted(&tables) {
            for (to, &from) in slice[at..].iter_mut().zip(bits) {
                *to = f32::from_bits(from);
            }
        }
        let mut params = Vec::new();
        for (packed, &at) in plan.packed.iter().zip(&offsets) {
            let tensor = tensor(packed.param);
            pack(packed, &tensor, &mut slice[at..at + packed.elements]);
            params.push((at, tensor.shape));
        }
        Blob { memory, params, tables }
    }

    /// All elements.
    pub fn as_slice(&self) -> &[f32] {
        self.memory.as_slice()
    }

    /// First element and original extents of a packed parameter.
    pub(super) fn param(&self, id: PackedId) -> (usize, &Shape) {
        let (at, shape) = &self.params[id.0];
        (*at, shape)
    }

    /// First element of a table.
    pub(super) fn table(&self, table: Table<'_>) -> usize {
        self.tables[&table.bits()]
    }
}

fn sorted(tables: &HashMap<Vec<u32>, usize>) -> Vec<(&Vec<u32>, &usize)> {
    let mut sorted: Vec<_> = tables.iter().collect();
    sorted.sort_unstable_by_key(|it| it.1);
    sorted
}

fn for_each_table(plan: &Plan, visit: &mut dyn FnMut(Table<'_>)) {
    for step in &plan.steps {
        if let Kernel::Loops(loops) = &step.kernel {
            tables(&loops.stage.value, visit);
            loops.epilogue.iter().for_each(|it| tables(it, visit));
        }
    }
}

fn tables(expr: &Expr, visit: &mut dyn FnMut(Table<'_>)) {
    match expr {
        Expr::Const(_) | Expr::It => {}
        Expr::Table(table, _) => visit(Table::Numbers(table)),
        Expr::Load(_, at) => {
            for index in at {
                if let Index::Table { table, .. } = index {
                    visit(Table::Positions(table));
                }
            }
        }
        Expr::Unary(_, a) => tables(a, visit),
        Expr::Binary(_, a, b) => {
            tables(a, visit);
            tables(b, visit);
        }
        Expr::Reduce { guards, body, .. } => {
            debug_assert!(guards.iter().all(guard_has_no_table));
            tables(body, visit);
        }
        Expr::Choose(_, a, b) => {
            tables(a, visit);
            tables(b, visit);
        }
    }
}

fn guard_has_no_table(guard: &Guard) -> bool {
    matches!(guard, Guard::Within(..) | Guard::Divides(..))
}

/// Writes a tensor in the order of a packing; `to` is zero.
fn pack(packed: &Packed, tensor: &Tensor, to: &mut [f32]) {
    let from = &tensor.data;
    match packed.packing {
        Packing::Rows => to[..from.len()].copy_from_slice(from),
        Packing::Bias { groups, out_channels } => {
            let padded = out_channels.next_multiple_of(LANES);
            for group in 0..groups {
                let row = &from[group * out_channels..][..out_channels];
                to[group * padded..][..out_channels].copy_from_slice(row);
            }
        }
        Packing::Depthwise { channels, taps, flip } => {
            for channel in 0..channels {
                let block = channel / LANES * taps;
                for tap in 0..taps {
                    let source = if flip { taps - 1 - tap } else { tap };
                    to[(block + tap) * LANES + channel % LANES] = from[channel * taps + source];
                }
            }
        }
        Packing::Winograd { outputs, out_channels, in_channels, vectors, flip } => {
            let transformed = Transformed { outputs, out_channels, in_channels, flip };
            transformed.pack(from, vectors * LANES, to);
        }
        Packing::Contract { groups, out_channels, in_channels, taps, vectors, plain, flip } => {
            let filter = Filter { out_channels, in_channels, taps, flip };
            let size = out_channels.next_multiple_of(LANES) * in_channels * taps;
            for group in 0..groups {
                let from = &from[group * out_channels * in_channels * taps..];
                filter.pack(from, vectors * LANES, plain, &mut to[group * size..][..size]);
            }
        }
    }
}

/// The filter of one group.
#[derive(Clone, Copy)]
struct Filter {
    out_channels: usize,
    in_channels: usize,
    taps: usize,
    flip: bool,
}

impl Filter {
    /// Tiles of output channels are packed side by side.
    fn pack(self, from: &[f32], width: usize, plain: bool, to: &mut [f32]) {
        let depth = self.in_channels * self.taps;
        let tiles: Vec<_> = to.chunks_mut(width * depth).map(Mutex::new).collect();
        let one = |at: usize| {
            let mut to = tiles[at].lock().expect("each tile is packed once");
            self.tile(from, at * width, plain, &mut to);
        };
        if from.len() < PARALLEL {
            (0..tiles.len()).for_each(one);
        } else {
            in_parallel(tiles.len(), &one);
        }
    }

    /// The weights of one tile, from its first output channel on.
    fn tile(self, from: &[f32], first: usize, plain: bool, to: &mut [f32]) {
        let lanes = if plain { 1 } else { LANES };
        let width = to.len() / (self.in_channels * self.taps);
        let mut to = to.chunks_exact_mut(LANES);
        for block in (0..self.in_channels).step_by(lanes) {
            let channels = block..(block + lanes).min(self.in_channels);
            for tap in 0..self.taps {
                for channel in channels.clone() {
                    for out in (first..first + width).step_by(LANES) {
                        let to = to.next().expect("as many elements as the plan says");
                        self.gather(from, out, channel, tap, to);
                    }
                }
            }
        }
    }

    /// One weight of up to eight output channels.
    fn gather(self, from: &[f32], out: usize, channel: usize, tap: usize, to: &mut [f32]) {
        let tap = if self.flip { self.taps - 1 - tap } else { tap };
        let at = |out: usize| (out * self.in_channels + channel) * self.taps + tap;
        for (to, out) in to.iter_mut().zip(out..self.out_channels) {
            *to = from[at(out)];
        }
    }
}

/// The filters of a Winograd convolution.
#[derive(Clone, Copy)]
struct Transformed {
    outputs: usize,
    out_channels: usize,
    in_channels: usize,
    flip: bool,
}

impl Transformed {
    fn pack(self, from: &[f32], width: usize, to: &mut [f32]) {
        let points = (self.outputs + 2) * (self.outputs + 2);
        let tiles: Vec<_> =
            to.chunks_mut(width * self.in_channels * points).map(Mutex::new).collect();
        let one = |at: usize| {
            let mut to = tiles[at].lock().expect("each tile is packed once");
            self.tile(from, at * width, points, &mut to);
        };
        if from.len() < PARALLEL {
            (0..tiles.len()).for_each(one);
        } else {
            in_parallel(tiles.len(), &one);
        }
    }

    /// `[point][in channel][width]` for the output channels from `first` on.
    fn tile(self, from: &[f32], first: usize, points: usize, to: &mut [f32]) {
        let width = to.len() / (self.in_channels * points);
        for out in first..(first + width).min(self.out_channels) {
            for channel in 0..self.in_channels {
                let taps = &from[(out * self.in_channels + channel) * 9..][..9];
                let mut filter: [f64; 9] = std::array::from_fn(|it| f64::from(taps[it]));
                if self.flip {
                    filter.reverse();
                }
                let place = channel * width + out - first;
                for (point, value) in tile::filter(self.outputs, &filter).into_iter().enumerate() {
                    to[point * self.in_channels * width + place] = value as f32;
                }
            }
        }
    }
}
