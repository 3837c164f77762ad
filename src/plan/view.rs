//! Where a value lives and how its elements are laid out.

use super::{LANES, Part};
use crate::shape::Shape;

/// A buffer of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub usize);

/// Memory that steps read or write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Elements of f32.
    pub elements: usize,
    /// Whose memory it is.
    pub home: Home,
}

/// Whose memory a buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// The caller's input, by position; never written.
    Input(usize),
    /// The caller's output, by position.
    Output(usize),
    /// The arena, at this many bytes from its start (a multiple of 64).
    Arena(usize),
}

/// A tensor inside a buffer.
///
/// Element `[n, c, y..]` lies at `base + n * strides[0] + channel(c) + y * strides[2] + ..`, where `channel(c)` is
/// `c * strides[1]`, or `(c / 8) * strides[1] + c % 8` if blocked. A blocked view owns whole blocks: the lanes
/// past its last channel may be written and hold anything, and nobody reads them as channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The memory.
    pub buffer: BufferId,
    /// The element at which `[0, 0, 0..]` lies, after any halo.
    pub base: usize,
    /// The extents.
    pub shape: Shape,
    /// The distance between neighbours on each axis, in elements; between blocks on axis 1 if blocked.
    pub strides: Vec<usize>,
    /// Whether axis 1 is in blocks of [`LANES`].
    pub blocked: bool,
    /// Rows of zeros before and after on each spatial axis; empty where there are none.
    pub halo: Vec<(usize, usize)>,
}

impl View {
    /// A row-major view of a whole buffer, with a halo around the spatial axes (empty for none).
    pub fn plain(buffer: BufferId, shape: &Shape, halo: &[(usize, usize)]) -> (View, usize) {
        Self::laid(buffer, shape, halo, false)
    }

    /// A blocked view of a whole buffer, with a halo around the spatial axes (empty for none).
    pub fn blocked(buffer: BufferId, shape: &Shape, halo: &[(usize, usize)]) -> (View, usize) {
        Self::laid(buffer, shape, halo, true)
    }

    /// The view and the elements that its buffer needs.
    fn laid(
        buffer: BufferId,
        shape: &Shape,
        halo: &[(usize, usize)],
        blocked: bool,
    ) -> (View, usize) {
        assert!(!blocked || shape.rank() >= 2, "only a value with channels is blocked");
        assert!(
            halo.is_empty() || halo.len() == shape.spatial().len(),
            "one halo for each spatial axis"
        );
        let rank = shape.rank();
        let mut strides = vec![0; rank];
        let mut base = 0;
        let mut step = if blocked { LANES } else { 1 };
        for axis in (0..rank).rev() {
            strides[axis] = step;
            let extent = match axis {
                1 if blocked => shape.dims()[1].div_ceil(LANES),
                _ => shape.dims()[axis],
            };
            let (before, after) =
                if axis >= 2 { halo.get(axis - 2).copied().unwrap_or((0, 0)) } else { (0, 0) };
            base += before * step;
            step *= before + extent + after;
        }
        let halo = if halo.iter().all(|it| *it == (0, 0)) { Vec::new() } else { halo.to_vec() };
        (View { buffer, base, shape: shape.clone(), strides, blocked, halo }, step)
    }

    /// The channels `from..from + channels` as a view of their own; `from` must start a block if blocked.
    #[must_use]
    pub fn channels(&self, from: usize, channels: usize) -> View {
        let shift = if self.blocked {
            assert_eq!(from % LANES, 0, "a slice of a blocked view starts a block");
            from / LANES * self.strides[1]
        } else {
            from * self.strides[1]
        };
        let shape = self.shape.with(1, channels).expect("a slice is smaller than the whole");
        View { base: self.base + shift, shape, ..self.clone() }
    }

    /// The parts of the spatial axes, as a view without halo; all where there are none.
    #[must_use]
    pub fn parts(&self, parts: &[Part]) -> View {
        if parts.is_empty() {
            return self.clone();
        }
        let mut view = View { halo: Vec::new(), ..self.clone() };
        let mut dims = self.shape.dims().to_vec();
        for (axis, part) in (2..).zip(parts) {
            let last = part.first + (part.count - 1) * part.step;
            assert!(last < dims[axis], "{part:?} leaves axis {axis} of {}", self.shape);
            view.base += part.first * self.strides[axis];
            view.strides[axis] *= part.step;
            dims[axis] = part.count;
        }
        View { shape: Shape::of(&dims), ..view }
    }

    /// The same elements of a `[N, C, 1..]` value under a shape of the same batch and channels.
    #[must_use]
    pub fn reshaped(&self, shape: &Shape) -> View {
        assert_eq!(self.shape.elements(), shape.elements(), "a view keeps its elements");
        let mut strides = self.strides[..2].to_vec();
        strides.resize(shape.rank(), LANES);
        View { shape: shape.clone(), strides, halo: Vec::new(), ..self.clone() }
    }

    /// The element at a place.
    pub fn at(&self, place: &[usize]) -> usize {
        let mut at = self.base;
        for (axis, (&i, &stride)) in place.iter().zip(&self.strides).enumerate() {
            at +=
                if axis == 1 && self.blocked { i / LANES * stride + i % LANES } else { i * stride };
        }
        at
    }

    /// The elements from the first to one past the last that the view owns, halo included.
    pub fn range(&self) -> std::ops::Range<usize> {
        let mut start = self.base;
        let mut last = self.base;
        for (axis, (&extent, &stride)) in self.shape.dims().iter().zip(&self.strides).enumerate() {
            let blocks = if axis == 1 && self.blocked { extent.div_ceil(LANES) } else { extent };
            let (before, after) =
                if axis >= 2 { self.halo.get(axis - 2).copied().unwrap_or((0, 0)) } else { (0, 0) };
            start -= before * stride;
            last += (blocks - 1 + after) * stride;
        }
        start..last + if self.blocked { LANES } else { 1 }
    }

    /// The elements that a tile may pass between two places of the view: those of one image, or of all vectors.
    pub fn reach(&self) -> usize {
        match self.strides.as_slice() {
            [image] => *image,
            [vector, _] => self.shape.batch() * vector,
            [image, ..] => *image,
            [] => 0,
        }
    }

    /// Whether the elements of one channel block (or one channel) lie without gaps over the whole space.
    pub fn is_dense(&self) -> bool {
        let mut step = if self.blocked { LANES } else { 1 };
        self.halo.is_empty()
            && (2..self.shape.rank()).rev().all(|axis| {
                let dense = self.strides[axis] == step;
                step *= self.shape.dims()[axis];
                dense
            })
    }
}
