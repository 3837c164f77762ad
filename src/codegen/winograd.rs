//! Winograd convolutions: transforms and products over blocks of tiles.
//!
//! A unit is one tile of output channels of one block of one image. For a range of units the routine transforms the
//! patches of a block once and then computes the range's tiles of channels from them, point by point. The patches and
//! sums of a block lie in the scratch memory of the calling thread; see [`crate::plan::winograd`] for their places.

use cranelift::prelude::*;

use super::contract::{Leaves, Names, bytes, epilogue, narrow, residual, signed};
use super::emit::{Emit, Units};
use super::linear::Linear;
use super::pack::Blob;
use super::tile::{
    Contraction, Epilogue, Forward, Grid, Inverse, Pixel, Reduction, Start, Tile, Width,
};
use crate::plan::tile::{channels_at_once, row as cover};
use crate::plan::winograd::{Scratch, tiles};
use crate::plan::{LANES, Plan, Scheme, Step, Storage, View, Winograd};

/// Emits the routine of a Winograd convolution; gives its leaves and the number of units.
pub(super) fn emit(
    builder: FunctionBuilder<'_>,
    target: &dyn isa::TargetIsa,
    plan: &Plan,
    step: &Step,
    winograd: &Winograd,
    blob: &Blob,
) -> (Vec<Vec<u8>>, usize) {
    let job = Job::new(step, winograd);
    let mut leaves = Leaves::new(target);
    let (mut emit, units) = Emit::start(builder, plan, false);
    let (input, output) = (&step.inputs[0], &step.output);
    for view in [input, output].into_iter().chain(job.residual) {
        emit.prepare(view.buffer);
    }
    let param = |at: usize| step.params.get(at).map_or(0, |&it| bytes(blob.param(it).0));
    let bases = Bases {
        input: (emit.buffer(input.buffer), bytes(input.base) - job.before()),
        weights: (emit.blob, param(0)),
        bias: (emit.blob, param(1)),
        residual: job
            .residual
            .map_or((emit.blob, 0), |it| (emit.buffer(it.buffer), bytes(it.base))),
        output: (emit.buffer(output.buffer), bytes(output.base)),
        scratch: emit.scratch(),
    };
    Routine { job: &job, emit: &mut emit, bases, leaves: &mut leaves, names: Names::default() }
        .blocks(&units);
    emit.finish(target);
    (leaves.into_bytes(), job.units())
}

/// What a step computes, and how its map is cut.
struct Job<'a> {
    winograd: &'a Winograd,
    input: &'a View,
    output: &'a View,
    residual: Option<&'a View>,
    posts: Vec<Epilogue>,
    scratch: Scratch,
    /// Tiles of the map, rows and columns.
    tiles: [usize; 2],
    /// Tiles of output channels.
    groups: usize,
}

/// Where something begins: a value and bytes from there.
type Base = (Value, i64);

struct Bases {
    input: Base,
    weights: Base,
    bias: Base,
    residual: Base,
    output: Base,
    scratch: Value,
}

/// A place on the axes of a routine.
#[derive(Clone)]
struct Place {
    image: Linear,
    /// The block's row and column among blocks.
    block: [Linear; 2],
}

/// A row of tiles: its block, group of output channels, vector of those, and place in the block.
type Here<'a> = (&'a Place, Value, &'a Linear, &'a Linear);

