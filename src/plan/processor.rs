//! What the planner knows of processors.

use super::winograd::Scheme;

/// A kind of processor: how wide its vectors are, and what its memory sends meanwhile. The figures were measured on
/// one processor of each kind; a plan depends on the kind alone, so it is the same on all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Whether there are 32 vectors of sixteen lanes, and not 16 of eight.
    pub wide: bool,
    /// Bytes that memory sends in ten half cycles.
    pub(super) memory: usize,
    /// Bytes that the last cache sends in ten half cycles.
    pub(super) cache: usize,
    /// Bytes that come from the second-level cache without waiting.
    pub(super) near: usize,
    /// Half cycles of Winograd's transforms, forward and inverse, of one tile and one block of channels, for each
    /// scheme.
    pub(super) transforms: [(usize, usize); Scheme::ALL.len()],
}

impl Processor {
    /// AVX2 and FMA, or 128-bit vectors; measured on a Zen 3 core.
    pub const NARROW: Processor = Processor {
        wide: false,
        memory: 14,
        cache: 60,
        near: 400 << 10,
        transforms: [(130, 90), (330, 230), (330, 160)],
    };
    /// AVX-512; measured on a Zen 5 core.
    pub const WIDE: Processor = Processor {
        wide: true,
        memory: 32,
        cache: 90,
        near: 800 << 10,
        transforms: [(100, 60), (220, 140), (220, 100)],
    };

    /// The kind of this machine.
    #[must_use]
    pub fn host() -> Processor {
        if has_wide_vectors() { Processor::WIDE } else { Processor::NARROW }
    }
}

impl Default for Processor {
    fn default() -> Self {
        Processor::host()
    }
}

#[cfg(target_arch = "x86_64")]
fn has_wide_vectors() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx512f") && has!("avx512vl") && has!("avx512dq")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_wide_vectors() -> bool {
    false
}
