//! Concatenations that grow: `concat(a, b, c)` where `concat(a, b)` is there reads that one.
//!
//! Nets that pass on everything they have made are written so by some exporters, with operands in the
//! square of their number. Both forms hold the same numbers, and this one is a chain.

use std::collections::HashMap;

use crate::graph::{Graph, NodeId};
use crate::ops::Op;

/// The graph with every concatenation that goes on from another one reading it.
pub(super) fn concats(graph: &Graph) -> Graph {
    let mut nested = graph.clone();
    let mut known: HashMap<(i64, Vec<NodeId>), NodeId> = HashMap::new();
    for id in graph.order() {
        let Some(Op::Concat(concat)) = graph.layer(id).map(|it| &it.op) else { continue };
        let operands = graph.node(id).operands();
        let begins = (2..operands.len()).rev().find_map(|len| {
            let before = known.get(&(concat.axis, operands[..len].to_vec()))?;
            Some([&[*before], &operands[len..]].concat())
        });
        if let Some(operands) = begins {
            nested.set_operands(id, operands);
        }
        known.entry((concat.axis, operands.to_vec())).or_insert(id);
    }
    nested
}
