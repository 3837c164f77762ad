//! A layer as loops around tiles: what the compiler writes in Cranelift, here in Rust.

use std::collections::HashMap;

use netc::codegen::tile::{
    Axis, Contraction, Depthwise, Epilogue, Grid, PIXEL, Pointer, Reduction, Start, Tile,
};
use netc::plan::Storage;
use netc::plan::tile::{channels_at_once, row, vectors};

use crate::machine::{Form, Leaf, Machine, huge};

/// A convolution to a square map, with relu.
#[derive(Clone, Copy)]
pub(crate) struct Layer {
    pub(crate) channels: usize,
    pub(crate) out: usize,
    pub(crate) size: usize,
    pub(crate) window: usize,
    pub(crate) stride: usize,
    pub(crate) plain: bool,
    pub(crate) depthwise: bool,
}

impl Layer {
    pub(crate) fn flop(&self) -> f64 {
        let taps = self.window * self.window;
        let channels = if self.depthwise { 1 } else { self.channels };
        2.0 * (channels * self.out * self.size * self.size * taps) as f64
    }

    /// Rows and columns of the output as the loops see it: 1x1 convolutions have one long row.
    fn map(&self) -> [usize; 2] {
        let flat = self.window == 1 && self.stride == 1;
        if flat { [1, self.size * self.size] } else { [self.size; 2] }
    }

    /// Rows and columns of the input, halo included.
    fn input(&self) -> [usize; 2] {
        self.map().map(|it| (it - 1) * self.stride + self.window)
    }

    /// f32 from pixel to pixel of the input.
    fn unit(&self) -> usize {
        if self.plain { 1 } else { 8 }
    }

    /// f32 of the input from pixel to pixel of the output.
    fn across(&self) -> usize {
        self.unit() * self.stride
    }

    /// f32 of the input from row to row of the output.
    fn down(&self) -> usize {
        self.input()[1] * self.across()
    }

    /// The tiles of a row of a depthwise layer.
    fn depthwise_row(&self) -> Vec<(usize, usize)> {
        let columns = self.map()[1];
        let most = columns.div_ceil(columns.div_ceil(12));
        let tiles = [(most, columns / most), (columns % most, 1)];
        tiles.into_iter().filter(|it| it.0 > 0).collect()
    }

    fn plane(&self) -> usize {
        self.input()[0] * self.input()[1] * self.unit()
    }

    fn taps(&self) -> [Axis; 2] {
        let unit = 4 * self.unit();
        [self.input()[1] * unit, unit].map(|step| axis(self.window, step))
    }
}

fn axis(count: usize, step: usize) -> Axis {
    Axis::new(count as u32, step as i32)
}

/// Calls that share weights: every tile of the map. Offsets are in f32.
struct Pass {
    input: usize,
    weights: usize,
    bias: usize,
    output: usize,
    next: usize,
    runs: Vec<Run>,
}

/// Tiles of one shape beside one another, in some rows.
#[derive(Clone)]
struct Run {
    column: usize,
    rows: usize,
    ahead: usize,
    leaf: Leaf,
}

/// A layer ready to run.
pub(crate) struct Work {
    layer: Layer,
    vectors: usize,
    pixels: usize,
    passes: Vec<Pass>,
    input: &'static mut [f32],
    bias: Vec<f32>,
    output: Vec<f32>,
    pub(crate) weights: usize,
}

impl Work {
    pub(crate) fn new(layer: &Layer, form: Form, machine: &mut Machine) -> Work {
        let [rows, columns] = layer.map();
        let planes = if layer.plain { layer.channels } else { layer.channels.div_ceil(8) };
        let steps = layer.channels * layer.window * layer.window;
        let blocks = layer.out / 8;
        let mut work = Work {
            layer: *layer,
            vectors: if layer.depthwise { 1 } else { vectors(false, columns, blocks, steps) },
            pixels: 0,
            passes: Vec::new(),
            input: huge(planes * layer.plane()),
            bias: vec![0.5; layer.out],
            output: vec![0.0; layer.out * rows * columns],
            weights: 0,
        };
        let mut known = HashMap::new();
        for first in (0..blocks).step_by(work.vectors) {
            let vectors = work.vectors.min(blocks - first);
            if layer.depthwise {
                let new = || work.depthwise(form, machine);
                let runs = known.entry([0; 3]).or_insert_with(new).clone();
                work.push(first * layer.plane(), first, layer.window * layer.window * 8, runs);
                continue;
            }
            let taps = layer.window * layer.window;
            let at_once = channels_at_once(layer.channels, taps, vectors);
            for from in (0..layer.channels).step_by(at_once) {
                let channels = at_once.min(layer.channels - from);
                let key = [vectors, from, channels];
                let new = || work.contraction(key, form, machine);
                let runs = known.entry(key).or_insert_with(new).clone();
                let input = from / 8 * layer.plane();
                work.push(input, first, channels * taps * vectors * 8, runs);
            }
        }
        let mut tiles = row(false, columns, work.vectors, steps);
        if layer.depthwise {
            tiles = layer.depthwise_row();
        }
        work.pixels = tiles[0].0;
        work
    }

