//! How many bits a stored weight has.

/// How weights lie in memory. They are f32 wherever something is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Storage {
    /// As they are.
    #[default]
    F32,
    /// Rounded to f16, two in the place of one f32.
    F16,
}

impl Storage {
    /// The bytes of a weight.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Storage::F32 => 4,
            Storage::F16 => 2,
        }
    }

    /// The elements of f32 whose place so many weights take, an even number of them.
    #[must_use]
    pub const fn words(self, weights: usize) -> usize {
        weights * self.bytes() / Storage::F32.bytes()
    }
}
