//! Parameters computed from others: batch normalisation folded into the layer before it.
//!
//! All in f64, rounded once to f32.

use std::sync::Arc;

use super::Weights;
use super::values::{Factors, Value};
use crate::graph::{Derived, Graph, Norm, ParamId};
use crate::tensor::Tensor;

/// The value of a derived parameter. Weights are scaled as they are read.
pub(super) fn value(weights: &Weights, graph: &Graph, id: ParamId, derived: &Derived) -> Value {
    let shape = graph.param(id).shape.clone();
    match derived {
        Derived::ScaledWeight { weight, axis, norm } => {
            let by = Arc::new(factors(weights, graph, norm));
            let factors = Some(Factors { inner: shape.strides()[*axis], by });
            match weights.value(graph, *weight) {
                it @ Value { factors: None, .. } => Value { factors, ..it },
                // Rounded in between, as if the two were two layers.
                twice => Value { factors, ..Value::held(Arc::new(twice.all())) },
            }
        }
        Derived::ShiftedBias { bias, norm } => {
            let factors = factors(weights, graph, norm);
            let mean = weights.tensor(graph, norm.mean).data;
            let beta = weights.tensor(graph, norm.beta).data;
            let bias = bias.map(|it| weights.tensor(graph, it).data);
            let shifted = (0..factors.len()).map(|c| {
                let bias = bias.as_ref().map_or(0.0, |it| f64::from(it[c]));
                ((bias - f64::from(mean[c])) * factors[c] + f64::from(beta[c])) as f32
            });
            Value::held(Arc::new(Tensor::new(shape, shifted.collect())))
        }
    }
}

/// `gamma / sqrt(var + eps)` for each channel.
fn factors(weights: &Weights, graph: &Graph, norm: &Norm) -> Vec<f64> {
    let gamma = weights.tensor(graph, norm.gamma).data;
    let var = weights.tensor(graph, norm.var).data;
    let eps = f64::from(norm.eps);
    gamma.iter().zip(&var).map(|(&g, &v)| f64::from(g) / libm::sqrt(f64::from(v) + eps)).collect()
}
