//! A graph as chains and branches, as far as it is made of them.
//!
//! Two rules are applied from the inputs on until neither fits any more. A layer goes on the chain of its first
//! operand if nobody else reads that. A layer whose operands are chains that all begin with the same value
//! becomes a branch, and reads that value alone. What remains are lines that read values by name.

use std::collections::{HashMap, HashSet};

use super::step::{Arm, Branch, Form, Layer, Operands, Step};
use crate::graph::{Graph, NodeId};
use crate::ops::{Op, Value};

/// A chain with what it begins with.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The value that its first step goes on from, if it goes on from one.
    pub(super) from: Option<NodeId>,
    pub(super) steps: Vec<Step>,
    /// The value that it makes.
    pub(super) to: NodeId,
}

/// Branches inside one another are at most so deep.
const DEPTH_MAX: usize = 8;

/// A branch has at most so many layers; beyond, names are clearer.
const LAYERS_MAX: usize = 64;

/// A chain while it grows.
struct Unit {
    steps: Vec<Step>,
    /// What it reads that it does not make: the flow alone for a chain with one beginning.
    reads: Vec<NodeId>,
    /// Whether its first step takes the flow.
    flows: bool,
    depth: usize,
    layers: usize,
}

/// The lines of a graph, each after those that it reads.
pub(super) fn lines(graph: &Graph, shared: &HashMap<NodeId, usize>) -> Vec<Line> {
    let order = graph.order();
    let mut uses: HashMap<NodeId, usize> = HashMap::new();
    for &id in &order {
        graph.node(id).operands().iter().for_each(|it| *uses.entry(*it).or_default() += 1);
    }
    graph.outputs().iter().for_each(|it| *uses.entry(it.node).or_default() += 1);
    let half = half_padded(graph, &order);
    let mut build = Build { graph, half, uses, units: HashMap::new() };
    for &id in &order {
        if let Some(layer) = graph.layer(id) {
            build.add(id, &layer.op, shared.get(&id).copied());
        }
    }
    let mut lines = Vec::new();
    for id in order {
        if let Some(unit) = build.units.remove(&id) {
            let from = unit.reads.first().copied().filter(|_| unit.flows);
            lines.push(Line { from, steps: unit.steps, to: id });
        }
    }
    lines
}

struct Build<'a> {
    graph: &'a Graph,
    /// Convolutions whose padding is written `half`.
    half: HashSet<NodeId>,
    /// How often each value is read.
    uses: HashMap<NodeId, usize>,
    /// Chains by the value that they make.
    units: HashMap<NodeId, Unit>,
}