impl<'a> Job<'a> {
    fn new(step: &'a Step, winograd: &'a Winograd) -> Job<'a> {
        let (input, output) = (&step.inputs[0], &step.output);
        assert!(input.blocked && output.blocked, "transforms work on blocks: {step:?}");
        let Scheme { outputs, taps } = winograd.cut.scheme;
        let map = [0, 1].map(|axis| tiles(output.shape.spatial()[axis], outputs));
        for (axis, window) in winograd.windows.iter().enumerate() {
            let (before, after) = input.halo.get(axis).copied().unwrap_or((0, 0));
            let reach = map[axis] * outputs + taps - 1 - window.before;
            assert!(
                before >= window.before && input.shape.spatial()[axis] + after >= reach,
                "patches lie inside the halo: {step:?}"
            );
        }
        Job {
            winograd,
            input,
            output,
            residual: residual(step, &winograd.epilogue),
            posts: epilogue(&winograd.epilogue),
            scratch: winograd.scratch(),
            tiles: map,
            groups: winograd.out_channels.div_ceil(LANES).div_ceil(winograd.cut.vectors),
        }
    }

    /// Blocks of the map, rows and columns.
    fn blocks(&self) -> [usize; 2] {
        let cut = &self.winograd.cut;
        [self.tiles[0] / cut.rows, self.tiles[1] / cut.columns]
    }

    fn units(&self) -> usize {
        self.output.shape.batch() * self.blocks().iter().product::<usize>() * self.groups
    }

    /// Bytes from the first patch to the first element of the input.
    fn before(&self) -> i64 {
        let windows = self.winograd.windows.iter().zip(&self.input.strides[2..]);
        windows.map(|(window, stride)| bytes(window.before * stride)).sum()
    }

    /// Blocks of output channels in the last group.
    fn last_vectors(&self) -> usize {
        let vectors = self.winograd.cut.vectors;
        self.winograd.out_channels.div_ceil(LANES) - (self.groups - 1) * vectors
    }

    /// Bytes of the transformed filters of one point and so many blocks of output channels.
    fn slice(&self, vectors: usize) -> i64 {
        bytes(self.winograd.in_channels * vectors * LANES)
    }

    /// Results of the last tile on an axis.
    fn rest(&self, axis: usize) -> usize {
        self.output.shape.spatial()[axis]
            - (self.tiles[axis] - 1) * self.winograd.cut.scheme.outputs
    }

    /// Bytes of a vector.
    fn vector(&self) -> i64 {
        bytes(self.winograd.cut.lanes())
    }

    /// The vectors for so many blocks of channels, at most two, that lie in a view.
    fn width(&self, blocks: usize, view: &View) -> Width {
        match blocks {
            _ if !self.winograd.cut.wide => Width::Narrow,
            1 => Width::Half,
            _ => Width::Wide(narrow(bytes(view.strides[1]))),
        }
    }

    fn forward(&self, blocks: usize) -> Forward {
        Forward {
            scheme: self.winograd.cut.scheme,
            row_pitch: narrow(bytes(self.input.strides[2])),
            point_pitch: narrow(bytes(self.scratch.patch_point)),
            tiles: counted(self.winograd.cut.columns),
            width: self.width(blocks, self.input),
        }
    }

    /// Tiles in a row that have so many results.
    fn inverse(&self, blocks: usize, rows: usize, columns: usize, tiles: usize) -> Inverse {
        Inverse {
            scheme: self.winograd.cut.scheme,
            rows,
            columns,
            point_pitch: narrow(bytes(self.scratch.sum_point)),
            output_pitch: narrow(bytes(self.output.strides[2])),
            residual_pitch: self.residual.map_or(0, |it| narrow(bytes(it.strides[2]))),
            bias: self.winograd.bias,
            epilogue: self.posts.clone(),
            tiles: counted(tiles),
            width: self.width(blocks, self.output),
            residual_block: self.residual.map_or(0, |it| narrow(bytes(it.strides[1]))),
        }
    }

    /// The products of one point: some tiles of a block, some input channels.
    fn product(
        &self,
        tiles: usize,
        vectors: usize,
        channels: usize,
        start: Start,
        ahead: usize,
    ) -> Tile {
        let cut = &self.winograd.cut;
        let pitch = narrow(bytes(self.scratch.block));
        let vector = |at: i32| {
            let offset = at * narrow(self.vector());
            Pixel { input: offset, residual: 0, output: offset }
        };
        let tiles = i32::try_from(tiles).expect("a tile is small");
        let grid = Grid {
            pixels: (0..tiles).map(vector).collect(),
            vectors: u8::try_from(vectors).expect("a tile has few vectors"),
            wide: cut.wide,
            paired: cut.wide,
            output_pitch: pitch,
            residual_pitch: 0,
        };
        let reduction = Reduction::in_blocks(counted(cut.lanes()), counted(channels), pitch, &[]);
        let (epilogue, ahead, storage) = (Vec::new(), counted(ahead), Storage::F32);
        Contraction { grid, reduction, start, epilogue, ahead, storage }.tile()
    }
}

/// A routine under construction.
struct Routine<'a, 'b, 'c> {
    job: &'a Job<'a>,
    emit: &'a mut Emit<'b>,
    bases: Bases,
    leaves: &'a mut Leaves<'c>,
    names: Names,
}

