use super::{Why, bypass};
use crate::graph::{Graph, NodeId};
use crate::ops::{Op, Permute};

/// Moves data once where two layers in a row move it.
///
/// ```text
/// a = permute(x, [0, 2, 3, 1])
/// b = permute(a, [0, 3, 1, 2])    ->
/// c = conv(b)                         c = conv(x)
/// ```
///
/// Two orders of axes become one, or nothing where the second undoes the first. A reshape behind a reshape
/// (or a `flatten`) reads what the first one read. Does not apply to a permutation beside a reshape: their
/// order matters.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    for id in graph.order() {
        let Some(layer) = graph.layer(id).filter(|it| it.epilogue.is_empty()) else { continue };
        let Some(&first) = graph.node(id).operands().first() else { continue };
        let Some(before) = graph.layer(first).filter(|it| it.epilogue.is_empty()) else { continue };
        let Some(op) = merged(&before.op, &layer.op) else { continue };
        let from = graph.node(first).operands()[0];
        graph.layer_mut(id).op = op;
        graph.set_operands(id, vec![from]);
        why.joined(first, id, "merged into");
        if changes_nothing(graph, id) {
            bypass(graph, id, from);
            why.did(id, format!("removed: with {} it changes nothing", why.name(first)));
        }
        if graph.users(first).is_empty() && !graph.is_output(first) {
            graph.remove(first);
        }
    }
}

/// One operator that does what two in a row do, if there is one.
fn merged(first: &Op, second: &Op) -> Option<Op> {
    match (first, second) {
        (Op::Permute(first), Op::Permute(second)) => {
            let order = second.order.iter().map(|&it| first.order[it as usize]).collect();
            Some(Permute { order }.into())
        }
        (Op::Reshape(_) | Op::Flatten(_), Op::Reshape(_) | Op::Flatten(_)) => Some(second.clone()),
        _ => None,
    }
}

fn changes_nothing(graph: &Graph, id: NodeId) -> bool {
    let from = graph.node(id).operands()[0];
    match graph.layer(id).map(|it| &it.op) {
        Some(Op::Permute(it)) => it.order.iter().enumerate().all(|(at, &it)| at as i64 == it),
        _ => graph.node(from).shape == graph.node(id).shape,
    }
}
