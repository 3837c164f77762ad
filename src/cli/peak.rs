//! What one core could do at best.

use std::hint::black_box;
use std::time::Instant;

/// Floating-point operations per nanosecond of one core: its clock, measured, times 32 operations a cycle
/// (two fused multiply-adds of eight f32) where it has AVX2 and FMA, else 8.
pub(super) fn flops_per_nanosecond() -> f64 {
    let cycles_per_nanosecond = (0..5).map(|_| clock()).fold(0.0, crate::tensor::max);
    cycles_per_nanosecond * if has_wide() { 32.0 } else { 8.0 }
}

/// Cycles per nanosecond, by a chain of dependent multiplications: three cycles each on x86-64 and close to
/// that elsewhere.
fn clock() -> f64 {
    const STEPS: u32 = 2_000_000;
    let begun = Instant::now();
    let mut x = black_box(3_u64);
    for _ in 0..STEPS {
        x = black_box(x.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    black_box(x);
    f64::from(3 * STEPS) / begun.elapsed().as_nanos() as f64
}

#[cfg(target_arch = "x86_64")]
fn has_wide() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_wide() -> bool {
    false
}