impl Build<'_> {
    fn add(&mut self, id: NodeId, op: &Op, shared: Option<usize>) {
        let operands = self.graph.node(id).operands().to_vec();
        let args = forms(op, self.half.contains(&id));
        let branch = if op.written().is_empty() { self.branch(id, op, &operands) } else { None };
        let mut unit = branch.unwrap_or_else(|| {
            let flows = operands.len() == 1;
            let given =
                if flows { Operands::Flow(Vec::new()) } else { Operands::Given(operands.clone()) };
            let layer = Layer {
                op: op.entry().name,
                nodes: vec![Some(id)],
                args,
                operands: given,
                shared,
                label: None,
            };
            Unit { steps: vec![Step::Layer(layer)], reads: operands, flows, depth: 0, layers: 1 }
        });
        if let Some(&first) = unit.reads.first()
            && self.uses[&first] == 1
            && let Some(before) = self.units.remove(&first)
        {
            unit = before.followed_by(unit);
        }
        self.units.insert(id, unit);
    }

    /// The layer as a branch, if its operands are chains with one beginning.
    fn branch(&mut self, id: NodeId, op: &Op, operands: &[NodeId]) -> Option<Unit> {
        if operands.len() < 2 {
            return None;
        }
        let begin = |at: NodeId| match self.units.get(&at) {
            Some(unit) if self.uses[&at] == 1 && unit.depth < DEPTH_MAX => Some(unit),
            _ => None,
        };
        let begins = |at: NodeId| begin(at).filter(|it| it.flows).map(|it| it.reads[0]);
        let is_source = |at: NodeId| begin(at).is_some_and(|it| it.reads.is_empty());
        let first = *operands.iter().find(|it| !is_source(**it))?;
        let fits = |from: NodeId| {
            operands.iter().all(|&it| it == from || begins(it) == Some(from) || is_source(it))
        };
        // What is joined with constants alone goes on: `-> add { | param([8]) }`.
        let alone = operands.iter().filter(|it| !is_source(**it)).count() == 1;
        let begins = if alone { [Some(first), None] } else { [begins(first), Some(first)] };
        let from = begins.into_iter().flatten().find(|it| fits(*it))?;
        let arms = operands.iter().filter(|it| **it != from);
        let layers: usize = arms.filter_map(|it| begin(*it)).map(|it| it.layers).sum();
        if layers == 0 || layers > LAYERS_MAX {
            return None;
        }
        let mut depth = 0;
        let mut arms = Vec::with_capacity(operands.len());
        for it in operands {
            let unit = if *it == from { None } else { self.units.remove(it) };
            if unit.as_ref().is_none_or(|it| it.flows) {
                *self.uses.get_mut(&from)? -= 1;
            }
            depth = depth.max(unit.as_ref().map_or(0, |it| it.depth));
            let steps = unit.map_or(Vec::new(), |it| it.steps);
            arms.push(Arm { present: vec![!steps.is_empty()], steps });
        }
        *self.uses.get_mut(&from)? += 1;
        let branch = Branch { op: op.entry().name, nodes: vec![Some(id)], arms, label: None };
        Some(Unit {
            steps: vec![Step::Branch(branch)],
            reads: vec![from],
            flows: true,
            depth: depth + 1,
            layers: layers + 1,
        })
    }
}

impl Unit {
    fn followed_by(mut self, mut next: Unit) -> Unit {
        if let Some(Step::Layer(Layer { operands, .. })) = next.steps.first_mut()
            && let Operands::Given(all) = operands
        {
            *operands = Operands::Flow(all[1..].to_vec());
        }
        self.steps.extend(next.steps);
        self.reads.extend(next.reads.into_iter().skip(1));
        self.depth = self.depth.max(next.depth);
        self.layers += next.layers;
        self
    }
}

/// The convolutions that are padded by `half`, if most of those are that could be.
fn half_padded(graph: &Graph, order: &[NodeId]) -> HashSet<NodeId> {
    let (mut half, mut wide, mut other) = (HashSet::new(), 0_usize, 0_usize);
    for &id in order {
        let Some(op @ Op::Conv(_)) = graph.layer(id).map(|it| &it.op) else { continue };
        let windows = op.windows(graph.operand_shapes(id)[0]);
        let is_half = windows.iter().all(|it| {
            let rows = (it.reach() - 1) / 2;
            (it.before, it.after) == (rows, rows)
        });
        let is_wide = windows.iter().any(|it| it.kernel > 1);
        match (is_half, is_wide) {
            (true, true) => wide += 1,
            (false, _) => other += 1,
            (true, false) => {}
        }
        if is_half {
            half.insert(id);
        }
    }
    if wide > other + 1 { half } else { HashSet::new() }
}

/// The arguments of a layer, whole numbers at their defaults among them so that copies compare.
fn forms(op: &Op, half: bool) -> Vec<(&'static str, Form)> {
    let mut args: Vec<(&'static str, Form)> =
        op.written().into_iter().map(|(name, value)| (name, Form::of(value))).collect();
    if half {
        args.retain(|it| it.0 != "pad");
        args.push(("pad", Form::Fixed(Value::Word("half".to_owned()))));
    }
    let table = op.entry().args;
    for arg in table {
        if args.iter().any(|it| it.0 == arg.name) {
            continue;
        }
        let kernel = || args.iter().find(|it| it.0 == "kernel").map(|it| it.1.clone());
        let form = match arg.default {
            // A pool's stride is its kernel unless given.
            Some("") if arg.name == "stride" => kernel(),
            default => default.and_then(|it| it.parse().ok()).map(|it| Form::Whole(vec![Some(it)])),
        };
        args.extend(form.map(|it| (arg.name, it)));
    }
    args.sort_by_key(|it| table.iter().position(|arg| arg.name == it.0));
    args
}
