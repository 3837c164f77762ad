//! Tiles whose input is read by vectors: depthwise, pooling, elementwise.

use super::elementwise::Elementwise;
use super::harness::{Buffers, assert_close, noise, run};
use crate::codegen::tile::{Axis, Depthwise, Epilogue, Grid, PIXEL, Pool, Pooling, Start, Tile};

/// Windows over blocked channels: a row of pixels, as every tile here computes.
#[derive(Clone, Copy, Debug)]
struct Case {
    window: [usize; 2],
    stride: usize,
    dilation: usize,
    pixels: usize,
    vectors: usize,
}

impl Case {
    fn extents(&self) -> [usize; 2] {
        let [rows, columns] = self.window.map(|it| (it - 1) * self.dilation + 1);
        [rows, columns + (self.pixels - 1) * self.stride]
    }

    fn place(&self, channel: usize, row: usize, column: usize) -> usize {
        let [rows, columns] = self.extents();
        ((channel / 8 * rows + row) * columns + column) * 8 + channel % 8
    }

    fn grid(&self) -> Grid {
        let pixels = self.pixels as u8;
        let pitch = PIXEL * self.pixels as i32;
        Grid::row(pixels, PIXEL * self.stride as i32, self.vectors as u8, pitch)
    }

    fn input_pitch(&self) -> i32 {
        let [rows, columns] = self.extents();
        PIXEL * (rows * columns) as i32
    }

    fn taps(&self) -> Vec<Axis> {
        let step = PIXEL * self.dilation as i32;
        let row = step * self.extents()[1] as i32;
        vec![Axis::new(self.window[0] as u32, row), Axis::new(self.window[1] as u32, step)]
    }

    fn buffers(&self) -> Buffers {
        let [rows, columns] = self.extents();
        let (lanes, taps) = (self.vectors * 8, self.window[0] * self.window[1]);
        Buffers {
            input: noise(rows * columns * lanes, 1),
            weights: noise(taps * lanes, 2),
            bias: noise(lanes, 3),
            residual: noise(self.pixels * lanes, 4),
            output: vec![0.0; self.pixels * lanes],
            ..Buffers::default()
        }
    }

    /// The taps of a result: input and weight.
    fn each_tap<'a>(
        &'a self,
        buffers: &'a Buffers,
        pixel: usize,
        channel: usize,
    ) -> impl Iterator<Item = (f64, f64)> + 'a {
        let [rows, columns] = self.window;
        (0..rows * columns).map(move |tap| {
            let row = tap / columns * self.dilation;
            let column = pixel * self.stride + tap % columns * self.dilation;
            let weight = (channel / 8 * rows * columns + tap) * 8 + channel % 8;
            let input = buffers.input[self.place(channel, row, column)];
            (f64::from(input), f64::from(buffers.weights[weight]))
        })
    }

    /// Compares each result with the value and magnitude that `expected` computes.
    fn compare(
        &self,
        tile: &Tile,
        buffers: &Buffers,
        expected: impl Fn(usize, usize, usize) -> (f64, f64),
    ) {
        let found = run(tile, buffers);
        for pixel in 0..self.pixels {
            for channel in 0..self.vectors * 8 {
                let at = (channel / 8 * self.pixels + pixel) * 8 + channel % 8;
                let (value, magnitude) = expected(pixel, channel, at);
                let place = format!("pixel {pixel} channel {channel} of {self:?}");
                assert_close(found[at], value, magnitude, &place);
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for window in [[1, 1], [2, 2], [3, 3], [1, 4], [5, 5], [7, 7]] {
        for (stride, dilation) in [(1, 1), (2, 1), (1, 2), (3, 1)] {
            for (pixels, vectors) in [(1, 1), (4, 1), (6, 2), (12, 1), (1, 8)] {
                cases.push(Case { window, stride, dilation, pixels, vectors });
            }
        }
    }
    cases
}

#[test]
fn depthwise() {
    for case in cases() {
        let tile = Depthwise {
            grid: case.grid(),
            input_pitch: case.input_pitch(),
            taps: case.taps(),
            start: Start::Bias,
            epilogue: vec![Epilogue::Residual, Epilogue::Relu],
        }
        .tile();
        let buffers = case.buffers();
        case.compare(&tile, &buffers, |pixel, channel, at| {
            let start = [buffers.bias[channel], buffers.residual[at]].map(f64::from);
            let (mut sum, mut magnitude) = (start[0] + start[1], start[0].abs() + start[1].abs());
            for (input, weight) in case.each_tap(&buffers, pixel, channel) {
                sum += input * weight;
                magnitude += (input * weight).abs();
            }
            (if sum < 0.0 { 0.0 } else { sum }, magnitude)
        });
    }
}

#[test]
fn depthwise_shares_loads_between_windows() {
    let case = Case { window: [3, 3], stride: 1, dilation: 1, pixels: 12, vectors: 1 };
    let tile = Depthwise {
        grid: case.grid(),
        input_pitch: case.input_pitch(),
        taps: case.taps(),
        start: Start::Zero,
        epilogue: Vec::new(),
    }
    .tile();
    let estimate = tile.estimate();
    assert_eq!((estimate.fmas, estimate.loads), (108, 3 * (14 + 3)));
}

fn pool(case: Case, pooling: Pooling) -> Tile {
    let (grid, taps) = (case.grid(), case.taps());
    let input_pitch = case.input_pitch();
    Pool { pooling, grid, input_pitch, taps, epilogue: Vec::new() }.tile()
}

#[test]
fn max_pool() {
    for case in cases() {
        let (tile, buffers) = (pool(case, Pooling::Max), case.buffers());
        case.compare(&tile, &buffers, |pixel, channel, _| {
            let taps = case.each_tap(&buffers, pixel, channel).map(|it| it.0);
            (taps.fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a }), 0.0)
        });
    }
}

