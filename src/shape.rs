//! Extents of values, and all window arithmetic, once.

use std::fmt;
use std::ops::Range;

/// The extents of a value, batch first: `[N, C, H, W]` for a picture, `[N, C]` for a vector.
///
/// Every extent is at least 1 and below 2^31; the number of elements is at most 2^31.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The largest extent and the largest number of elements.
    pub const ELEMENTS_MAX: usize = 1 << 31;

    /// The most axes that a value may have, batch included.
    pub const RANK_MAX: usize = 8;

    /// A shape within the limits, or `None`.
    pub fn checked(dims: &[usize]) -> Option<Shape> {
        let fits = dims.len() <= Self::RANK_MAX && dims.iter().all(|&it| it >= 1);
        let product = dims.iter().try_fold(1_usize, |product, &it| product.checked_mul(it));
        (fits && product.is_some_and(|it| it <= Self::ELEMENTS_MAX)).then(|| Shape(dims.to_vec()))
    }

    /// A shape whose extents are known to be within the limits; panics if they are not.
    pub fn of(dims: &[usize]) -> Shape {
        Self::checked(dims)
            .unwrap_or_else(|| panic!("extents {dims:?} break the limits of a shape"))
    }

    /// All extents, batch first.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// The number of axes, batch included.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements, batch included.
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// The extents without the batch.
    pub fn sample(&self) -> &[usize] {
        self.0.get(1..).unwrap_or(&[])
    }

    /// The batch; 1 for a scalar.
    pub fn batch(&self) -> usize {
        self.0.first().copied().unwrap_or(1)
    }

    /// The channels, axis 1; 1 where there is none.
    pub fn channels(&self) -> usize {
        self.0.get(1).copied().unwrap_or(1)
    }

    /// The extents after batch and channels: `[H, W]` for a picture, empty for a vector.
    pub fn spatial(&self) -> &[usize] {
        self.0.get(2..).unwrap_or(&[])
    }

    /// The same shape with another extent on one axis.
    pub fn with(&self, axis: usize, extent: usize) -> Option<Shape> {
        let mut dims = self.0.clone();
        *dims.get_mut(axis)? = extent;
        Self::checked(&dims)
    }

    /// The distance in elements between neighbours on each axis, row-major.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for axis in (1..self.rank()).rev() {
            strides[axis - 1] = strides[axis] * self.0[axis];
        }
        strides
    }
}

/// Prints the sample: `[C, H, W]`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, self.sample())
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, dims: &[usize]) -> fmt::Result {
    f.write_str("[")?;
    for (i, dim) in dims.iter().enumerate() {
        write!(f, "{}{dim}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str("]")
}

/// How a padding is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// `pad=1`, `pad=[1, 2]`, `pad=[(0, 1), (0, 1)]`: rows before and after, one pair an axis, or one for all.
    Explicit(PerAxis<(usize, usize)>),
    /// `half`: floor(dilation * (kernel - 1) / 2) on both sides.
    Half,
    /// `same`: ceil(extent / stride) outputs, the odd row after (ONNX SAME_UPPER, TensorFlow).
    Same,
    /// `same_lower`: the odd row before (ONNX SAME_LOWER).
    SameLower,
}

/// One value for every spatial axis, or one for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PerAxis<T> {
    /// The same on every axis.
    All(T),
    /// One an axis, in the order of the shape.
    Each(Vec<T>),
}

impl<T: Copy> PerAxis<T> {
    /// The value on a spatial axis; `None` if there are too few.
    pub fn get(&self, axis: usize) -> Option<T> {
        match self {
            PerAxis::All(it) => Some(*it),
            PerAxis::Each(each) => each.get(axis).copied(),
        }
    }
}

/// A window that slides along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Taps.
    pub kernel: usize,
    /// Rows between neighbouring places.
    pub stride: usize,
    /// Rows between neighbouring taps.
    pub dilation: usize,
    /// Rows of padding before the first.
    pub before: usize,
    /// Rows of padding after the last.
    pub after: usize,
    /// Whether a last place that lies only partly inside counts (pools; PyTorch's `ceil_mode`).
    pub ceil: bool,
}

impl Window {
    /// The rows that one place covers: dilation * (kernel - 1) + 1.
    pub fn reach(&self) -> usize {
        self.dilation.saturating_mul(self.kernel - 1).saturating_add(1)
    }

    /// How many places the window has on `extent` rows; 0 if it does not fit.
    ///
    /// floor((extent + before + after - reach) / stride) + 1; with `ceil` rounded up, but a place that
    /// would start in the padding after the last row does not count (PyTorch's rule).
    pub fn places(&self, extent: usize) -> usize {
        let padded = extent.saturating_add(self.before).saturating_add(self.after);
        let Some(room) = padded.checked_sub(self.reach()) else { return 0 };
        if !self.ceil {
            return room / self.stride + 1;
        }
        let places = room.div_ceil(self.stride) + 1;
        let starts_in_padding = (places - 1) * self.stride >= extent + self.before;
        if starts_in_padding { places - 1 } else { places }
    }

    /// The rows after the last place that no place reads.
    pub fn unread(&self, extent: usize) -> usize {
        let places = self.places(extent);
        if places == 0 {
            return 0;
        }
        let padded = extent + self.before + self.after;
        padded.saturating_sub((places - 1) * self.stride + self.reach())
    }

    /// The row under a tap at a place, or `None` in the padding.
    pub fn row(&self, place: usize, tap: usize, extent: usize) -> Option<usize> {
        let padded = place * self.stride + tap * self.dilation;
        padded.checked_sub(self.before).filter(|&it| it < extent)
    }

    /// The places, among so many, at which a tap lies on a row and not in the padding.
    pub fn inside(&self, tap: usize, extent: usize, places: usize) -> Range<usize> {
        let reach = tap.saturating_mul(self.dilation);
        let first = self.before.saturating_sub(reach).div_ceil(self.stride);
        let end = (extent + self.before).saturating_sub(reach).div_ceil(self.stride);
        first.min(places)..end.min(places).max(first.min(places))
    }

    /// Whether any tap at any of so many places lies in the padding.
    pub fn leaves(&self, extent: usize, places: usize) -> bool {
        let end = (places - 1).saturating_mul(self.stride).saturating_add(self.reach());
        self.before > 0 || end > extent
    }
}

impl Padding {
    /// Rows before and after on one axis.
    pub fn on(
        &self,
        axis: usize,
        extent: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
    ) -> (usize, usize) {
        let reach = dilation.saturating_mul(kernel.saturating_sub(1)).saturating_add(1);
        let total = || {
            let places = extent.div_ceil(stride);
            ((places - 1) * stride).saturating_add(reach).saturating_sub(extent)
        };
        match self {
            Padding::Explicit(pairs) => pairs.get(axis).unwrap_or((0, 0)),
            Padding::Half => ((reach - 1) / 2, (reach - 1) / 2),
            Padding::Same => (total() / 2, total() - total() / 2),
            Padding::SameLower => (total() - total() / 2, total() / 2),
        }
    }
}
