//! Memory for generated code: f32 on a cache line.

/// The bytes to which buffers are aligned: one cache line.
pub const ALIGNMENT: usize = 64;
const SLACK: usize = ALIGNMENT / size_of::<f32>();

/// A fixed number of f32, zero at first, that begin on a cache line and never move.
#[derive(Debug)]
pub struct Floats {
    memory: Vec<f32>,
    skip: usize,
    len: usize,
}

impl Floats {
    /// So many zeros; the system gives the pages when they are first touched.
    pub fn zeroed(len: usize) -> Self {
        let memory = vec![0.0; len + SLACK];
        let skip = memory.as_ptr().align_offset(ALIGNMENT);
        assert!(skip <= SLACK, "an aligned f32 lies within a line");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_begin_on_a_line() {
        for len in [0, 1, 15, 16, 17, 100_000] {
            let mut floats = Floats::zeroed(len);
            assert_eq!(floats.as_slice().as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(floats.as_mut_slice().len(), len);
            assert!(floats.as_slice().iter().all(|&it| it == 0.0));
        }
    }
}
