//! Convolutions, matrix products, depthwise convolutions and pools as sweeps of tiles over a map.
//!
//! A unit is one row of one group of output blocks of one image; rows of a dense map may be joined. For a range of
//! units the routine takes the groups of blocks one after another, for each the blocks of the reduction, and for each
//! all its rows: the weights of a pass stay near while the rows go by. A result is one sum in a fixed order, whoever
//! computes it.

mod pool;
mod sweep;

use std::ops::Range;

use cranelift::prelude::*;

use super::pack::Blob;
use super::tile::{
    self, Axis, Contraction, Epilogue, Grid, Pixel, Pointer, Reduction, Start, Tile,
};
use crate::plan::tile::{channels_at_once, row as cover};
use crate::plan::{Contract, Depthwise, LANES, Part, Plan, Post, Step, Storage, View};
use crate::shape::Window;
pub(super) use pool::emit_pool;
pub(super) use sweep::{Names, bytes, signed};

use sweep::{Map, PixelStep};

/// Fewer units than this and the rows of a map are not joined further.
const UNITS: usize = 8;
/// How far ahead weights are prefetched that are used once, in bytes: 33 GB/s become 42 on a Zen 5 core, with tiles of
/// eight lanes.
const AHEAD: i64 = 8192;
/// Pixels of a depthwise tile.
const DEPTHWISE_PIXELS: usize = 12;

/// A leaf and where its calls begin, in bytes from where the row begins.
#[derive(Clone, Debug, PartialEq)]
struct Run {
    leaf: usize,
    pointers: Vec<Pointer>,
    offsets: Offsets,
}

/// Bytes to add to each pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offsets {
    input: i64,
    weights: i64,
    bias: i64,
    residual: i64,
    output: i64,
    ahead: i64,
}

impl Offsets {
    fn of(&self, pointer: Pointer) -> i64 {
        match pointer {
            Pointer::Input => self.input,
            Pointer::Weights => self.weights,
            Pointer::Bias => self.bias,
            Pointer::Residual => self.residual,
            Pointer::Output => self.output,
            Pointer::Ahead => self.ahead,
            Pointer::Temp => panic!("a sweep sets nothing aside"),
        }
    }
}

/// Some of the reduction, over all rows or some; several passes in a row may differ in their offsets only.
#[derive(Clone, Debug, Default, PartialEq)]
struct Pass {
    /// Which rows of the map; all if not given.
    rows: Option<Range<usize>>,
    offsets: Offsets,
    /// How often, and how far on each time.
    count: usize,
    step: Offsets,
    runs: Vec<Run>,
    /// What a row adds to the prefetched weights.
    ahead: i64,
}

/// What a routine does.
struct Sweep {
    map: Map,
    batch: usize,
    groups: usize,
    tiles: usize,
    /// From image to image, from group to group, from tile to tile.
    strides: [Offsets; 3],
    /// The passes of all tiles but the last, and of the last.
    passes: [Vec<Pass>; 2],
}

/// What a step sums, besides its map.
struct Job<'a> {
    step: &'a Step,
    bias: bool,
    posts: &'a [Post],
    residual: Option<&'a View>,
    windows: &'a [Window],
    map: Map,
}

/// Leaves of a routine, as bytes for the target.
pub(super) struct Leaves<'a> {
    target: &'a dyn isa::TargetIsa,
    bytes: Vec<Vec<u8>>,
}

impl<'a> Leaves<'a> {
    pub(super) fn new(target: &'a dyn isa::TargetIsa) -> Self {
        Self { target, bytes: Vec::new() }
    }

    pub(super) fn target(&self) -> &'a dyn isa::TargetIsa {
        self.target
    }

    pub(super) fn into_bytes(self) -> Vec<Vec<u8>> {
        self.bytes
    }

    /// The position of a tile's code.
    pub(super) fn add(&mut self, tile: &Tile) -> usize {
        let code = tile::code(tile, self.target);
        let known = self.bytes.iter().position(|it| *it == code);
        known.unwrap_or_else(|| {
            self.bytes.push(code);
            self.bytes.len() - 1
        })
    }
}

