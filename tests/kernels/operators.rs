//! Every operator's nets of the corpus in all ways: on what a caller gives, and on what a layer gives.

use std::path::Path;

use netc::diag::Source;
use netc::elaborate;
use netc::graph::{Graph, Layer};
use netc::model::build;
use netc::ops::{Op, Value};
use netc::plan::Algorithms;

use crate::net::op;
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

/// Puts a layer behind each input: its value is blocked.
fn put_layers_behind_inputs(graph: &mut Graph) {
    for input in graph.inputs().to_vec() {
        let users = graph.users(input);
        let (path, span) = (format!("{}.scaled", graph.node(input).path), graph.node(input).span);
        let op = op("affine", &[("scale", Value::Number(0.75))]);
        let layer = Layer { op, params: Vec::new(), epilogue: Vec::new() };
        let shape = graph.node(input).shape.clone();
        let scaled = graph.add_layer(path, span, layer, vec![input], shape);
        for user in users {
            let operands = graph.node(user).operands().iter();
            let operands = operands.map(|&it| if it == input { scaled } else { it }).collect();
            graph.set_operands(user, operands);
        }
    }
}

/// Checks the operators whose names begin with some letters; two tests share the work of two cores.
fn check(is_mine: impl Fn(&str) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/ops");
    for entry in Op::TABLE.iter().filter(|it| is_mine(it.name)) {
        let path = folder.join(entry.name).with_extension("net");
        for (seed, mut graph) in (1..).zip(graphs(&path)) {
            ways::check(graph.clone(), seed, Algorithms::Fastest);
            put_layers_behind_inputs(&mut graph);
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