impl Routine<'_, '_, '_> {
    /// Units are the groups of output channels of the blocks of the images.
    fn blocks(&mut self, units: &Units) {
        let groups = signed(self.job.groups);
        let some = self.emit.b.ins().icmp(IntCC::SignedLessThan, units.begin, units.end);
        let some = self.emit.when(some);
        let from = self.emit.quotient(units.begin, self.job.groups);
        let end = self.emit.b.ins().iadd_imm_s(units.end, groups - 1);
        let to = self.emit.quotient(end, self.job.groups);
        let block = self.emit.open(from, to);
        let place = self.place(block.at);
        self.patches(&place);
        let start = self.emit.linear(&Linear::value(block.at, groups));
        let begin = self.emit.b.ins().isub(units.begin, start);
        let zero = self.emit.int(0);
        let begin = self.emit.b.ins().smax(begin, zero);
        let left = self.emit.b.ins().isub(units.end, start);
        let all = self.emit.int(groups);
        let end = self.emit.b.ins().smin(left, all);
        let group = self.emit.open(begin, end);
        let vectors = self.job.winograd.cut.vectors;
        let last = self.job.last_vectors();
        if last == vectors {
            self.group(&place, group.at, vectors);
        } else {
            let is_full = self.emit.b.ins().icmp_imm_s(IntCC::SignedLessThan, group.at, groups - 1);
            let branch = self.emit.when(is_full);
            self.group(&place, group.at, vectors);
            self.emit.otherwise(&branch);
            self.group(&place, group.at, last);
            self.emit.end(&branch);
        }
        self.emit.close(group);
        self.emit.close(block);
        self.emit.otherwise(&some);
        self.emit.end(&some);
    }

    fn place(&mut self, block: Value) -> Place {
        let [rows, columns] = self.job.blocks();
        let mut left = block;
        let mut axis = |routine: &mut Self, extent: usize| {
            if extent == 1 {
                return Linear::default();
            }
            let rest = routine.emit.remainder(left, extent);
            left = routine.emit.quotient(left, extent);
            Linear::value(rest, 1)
        };
        let column = axis(self, columns);
        let row = axis(self, rows);
        Place { image: Linear::value(left, 1), block: [row, column] }
    }

    /// Transforms the patches of a block.
    fn patches(&mut self, place: &Place) {
        let (job, cut) = (self.job, self.job.winograd.cut);
        let blocks = job.winograd.in_channels.div_ceil(LANES);
        let at_once = cut.lanes() / LANES;
        let (channels, some) = self.emit.open_some(blocks / at_once);
        if blocks >= at_once {
            self.patch_rows(place, &channels, at_once);
        }
        self.emit.close(some);
        if !blocks.is_multiple_of(at_once) {
            self.patch_rows(place, &Linear::constant(signed(blocks / at_once)), 1);
        }
    }

    /// The patches of one vector of channels.
    fn patch_rows(&mut self, place: &Place, channels: &Linear, blocks: usize) {
        let (job, cut) = (self.job, self.job.winograd.cut);
        let leaf = self.leaves.add(&job.forward(blocks).tile());
        let strides = &job.input.strides;
        let (row, rows) = self.emit.open_times(cut.rows);
        let mut input = Linear::constant(self.bases.input.1);
        input.add(&place.image, bytes(strides[0]));
        input.add(&place.block[0], bytes(cut.rows * cut.scheme.outputs * strides[2]));
        input.add(&place.block[1], bytes(cut.columns * cut.scheme.outputs * strides[3]));
        input.add(channels, bytes(cut.lanes() / LANES * strides[1]));
        input.add(&row, bytes(cut.scheme.outputs * strides[2]));
        let mut patches = Linear::default();
        patches.add(channels, bytes(job.scratch.block));
        patches.add(&row, bytes(cut.columns * cut.lanes()));
        let temp = Linear::constant(bytes(job.scratch.temp));
        let scratch = self.bases.scratch;
        self.call(leaf, &[(self.bases.input.0, input), (scratch, patches), (scratch, temp)]);
        self.emit.close(rows);
    }

    /// One group of output channels of a block.
    fn group(&mut self, place: &Place, group: Value, vectors: usize) {
        self.products(group, vectors);
        self.results(place, group, vectors);
    }

    /// The sums of every point.
    fn products(&mut self, group: Value, vectors: usize) {
        let job = self.job;
        let (tiles, channels) = (job.winograd.cut.tiles(), job.winograd.in_channels);
        let points = job.winograd.points();
        let lanes = job.winograd.cut.lanes();
        let at_once = channels_at_once(channels, 1, vectors).next_multiple_of(lanes);
        let (point, some) = self.emit.open_times(points);
        for first in (0..channels).step_by(at_once) {
            let count = at_once.min(channels - first);
            let cover = cover(job.winograd.cut.wide, tiles, vectors, count);
            let calls: usize = cover.iter().map(|it| it.1).sum();
            let ahead = (count * vectors * LANES * size_of::<f32>()).div_ceil(calls);
            let ahead = ahead.next_multiple_of(64);
            let start = if first == 0 { Start::Zero } else { Start::Output };
            let mut at = 0;
            for (width, times) in cover {
                let product = job.product(width, vectors, count, start, ahead);
                let step = signed(width) * job.vector();
                let leaf = self.runs(&product, times, step, signed(ahead));
                let mut patches =
                    Linear::constant(bytes(first / lanes * job.scratch.block + at * lanes));
                patches.add(&point, bytes(job.scratch.patch_point));
                let mut weights =
                    Linear::constant(self.bases.weights.1 + bytes(first * vectors * LANES));
                weights.add(
                    &Linear::value(group, 1),
                    job.slice(job.winograd.cut.vectors) * signed(points),
                );
                weights.add(&point, job.slice(vectors));
                let mut sums = Linear::constant(bytes(job.scratch.sums + at * lanes));
                sums.add(&point, bytes(job.scratch.sum_point));
                let next = weights.clone().plus(bytes(count * vectors * LANES));
                let scratch = self.bases.scratch;
                let weights = (self.bases.weights.0, weights);
                let ahead = (self.bases.weights.0, next);
                self.call(leaf, &[(scratch, patches), weights, (scratch, sums), ahead]);
                at += width * times;
            }
        }
        self.emit.close(some);
    }

    /// A product for several neighbouring runs of tiles.
    fn runs(&mut self, product: &Tile, times: usize, step: i64, ahead: i64) -> usize {
        use super::tile::Pointer::{Ahead, Input, Output};
        let steps = [(Input, narrow(step)), (Output, narrow(step)), (Ahead, narrow(ahead))];
        let runs = product.repeated(counted(times), &steps);
        self.leaves.add(&runs.expect("a product of points has few loops"))
    }

    /// Transforms the sums of a block back.
    fn results(&mut self, place: &Place, group: Value, vectors: usize) {
        let at_once = self.job.winograd.cut.lanes() / LANES;
        let (vector, some) = self.emit.open_some(vectors / at_once);
        if vectors >= at_once {
            self.result_rows(place, group, &vector, at_once);
        }
        self.emit.close(some);
        if !vectors.is_multiple_of(at_once) {
            self.result_rows(place, group, &Linear::constant(signed(vectors / at_once)), 1);
        }
    }

    /// The results of one vector of output channels.
    fn result_rows(&mut self, place: &Place, group: Value, vector: &Linear, blocks: usize) {
        let (job, cut) = (self.job, self.job.winograd.cut);
        let uneven = job.rest(0) != cut.scheme.outputs;
        let whole = if uneven && cut.rows == job.tiles[0] { cut.rows - 1 } else { cut.rows };
        let at = |routine: &mut Self, row: &Linear, rows: usize| {
            routine.row((place, group, vector, row), blocks, rows);
        };
        if uneven && cut.rows < job.tiles[0] {
            // The map's last row of tiles is the last of the last blocks.
            let last_block = signed(job.blocks()[0]) - 1;
            let (row, rows) = self.emit.open_some(cut.rows - 1);
            if cut.rows > 1 {
                at(self, &row, cut.scheme.outputs);
            }
            self.emit.close(rows);
            let last = Linear::constant(signed(cut.rows) - 1);
            let block = self.emit.linear(&place.block[0]);
            let inside = self.emit.b.ins().icmp_imm_s(IntCC::SignedLessThan, block, last_block);
            let branch = self.emit.when(inside);
            at(self, &last, cut.scheme.outputs);
            self.emit.otherwise(&branch);
            at(self, &last, job.rest(0));
            self.emit.end(&branch);
        } else {
            if whole > 0 {
                let (row, rows) = self.emit.open_times(whole);
                at(self, &row, cut.scheme.outputs);
                self.emit.close(rows);
            }
            if whole < cut.rows {
                at(self, &Linear::constant(signed(whole)), job.rest(0));
            }
        }
    }

    /// One row of tiles with so many rows of results.
    fn row(&mut self, here: Here<'_>, blocks: usize, rows: usize) {
        let (job, cut) = (self.job, self.job.winograd.cut);
        let rest = job.rest(1);
        let place = here.0;
        if rest == cut.scheme.outputs {
            self.tiles(here, blocks, 0, cut.columns, [rows, cut.scheme.outputs]);
        } else if cut.columns == job.tiles[1] {
            self.tiles(here, blocks, 0, cut.columns - 1, [rows, cut.scheme.outputs]);
            self.tiles(here, blocks, cut.columns - 1, 1, [rows, rest]);
        } else {
            self.tiles(here, blocks, 0, cut.columns - 1, [rows, cut.scheme.outputs]);
            let last = signed(job.blocks()[1]) - 1;
            let block = self.emit.linear(&place.block[1]);
            let inside = self.emit.b.ins().icmp_imm_s(IntCC::SignedLessThan, block, last);
            let branch = self.emit.when(inside);
            self.tiles(here, blocks, cut.columns - 1, 1, [rows, cut.scheme.outputs]);
            self.emit.otherwise(&branch);
            self.tiles(here, blocks, cut.columns - 1, 1, [rows, rest]);
            self.emit.end(&branch);
        }
    }

    /// Some tiles of a row of a block, all with so many results.
    fn tiles(
        &mut self,
        (place, group, vector, row): Here<'_>,
        blocks: usize,
        first: usize,
        count: usize,
        [rows, columns]: [usize; 2],
    ) {
        if count == 0 {
            return;
        }
        let (job, cut) = (self.job, self.job.winograd.cut);
        let tile = job.inverse(blocks, rows, columns, count).tile();
        let leaf = self.leaves.add(&tile);
        let result = |base: i64, view: &View| {
            let mut at =
                Linear::constant(base + bytes(first * cut.scheme.outputs * view.strides[3]));
            at.add(&place.image, bytes(view.strides[0]));
            at.add(&Linear::value(group, 1), bytes(cut.vectors * view.strides[1]));
            at.add(vector, bytes(cut.lanes() / LANES * view.strides[1]));
            at.add(&place.block[0], bytes(cut.rows * cut.scheme.outputs * view.strides[2]));
            at.add(&place.block[1], bytes(cut.columns * cut.scheme.outputs * view.strides[3]));
            at.add(row, bytes(cut.scheme.outputs * view.strides[2]));
            at
        };
        let mut sums = Linear::constant(bytes(job.scratch.sums + first * cut.lanes()));
        sums.add(vector, bytes(job.scratch.block));
        sums.add(row, bytes(cut.columns * cut.lanes()));
        let mut bias = Linear::constant(self.bases.bias.1);
        bias.add(&Linear::value(group, 1), bytes(cut.vectors * LANES));
        bias.add(vector, bytes(cut.lanes()));
        let scratch = self.bases.scratch;
        let mut args = vec![(scratch, sums)];
        if job.winograd.bias {
            args.push((self.bases.bias.0, bias));
        }
        if let Some(view) = job.residual {
            args.push((self.bases.residual.0, result(self.bases.residual.1, view)));
        }
        args.push((self.bases.output.0, result(self.bases.output.1, job.output)));
        args.push((scratch, Linear::constant(bytes(job.scratch.temp))));
        self.call(leaf, &args);
    }

    /// Calls a leaf with addresses in the order of its pointers.
    fn call(&mut self, leaf: usize, args: &[(Value, Linear)]) {
        let mut values = Vec::new();
        for (base, bytes) in args {
            let (base, offset) = self.emit.address(*base, bytes);
            values.push(self.emit.b.ins().iadd_imm_s(base, i64::from(offset)));
        }
        let name = self.names.of(self.emit, self.leaves.target(), leaf, values.len());
        self.emit.b.ins().call(name, &values);
    }
}

fn counted(count: usize) -> u32 {
    u32::try_from(count).expect("an extent is small")
}
