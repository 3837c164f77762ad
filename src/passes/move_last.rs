use super::{Why, nest, only_moves, wanted_elsewhere};
use crate::graph::{Graph, NodeId};
use crate::ops::Op;

/// Applies a pointwise operator before reshapes and permutations instead of behind them, where the layer before them
/// can take it as its epilogue.
///
/// ```text
/// a = fc(x)                   a = fc(x)
/// b = reshape(a, [..])   ->   c = gelu(a)
/// c = gelu(b)                 b = reshape(c, [..])
/// ```
///
/// Does not apply behind an input, or where something between is read by others, is a result or does more than move.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    for id in graph.order() {
        if graph.layer(id).is_none_or(|it| it.op.pointwise().is_none()) {
            continue;
        }
        for moved in moves(graph, why, id) {
            let shape = graph.operand_shapes(moved)[0].clone();
            graph.exchange(moved, id, shape);
            why.did(id, format!("runs before {}, which only moves data", why.name(moved)));
        }
    }
}

/// The layers that only move data between a layer and one that computes something, nearest first; none if something
/// keeps it behind them.
fn moves(graph: &Graph, why: &Why, id: NodeId) -> Vec<NodeId> {
    let mut moves = Vec::new();
    let mut user = id;
    loop {
        let from = graph.node(user).operands()[0];
        if wanted_elsewhere(graph, why, from, user).is_some() {
            return Vec::new();
        }
        match graph.layer(from).filter(|it| it.epilogue.is_empty()).map(|it| &it.op) {
            Some(Op::Reshape(_) | Op::Flatten(_) | Op::Permute(_)) => moves.push(from),
            _ if nest(graph, from).is_none_or(|it| only_moves(&it)) => return Vec::new(),
            _ => return moves,
        }
        user = from;
    }
}
