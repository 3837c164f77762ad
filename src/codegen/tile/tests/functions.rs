//! Functions of one number.

use super::elementwise::Elementwise;
use super::harness::{Buffers, run};
use crate::codegen::tile::Epilogue;
use crate::plan::Function;

/// The exact value.
pub(super) fn value(function: Function, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
    match function {
        Function::Sigmoid => sigmoid(x),
        Function::Silu => x * sigmoid(x),
        Function::Tanh => libm::tanh(x),
        Function::Hardswish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Function::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
    }
}

/// How far a result may be: some units in the last place, or of the terms where they cancel; a subnormal
/// intermediate may be zero.
fn bound(function: Function, x: f64) -> f64 {
    let size = match function {
        Function::Sigmoid | Function::Tanh => 8.0 * value(function, x).abs(),
        Function::Silu | Function::Hardswish => 12.0 * value(function, x).abs(),
        Function::Gelu => 12.0 * x.abs(),
    };
    size * 2f64.powi(-24) + 2f64.powi(-125) * crate::tensor::max(x.abs(), 1.0)
}

#[test]
fn functions_are_within_their_bounds() {
    let mut numbers: Vec<f32> = (0..=u32::MAX).step_by(40_009).map(f32::from_bits).collect();
    numbers.extend((0..100_000).map(|it| (it - 50_000) as f32 / 500.0));
    numbers
        .retain(|it| it.is_nan() || it.abs() >= f32::MIN_POSITIVE && it.abs() < 1e30 || *it == 0.0);
    numbers.extend([0.625, -0.625, 1.0, -1.0, 3.0, -3.0, f32::NAN, -f32::NAN]);
    numbers.resize(numbers.len().next_multiple_of(8), 0.0);
    for function in Function::ALL {
        let vectors = u32::try_from(numbers.len() / 8).expect("few numbers");
        let buffers = Buffers {
            input: numbers.clone(),
            output: vec![0.0; numbers.len()],
            ..Buffers::default()
        };
        let tile = Elementwise { vectors, epilogue: vec![Epilogue::Map(function)] }.tile();
        let found = run(&tile, &buffers);
        for (&x, y) in numbers.iter().zip(found) {
            let (x, y) = (f64::from(x), f64::from(y));
            if x.is_nan() {
                assert!(y.is_nan(), "{function:?} of NaN is {y}");
                continue;
            }
            // Here the flags of subnormal numbers are not set: what would be zero is tiny.
            let tiny = x < -80.0 && y.abs() < 1e-30;
            let share = (y - value(function, x)).abs() / bound(function, x);
            assert!(
                tiny || share <= 1.0,
                "{function:?}({x:e}) is {:e}, not {y:e}",
                value(function, x)
            );
        }
    }
}
