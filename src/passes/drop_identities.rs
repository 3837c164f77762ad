use std::collections::HashMap;

use super::Why;
use crate::graph::{Graph, NodeId};
use crate::nest::{Affine, Buffer, Expr, Index, Nest};
use crate::ops::Op;
use crate::shape::Shape;

/// Removes layers that pass their operand through unchanged.
///
/// ```text
/// a = relu(x)                 a = relu(x)
/// b = dropout(a)      ->
/// c = fc(b)                   c = fc(a)
/// ```
///
/// Applies to dropout, and to layers whose nest copies every element to its own place: flattening a vector,
/// a slice of everything, enlarging by 1.
/// Does not apply to layers that compute, even where the numbers would come out the same (a pool with a
/// window of 1), or that keep the shape but move elements.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    let mut by: HashMap<NodeId, NodeId> = HashMap::new();
    for id in graph.order() {
        if let Some(reason) = identity(graph, id) {
            let from = graph.node(id).operands()[0];
            by.insert(id, by.get(&from).copied().unwrap_or(from));
            why.did(id, format!("removed: {reason}"));
        }
    }
    graph.replace_all(&by);
}

/// Why the layer changes nothing, if it changes nothing.
fn identity(graph: &Graph, id: NodeId) -> Option<String> {
    let layer = graph.layer(id)?;
    let name = layer.op.entry().name;
    if !layer.epilogue.is_empty() {
        return None;
    }
    if layer.op.is_identity() {
        return Some(format!("`{name}` changes nothing when a net is used"));
    }
    let shape = &graph.node(id).shape;
    let shapes = graph.operand_shapes(id);
    let copies = shapes == [shape]
        && (matches!(layer.op, Op::Reshape(_))
            || layer.op.lower(&shapes, shape).is_some_and(|it| copies(&it, shape)));
    copies.then(|| format!("`{name}` leaves {shape} as it is"))
}

/// Whether every element of the output is the same element of the only input.
fn copies(nest: &Nest, shape: &Shape) -> bool {
    let [stage] = nest.stages.as_slice() else { return false };
    let Expr::Load(Buffer::Input(0), from) = &stage.value else { return false };
    let own = |axis: usize, it: &Affine| *it == Affine::axis(axis);
    let read = |axis: usize, it: &Index| match it {
        Index::Affine(it) | Index::Part { of: it, by: 1, modulo: None } => own(axis, it),
        Index::Part { .. } | Index::Table { .. } => false,
    };
    stage.extents == shape.dims()
        && stage.at.iter().enumerate().all(|(axis, it)| own(axis, it))
        && from.iter().enumerate().all(|(axis, it)| read(axis, it))
}
