//! What the layers of a net are called in the model that it came from, as far as that says anything.

use std::collections::HashMap;

use super::step::{Column, Step};
use crate::graph::{Graph, NodeId};

/// The components of a path.
pub(super) type Tokens = Vec<String>;

/// The paths of layers.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Of layers with parameters, if they mean anything.
    of: HashMap<NodeId, Tokens>,
    /// Of all layers, as they are.
    raw: HashMap<NodeId, Tokens>,
}

/// The longest label that is taken over.
const LABEL_MAX: usize = 48;

impl Paths {
    /// The paths of a graph's layers without what an exporter put around them.
    pub(super) fn of(graph: &Graph) -> Paths {
        let mut raw = HashMap::new();
        let mut own: Vec<(NodeId, Tokens)> = Vec::new();
        for id in graph.order() {
            let Some(layer) = graph.layer(id) else { continue };
            let path = graph.node(id).path.trim_end_matches(":0");
            let tokens = split(path, &['.', '/']);
            if !layer.params.is_empty() {
                own.push((id, tokens.clone()));
            }
            raw.insert(id, tokens);
        }
        let scoped = own.iter().any(|it| graph.node(it.0).path.contains('/'));
        if scoped {
            own.iter_mut().for_each(|it| drop_operator(&mut it.1));
            drop_common(&mut own);
        }
        drop_version(&mut own);
        own.retain(|it| !is_empty_talk(&it.1) && it.1.iter().all(|it| it.len() <= LABEL_MAX));
        Paths { of: own.into_iter().collect(), raw }
    }

    /// The path of a layer with parameters.
    pub(super) fn get(&self, node: NodeId) -> Option<&Tokens> {
        self.of.get(&node)
    }

    /// The path of any layer, whether it means anything or not.
    pub(super) fn raw(&self, node: NodeId) -> &[String] {
        self.raw.get(&node).map_or(&[], Vec::as_slice)
    }

    /// What layers that would stand in a block are called relative to it, so that those can be told apart
    /// that would lose their names: empty for layers without names that mean anything. `None` if they cannot
    /// keep them.
    pub(super) fn pattern(&self, steps: &[Step], blocks: &[Relative]) -> Option<Vec<Tokens>> {
        let elements: Vec<Column<Tokens>> =
            super::labels::elements(steps, self, blocks).into_iter().flatten().collect();
        let Some(width) = elements.first().map(Vec::len) else { return Some(Vec::new()) };
        if elements.iter().flatten().flatten().all(is_weak) {
            return Some(Vec::new());
        }
        relative(&elements, width).map(|it| it.names)
    }
}

/// Paths within each application.
#[derive(Clone, Debug, Default)]
pub(super) struct Relative {
    /// What the applications are called.
    pub(super) prefixes: Column<Tokens>,
    /// What the elements are called within them.
    pub(super) names: Vec<Tokens>,
}

/// Takes the paths of elements apart into what names the application, the same for all elements, and what
/// names the element, the same for all applications. `None` if they are not made so.
pub(super) fn relative(elements: &[Column<Tokens>], width: usize) -> Option<Relative> {
    [&['.'][..], &['.', '_']].into_iter().find_map(|marks| {
        let elements: Vec<Column<Tokens>> = elements
            .iter()
            .map(|it| it.iter().map(|it| Some(split(&it.as_ref()?.join("."), marks))).collect())
            .collect();
        split_at_prefix(&elements, width)
    })
}

fn split_at_prefix(elements: &[Column<Tokens>], width: usize) -> Option<Relative> {
    let mut prefixes = Vec::with_capacity(width);
    for i in 0..width {
        let mut there = elements.iter().filter_map(|it| it[i].as_deref());
        let Some(first) = there.next() else {
            prefixes.push(None);
            continue;
        };
        let mut len = first.len() - 1;
        for other in there {
            let common = first.iter().zip(other).take_while(|it| it.0 == it.1).count();
            len = len.min(common).min(other.len() - 1);
        }
        prefixes.push(Some(first[..len].to_vec()).filter(|it| !it.is_empty()));
    }
    let mut names = Vec::with_capacity(elements.len());
    for element in elements {
        let mut rest = None;
        for (path, prefix) in element.iter().zip(&prefixes) {
            let Some(path) = path else { continue };
            let own = &path[prefix.as_ref()?.len()..];
            if rest.is_some_and(|it| it != own) {
                return None;
            }
            rest = Some(own);
        }
        names.push(rest?.to_vec());
    }
    let mut seen: Vec<&Tokens> = prefixes.iter().flatten().collect();
    seen.sort();
    let distinct = seen.windows(2).all(|it| it[0] != it[1]);
    distinct.then_some(Relative { prefixes, names })
}

