//! Weights rounded to f16.
//!
//! To the nearest f16, ties to even; what is finite stays finite, so that beyond 65504 it becomes 65504. NaN and
//! infinities stay what they are.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use crate::tensor::Tensor;

/// Weights to round at a time.
const PART: usize = 1024;

/// Writes the bits of as many f16 as there are weights; gives how many of the weights f16 does not reach.
pub fn narrow(weights: &[f32], to: &mut [u16]) -> usize {
    let to: &mut [f16] = to.reinterpret_cast_mut();
    to.convert_from_f32_slice(weights);
    let mut beyond = 0;
    for (to, weight) in to.iter_mut().zip(weights) {
        if to.is_infinite() && weight.is_finite() {
            *to = f16::MAX.copysign(*to);
            beyond += 1;
        }
    }
    beyond
}

/// The f32 of the same values as the weights that [`narrow`] writes.
pub fn rounded(mut tensor: Tensor) -> Tensor {
    let mut near = [0; PART];
    for part in tensor.data.chunks_mut(PART) {
        let near = &mut near[..part.len()];
        narrow(part, near);
        near.reinterpret_cast::<f16>().convert_to_f32_slice(part);
    }
    tensor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    /// A weight and the bits of its f16.
    const CASES: &[(f32, u16)] = &[
        (0.0, 0x0000),
        (-0.0, 0x8000),
        (1.0, 0x3c00),
        (-2.0, 0xc000),
        // Ties go to the even neighbour, what is above them up.
        (1.0 + 1.0 / 2048.0, 0x3c00),
        (1.0 + 3.0 / 2048.0, 0x3c02),
        (1.000_488_4, 0x3c01),
        // The least normal number, the greatest and the least subnormal one, and half of that.
        (6.103_515_6e-5, 0x0400),
        (6.097_555e-5, 0x03ff),
        (5.960_464_5e-8, 0x0001),
        (2.980_232_2e-8, 0x0000),
        (-2.980_232_6e-8, 0x8001),
        (1e-40, 0x0000),
        (65504.0, 0x7bff),
        (65519.9, 0x7bff),
        (f32::INFINITY, 0x7c00),
        (f32::NEG_INFINITY, 0xfc00),
    ];

    #[test]
    fn weights_become_the_nearest_f16() {
        for &(weight, bits) in CASES {
            let mut found = [0];
            assert_eq!(narrow(&[weight], &mut found), 0, "{weight}");
            assert_eq!(found, [bits], "{weight}: {:#x}", found[0]);
        }
        let mut found = [0; 4];
        let beyond = narrow(&[65520.0, -1e30, f32::NAN, f32::MAX], &mut found);
        assert_eq!((beyond, found[0], found[1], found[3]), (3, 0x7bff, 0xfbff, 0x7bff));
        assert!(f16::from_bits(found[2]).is_nan());
    }

    #[test]
    fn f16_are_themselves() {
        let all: Vec<f32> = (0..=u16::MAX).map(|it| f16::from_bits(it).to_f32()).collect();
        let tensor = rounded(Tensor::new(Shape::of(&[all.len()]), all.clone()));
        for (found, want) in tensor.data.iter().zip(&all) {
            assert!(found.to_bits() == want.to_bits() || found.is_nan() && want.is_nan());
        }
    }

    #[test]
    fn the_error_is_what_is_said_of_it() {
        for at in 0..200_000_u32 {
            let weight = f32::from_bits(at.wrapping_mul(0x9e37_79b9) & 0x477f_ffff);
            let tensor = rounded(Tensor::new(Shape::of(&[1]), vec![weight]));
            let error = (f64::from(tensor.data[0]) - f64::from(weight)).abs();
            let bound = if weight < 6.103_515_6e-5 {
                2_f64.powi(-25)
            } else {
                f64::from(weight) * 2_f64.powi(-11)
            };
            assert!(error <= bound, "{weight} became {}", tensor.data[0]);
        }
    }
}
