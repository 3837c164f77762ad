//! The values of a graph's parameters: read from a file, drawn at random, or computed from others.
//!
//! Nothing is decoded before it is asked for, so that a large file costs its own bytes and one tensor.
//! Knows nothing of paths on a disk: callers bring bytes.

mod bind;
mod decode;
mod file;
mod fold;
pub mod npy;
pub mod npz;
mod propose;
mod random;
mod safe;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub use bind::{BindError, Bound, Row, State, Table, bind};
pub use decode::Element;
pub use file::{Entry, File, FileError};
pub use random::noise;
pub use safe::save;

use crate::graph::{Graph, ParamId, Source};
use crate::tensor::Tensor;

/// A value for every parameter of a graph, and of every graph that the passes make of it.
///
/// Values are known by the parameter's path, which survives the passes.
#[derive(Clone, Debug)]
pub struct Weights {
    values: HashMap<String, Value>,
    /// Draws what `values` lacks.
    seed: Option<u64>,
}

/// Where a learned value or a statistic lies.
#[derive(Clone, Debug)]
enum Value {
    /// In a weights file: the tensor's position among its entries.
    Stored(File, usize),
    /// In memory.
    Held(Arc<Tensor>),
}

impl Weights {
    /// Draws every parameter. A value depends on the seed, the parameter's path and its position, and on
    /// nothing else: not on the machine, the other parameters or the order in which they are asked for.
    pub fn random(_: &Graph, seed: u64) -> Weights {
        Weights { values: HashMap::new(), seed: Some(seed) }
    }

    /// The given tensors by path; asking for another one panics.
    pub fn of(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Weights {
        let held = tensors.into_iter().map(|(path, it)| (path, Value::Held(Arc::new(it))));
        Weights { values: held.collect(), seed: None }
    }

    /// No tensors yet; what is not [`set`](Weights::set) is drawn.
    pub fn seeded(seed: u64) -> Weights {
        Weights { values: HashMap::new(), seed: Some(seed) }
    }

    /// Puts a tensor in the place of the parameter with this path.
    pub fn set(&mut self, path: impl Into<String>, tensor: Tensor) {
        self.values.insert(path.into(), Value::Held(Arc::new(tensor)));
    }

    /// The value of a parameter, of the parameter's shape.
    ///
    /// Panics if the parameter has none, which [`bind()`] rules out for the graph that it was given.
    pub fn tensor(&self, graph: &Graph, id: ParamId) -> Tensor {
        let param = graph.param(id);
        let tensor = match &param.source {
            Source::Fixed(tensor) => Tensor::clone(tensor),
            Source::Derived(derived) => fold::evaluate(self, graph, id, derived),
            Source::Learned(init) | Source::Statistic(init) => match self.values.get(&param.path) {
                Some(Value::Held(tensor)) => Tensor::clone(tensor),
                Some(Value::Stored(file, at)) => Tensor::new(param.shape.clone(), file.decode(*at)),
                None => {
                    let seed = self.seed.unwrap_or_else(|| panic!("`{}` has no value", param.path));
                    random::draw(seed, &param.path, &param.shape, *init)
                }
            },
        };
        assert_eq!(tensor.shape, param.shape, "the value of `{}` has its shape", param.path);
        tensor
    }
}

/// The parameters that a weights file holds: learned ones and statistics, in the order of the graph.
pub fn stored(graph: &Graph) -> impl Iterator<Item = ParamId> {
    let is_stored =
        |it: &ParamId| matches!(graph.param(*it).source, Source::Learned(_) | Source::Statistic(_));
    (0..graph.params().len()).map(ParamId).filter(is_stored)
}
