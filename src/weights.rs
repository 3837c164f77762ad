//! The values of a graph's parameters: read from a file, drawn at random, or computed from others.
//!
//! Nothing is decoded before it is asked for, so that a large file costs its own bytes and one tensor.
//! Knows nothing of paths on a disk: callers bring bytes.

mod bind;
mod decode;
mod file;
mod fold;
mod halves;
pub mod npy;
pub mod npz;
mod propose;
mod random;
mod safe;
mod store;
#[cfg(test)]
mod tests;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

pub use bind::{BindError, Bound, Row, State, Table, bind};
pub use decode::Element;
pub use file::{Entry, File, FileError};
pub use halves::{narrow, rounded};
pub use random::noise;
pub use safe::save;
pub use store::{Bytes, Store, Stored};
pub use values::{Value, Values};

use values::Elements;

use crate::graph::{Graph, ParamId, Source};
use crate::tensor::Tensor;

/// A value for every parameter of a graph, and of every graph that the passes make of it.
///
/// Values are known by the parameter's path, which survives the passes.
#[derive(Clone, Debug)]
pub struct Weights {
    values: HashMap<String, Given>,
    /// Draws what `values` lacks.
    seed: Option<u64>,
}

/// Where a learned value or a statistic lies.
#[derive(Clone, Debug)]
enum Given {
    /// In a weights file: the tensor's position among its entries.
    Entry(File, usize),
    /// In any file.
    Stored(Stored),
    /// In memory.
    Held(Arc<Tensor>),
}

impl Weights {
    /// Draws every parameter that is not [`set`](Weights::set). A value depends on the seed, the parameter's path and its
    /// position, and on nothing else: not on the machine, the other parameters or the order in which they are asked for.
    pub fn random(seed: u64) -> Weights {
        Weights { values: HashMap::new(), seed: Some(seed) }
    }

    /// The given tensors by path; asking for another one panics.
    pub fn of(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Weights {
        let held = tensors.into_iter().map(|(path, it)| (path, Given::Held(Arc::new(it))));
        Weights { values: held.collect(), seed: None }
    }

    /// Puts a tensor in the place of the parameter with this path.
    pub fn set(&mut self, path: impl Into<String>, tensor: Tensor) {
        self.values.insert(path.into(), Given::Held(Arc::new(tensor)));
    }

    /// Whether there is a tensor in the place of the parameter with this path.
    pub fn holds(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    /// [`Weights::set`] of a tensor that stays in its file; it has as many elements as the parameter.
    pub fn set_stored(&mut self, path: impl Into<String>, stored: Stored) {
        self.values.insert(path.into(), Given::Stored(stored));
    }

    /// The values of another graph's parameters: `origins` says which parameter of `from` each of `graph` is.
    pub fn moved(
        &self,
        from: &Graph,
        graph: &Graph,
        origins: &HashMap<ParamId, ParamId>,
    ) -> Weights {
        let value = |(new, old): (&ParamId, &ParamId)| {
            let path = graph.param(*new).path.clone();
            let known = self.values.get(&from.param(*old).path).cloned();
            (path, known.unwrap_or_else(|| Given::Held(Arc::new(self.tensor(from, *old)))))
        };
        let stored = origins.iter().filter(|it| is_stored(graph, *it.0));
        Weights { values: stored.map(value).collect(), seed: None }
    }

    /// The value of a parameter where it lies in memory as it is.
    fn held(&self, graph: &Graph, id: ParamId) -> Option<&Tensor> {
        match self.values.get(&graph.param(id).path) {
            Some(Given::Held(tensor)) if is_stored(graph, id) => Some(tensor),
            _ => None,
        }
    }

    /// The value of a parameter, of the parameter's shape.
    ///
    /// Panics if the parameter has none, which [`bind()`] rules out for the graph that it was given.
    pub fn tensor(&self, graph: &Graph, id: ParamId) -> Tensor {
        self.value(graph, id).all()
    }

    /// The value of a parameter, to be read a piece at a time; as [`Weights::tensor`].
    pub fn value(&self, graph: &Graph, id: ParamId) -> Value {
        let param = graph.param(id);
        let of = |elements| Value { shape: param.shape.clone(), elements, factors: None };
        let value = match &param.source {
            Source::Fixed(tensor) => Value::held(tensor.clone()),
            Source::Derived(derived) => fold::value(self, graph, id, derived),
            Source::Learned(init) | Source::Statistic(init) => match self.values.get(&param.path) {
                Some(Given::Held(tensor)) => Value::held(tensor.clone()),
                Some(Given::Entry(file, at)) => file.value(*at, &param.shape),
                Some(Given::Stored(stored)) => {
                    let (path, there) = (&param.path, stored.elements());
                    assert_eq!(there, param.shape.elements(), "`{path}` has all its elements");
                    of(Elements::Stored(stored.clone()))
                }
                None => {
                    let seed = self.seed.unwrap_or_else(|| panic!("`{}` has no value", param.path));
                    of(Elements::Drawn(random::Draw::new(seed, &param.path, *init)))
                }
            },
        };
        assert_eq!(value.shape, param.shape, "the value of `{}` has its shape", param.path);
        value
    }

    /// The values of a graph's parameters.
    pub fn of_graph<'a>(&'a self, graph: &'a Graph) -> OfGraph<'a> {
        OfGraph { weights: self, graph }
    }

    /// What went wrong when a file was read, if anything did: its tensors are zero from there on.
    pub fn fault(&self) -> Option<FileError> {
        let faults = self.values.values().filter_map(|it| match it {
            Given::Entry(file, _) => file.fault(),
            Given::Stored(stored) => stored.store().fault(),
            Given::Held(_) => None,
        });
        faults.min_by(|a, b| a.message.cmp(&b.message))
    }
}

/// The values of one graph's parameters.
#[derive(Clone, Copy, Debug)]
pub struct OfGraph<'a> {
    weights: &'a Weights,
    graph: &'a Graph,
}

impl Values for OfGraph<'_> {
    fn value(&self, id: ParamId) -> Value {
        self.weights.value(self.graph, id)
    }
}

/// The parameters that a weights file holds: learned ones and statistics, in the order of the graph.
pub fn stored(graph: &Graph) -> impl Iterator<Item = ParamId> {
    (0..graph.params().len()).map(ParamId).filter(|it| is_stored(graph, *it))
}

fn is_stored(graph: &Graph, id: ParamId) -> bool {
    matches!(graph.param(id).source, Source::Learned(_) | Source::Statistic(_))
}
