//! A list of calls as a graph with weights.

use super::Imported;
use super::constant::{Constant, Data, Reals};
use super::net::{Id, Net};
use crate::diag::Span;
use crate::graph::{Graph, Layer, NodeId, Param};
use crate::weights::Weights;

/// The graph of a net and the values of its parameters.
pub(super) fn build(net: Net, name: &str) -> Imported {
    let remarks = super::lint::lints(&net);
    let mut graph = Graph::new(name);
    let mut weights = Weights::of([]);
    let used = net.used();
    let mut nodes: Vec<Option<NodeId>> = Vec::with_capacity(net.values.len());
    for (item, used) in net.values.into_iter().zip(used) {
        let Some(call) = item.call else {
            nodes.push(Some(graph.add_input(item.name, item.shape, Span::default())));
            continue;
        };
        if !used {
            nodes.push(None);
            continue;
        }
        let operands: Vec<NodeId> = call
            .operands
            .iter()
            .map(|it| nodes[it.0].expect("a used layer's operands are used"))
            .collect();
        let shapes: Vec<_> = operands.iter().map(|&it| &graph.node(it).shape).collect();
        let specs = call.op.params(&shapes);
        let mut params = Vec::with_capacity(specs.len());
        for (spec, constant) in specs.into_iter().zip(call.params) {
            let path = format!("{}.{}", item.name, spec.name);
            params.push(graph.add_param(Param::new(path.clone(), spec)));
            set(&mut weights, path, constant);
        }
        let layer = Layer { op: call.op, params, epilogue: Vec::new() };
        nodes.push(Some(graph.add_layer(item.name, Span::default(), layer, operands, item.shape)));
    }
    for (id, port) in &net.outputs {
        graph.add_output(port.name.clone(), nodes[id.0].expect("an output is used"));
    }
    let ports = |ports: Vec<(Id, super::Port)>| ports.into_iter().map(|it| it.1).collect();
    let (inputs, outputs) = (ports(net.inputs), ports(net.outputs));
    Imported { graph, weights, inputs, outputs, remarks, origin: String::new() }
}

/// Gives a parameter its value, which stays in its file if it is there.
fn set(weights: &mut Weights, path: String, constant: Constant) {
    match constant.data {
        Data::Real(Reals::Stored(stored)) => weights.set_stored(path, stored),
        data => {
            let tensor = Constant { data, ..constant }.tensor();
            weights.set(path, tensor.expect("the extents of a parameter are a shape"));
        }
    }
}
