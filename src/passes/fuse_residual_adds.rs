use std::collections::HashMap;

use super::{Why, bypass, contracts, overfull, taken, wanted_elsewhere};
use crate::graph::{Epilogue, Graph, NodeId};
use crate::ops::Op;

/// Adds a skip connection where the convolution before the addition is computed, before its only store.
///
/// ```text
/// a = conv(x)                 a = conv(x) |> add(skip) |> relu
/// b = add(a, skip) |> relu  ->
/// ```
///
/// Where several operands are convolutions the last of them does it: the others are ready by then. It takes
/// the epilogue of the addition along. A sum of more than two values adds the others in their order.
/// Does not apply to sums that broadcast, or where no operand is a convolution, a transposed convolution or a
/// fully connected layer that only the addition reads: then nothing would be saved.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    let order = graph.order();
    let position: HashMap<NodeId, usize> =
        order.iter().enumerate().map(|(at, &id)| (id, at)).collect();
    for id in order {
        let Some(layer) = graph.layer(id).filter(|it| matches!(it.op, Op::Add(_))) else {
            continue;
        };
        match host(graph, why, id, &position) {
            Err(reason) => why.kept(id, format!("runs on its own: {reason}")),
            Ok(host) => {
                let epilogue = layer.epilogue.clone();
                absorb(graph, host, id, epilogue);
                bypass(graph, id, host);
                why.joined(id, host, "runs in the epilogue of");
            }
        }
    }
}

/// The operand that can do the addition, or why there is none. Only the addition reads it, so no other
/// operand depends on it.
fn host(
    graph: &Graph,
    why: &Why,
    add: NodeId,
    position: &HashMap<NodeId, usize>,
) -> Result<NodeId, String> {
    let node = graph.node(add);
    let unlike = graph.operand_shapes(add).into_iter().find(|&it| *it != node.shape);
    if let Some(shape) = unlike {
        return Err(format!("it broadcasts {shape} to {}", node.shape));
    }
    let own = &node.operands()[..taken(graph, add)];
    let mut times: HashMap<NodeId, usize> = HashMap::new();
    own.iter().for_each(|&it| *times.entry(it).or_insert(0) += 1);
    let steps = own.len() - 1 + graph.layer(add).map_or(0, |it| it.epilogue.len());
    let obstacle = |&it: &NodeId| match graph.layer(it) {
        Some(layer) if !contracts(&layer.op) => {
            Some(format!("{} ({}) sums no products", why.name(it), layer.op.entry().name))
        }
        Some(_) if times[&it] > 1 => Some(format!("{} is added twice", why.name(it))),
        _ => wanted_elsewhere(graph, why, it, add).or_else(|| overfull(graph, why, it, steps)),
    };
    let free = own.iter().copied().filter(|it| obstacle(it).is_none());
    free.max_by_key(|it| position[it]).ok_or_else(|| {
        let mut reasons: Vec<_> = own.iter().filter_map(obstacle).take(REASONS_MAX).collect();
        reasons.dedup();
        reasons.join("; ")
    })
}

/// The most operands of one sum that a note speaks of.
const REASONS_MAX: usize = 4;

/// Appends the addition's other operands and its epilogue to the host's.
fn absorb(graph: &mut Graph, host: NodeId, add: NodeId, epilogue: Vec<Epilogue>) {
    let own = taken(graph, add);
    let (own, added) = graph.node(add).operands().split_at(own);
    let mut operands = graph.node(host).operands().to_vec();
    let mut steps = Vec::new();
    for &it in own.iter().filter(|&&it| it != host) {
        steps.push(Epilogue::Add(operands.len()));
        operands.push(it);
    }
    let from = operands.len();
    let shift = |step| match step {
        Epilogue::Add(at) => Epilogue::Add(at - own.len() + from),
        map @ Epilogue::Map(_) => map,
    };
    steps.extend(epilogue.into_iter().map(shift));
    operands.extend(added);
    graph.layer_mut(host).epilogue.extend(steps);
    graph.set_operands(host, operands);
}
