//! Parameters a piece at a time: who packs them never holds one whole.

use std::sync::Arc;

use super::random::Draw;
use super::store::Stored;
use crate::graph::ParamId;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Where a compiler gets the values of parameters.
///
/// A function that gives whole tensors is one; those of [`super::Weights::of_graph`] are read in pieces.
pub trait Values: Sync {
    /// The value of a parameter, to be read.
    fn value(&self, id: ParamId) -> Value;

    /// Fills memory with the parameters as an earlier compilation of the same plan packed them, if they are at
    /// hand; else leaves it zero.
    fn recall(&self, _packed: &mut [f32]) -> bool {
        false
    }
}

impl<F: Fn(ParamId) -> Tensor + Sync> Values for F {
    fn value(&self, id: ParamId) -> Value {
        Value::held(Arc::new(self(id)))
    }
}

/// A parameter's value: as many elements as its shape has, last axis fastest.
#[derive(Clone, Debug)]
pub struct Value {
    pub(super) shape: Shape,
    pub(super) elements: Elements,
    pub(super) factors: Option<Factors>,
}

/// Where elements come from.
#[derive(Clone, Debug)]
pub(super) enum Elements {
    /// They are in memory.
    Held(Arc<Tensor>),
    /// They are in a file.
    Stored(Stored),
    /// They are drawn.
    Drawn(Draw),
}

/// Factors for slices of an axis: a normalisation that is folded in.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    /// Elements between two slices.
    pub(super) inner: usize,
    /// One for each slice, in turn.
    pub(super) by: Arc<Vec<f64>>,
}

impl Value {
    /// A tensor in memory.
    pub fn held(tensor: Arc<Tensor>) -> Value {
        let shape = tensor.shape.clone();
        Value { shape, elements: Elements::Held(tensor), factors: None }
    }

    /// Its extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Writes the elements that begin at `from`, as many as `to` has. They must be there.
    pub fn read(&self, from: usize, to: &mut [f32]) {
        match &self.elements {
            Elements::Held(tensor) => to.copy_from_slice(&tensor.data[from..][..to.len()]),
            Elements::Stored(stored) => stored.read(from, to),
            Elements::Drawn(draw) => draw.part(from, to),
        }
        if let Some(factors) = &self.factors {
            factors.scale(from, to);
        }
    }

    /// Hands over bytes that tell this value from all others: its elements, or where they come from. `false` if
    /// there are none but those of a file.
    pub fn identify(&self, take: &mut dyn FnMut(&[u8])) -> bool {
        match &self.elements {
            Elements::Held(tensor) => take(bytemuck::cast_slice(&tensor.data)),
            Elements::Stored(stored) => match stored.identity() {
                Some(it) => take(it.as_bytes()),
                None => return false,
            },
            Elements::Drawn(draw) => take(format!("{draw:?}").as_bytes()),
        }
        if let Some(Factors { inner, by }) = &self.factors {
            take(&inner.to_le_bytes());
            take(bytemuck::cast_slice(by));
        }
        true
    }

    /// All elements.
    pub fn all(self) -> Tensor {
        match self {
            Value { elements: Elements::Held(tensor), factors: None, .. } => {
                Arc::unwrap_or_clone(tensor)
            }
            _ => {
                let mut data = vec![0.0; self.shape.elements()];
                self.read(0, &mut data);
                Tensor::new(self.shape, data)
            }
        }
    }
}

impl Factors {
    /// Scales elements that begin at `from`; in f64, rounded once.
    fn scale(&self, from: usize, mut values: &mut [f32]) {
        let mut at = from;
        while !values.is_empty() {
            let left = self.inner - at % self.inner;
            let (now, rest) = values.split_at_mut(left.min(values.len()));
            let factor = self.by[at / self.inner % self.by.len()];
            now.iter_mut().for_each(|it| *it = (f64::from(*it) * factor) as f32);
            at += now.len();
            values = rest;
        }
    }
}
