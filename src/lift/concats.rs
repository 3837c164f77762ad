//! Concatenations that grow: `concat(a, b, c)` where `concat(a, b)` is there reads that one.
//!
//! Nets that pass on everything they have made are written so by some exporters, with operands in the
//! square of their number. Both forms hold the same numbers, and this one is a chain.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::graph::{Graph, NodeId};
use crate::ops::Op;

/// The graph with every concatenation that goes on from another one reading it.
pub(super) fn nested(graph: &Graph) -> Graph {
    let mut nested = graph.clone();
    // By axis, number of operands and a hash of them, so that every beginning is looked up at once.
    let mut known: HashMap<(i64, usize, u64), NodeId> = HashMap::new();
    for id in graph.order() {
        let Some(Op::Concat(concat)) = graph.layer(id).map(|it| &it.op) else { continue };
        let operands = graph.node(id).operands();
        let mut hash = DefaultHasher::new();
        let hashes: Vec<u64> = operands
            .iter()
            .map(|it| {
                it.hash(&mut hash);
                hash.finish()
            })
            .collect();
        let key = |len: usize| (concat.axis, len, hashes[len - 1]);
        let before = (2..operands.len()).rev().find_map(|len| {
            let before = *known.get(&key(len))?;
            (graph.node(before).operands() == &operands[..len]).then_some((before, len))
        });
        if let Some((before, len)) = before {
            nested.set_operands(id, [&[before], &operands[len..]].concat());
        }
        if !operands.is_empty() {
            known.entry(key(operands.len())).or_insert(id);
        }
    }
    nested
}
