//! What a model uses, before anything is raised.

use std::collections::{HashMap, HashSet};

use super::handler;
use crate::onnx::{fold, names, proto};

/// Which nodes the results depend on.
pub(super) fn live(graph: &proto::Graph) -> Vec<bool> {
    let mut wanted: HashSet<&str> = graph.output.iter().map(|it| it.name.as_str()).collect();
    let mut live = vec![false; graph.node.len()];
    for (node, live) in graph.node.iter().zip(&mut live).rev() {
        if node.output.iter().any(|it| !it.is_empty() && wanted.contains(it.as_str())) {
            *live = true;
            wanted.extend(node.input.iter().map(String::as_str));
        }
    }
    live
}

/// Operators that are not known, each with its nodes, in the order of the file.
pub(super) fn missing<'a>(
    nodes: impl Iterator<Item = &'a proto::Node>,
) -> Vec<(String, Vec<String>)> {
    let mut missing: Vec<(String, Vec<String>)> = Vec::new();
    let mut rows: HashMap<String, usize> = HashMap::new();
    for node in nodes {
        let own = matches!(node.domain.as_str(), "" | "ai.onnx");
        if own && (handler(&node.op_type).is_some() || fold::knows(&node.op_type)) {
            continue;
        }
        let operator =
            if own { node.op_type.clone() } else { format!("{}.{}", node.domain, node.op_type) };
        let name = names::of_node(node);
        let row = *rows.entry(operator.clone()).or_insert(missing.len());
        if row == missing.len() {
            missing.push((operator, Vec::new()));
        }
        missing[row].1.push(name);
    }
    missing
}
