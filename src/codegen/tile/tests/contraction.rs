//! The contraction tile in all its uses.

use super::functions::value;
use super::harness::{Buffers, assert_close, noise, run, run_unfused};
use crate::codegen::tile::{Axis, Contraction, Epilogue, Grid, PIXEL, Pointer, Reduction, Start};
use crate::plan::{Function, Storage};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::weights::{narrow, rounded};

/// A convolution of which the tile computes a few pixels of one row.
#[derive(Clone, Debug)]
struct Case {
    channels: usize,
    blocked: bool,
    window: [usize; 2],
    stride: usize,
    dilation: usize,
    pixels: usize,
    vectors: usize,
    start: Start,
    epilogue: Vec<Epilogue>,
    wide: bool,
    storage: Storage,
}

const PLAIN: Case = Case {
    channels: 8,
    blocked: true,
    window: [1, 1],
    stride: 1,
    dilation: 1,
    pixels: 4,
    vectors: 3,
    start: Start::Bias,
    epilogue: Vec::new(),
    wide: false,
    storage: Storage::F32,
};

impl Case {
    /// Rows and columns of the input, and of the output.
    fn extents(&self) -> ([usize; 2], [usize; 2]) {
        let [rows, columns] = self.window.map(|it| (it - 1) * self.dilation + 1);
        let output = [2, self.pixels + 1];
        ([rows + self.stride, columns + self.pixels * self.stride], output)
    }

    /// Where f32 of the input lies.
    fn place(&self, channel: usize, row: usize, column: usize) -> usize {
        let ([rows, columns], _) = self.extents();
        if self.blocked {
            ((channel / 8 * rows + row) * columns + column) * 8 + channel % 8
        } else {
            (channel * rows + row) * columns + column
        }
    }

    fn contraction(&self) -> Contraction {
        let ([rows, columns], output) = self.extents();
        let unit = if self.blocked { 32 } else { 4 };
        let bytes = |count: usize| i32::try_from(count).expect("small");
        let count = |count: usize| u32::try_from(count).expect("small");
        let row = bytes(unit * columns);
        let taps = [
            Axis::new(count(self.window[0]), row * bytes(self.dilation)),
            Axis::new(count(self.window[1]), bytes(unit * self.dilation)),
        ];
        let plane = row * bytes(rows);
        let reduction = if self.blocked {
            Reduction::blocked(count(self.channels), plane, &taps)
        } else {
            Reduction::plain(count(self.channels), plane, &taps)
        };
        assert_eq!(reduction.steps() as usize, self.steps());
        let grid = Grid::row(
            self.pixels as u8,
            bytes(unit * self.stride),
            self.vectors as u8,
            PIXEL * bytes(output[0] * output[1]),
        );
        Contraction {
            grid: Grid { wide: self.wide, ..grid },
            reduction,
            start: self.start,
            epilogue: self.epilogue.clone(),
            ahead: 0,
            storage: self.storage,
        }
    }

    fn steps(&self) -> usize {
        self.channels * self.window[0] * self.window[1]
    }

    /// Row of the weights that belongs to a channel and a tap.
    fn step(&self, channel: usize, tap: usize) -> usize {
        let taps = self.window[0] * self.window[1];
        if self.blocked {
            let lanes = (self.channels - channel / 8 * 8).min(8);
            channel / 8 * 8 * taps + tap * lanes + channel % 8
        } else {
            channel * taps + tap
        }
    }

    /// Buffers of noise; lanes of padding hold NaN, so that reading them is seen. The tile
    /// computes the second row from the second column on. Weights are such that f16 has them.
    fn buffers(&self) -> Buffers {
        let ([rows, columns], output) = self.extents();
        let lanes = if self.blocked { self.channels.next_multiple_of(8) } else { self.channels };
        let mut input = noise(lanes * rows * columns, 1);
        for channel in self.channels..lanes {
            for row in 0..rows {
                for column in 0..columns {
                    input[self.place(channel, row, column)] = f32::NAN;
                }
            }
        }
        let pixels = output[0] * output[1] * 8 * self.vectors;
        // A wide vector reads past an odd block.
        let weights = (self.steps() * self.vectors + 1) * 8;
        Buffers {
            input,
            input_at: self.place(0, self.stride, self.stride),
            weights: rounded(Tensor::new(Shape::of(&[weights]), noise(weights, 2))).data,
            bias: noise((self.vectors + 1) * 8, 3),
            residual: noise(pixels, 4),
            output: noise(pixels, 5),
            output_at: (output[1] + 1) * 8,
        }
    }

