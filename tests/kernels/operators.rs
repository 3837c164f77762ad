//! Every operator's nets of the corpus in all ways: on what a caller gives, and on what a layer gives.

use std::path::Path;

use netc::diag::{Source, Span};
use netc::elaborate;
use netc::graph::{Graph, Layer, NodeId};
use netc::model::build;
use netc::ops::{Given, Op, Value};
use netc::plan::Algorithms;

use crate::ways;

/// The nets of a file of the corpus.
fn graphs(path: &Path) -> Vec<Graph> {
    let text = std::fs::read_to_string(path).unwrap();
    let names = text.lines().filter_map(|it| it.strip_prefix("net ")?.split([' ', '(']).next());
    let graph = |name: &str| {
        let source = Source { name: name.to_owned(), text: text.clone() };
        let options = elaborate::Options { net: Some(name.to_owned()), ..Default::default() };
        let mut no_files = |_: &str| Err("a net of the corpus stands alone".to_owned());
        build(source, &mut no_files, &options).unwrap_or_else(|it| panic!("{it}")).graph
    };
    names.map(graph).collect()
}

/// The same net with a layer behind each input, whose value is blocked.
fn behind_layers(graph: &Graph) -> Graph {
    let mut with = Graph::new(graph.name.clone());
    for param in graph.params() {
        with.add_param(param.clone());
    }
    let mut new: Vec<(NodeId, NodeId)> = Vec::new();
    for id in graph.order() {
        let node = graph.node(id);
        let found = |it: &NodeId| new.iter().find(|(old, _)| old == it).unwrap().1;
        let added = match graph.layer(id) {
            Some(layer) => {
                let operands = node.operands().iter().map(found).collect();
                with.add_layer(
                    node.path.clone(),
                    node.span,
                    layer.clone(),
                    operands,
                    node.shape.clone(),
                )
            }
            None => {
                let input = with.add_input(node.path.clone(), node.shape.clone(), node.span);
                let scale = Given {
                    name: "scale".to_owned(),
                    value: Value::Number(0.75),
                    span: Span::default(),
                };
                let op = Op::parse("affine", Span::default(), &[scale]).unwrap().unwrap();
                let layer = Layer { op, params: Vec::new(), epilogue: Vec::new() };
                let path = format!("{}.scaled", node.path);
                with.add_layer(path, node.span, layer, vec![input], node.shape.clone())
            }
        };
        new.push((id, added));
    }
    for output in graph.outputs() {
        let node = new.iter().find(|it| it.0 == output.node).unwrap().1;
        with.add_output(output.name.clone(), node);
    }
    with
}

/// Checks the operators whose names begin with some letters; two tests share the work of two cores.
fn check(is_mine: impl Fn(&str) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/ops");
    for entry in Op::TABLE.iter().filter(|it| is_mine(it.name)) {
        let path = folder.join(entry.name).with_extension("net");
        for (seed, graph) in (1..).zip(graphs(&path)) {
            ways::check(behind_layers(&graph), seed, Algorithms::Fastest);
            ways::check(graph, seed, Algorithms::Fastest);
        }
    }
}

#[test]
fn operators_from_a_to_l() {
    check(|name| name < "m");
}

#[test]
fn operators_from_m_to_z() {
    check(|name| name >= "m");
}