fn split(path: &str, marks: &[char]) -> Tokens {
    let parts = path.split(marks).filter(|it| !it.is_empty());
    let tokens: Tokens = parts.map(str::to_owned).collect();
    if tokens.is_empty() { vec!["layer".to_owned()] } else { tokens }
}

/// What exporters append to the path of a module.
const OPERATORS: &[&str] = &[
    "Conv",
    "Conv2D",
    "BiasAdd",
    "MatMul",
    "Gemm",
    "depthwise",
    "FusedBatchNormV3",
    "ReadVariableOp",
];

fn drop_operator(tokens: &mut Tokens) {
    let is_operator = |it: &String| OPERATORS.contains(&it.as_str());
    while tokens.len() > 1 && tokens.last().is_some_and(is_operator) {
        tokens.pop();
    }
}

/// Drops the components with which all paths begin.
fn drop_common(all: &mut [(NodeId, Tokens)]) {
    while all.len() > 1
        && let Some(first) = all[0].1.first().cloned()
        && all.iter().all(|it| it.1.len() > 1 && it.1[0] == first)
    {
        all.iter_mut().for_each(|it| drop(it.1.remove(0)));
    }
}

/// Drops `_1` from the end of all paths.
fn drop_version(all: &mut [(NodeId, Tokens)]) {
    for version in ["_0", "_1"] {
        let has = |it: &(NodeId, Tokens)| {
            it.1.last().is_some_and(|it| it.len() > 2 && it.ends_with(version))
        };
        if all.len() > 1 && all.iter().all(has) {
            for (_, tokens) in all.iter_mut() {
                let last = tokens.last_mut().expect("a path has a component");
                last.truncate(last.len() - version.len());
            }
        }
    }
}

/// Words that say what a layer is, which the text says anyway.
const KINDS: &[&str] = &["conv", "fc", "bn", "norm", "linear", "deconv", "ip", "scale", "prelu"];

/// Whether a component only says which kind of layer it is.
pub(super) fn is_kind(token: &str) -> bool {
    KINDS.contains(&token)
}

/// Whether a path only says which kind of layer it is, and counts.
fn is_weak(tokens: &Tokens) -> bool {
    tokens.iter().all(|it| KINDS.contains(&stem(it).as_str()))
}

/// What exporters call what has no name.
const NOTHING: &[&str] = &[
    "",
    "conv",
    "convd",
    "gemm",
    "matmul",
    "dense",
    "batchnormalization",
    "node",
    "op",
    "onnx::conv",
    "onnx::gemm",
    "onnx::matmul",
    "onnx::batchnormalization",
    "preludd",
    "instancenormalization",
    "convtranspose",
    "depthwiseconvd",
    "output",
    "input",
    "value",
    "param",
    "layer",
    "convolutionoutput",
    "prelu",
];

/// Whether a path says nothing: an exporter's count.
fn is_empty_talk(tokens: &Tokens) -> bool {
    let [first, rest @ ..] = tokens.as_slice() else { return true };
    if rest.iter().any(|it| it != "value") {
        return false;
    }
    let letters = first.trim_end_matches(|it: char| it.is_ascii_digit());
    if letters.len() < 2 && letters.len() < first.len() {
        return true;
    }
    let counted = first.contains(|it: char| it.is_ascii_digit() || matches!(it, '_' | ':'))
        || first.starts_with(char::is_uppercase);
    counted && NOTHING.contains(&stem(first).as_str()) && !is_paper_name(first)
}

/// `conv3_2`: stage and position, as in papers.
fn is_paper_name(name: &str) -> bool {
    name.strip_prefix("conv").is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()))
        && !name.starts_with("conv1d")
        && !name.starts_with("conv2d")
        && !name.starts_with("conv3d")
}

/// A component without its numbers.
fn stem(token: &str) -> String {
    token.to_ascii_lowercase().chars().filter(|it| !it.is_ascii_digit() && *it != '_').collect()
}