    /// The exact result and the sum of its absolute terms.
    fn expected(&self, buffers: &Buffers, pixel: usize, channel: usize) -> (f64, f64) {
        let at = self.output_place(pixel, channel);
        let start = match self.start {
            Start::Zero => 0.0,
            Start::Bias => buffers.bias[channel],
            Start::Output => buffers.output[at],
        };
        let (mut sum, mut magnitude) = (f64::from(start), f64::from(start.abs()));
        for input in 0..self.channels {
            for row in 0..self.window[0] {
                for column in 0..self.window[1] {
                    let place = self.place(
                        input,
                        self.stride + row * self.dilation,
                        (pixel + 1) * self.stride + column * self.dilation,
                    );
                    let tap = row * self.window[1] + column;
                    let weight = self.step(input, tap) * self.vectors * 8 + channel;
                    let term = f64::from(buffers.input[place]) * f64::from(buffers.weights[weight]);
                    sum += term;
                    magnitude += term.abs();
                }
            }
        }
        for step in &self.epilogue {
            match *step {
                Epilogue::Residual => {
                    sum += f64::from(buffers.residual[at]);
                    magnitude += f64::from(buffers.residual[at].abs());
                }
                Epilogue::Scale(scale) => {
                    sum *= f64::from(scale);
                    magnitude *= f64::from(scale);
                }
                Epilogue::Relu if sum < 0.0 => sum = 0.0,
                Epilogue::Relu => {}
                Epilogue::Clamp { lo, hi } => sum = sum.clamp(lo.into(), hi.into()),
                Epilogue::Leaky { slope } if sum < 0.0 => sum *= f64::from(slope),
                Epilogue::Leaky { .. } => {}
                // The slopes are at most 1.13, and the functions are right to a few units.
                Epilogue::Map(function) => {
                    sum = value(function, sum);
                    magnitude = 1.2 * magnitude + 2.0 * sum.abs() + 1e-6;
                }
            }
        }
        (sum, magnitude)
    }

    fn output_place(&self, pixel: usize, channel: usize) -> usize {
        let (_, [rows, columns]) = self.extents();
        ((channel / 8 * rows + 1) * columns + pixel + 1) * 8 + channel % 8
    }

    fn compare(&self, buffers: &Buffers, found: &[f32]) {
        let mut untouched = buffers.output.clone();
        for pixel in 0..self.pixels {
            for channel in 0..self.vectors * 8 {
                let at = self.output_place(pixel, channel);
                let (expected, magnitude) = self.expected(buffers, pixel, channel);
                let place = format!("pixel {pixel} channel {channel} of {self:?}");
                assert_close(found[at], expected, magnitude, &place);
                untouched[at] = found[at];
            }
        }
        assert_eq!(found, untouched, "written outside the tile: {self:?}");
    }

    /// Runs the case with narrow and with wide vectors, where registers allow.
    fn check(&self) {
        for wide in [false, true] {
            let case = Case { wide, ..self.clone() };
            let contraction = case.contraction();
            if !contraction.grid.fits() {
                continue;
            }
            let (tile, buffers) = (contraction.tile(), case.buffers());
            let work = case.steps() * usize::from(contraction.grid.results());
            // Functions multiply and add too.
            let only_sums = !case.epilogue.iter().any(|it| matches!(it, Epilogue::Map(_)));
            let fmas = tile.estimate().fmas;
            assert!(fmas == work as u64 || !only_sums, "{fmas}, not {work}: {case:?}\n{tile}");
            let found = run(&tile, &buffers);
            case.compare(&buffers, &found);
            let halves = Case { storage: Storage::F16, ..case.clone() }.contraction().tile();
            assert_eq!(run(&halves, &with_halves(&buffers)), found, "{case:?}");
        }
    }
}