#[test]
fn mean_pool() {
    for case in cases().into_iter().filter(|it| it.pixels * it.vectors <= 8) {
        let count = (case.window[0] * case.window[1]) as f32;
        let (tile, buffers) = (pool(case, Pooling::Sum { scale: 1.0 / count }), case.buffers());
        case.compare(&tile, &buffers, |pixel, channel, _| {
            let taps = || case.each_tap(&buffers, pixel, channel).map(|it| it.0);
            let mean = taps().sum::<f64>() / f64::from(count);
            (mean, taps().map(f64::abs).sum::<f64>() / f64::from(count))
        });
    }
}

#[test]
fn mean_of_whole_planes() {
    for [rows, columns] in [[7, 7], [56, 56], [13, 47]] {
        let case = Case { window: [rows, columns], stride: 1, dilation: 1, pixels: 1, vectors: 8 };
        let scale = 1.0 / (rows * columns) as f32;
        let (tile, buffers) = (pool(case, Pooling::Sum { scale }), case.buffers());
        assert!(tile.estimate().code_bytes < 4096, "loops, not straight code:\n{tile}");
        case.compare(&tile, &buffers, |pixel, channel, _| {
            let taps = || case.each_tap(&buffers, pixel, channel).map(|it| it.0);
            let scale = f64::from(scale);
            (taps().sum::<f64>() * scale, taps().map(f64::abs).sum::<f64>() * scale)
        });
    }
}

#[test]
fn a_maximum_keeps_nan_from_any_tap() {
    for window in [[3, 3], [2, 2], [1, 1], [40, 40]] {
        let case = Case { window, stride: window[1], dilation: 1, pixels: 2, vectors: 1 };
        let tile = pool(case, Pooling::Max);
        for tap in 0..(window[0] * window[1]).min(50) {
            let mut buffers = case.buffers();
            buffers.input[case.place(5, tap / window[1], tap % window[1])] = f32::NAN;
            let found = run(&tile, &buffers);
            let nans: Vec<usize> = (0..16).filter(|it| found[*it].is_nan()).collect();
            assert_eq!(nans, [5], "tap {tap} of {case:?}");
        }
    }
}

#[test]
fn a_maximum_of_infinities() {
    let case = Case { window: [2, 2], stride: 2, dilation: 1, pixels: 1, vectors: 1 };
    let mut buffers = case.buffers();
    buffers.input.fill(f32::NEG_INFINITY);
    assert_eq!(run(&pool(case, Pooling::Max), &buffers), [f32::NEG_INFINITY; 8]);
}

#[test]
fn elementwise() {
    for vectors in [1, 7, 8, 9, 16, 41] {
        let count = vectors as usize * 8;
        let buffers = Buffers {
            input: noise(count, 1),
            residual: noise(count, 2),
            output: vec![0.0; count],
            ..Buffers::default()
        };
        let epilogue = vec![Epilogue::Residual, Epilogue::Clamp { lo: -0.5, hi: 0.5 }];
        let found = run(&Elementwise { vectors, epilogue }.tile(), &buffers);
        for ((input, residual), found) in buffers.input.iter().zip(&buffers.residual).zip(found) {
            assert_eq!(found.to_bits(), (input + residual).clamp(-0.5, 0.5).to_bits());
        }
    }
}

#[test]
fn one_tap_is_scale_and_shift() {
    let case = Case { window: [1, 1], stride: 1, dilation: 1, pixels: 5, vectors: 2 };
    let tile = Depthwise {
        grid: case.grid(),
        input_pitch: case.input_pitch(),
        taps: Vec::new(),
        start: Start::Bias,
        epilogue: Vec::new(),
    }
    .tile();
    let buffers = case.buffers();
    case.compare(&tile, &buffers, |pixel, channel, _| {
        let bias = f64::from(buffers.bias[channel]);
        let (input, weight) = case.each_tap(&buffers, pixel, channel).next().expect("one tap");
        (bias + input * weight, bias.abs() + (input * weight).abs())
    });
}
