//! A list of calls as a graph with weights.

use std::collections::HashMap;

use super::Imported;
use super::constant::{Constant, Data, Reals};
use super::net::{Call, Id, Net};
use crate::diag::Span;
use crate::graph::{Graph, Layer, NodeId, Param, ParamId};
use crate::ops::{Op, ParamSpec};
use crate::weights::Weights;

/// The graph of a net and the values of its parameters.
pub(super) fn build(net: Net, name: &str) -> Imported {
    let remarks = super::lint::lints(&net);
    let mut graph = Graph::new(name);
    let mut weights = Weights::of([]);
    let used = net.used();
    let mut common = Common::default();
    let mut nodes: Vec<Option<NodeId>> = Vec::with_capacity(net.values.len());
    for (item, used) in net.values.into_iter().zip(used) {
        let Some(mut call) = item.call else {
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
        let params = common.params(&call).unwrap_or_else(|| {
            let path = |spec: &ParamSpec| format!("{}.{}", item.name, spec.name);
            let add = |spec: ParamSpec| graph.add_param(Param::new(path(&spec), spec));
            let params: Vec<ParamId> = specs.into_iter().map(add).collect();
            common.add(&call, &params);
            for (id, constant) in params.iter().zip(std::mem::take(&mut call.params)) {
                set(&mut weights, graph.param(*id).path.clone(), constant);
            }
            params
        });
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

/// Layers so far, to find those whose constants are the same ones of the file: they share their parameters.
#[derive(Default)]
struct Common {
    by_extents: HashMap<Vec<usize>, Vec<Known>>,
}

struct Known {
    op: Op,
    constants: Vec<Constant>,
    params: Vec<ParamId>,
}

/// So many layers with weights of the same extents are looked at.
const ALIKE_MAX: usize = 64;

impl Common {
    /// The parameters of a layer that does the same with the same constants.
    fn params(&self, call: &Call) -> Option<Vec<ParamId>> {
        let alike = self.by_extents.get(&call.params.first()?.dims)?;
        let same = |it: &&Known| {
            let mut pairs = it.constants.iter().zip(&call.params);
            it.op == call.op && pairs.all(|(a, b)| a.is(b))
        };
        alike.iter().find(same).map(|it| it.params.clone())
    }

    fn add(&mut self, call: &Call, params: &[ParamId]) {
        let Some(first) = call.params.first() else { return };
        if !call.params.iter().all(Constant::may_be_common) {
            return;
        }
        let alike = self.by_extents.entry(first.dims.clone()).or_default();
        if alike.len() < ALIKE_MAX {
            let (op, constants) = (call.op.clone(), call.params.clone());
            alike.push(Known { op, constants, params: params.to_vec() });
        }
    }
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