/// Emits the routine of a contraction; gives its leaves and the number of units.
pub(super) fn emit_contract(
    builder: FunctionBuilder<'_>,
    target: &dyn isa::TargetIsa,
    plan: &Plan,
    step: &Step,
    contract: &Contract,
    blob: &Blob,
) -> (Vec<Vec<u8>>, usize) {
    let tiles = contract.out_channels.div_ceil(LANES).div_ceil(contract.vectors);
    let step = &of_parts(step, &contract.parts);
    let residual = residual(step, &contract.epilogue);
    let parts = step.output.shape.batch() * contract.groups * tiles;
    let map = Map::new(step, residual, &contract.windows, UNITS.div_ceil(parts));
    let job = Job {
        step,
        bias: contract.bias,
        posts: &contract.epilogue,
        residual,
        windows: &contract.windows,
        map,
    };
    let mut leaves = Leaves::new(target);
    let sweep = job.contract(contract, tiles, &mut leaves);
    let units = sweep.units();
    sweep.emit(builder, target, plan, step, residual, blob);
    (leaves.into_bytes(), units)
}

/// Emits the routine of a depthwise convolution; gives its leaves and the number of units.
pub(super) fn emit_depthwise(
    builder: FunctionBuilder<'_>,
    target: &dyn isa::TargetIsa,
    plan: &Plan,
    step: &Step,
    depthwise: &Depthwise,
    blob: &Blob,
) -> (Vec<Vec<u8>>, usize) {
    let step = &of_parts(step, &depthwise.parts);
    let residual = residual(step, &depthwise.epilogue);
    let map = Map::new(step, residual, &depthwise.windows, UNITS);
    let job = Job {
        step,
        bias: depthwise.bias,
        posts: &depthwise.epilogue,
        residual,
        windows: &depthwise.windows,
        map,
    };
    let mut leaves = Leaves::new(target);
    let sweep = job.depthwise(depthwise.wide, &mut leaves);
    let units = sweep.units();
    sweep.emit(builder, target, plan, step, residual, blob);
    (leaves.into_bytes(), units)
}

/// The step as if its output, and what is added to it, had these parts only, and its operand began at their windows.
fn of_parts(step: &Step, parts: &[Part]) -> Step {
    let mut step = step.clone();
    step.output = step.output.parts(parts);
    let (first, added) = step.inputs.split_first_mut().expect("a tile has an operand");
    added.iter_mut().for_each(|it| *it = it.parts(parts));
    first.base += (2..).zip(parts).map(|(axis, it)| it.start * first.strides[axis]).sum::<usize>();
    step
}

/// The operand that the epilogue adds.
pub(super) fn residual<'a>(step: &'a Step, posts: &[Post]) -> Option<&'a View> {
    let mut added =
        posts.iter().filter_map(|it| if let Post::Add(at) = it { Some(*at) } else { None });
    let first = added.next()?;
    assert!(added.all(|it| it == first), "a tile adds one operand: {step:?}");
    Some(&step.inputs[first])
}

pub(super) fn epilogue(posts: &[Post]) -> Vec<Epilogue> {
    let of = |post: &Post| match *post {
        Post::Add(_) => Epilogue::Residual,
        Post::Relu => Epilogue::Relu,
        Post::Clamp(lo, hi) => Epilogue::Clamp { lo, hi },
        Post::Leaky(slope) => Epilogue::Leaky { slope },
        Post::Map(function) => Epilogue::Map(function),
    };
    posts.iter().map(of).collect()
}