/// The same weights, stored as f16.
fn with_halves(buffers: &Buffers) -> Buffers {
    let mut halves = buffers.clone();
    halves.weights.truncate(buffers.weights.len() / 2);
    narrow(&buffers.weights, bytemuck::cast_slice_mut(&mut halves.weights));
    halves
}

#[test]
fn every_shape_that_fits() {
    for pixels in 1..=30 {
        for vectors in 1..=28 {
            Case { pixels, vectors, channels: 11, ..PLAIN }.check();
        }
    }
}

#[test]
fn channels_stop_at_their_count() {
    for channels in [1, 3, 7, 8, 9, 16, 21, 40] {
        Case { channels, ..PLAIN }.check();
        Case { channels, window: [3, 3], ..PLAIN }.check();
        Case { channels, pixels: 1, vectors: 8, ..PLAIN }.check();
    }
}

/// Each f16 that there is, as the weight of a result of its own: one times it is itself.
#[test]
fn every_f16_is_converted_exactly() {
    const VECTORS: i32 = 8;
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let count = all.len() as u32 / (8 * VECTORS as u32);
    for wide in [false, true] {
        let tile = Contraction {
            grid: Grid { wide, ..Grid::row(1, 4, VECTORS as u8, PIXEL) },
            reduction: Reduction::plain(1, 4, &[]),
            start: Start::Zero,
            epilogue: Vec::new(),
            ahead: 0,
            storage: Storage::F16,
        };
        let steps = [(Pointer::Weights, VECTORS * PIXEL / 2), (Pointer::Output, VECTORS * PIXEL)];
        let buffers = Buffers {
            input: vec![1.0],
            weights: bytemuck::pod_collect_to_vec(&all),
            output: vec![0.0; all.len()],
            ..Buffers::default()
        };
        let tile = tile.tile().repeated(count, &steps).expect("few loops");
        for (bits, found) in all.iter().zip(run(&tile, &buffers)) {
            let want = half::f16::from_bits(*bits).to_f32();
            assert!(found == want || found.is_nan() && want.is_nan(), "{want} became {found}");
        }
    }
}

#[test]
fn windows_strides_dilations() {
    for window in [[1, 3], [3, 1], [2, 2], [3, 3], [5, 5], [7, 7], [11, 11]] {
        for (stride, dilation) in [(1, 1), (2, 1), (1, 2), (4, 3)] {
            let case = Case { window, stride, dilation, ..PLAIN };
            Case { channels: 12, ..case.clone() }.check();
            Case { channels: 3, blocked: false, pixels: 6, vectors: 2, ..case.clone() }.check();
            Case { channels: 1, blocked: false, pixels: 12, vectors: 1, ..case }.check();
        }
    }
}

#[test]
fn starts_and_epilogues() {
    let epilogues = [
        vec![Epilogue::Residual, Epilogue::Relu],
        vec![Epilogue::Clamp { lo: 0.0, hi: 0.5 }],
        vec![Epilogue::Leaky { slope: 0.1 }],
        vec![Epilogue::Relu, Epilogue::Residual],
        vec![Epilogue::Scale(0.25), Epilogue::Clamp { lo: -0.25, hi: 0.25 }],
        vec![Epilogue::Map(Function::Silu), Epilogue::Residual],
        vec![Epilogue::Residual, Epilogue::Map(Function::Tanh), Epilogue::Relu],
        vec![Epilogue::Relu, Epilogue::Map(Function::Gelu), Epilogue::Leaky { slope: 0.1 }],
    ];
    for start in [Start::Zero, Start::Bias, Start::Output] {
        for epilogue in &epilogues {
            for (pixels, vectors) in [(4, 3), (3, 4), (14, 1), (1, 8), (1, 14)] {
                let epilogue = epilogue.clone();
                Case { start, epilogue, pixels, vectors, channels: 5, ..PLAIN }.check();
            }
        }
    }
}

#[test]
fn without_fused_multiply_add() {
    let case = Case { channels: 20, window: [3, 3], ..PLAIN };
    let buffers = case.buffers();
    case.compare(&buffers, &run_unfused(&case.contraction().tile(), &buffers));
}

