use std::collections::HashMap;

use super::Why;
use crate::graph::{Graph, NodeId, ParamId};

/// Computes once what is computed twice: the same operator, parameters and operands.
///
/// ```text
/// r1 = relu(x)                r1 = relu(x)
/// r2 = relu(x)        ->
/// y = add(r1, r2)             y = add(r1, r1)
/// ```
///
/// Does not apply to layers with parameters of their own, however alike: only layers that share their
/// weights compute the same.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    let mut seen: HashMap<Key, Vec<NodeId>> = HashMap::new();
    let mut by: HashMap<NodeId, NodeId> = HashMap::new();
    for id in graph.order() {
        let Some(layer) = graph.layer(id) else { continue };
        let read = |it: &NodeId| by.get(it).copied().unwrap_or(*it);
        let key = Key {
            name: layer.op.entry().name,
            params: layer.params.clone(),
            operands: graph.node(id).operands().iter().map(read).collect(),
        };
        let alike = seen.entry(key).or_default();
        let same = |it: &&NodeId| {
            let other = graph.layer(**it).expect("only layers are noted");
            other.op == layer.op && other.epilogue == layer.epilogue
        };
        match alike.iter().rev().take(COMPARED_MAX).find(same) {
            Some(&first) => {
                by.insert(id, first);
                why.joined(id, first, "removed: it computes the same as");
            }
            None => alike.push(id),
        }
    }
    graph.replace_all(&by);
}

/// With how many layers on the same operands a layer is compared: a net with thousands of them, all different,
/// must not take time by the square.
const COMPARED_MAX: usize = 64;

/// What equal layers have in common besides their arguments.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    name: &'static str,
    params: Vec<ParamId>,
    operands: Vec<NodeId>,
}
