use super::{Why, bypass, nest, only_moves, overfull, wanted_elsewhere};
use crate::graph::{Epilogue, Graph, NodeId};

/// Computes activations where their operand is computed, before its only store.
///
/// ```text
/// a = conv(x)         ->      a = conv(x) |> relu
/// b = relu(a)
/// ```
///
/// Every layer takes pointwise operators as its epilogue, in order, but for layers that only move data
/// (concatenations, slices, reshapes): the plan makes those free by sharing memory, which an epilogue would
/// forbid. Does not apply where the value before is read by others or is a result.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    for id in graph.order() {
        let Some(layer) = graph.layer(id) else { continue };
        if layer.op.pointwise().is_none() {
            continue;
        }
        let from = graph.node(id).operands()[0];
        match obstacle(graph, why, from, id) {
            Some(reason) => why.kept(id, format!("runs on its own: {reason}")),
            None => {
                let layer = layer.clone();
                let epilogue = &mut graph.layer_mut(from).epilogue;
                epilogue.push(Epilogue::Map(layer.op));
                // An activation that has itself absorbed others hands them on.
                epilogue.extend(layer.epilogue);
                bypass(graph, id, from);
                why.joined(id, from, "runs in the epilogue of");
            }
        }
    }
}

/// Why the layer before cannot take it in, if it cannot.
fn obstacle(graph: &Graph, why: &Why, from: NodeId, id: NodeId) -> Option<String> {
    let own = graph.layer(id).map_or(0, |it| it.epilogue.len());
    let reason = wanted_elsewhere(graph, why, from, id);
    if let Some(reason) = reason.or_else(|| overfull(graph, why, from, own + 1)) {
        return Some(reason);
    }
    let layer = graph.layer(from).expect("an input is wanted elsewhere");
    let name = layer.op.entry().name;
    let Some(nest) = nest(graph, from) else {
        return Some(format!("{} ({name}) has no epilogue", why.name(from)));
    };
    only_moves(&nest).then(|| format!("{} ({name}) only moves data", why.name(from)))
}
