use super::Why;
use crate::graph::{Graph, NodeId};
use crate::ops::{Op, Take};

/// Takes channels in their new order where reshapes and a permutation move nothing else, and what is cut from that
/// where it is read.
///
/// ```text
/// a = reshape(x, [2, 3, h, w])
/// b = permute(a, [0, 2, 1, 3, 4])
/// c = reshape(b, [6, h, w])           c = take(x, 1, [0, 3, 1, 4, 2, 5])
/// d = slice(c, 1, 0, 3)       ->      d = take(x, 1, [0, 3, 1])
/// ```
///
/// Does not apply where the permutation moves other axes too. What others read too stays for them.
///
/// Source: the channel shuffle of Zhang et al. 2018 (ShuffleNet), as exporters write it.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    for id in graph.order() {
        if graph.layer(id).is_none_or(|it| !it.epilogue.is_empty()) {
            continue;
        }
        let Some((at, behind)) = shuffled(graph, id).or_else(|| cut(graph, id)) else { continue };
        let from = graph.node(behind[behind.len() - 1]).operands()[0];
        graph.layer_mut(id).op = Take { axis: 1, at }.into();
        graph.set_operands(id, vec![from]);
        for moved in behind {
            why.joined(moved, id, "merged into");
            if graph.users(moved).is_empty() && !graph.is_output(moved) {
                graph.remove(moved);
            }
        }
    }
}

/// The layer that a layer reads, if it does nothing besides its operator.
fn before(graph: &Graph, id: NodeId) -> Option<(NodeId, &Op)> {
    let from = *graph.node(id).operands().first()?;
    let layer = graph.layer(from).filter(|it| it.epilogue.is_empty())?;
    Some((from, &layer.op))
}

/// The channels that a reshape behind a permutation behind a reshape gives, and these two, if nothing else moves.
fn shuffled(graph: &Graph, id: NodeId) -> Option<(Vec<i64>, Vec<NodeId>)> {
    let Op::Reshape(_) = graph.layer(id)?.op else { return None };
    let (moved, Op::Permute(permute)) = before(graph, id)? else { return None };
    let (split, Op::Reshape(_)) = before(graph, moved)? else { return None };
    let from = &graph.node(*graph.node(split).operands().first()?).shape;
    let (parts, order) = (&graph.node(split).shape, &permute.order);
    let axes = (parts.rank() + 2).checked_sub(from.rank())?;
    let stays = |it: usize| order[it] == it as i64;
    let alike = graph.node(id).shape == *from
        && from.rank() >= 2
        && parts.batch() == from.batch()
        && parts.dims()[axes..] == *from.spatial()
        && stays(0)
        && (axes..parts.rank()).all(stays);
    let cut = || -> Option<Vec<i64>> {
        let strides = parts.strides();
        let step = |axis: i64| strides[axis as usize] / strides[axes - 1];
        // One axis after another, the last one fastest.
        order[1..axes].iter().try_fold(vec![0], |at, &axis| {
            let extent = parts.dims()[axis as usize];
            let places = |it: &i64| {
                let it = *it;
                (0..extent).map(move |place| it + (place * step(axis)) as i64)
            };
            (at.len() * extent <= CHANNELS_MAX).then(|| at.iter().flat_map(places).collect())
        })
    };
    alike.then(cut).flatten().map(|it| (it, vec![moved, split]))
}

/// The channels that a part of taken channels is, and what takes them.
fn cut(graph: &Graph, id: NodeId) -> Option<(Vec<i64>, Vec<NodeId>)> {
    let (taken, Op::Take(take)) = before(graph, id)? else { return None };
    let from = graph.operand_shapes(taken)[0];
    let outer = take.channels(from)?;
    let shape = &graph.node(taken).shape;
    let inner = match &graph.layer(id)?.op {
        Op::Take(it) => it.channels(shape)?,
        Op::Slice(it) => it.channels(shape)?,
        _ => return None,
    };
    Some((inner.into_iter().map(|it| outer[it] as i64).collect(), vec![taken]))
}

/// The most channels that are listed.
const CHANNELS_MAX: usize = 1 << 16;
