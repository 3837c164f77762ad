//! The net while it grows: nodes in the order of the file, dead ones included, and their traces.
//!
//! A [`Graph`] is made of it at the end, from the layers that reach a result.

use std::collections::HashMap;

use crate::diag::{Sources, Span};
use crate::graph::{Graph, Layer, NodeId, Param, ParamId};
use crate::ops::{Op, ParamSpec};
use crate::shape::Shape;

/// A value of a [`Draft`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(usize);

/// A value and what makes it; an input has no operator.
pub(super) struct Made {
    pub(super) path: String,
    pub(super) span: Span,
    pub(super) shape: Shape,
    pub(super) op: Option<Op>,
    pub(super) params: Vec<usize>,
    pub(super) operands: Vec<Id>,
}

/// A tensor that layers need, and the layer that asked for it first.
struct Tensor {
    path: String,
    spec: ParamSpec,
    span: Span,
}

/// The net while it grows.
#[derive(Default)]
pub(super) struct Draft {
    nodes: Vec<Made>,
    params: Vec<Tensor>,
    by_path: HashMap<String, usize>,
    inputs: Vec<Id>,
    outputs: Vec<(String, Id)>,
    param_elements: u64,
}

/// On what terms a layer gets its parameters.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// The most elements of all parameters together.
    pub(super) elements_max: u64,
    /// Where a shared instance is being applied: its layers may have those of another application.
    pub(super) site: Option<Span>,
}

/// Why a layer cannot have its parameters.
pub(super) enum Refusal {
    /// The shared instance's parameters have other extents already.
    Unlike {
        /// Their path.
        path: String,
        /// Their extents.
        known: Shape,
        /// The extents that are asked for now.
        wanted: Shape,
        /// Where the instance was applied first.
        first: Span,
    },
    /// Another layer's parameters have the path: `(path, that layer)`.
    Taken(String, Span),
    /// More elements than this together.
    TooMany(u64),
}

impl Draft {
    pub(super) fn node(&self, id: Id) -> &Made {
        &self.nodes[id.0]
    }

    pub(super) fn shape(&self, id: Id) -> &Shape {
        &self.nodes[id.0].shape
    }

    pub(super) fn layers(&self) -> usize {
        self.nodes.len() - self.inputs.len()
    }

    /// The values made since there were so many.
    pub(super) fn since(&self, count: usize) -> impl Iterator<Item = Id> + use<> {
        (count..self.nodes.len()).map(Id)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn add_input(&mut self, name: &str, shape: Shape, span: Span) -> Id {
        let id = self.push(Made {
            path: name.to_owned(),
            span,
            shape,
            op: None,
            params: Vec::new(),
            operands: Vec::new(),
        });
        self.inputs.push(id);
        id
    }

    pub(super) fn add_layer(
        &mut self,
        path: String,
        span: Span,
        op: Op,
        operands: Vec<Id>,
        shape: Shape,
        terms: Terms,
    ) -> Result<Id, Refusal> {
        let shapes: Vec<&Shape> = operands.iter().map(|&it| self.shape(it)).collect();
        let specs = op.params(&shapes);
        let mut params = Vec::with_capacity(specs.len());
        for spec in specs {
            params.push(self.param(format!("{path}.{}", spec.name), spec, span, terms)?);
        }
        Ok(self.push(Made { path, span, shape, op: Some(op), params, operands }))
    }

    fn param(
        &mut self,
        path: String,
        spec: ParamSpec,
        span: Span,
        terms: Terms,
    ) -> Result<usize, Refusal> {
        if let Some(&at) = self.by_path.get(&path) {
            let known = &self.params[at];
            if terms.site.is_none() {
                return Err(Refusal::Taken(path, known.span));
            }
            if known.spec.shape != spec.shape {
                let known_shape = known.spec.shape.clone();
                return Err(Refusal::Unlike {
                    path,
                    known: known_shape,
                    wanted: spec.shape,
                    first: known.span,
                });
            }
            return Ok(at);
        }
        self.param_elements = self.param_elements.saturating_add(spec.shape.elements() as u64);
        if self.param_elements > terms.elements_max {
            return Err(Refusal::TooMany(terms.elements_max));
        }
        self.by_path.insert(path.clone(), self.params.len());
        self.params.push(Tensor { path, spec, span: terms.site.unwrap_or(span) });
        Ok(self.params.len() - 1)
    }

    fn push(&mut self, made: Made) -> Id {
        self.nodes.push(made);
        Id(self.nodes.len() - 1)
    }

    pub(super) fn add_output(&mut self, name: &str, id: Id) {
        self.outputs.push((name.to_owned(), id));
    }

    /// Which values reach one of these.
    pub(super) fn reach(&self, roots: impl IntoIterator<Item = Id>) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        for root in roots {
            live[root.0] = true;
        }
        for at in (0..self.nodes.len()).rev() {
            if live[at] {
                for operand in &self.nodes[at].operands {
                    live[operand.0] = true;
                }
            }
        }
        live
    }

    /// Inputs that no result needs.
    pub(super) fn idle_inputs(&self) -> Vec<&Made> {
        let live = self.reach(self.outputs.iter().map(|it| it.1));
        self.inputs.iter().filter(|it| !live[it.0]).map(|it| self.node(*it)).collect()
    }