#[test]
fn a_reduction_in_two_calls_has_the_same_bits() {
    let whole = Case { channels: 24, window: [3, 3], ..PLAIN };
    let buffers = whole.buffers();
    let expected = run(&whole.contraction().tile(), &buffers);
    let part = |channels, start| {
        let mut part = whole.contraction();
        part.reduction = Case { channels, ..whole.clone() }.contraction().reduction;
        part.start = start;
        part.tile()
    };
    let mut second = buffers.clone();
    second.output = run(&part(16, Start::Bias), &buffers);
    second.input_at += whole.place(16, 0, 0);
    second.weights.drain(..whole.step(16, 0) * whole.vectors * 8);
    assert_eq!(run(&part(8, Start::Output), &second), expected);
}

#[test]
fn repeated_tiles_cover_a_row() {
    let case = Case { channels: 12, window: [3, 3], pixels: 12, vectors: 1, ..PLAIN };
    let mut narrow = case.contraction();
    narrow.grid.pixels.truncate(4);
    let step = 4 * PIXEL;
    let steps = [(Pointer::Input, step), (Pointer::Output, step)];
    let tile = narrow.tile().repeated(3, &steps).expect("few loops");
    let buffers = case.buffers();
    case.compare(&buffers, &run(&tile, &buffers));
}

#[test]
fn loops_nest_as_deep_as_registers_last() {
    let case = Case { channels: 12, window: [3, 3], epilogue: vec![Epilogue::Relu], ..PLAIN };
    let mut tile = case.contraction().tile();
    let mut depth = 0;
    while let Some(deeper) = tile.repeated(2, &[]) {
        tile = deeper;
        depth += 1;
    }
    assert!(depth > 0);
    let buffers = case.buffers();
    case.compare(&buffers, &run(&tile, &buffers));
}

#[test]
fn prefetching_changes_no_result() {
    for (channels, window) in [(3, [1, 1]), (20, [1, 1]), (64, [3, 3]), (16, [11, 11])] {
        let epilogue = vec![Epilogue::Residual, Epilogue::Clamp { lo: 0.0, hi: 6.0 }];
        let case = Case { channels, window, epilogue, ..PLAIN };
        let buffers = case.buffers();
        for ahead in [1, 64, 1000, 50_000] {
            let tile = Contraction { ahead, ..case.contraction() }.tile();
            let lines = u64::from(ahead.div_ceil(64));
            let estimate = tile.estimate();
            assert!(estimate.prefetches >= lines, "{estimate:?}\n{tile}");
            assert!(estimate.prefetches <= 2 * lines, "{estimate:?}\n{tile}");
            case.compare(&buffers, &run(&tile, &buffers));
        }
    }
}

#[test]
fn pixels_lie_anywhere() {
    let case = Case { channels: 16, pixels: 5, vectors: 2, ..PLAIN };
    let mut scattered = case.contraction();
    scattered.grid.pixels.reverse();
    let buffers = case.buffers();
    case.compare(&buffers, &run(&scattered.tile(), &buffers));
}

#[test]
fn a_nan_stays() {
    for epilogue in [
        Epilogue::Relu,
        Epilogue::Residual,
        Epilogue::Clamp { lo: 0.0, hi: 6.0 },
        Epilogue::Leaky { slope: 0.1 },
        Epilogue::Map(Function::Sigmoid),
        Epilogue::Map(Function::Silu),
        Epilogue::Map(Function::Tanh),
        Epilogue::Map(Function::Hardswish),
        Epilogue::Map(Function::Gelu),
    ] {
        let case = Case { epilogue: vec![epilogue], ..PLAIN };
        let mut buffers = case.buffers();
        buffers.input[case.place(3, 1, 2)] = f32::NAN;
        let found = run(&case.contraction().tile(), &buffers);
        for channel in 0..case.vectors * 8 {
            assert!(!found[case.output_place(0, channel)].is_nan(), "{epilogue:?}");
            assert!(found[case.output_place(1, channel)].is_nan(), "{epilogue:?}");
        }
    }
}

#[test]
#[should_panic(expected = "no registers")]
fn too_many_results_are_refused() {
    let _ = Case { pixels: 7, vectors: 2, ..PLAIN }.contraction().tile();
}