impl Job<'_> {
    fn contract(&self, contract: &Contract, tiles: usize, leaves: &mut Leaves<'_>) -> Sweep {
        let (input, output) = (&self.step.inputs[0], &self.step.output);
        assert!(output.blocked, "tiles write blocks of channels: {:?}", self.step);
        assert!(input.blocked || contract.groups == 1, "groups start blocks: {:?}", self.step);
        let blocks = contract.out_channels.div_ceil(LANES);
        let taps: usize = contract.windows.iter().map(|it| it.kernel).product();
        let row = |vectors: usize| weights(contract, contract.in_channels * taps * vectors * LANES);
        let pitch = |view: &View| bytes(view.strides[1]);
        let residual = |scale: usize| self.residual.map_or(0, |it| pitch(it) * signed(scale));
        let image = |view: &View| bytes(view.strides[0]);
        let of_image = Offsets {
            input: image(input),
            output: image(output),
            residual: self.residual.map_or(0, image),
            ..Offsets::default()
        };
        let of_group = Offsets {
            input: pitch(input) * signed(contract.in_channels / LANES),
            weights: row(blocks),
            bias: bytes(blocks * LANES),
            residual: residual(blocks),
            output: pitch(output) * signed(blocks),
            ahead: row(blocks),
        };
        let of_tile = Offsets {
            input: 0,
            weights: row(contract.vectors),
            bias: bytes(contract.vectors * LANES),
            residual: residual(contract.vectors),
            output: pitch(output) * signed(contract.vectors),
            ahead: row(contract.vectors),
        };
        let rest = blocks - (tiles - 1) * contract.vectors;
        let full = self.passes(contract, contract.vectors, leaves);
        let last = if rest == contract.vectors {
            full.clone()
        } else {
            self.passes(contract, rest, leaves)
        };
        Sweep {
            map: self.map.clone(),
            batch: self.map.images(output),
            groups: contract.groups,
            tiles,
            strides: [of_image, of_group, of_tile],
            passes: [full, last],
        }
    }

    /// The passes of a group of blocks: one, or a first, some middle ones and a last.
    fn passes(&self, contract: &Contract, vectors: usize, leaves: &mut Leaves<'_>) -> Vec<Pass> {
        let taps: usize = contract.windows.iter().map(|it| it.kernel).product();
        let channels = contract.in_channels;
        let at_once =
            if self.is_one_pass() { channels } else { channels_at_once(channels, taps, vectors) };
        let calls = channels.div_ceil(at_once);
        let step = |count: usize| {
            let weights = weights(contract, count * taps * vectors * LANES);
            let input = &self.step.inputs[0];
            let planes = if input.blocked { count / LANES } else { count };
            let input = bytes(input.strides[1]) * signed(planes);
            Offsets { input, weights, ahead: weights, ..Offsets::default() }
        };
        // What follows the sum waits for its end: terms that are added to a large operand would lose their digits.
        let kind = |first: bool, last: bool| {
            let posts = if last { self.posts } else { &[] };
            let start = match (first, self.bias) {
                (false, _) => Start::Output,
                (true, true) => Start::Bias,
                (true, false) => Start::Zero,
            };
            (start, epilogue(posts))
        };
        let mut passes = Vec::new();
        let mut done = 0;
        while done < calls {
            let last = done + 1 == calls;
            let middle = done > 0 && !last;
            let count = if middle { calls - 1 - done } else { 1 };
            let summed = if last { channels - done * at_once } else { at_once };
            let (start, posts) = kind(done == 0, last);
            let mut pass = self.pass(contract, vectors, summed, start, &posts, leaves);
            pass.offsets = step(done * at_once);
            pass.offsets.ahead += match self.map.pixels() {
                1 => AHEAD,
                _ => weights(contract, summed * taps * vectors * LANES),
            };
            pass.count = count;
            pass.step = step(at_once);
            passes.push(pass);
            done += count;
        }
        passes
    }

    /// Whether sums are better not stored in between: weights are used once.
    fn is_one_pass(&self) -> bool {
        self.map.pixels() == 1
    }

    fn pass(
        &self,
        contract: &Contract,
        vectors: usize,
        channels: usize,
        start: Start,
        posts: &[Epilogue],
        leaves: &mut Leaves<'_>,
    ) -> Pass {
        let input = &self.step.inputs[0];
        let taps = self.taps(input);
        let steps: usize =
            channels * contract.windows.iter().map(|it| it.kernel).product::<usize>();
        let tiles = cover(contract.wide, self.map.row, vectors, steps);
        let per_row: usize = tiles.iter().map(|it| it.1).sum();
        let read = steps * vectors * LANES * contract.storage.bytes();
        let ahead = read.div_ceil(per_row * self.map.rows()).next_multiple_of(4);
        let pitch = narrow(bytes(input.strides[1]));
        let reduce = if input.blocked { Reduction::blocked } else { Reduction::plain };
        let reduction = reduce(counted(channels), pitch, &taps);
        let new = |pixels: usize| {
            let grid = Grid { wide: contract.wide, ..self.grid(pixels, vectors) };
            let (reduction, epilogue) = (reduction.clone(), posts.to_vec());
            let storage = contract.storage;
            // Sixteen streams side by side keep memory busy by themselves, of f32.
            let busy = self.map.pixels() == 1 && contract.wide && storage == Storage::F32;
            let ahead = if busy { 0 } else { counted(ahead) };
            Contraction { grid, reduction, start, epilogue, ahead, storage }.tile()
        };
        self.row(&tiles, signed(ahead), &new, leaves)
    }

    fn depthwise(&self, wide: bool, leaves: &mut Leaves<'_>) -> Sweep {
        let (input, output) = (&self.step.inputs[0], &self.step.output);
        assert!(input.blocked && output.blocked, "tiles read and write blocks: {:?}", self.step);
        let taps: usize = self.windows.iter().map(|it| it.kernel).product();
        let most = self.map.row.div_ceil(self.map.row.div_ceil(DEPTHWISE_PIXELS));
        let tiles = [(most, self.map.row / most), (self.map.row % most, 1)];
        let tiles: Vec<_> = tiles.into_iter().filter(|it| it.0 > 0).collect();
        let start = if self.bias { Start::Bias } else { Start::Zero };
        let mut passes = |vectors: usize| {
            let new = |pixels: usize| {
                let grid = Grid { wide, ..self.grid(pixels, vectors) };
                let (taps, epilogue) = (self.taps(input), epilogue(self.posts));
                let input_pitch = narrow(bytes(input.strides[1]));
                tile::Depthwise { grid, input_pitch, taps, start, epilogue }.tile()
            };
            vec![self.row(&tiles, 0, &new, leaves)]
        };
        let blocks = output.shape.channels().div_ceil(LANES);
        let at_once = if wide { 2 } else { 1 };
        let of = |axis: usize, times: usize| Offsets {
            input: bytes(times * input.strides[axis]),
            output: bytes(times * output.strides[axis]),
            residual: self.residual.map_or(0, |it| bytes(times * it.strides[axis])),
            ..Offsets::default()
        };
        let of_tile = Offsets {
            weights: bytes(at_once * taps * LANES),
            bias: bytes(at_once * LANES),
            ..of(1, at_once)
        };
        let last = blocks - (blocks - 1) / at_once * at_once;
        Sweep {
            map: self.map.clone(),
            batch: self.map.images(output),
            groups: 1,
            tiles: blocks.div_ceil(at_once),
            strides: [of(0, 1), Offsets::default(), of_tile],
            passes: [passes(at_once), passes(last)],
        }
    }

    /// The tiles of a row as runs: a run is one leaf where registers allow, else one call a tile.
    fn row(
        &self,
        tiles: &[(usize, usize)],
        ahead: i64,
        new: &dyn Fn(usize) -> Tile,
        leaves: &mut Leaves<'_>,
    ) -> Pass {
        let mut runs = Vec::new();
        let mut at = Offsets::default();
        for &(pixels, count) in tiles {
            let tile = new(pixels);
            let pixel = signed(pixels);
            let step = Offsets {
                input: self.map.step.input * pixel,
                residual: self.map.step.residual * pixel,
                output: self.map.step.output * pixel,
                ahead,
                ..Offsets::default()
            };
            let moving = [Pointer::Input, Pointer::Residual, Pointer::Output, Pointer::Ahead];
            let steps = moving.map(|it| (it, narrow(step.of(it))));
            let repeated = tile.repeated(counted(count), &steps);
            let calls = if repeated.is_some() { 1 } else { count };
            let leaf = leaves.add(repeated.as_ref().unwrap_or(&tile));
            for call in 0..calls {
                let pointers = tile.pointers().to_vec();
                runs.push(Run { leaf, pointers, offsets: at.plus(&step, signed(call)) });
            }
            at = at.plus(&step, signed(count));
        }
        Pass { count: 1, runs, ahead: at.ahead, ..Pass::default() }
    }

    fn grid(&self, pixels: usize, vectors: usize) -> Grid {
        let pixel = |at: usize| {
            let at = signed(at);
            Pixel {
                input: narrow(self.map.step.input * at),
                residual: narrow(self.map.step.residual * at),
                output: narrow(self.map.step.output * at),
            }
        };
        Grid {
            pixels: (0..pixels).map(pixel).collect(),
            vectors: u8::try_from(vectors).expect("a tile has few vectors"),
            wide: false,
            paired: false,
            output_pitch: narrow(bytes(self.step.output.strides[1])),
            residual_pitch: self.residual.map_or(0, |it| narrow(bytes(it.strides[1]))),
        }
    }

    /// The window as the tile walks over the input.
    fn taps(&self, input: &View) -> Vec<Axis> {
        let tap = |(window, stride): (&Window, &usize)| {
            Axis::new(counted(window.kernel), narrow(bytes(window.dilation * stride)))
        };
        self.windows.iter().zip(&input.strides[2..]).map(tap).collect()
    }
}

impl Offsets {
    fn plus(&self, other: &Offsets, times: i64) -> Offsets {
        Offsets {
            input: self.input + other.input * times,
            weights: self.weights + other.weights * times,
            bias: self.bias + other.bias * times,
            residual: self.residual + other.residual * times,
            output: self.output + other.output * times,
            ahead: self.ahead + other.ahead * times,
        }
    }
}

/// Bytes of so many weights.
fn weights(contract: &Contract, count: usize) -> i64 {
    signed(count * contract.storage.bytes())
}

pub(super) fn narrow(bytes: i64) -> i32 {
    i32::try_from(bytes).expect("a tile reaches less than 2 GiB")
}

fn counted(count: usize) -> u32 {
    u32::try_from(count).expect("an extent is small")
}