    /// Layers that nobody reads and no result is, and what is lost with each.
    pub(super) fn ends(&self, train: &[Id]) -> Vec<(Id, String)> {
        let live = self.reach(self.outputs.iter().map(|it| it.1).chain(train.iter().copied()));
        let mut readers = vec![0_usize; self.nodes.len()];
        for operand in self.nodes.iter().flat_map(|it| &it.operands) {
            readers[operand.0] += 1;
        }
        let is_end = |at: &usize| !live[*at] && readers[*at] == 0 && self.nodes[*at].op.is_some();
        let ends = (0..self.nodes.len()).filter(is_end);
        ends.map(|at| {
            let mut first = at;
            while let [before] = self.nodes[first].operands[..] {
                // What others read is not lost with this end alone; and no step is met twice.
                let is_own = !live[before.0] && readers[before.0] == 1;
                if !is_own || self.nodes[before.0].op.is_none() {
                    break;
                }
                first = before.0;
            }
            let (from, to) = (&self.nodes[first].path, &self.nodes[at].path);
            let what = if first == at { format!("`{to}`") } else { format!("`{from}` to `{to}`") };
            (Id(at), what)
        })
        .collect()
    }

    /// The graph of the layers that reach a result, in the order of the file.
    pub(super) fn finish(self, name: &str) -> Graph {
        let live = self.reach(self.outputs.iter().map(|it| it.1));
        let mut graph = Graph::new(name);
        let mut params: Vec<Option<ParamId>> = vec![None; self.params.len()];
        let mut ids: Vec<Option<NodeId>> = vec![None; self.nodes.len()];
        for (at, made) in self.nodes.into_iter().enumerate() {
            let Some(op) = made.op else {
                ids[at] = Some(graph.add_input(made.path, made.shape, made.span));
                continue;
            };
            if !live[at] {
                continue;
            }
            for &it in &made.params {
                if params[it].is_none() {
                    let Tensor { path, spec, .. } = &self.params[it];
                    let param = Param::new(path.clone(), spec.clone());
                    params[it] = Some(graph.add_param(param));
                }
            }
            let layer = Layer {
                op,
                params: made.params.iter().filter_map(|&it| params[it]).collect(),
                epilogue: Vec::new(),
            };
            let operands = made.operands.iter().filter_map(|it| ids[it.0]).collect();
            ids[at] = Some(graph.add_layer(made.path, made.span, layer, operands, made.shape));
        }
        for (name, id) in self.outputs {
            graph.add_output(name, ids[id.0].expect("what an output needs is live"));
        }
        graph
    }
}

/// Line numbers of every file, found once.
pub(super) struct Lines {
    starts: Vec<(String, Vec<usize>)>,
}

impl Lines {
    pub(super) fn of(sources: &Sources) -> Lines {
        let starts = sources.iter().map(|(_, source)| {
            let breaks = source.text.bytes().enumerate().filter(|it| it.1 == b'\n');
            (source.name.clone(), breaks.map(|it| it.0).collect())
        });
        Lines { starts: starts.collect() }
    }

    /// `line 4`, or `blocks.net:4` for a file other than the one that is spoken of.
    pub(super) fn name(&self, span: Span, from: Span) -> String {
        let (file, breaks) = &self.starts[span.file.0 as usize];
        let line = 1 + breaks.partition_point(|&it| it < span.start as usize);
        if span.file == from.file { format!("line {line}") } else { format!("{file}:{line}") }
    }
}

/// How a value came to be, from the input, one line a step: `conv1 (line 4)   [6, 28, 28]`.
/// At a join the first operand is followed. Long chains are folded.
pub(super) fn trace(draft: &Draft, lines: &Lines, id: Id, from: Span) -> String {
    trace_after(draft, lines, id, None, from)
}

/// As [`trace`], from just after another value.
pub(super) fn trace_after(
    draft: &Draft,
    lines: &Lines,
    id: Id,
    after: Option<Id>,
    from: Span,
) -> String {
    let mut steps = Vec::new();
    let mut at = Some(id);
    while let Some(id) = at.filter(|&it| Some(it) != after) {
        steps.push(id);
        at = draft.node(id).operands.first().copied();
    }
    steps.reverse();
    if steps.len() > STEPS_MAX {
        let ends = (steps[0], steps[steps.len() - 1]);
        let changes = |it: &Id| {
            let made = draft.node(*it);
            made.operands.first().is_none_or(|&before| draft.shape(before) != &made.shape)
        };
        steps.retain(|it| *it == ends.0 || *it == ends.1 || changes(it));
    }
    let cut = steps.len().saturating_sub(STEPS_MAX);
    if cut > 0 {
        steps.drain(2..=2 + cut);
    }
    let name = |&it: &Id| {
        let made = draft.node(it);
        format!("{} ({})", made.path, lines.name(made.span, from))
    };
    let names: Vec<String> = steps.iter().map(name).collect();
    let width = names.iter().map(|it| it.chars().count()).max().unwrap_or(0);
    let line = |(name, &it): (&String, &Id)| format!("{name:width$}   {}", draft.shape(it));
    let mut text: Vec<String> = names.iter().zip(&steps).map(line).collect();
    if cut > 0 {
        text.insert(2, format!(".. {} steps", cut + 1));
    }
    text.join("\n")
}

/// So many steps are shown in full.
const STEPS_MAX: usize = 10;
