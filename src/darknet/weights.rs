//! The numbers of a `.weights` file.
//!
//! ```text
//! major, minor, revision: i32     images seen: i32, or i64 from version 0.2 on     numbers: f32 ..
//! ```
//!
//! All are little-endian. Nothing in the file says what a number is for: it is the net's layers in order.

use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::weights::Weights;

/// How the parameters of a net lie in its file, one after another.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub(super) tensors: Vec<Stored>,
}

/// One parameter.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) path: String,
    pub(super) shape: Shape,
    /// Its section, to be named: `[convolutional] 12 (line 88)`.
    pub(super) section: String,
    pub(super) order: Order,
}

/// In which order the elements of a parameter lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// As they are.
    Plain,
    /// Input first (`flipped=1`).
    Transposed,
    /// Input first in files that say so by a version above 1000.
    TransposedByVersion,
}

impl Layout {
    /// How many numbers the file holds.
    pub fn len(&self) -> u64 {
        self.tensors.iter().map(|it| it.shape.elements() as u64).sum()
    }

    /// Whether the net has no parameters.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Reads the weights; says what is wrong with a file that is shorter or longer than the net.
    ///
    /// With `partial`, a file may end before the net does, and its last layers are drawn from that seed.
    pub fn read(&self, bytes: &[u8], partial: Option<u64>) -> Result<Weights, String> {
        let (header, is_transposed) = header(bytes)?;
        let mut rest = &bytes[header..];
        let mut weights = partial.map_or_else(|| Weights::of([]), Weights::random);
        let held = rest.len() as u64 / 4;
        for stored in &self.tensors {
            let Some((data, after)) = rest.split_at_checked(4 * stored.shape.elements()) else {
                if partial.is_some() && rest.is_empty() {
                    return Ok(weights);
                }
                return Err(format!(
                    "the file ends in {}: the net has {} numbers, the file {held}",
                    stored.section,
                    self.len()
                ));
            };
            rest = after;
            let (chunks, _) = data.as_chunks::<4>();
            let data: Vec<f32> = chunks.iter().map(|it| f32::from_le_bytes(*it)).collect();
            let transposed = match stored.order {
                Order::Plain => false,
                Order::Transposed => true,
                Order::TransposedByVersion => is_transposed,
            };
            let data = if transposed { transpose(&data, stored.shape.dims()[0]) } else { data };
            weights.set(stored.path.clone(), Tensor::new(stored.shape.clone(), data));
        }
        if !rest.is_empty() {
            return Err(format!(
                "{} bytes are left over after the last layer: the net has {} numbers, the file {held}; is it \
                 the file of another net, or of another number of classes?",
                rest.len(),
                self.len()
            ));
        }
        Ok(weights)
    }
}

/// The length of the header, and whether weights of connected layers lie input first.
fn header(bytes: &[u8]) -> Result<(usize, bool), String> {
    let (words, _) = bytes.as_chunks::<4>();
    let &[major, minor, _, ..] = words else {
        return Err("the file ends in its header".to_owned());
    };
    let [major, minor] = [major, minor].map(i32::from_le_bytes);
    if major < 0 || minor < 0 {
        return Err(format!(
            "this is not a Darknet weights file: its version would be {major}.{minor}"
        ));
    }
    let is_transposed = major > 1000 || minor > 1000;
    let wide = i64::from(major) * 10 + i64::from(minor) >= 2 && major < 1000 && minor < 1000;
    let length = if wide { 20 } else { 16 };
    if bytes.len() < length {
        return Err("the file ends in its header".to_owned());
    }
    Ok((length, is_transposed))
}

/// `[columns, rows]` as `[rows, columns]`.
fn transpose(data: &[f32], rows: usize) -> Vec<f32> {
    let columns = data.len() / rows;
    (0..data.len()).map(|at| data[at % columns * rows + at / columns]).collect()
}