    /// Adds a pass over the map for some weights, the next ones.
    fn push(&mut self, input: usize, block: usize, weights: usize, runs: Vec<Run>) {
        let [rows, columns] = self.layer.map();
        self.passes.push(Pass {
            input,
            weights: self.weights,
            bias: block * 8,
            output: block * 8 * rows * columns,
            next: self.weights + weights,
            runs,
        });
        self.weights += weights;
    }

    /// A row of tiles of some vectors that sum over some channels, from one on.
    fn contraction(
        &self,
        [vectors, from, channels]: [usize; 3],
        form: Form,
        machine: &mut Machine,
    ) -> Vec<Run> {
        let layer = self.layer;
        let taps = layer.window * layer.window;
        let tiles = row(false, layer.map()[1], vectors, channels * taps);
        let calls = layer.map()[0] * tiles.iter().map(|it| it.1).sum::<usize>();
        let ahead = (channels * taps * vectors * 32).div_ceil(calls).next_multiple_of(4);
        let reduce = if layer.plain { Reduction::plain } else { Reduction::blocked };
        let reduction = reduce(channels as u32, (4 * layer.plane()) as i32, &layer.taps());
        let last = from + channels == layer.channels;
        let new = |pixels: usize| Contraction {
            grid: self.grid(pixels, vectors),
            reduction: reduction.clone(),
            start: if from == 0 { Start::Bias } else { Start::Output },
            epilogue: if last { vec![Epilogue::Relu] } else { Vec::new() },
            ahead: ahead as u32,
            storage: Storage::F32,
        };
        let mut leaf = |tile: &Tile| machine.leaf(tile, form);
        self.runs(&tiles, ahead, &|pixels| new(pixels).tile(), &mut leaf)
    }

    fn depthwise(&self, form: Form, machine: &mut Machine) -> Vec<Run> {
        let new = |pixels: usize| Depthwise {
            grid: self.grid(pixels, 1),
            input_pitch: 0,
            taps: self.layer.taps().to_vec(),
            start: Start::Bias,
            epilogue: vec![Epilogue::Relu],
        };
        let tiles = self.layer.depthwise_row();
        let mut leaf = |tile: &Tile| machine.leaf(tile, form);
        self.runs(&tiles, 0, &|pixels| new(pixels).tile(), &mut leaf)
    }

    /// Code for the tiles of a row, looping over them and over rows where registers allow.
    fn runs(
        &self,
        tiles: &[(usize, usize)],
        ahead: usize,
        new: &dyn Fn(usize) -> Tile,
        leaf: &mut dyn FnMut(&Tile) -> Leaf,
    ) -> Vec<Run> {
        let [rows, columns] = self.layer.map();
        let [across, down] = [self.layer.across(), self.layer.down()].map(|it| 4 * it as i32);
        let mut column = 0;
        let mut runs = Vec::new();
        for &(pixels, count) in tiles {
            let steps = [
                (Pointer::Input, across * pixels as i32),
                (Pointer::Output, PIXEL * pixels as i32),
                (Pointer::Ahead, ahead as i32),
            ];
            let run = new(pixels).repeated(count as u32, &steps).expect("registers for a row");
            let steps = [
                (Pointer::Input, down),
                (Pointer::Output, PIXEL * columns as i32),
                (Pointer::Ahead, (ahead * count) as i32),
            ];
            let whole = run.repeated(rows as u32, &steps);
            let rows = if whole.is_some() { rows } else { 1 };
            let ahead = ahead / 4 * count * rows;
            let leaf = leaf(whole.as_ref().unwrap_or(&run));
            runs.push(Run { column, rows, ahead, leaf });
            column += pixels * count;
        }
        runs
    }

    fn grid(&self, pixels: usize, vectors: usize) -> Grid {
        let [rows, columns] = self.layer.map();
        let pitch = PIXEL * (rows * columns) as i32;
        Grid::row(pixels as u8, (4 * self.layer.across()) as i32, vectors as u8, pitch)
    }

    /// Pixels by vectors of the first tile.
    pub(crate) fn shape(&self) -> String {
        format!("{}x{}", self.pixels, self.vectors)
    }

    /// Something that depends on every result.
    pub(crate) fn sum(&self) -> f64 {
        self.output.iter().map(|it| f64::from(*it)).sum()
    }

    /// Computes the whole layer.
    pub(crate) fn run(&mut self, weights: &[f32]) {
        let [rows, columns] = self.layer.map();
        let (from, to) = (self.input.as_mut_ptr(), self.output.as_mut_ptr());
        let (across, down) = (self.layer.across(), self.layer.down());
        for pass in &self.passes {
            let mut at = [std::ptr::null_mut(); 6];
            at[Pointer::Weights as usize] = weights[pass.weights..].as_ptr().cast_mut();
            at[Pointer::Bias as usize] = self.bias[pass.bias..].as_mut_ptr();
            let mut ahead = pass.next;
            for run in &pass.runs {
                for y in (0..rows).step_by(run.rows) {
                    let input = pass.input + y * down + run.column * across;
                    let output = pass.output + (y * columns + run.column) * 8;
                    at[Pointer::Input as usize] = from.wrapping_add(input);
                    at[Pointer::Output as usize] = to.wrapping_add(output);
                    at[Pointer::Ahead as usize] = weights.as_ptr().wrapping_add(ahead).cast_mut();
                    run.leaf.call(&at);
                    ahead += run.ahead;
                }
            }
        }
    }
}
