//! The reference: what every value of a graph is, layer by layer, in f64.
//!
//! A layer's operands are f32 and its result is rounded once, at the end, epilogue included. Compiled code is
//! judged a layer at a time on the operands that it really had, so that errors do not add up.

mod bounded;
mod bounds;

use std::collections::HashMap;

pub use bounds::{Spread, bounds};

use bounded::Bounded;

use crate::graph::{Epilogue, Graph, NodeId, ParamId};
use crate::tensor::{Exact, Tensor};

/// Where a parameter's values come from: `|id| weights.tensor(&graph, id)`.
pub type Params<'a> = dyn Fn(ParamId) -> Tensor + 'a;

/// What a layer makes of its operands, in the order of the node's, its epilogue included. Panics on an input.
///
/// The magnitudes follow the epilogue: a pointwise operator scales them by its slope and adds its own.
pub fn layer(graph: &Graph, params: &Params<'_>, id: NodeId, operands: &[&Tensor]) -> Exact {
    let layer = graph.layer(id).expect("an input is not computed");
    let tensors: Vec<Tensor> = layer.params.iter().map(|&it| params(it)).collect();
    let tensors: Vec<&Tensor> = tensors.iter().collect();
    let mut exact = layer.op.eval(&operands[..operands.len() - layer.added()], &tensors);
    for step in &layer.epilogue {
        apply(step, operands, &mut exact);
    }
    exact
}

/// Every value of a net, for inputs in the order of the graph's and of the shapes of their nodes.
pub fn run(graph: &Graph, params: &Params<'_>, inputs: &[Tensor]) -> HashMap<NodeId, Tensor> {
    let mut values: HashMap<NodeId, Tensor> =
        graph.inputs().iter().copied().zip(inputs.iter().cloned()).collect();
    for id in graph.order() {
        if graph.layer(id).is_some() {
            let operands: Vec<&Tensor> =
                graph.node(id).operands().iter().map(|it| &values[it]).collect();
            let value = layer(graph, params, id, &operands).round();
            values.insert(id, value);
        }
    }
    values
}

/// The results of a net, in order, for inputs in the order of the graph's.
pub fn outputs(graph: &Graph, params: &Params<'_>, inputs: &[Tensor]) -> Vec<Tensor> {
    let values = run(graph, params, inputs);
    graph.outputs().iter().map(|it| values[&it.node].clone()).collect()
}

fn apply(step: &Epilogue, operands: &[&Tensor], exact: &mut Exact) {
    let elements = exact.value.iter_mut().zip(&mut exact.magnitude);
    match step {
        Epilogue::Add(at) => {
            for ((value, size), &x) in elements.zip(&operands[*at].data) {
                *value += f64::from(x);
                *size += f64::from(x).abs();
            }
        }
        Epilogue::Map(op) => {
            let expr = op.pointwise().expect("only pointwise operators are mapped");
            for (value, size) in elements {
                let it = Bounded { value: *value, size: *size };
                Bounded { value: *value, size: *size } = it.through(&expr);
            }
        }
    }
}
