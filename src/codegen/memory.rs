//! Memory for generated code: f32 on a cache line.

/// The bytes to which buffers are aligned: one cache line.
pub const ALIGNMENT: usize = 64;
/// What is allocated beyond what is asked for, to align it.
const SLACK: usize = ALIGNMENT / size_of::<f32>();

/// The bytes of a huge page, and of memory that is worth some.
const HUGE: usize = 2 << 20;

/// A fixed number of f32, zero at first, that begin on a cache line and never move.
#[derive(Debug)]
pub struct Floats {
    memory: Vec<f32>,
    skip: usize,
    len: usize,
}

impl Floats {
    /// So many zeros; the system gives the pages when they are first touched, huge ones for much memory.
    pub fn zeroed(len: usize) -> Self {
        let is_large = len * size_of::<f32>() >= HUGE;
        let (alignment, slack) =
            if is_large { (HUGE, HUGE / size_of::<f32>()) } else { (ALIGNMENT, SLACK) };
        let mut memory = vec![0.0; len + slack];
        let skip = memory.as_ptr().align_offset(alignment);
        assert!(skip <= slack, "an aligned f32 lies within the slack");
        if is_large {
            advise_huge(&mut memory[skip..skip + len]);
        }
        Self { memory, skip, len }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[f32] {
        &self.memory[self.skip..self.skip + self.len]
    }

    /// All of them, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.memory[self.skip..self.skip + self.len]
    }
}

/// Asks for huge pages: weights are prefetched across many small ones otherwise. A wish, never an error.
#[cfg(target_os = "linux")]
fn advise_huge(memory: &mut [f32]) {
    unsafe extern "C" {
        fn madvise(start: *mut std::ffi::c_void, bytes: usize, advice: i32) -> i32;
    }
    const MADV_HUGEPAGE: i32 = 14;
    let bytes = size_of_val(memory) / HUGE * HUGE;
    // SAFETY: the pages are this vector's own; the advice changes how they are backed, not what they hold.
    let _refused = unsafe { madvise(memory.as_mut_ptr().cast(), bytes, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise_huge(_: &mut [f32]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_begin_on_a_line() {
        for len in [0, 1, 15, 16, 17, 100_000, 3_000_000] {
            let mut floats = Floats::zeroed(len);
            assert_eq!(floats.as_slice().as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(floats.as_mut_slice().len(), len);
            assert!(floats.as_slice().iter().all(|&it| it == 0.0));
        }
    }
}
