//! Subnormal numbers count as zero while generated code runs.

/// Flushes subnormal operands and results to zero on this thread until dropped.
pub(super) struct Flush {
    #[cfg(target_arch = "x86_64")]
    before: u32,
}

/// Flush results to zero, and take subnormal operands as zero.
#[cfg(target_arch = "x86_64")]
const FTZ_DAZ: u32 = 0x8040;

impl Flush {
    #[cfg(target_arch = "x86_64")]
    pub(super) fn new() -> Self {
        let mut before = 0_u32;
        // SAFETY: stores the control word of SSE into a local of its size.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut before, options(nostack)) };
        load(before | FTZ_DAZ);
        Self { before }
    }

    /// Other targets keep subnormal numbers.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn new() -> Self {
        Self {}
    }
}

#[cfg(target_arch = "x86_64")]
fn load(word: u32) {
    // SAFETY: the word came from `stmxcsr`, with two defined bits set: no reserved bit, and all exceptions stay masked.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, readonly)) };
}

#[cfg(target_arch = "x86_64")]
impl Drop for Flush {
    fn drop(&mut self) {
        load(self.before);
    }
}

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn subnormals_are_zero_inside_and_back_outside() {
        let tiny = black_box(f32::MIN_POSITIVE);
        assert_ne!(black_box(tiny * black_box(0.5)), 0.0);
        let flush = Flush::new();
        assert_eq!(black_box(tiny * black_box(0.5)), 0.0);
        drop(flush);
        assert_ne!(black_box(tiny * black_box(0.5)), 0.0);
    }
}
