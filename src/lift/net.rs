//! The whole file: defaults, blocks, the net with its inputs, lines and results.

use std::collections::{HashMap, HashSet};

use super::blocks::{self, Block};
use super::defaults::Defaults;
use super::labels::{self, Taken};
use super::names::{Paths, Relative};
use super::params::{self, Solved};
use super::repeat;
use super::series::{self, Line};
use super::step::{Operands, Step};
use super::titles::titles;
use super::tree::{self, expr, int, word};
use super::write::{Reader, ValueNames, Writer};
use crate::diag::Span;
use crate::graph::{Graph, NodeId};
use crate::syntax::ast::{
    Ast, Body, Definition, ExprKind, Item, ItemKind, StepKind, Stmt, StmtKind,
};

/// How much is made of a net's structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// What is there several times becomes blocks.
    Structured,
    /// Chains and branches.
    Flat,
}

/// A text while it is being found.
struct Plan {
    lines: Vec<Line>,
    blocks: Vec<Block>,
    /// What is found of each block: its parameters, and what its applications are called.
    solved: Vec<Solved>,
    names: Vec<Relative>,
}

/// The tree of a graph's text.
pub(super) fn tree(graph: &Graph, form: Form) -> Ast {
    let shared = shared(graph);
    let paths = Paths::of(graph);
    let mut plan = plan(graph, &shared, &paths, form);
    let mut taken = Taken::default();
    taken.extend(graph.inputs().iter().map(|&it| graph.node(it).path.clone()));
    taken.extend(graph.outputs().iter().map(|it| it.name.clone()));
    let net_name = taken.free(&graph.name);
    let titles = titles(&plan.blocks, &plan.names, &mut taken);
    let groups = shared.values().max().map_or(0, |it| it + 1);
    let mut firsts: HashMap<usize, NodeId> = HashMap::new();
    for id in graph.order() {
        if let Some(group) = shared.get(&id) {
            firsts.entry(*group).or_insert(id);
        }
    }
    let first = |group: usize| firsts.get(&group).copied();
    let instances: Vec<String> = (0..groups)
        .map(|it| taken.free(first(it).map_or("f", |it| &graph.node(it).path)))
        .collect();
    let fixed: HashSet<String> = instances.iter().cloned().collect();
    labels::give(&mut plan.lines, &mut plan.blocks, &titles, &paths, &plan.names, &fixed);
    let chains = plan.lines.iter().map(|it| it.steps.as_slice());
    let defaults = Defaults::of(chains.chain(plan.blocks.iter().map(|it| it.steps.as_slice())));
    let writer = Writer {
        graph,
        blocks: &plan.blocks,
        solved: &plan.solved,
        names: &titles,
        shared: &instances,
        defaults: &defaults,
    };
    let mut items = Vec::new();
    let calls = defaults.calls();
    if !calls.is_empty() {
        items.push(ItemKind::Defaults(calls));
    }
    let order = params::order(&plan.blocks);
    items.extend(order.iter().map(|&it| ItemKind::Block(writer.block(it, &plan.blocks[it]))));
    let body = Net { graph, writer: &writer, plan: &plan, paths: &paths }.body(&mut taken);
    let name = tree::name(&net_name);
    items.push(ItemKind::Net(Definition { name, params: Vec::new(), body }));
    let items = items.into_iter().map(|kind| Item { kind, span: Span::default() }).collect();
    Ast { items, ..Ast::default() }
}

fn plan(graph: &Graph, shared: &HashMap<NodeId, usize>, paths: &Paths, form: Form) -> Plan {
    let mut lines = series::lines(graph, shared);
    let mut blocks = match form {
        Form::Structured => blocks::find(&mut lines, paths),
        Form::Flat => Vec::new(),
    };
    let mut solved = vec![Solved::default(); blocks.len()];
    let mut names = vec![Relative::default(); blocks.len()];
    for at in params::order(&blocks) {
        let mut steps = std::mem::take(&mut blocks[at].steps);
        let width = blocks::width(&steps[0]);
        repeat::fold(&mut steps, &solved, &names);
        names[at] = labels::of_block(&steps, width, paths, &names);
        solved[at] = params::solve(graph, &steps, width, &solved);
        blocks[at].steps = steps;
    }
    if form == Form::Structured {
        repeat::seqs(&mut lines, paths, &names);
    }
    lines.iter_mut().for_each(|it| repeat::fold(&mut it.steps, &solved, &names));
    Plan { lines, blocks, solved, names }
}

/// Layers that have all their weights in common with another one, by the set that they share.
fn shared(graph: &Graph) -> HashMap<NodeId, usize> {
    let mut by_params: HashMap<&[crate::graph::ParamId], Vec<NodeId>> = HashMap::new();
    let order = graph.order();
    for &id in &order {
        if let Some(layer) = graph.layer(id).filter(|it| !it.params.is_empty()) {
            by_params.entry(&layer.params).or_default().push(id);
        }
    }
    let mut shared = HashMap::new();
    let mut groups = 0;
    for id in order {
        let Some(layer) = graph.layer(id) else { continue };
        let Some(users) = by_params.remove(layer.params.as_slice()) else { continue };
        let alike = |it: &&NodeId| graph.layer(**it).is_some_and(|it| it.op == layer.op);
        if users.len() > 1 && users.iter().all(|it| alike(&it)) {
            shared.extend(users.into_iter().map(|it| (it, groups)));
            groups += 1;
        }
    }
    shared
}

struct Net<'a> {
    graph: &'a Graph,
    writer: &'a Writer<'a>,
    plan: &'a Plan,
    paths: &'a Paths,
}

impl Net<'_> {
    fn body(&self, taken: &mut Taken) -> Body {
        let values = self.value_names(taken);
        let mut stmts: Vec<Stmt> = self.graph.inputs().iter().map(|it| self.input(*it)).collect();
        stmts.extend(self.shared());
        let mut current = match self.graph.inputs() {
            [only] => Some(*only),
            _ => None,
        };
        for line in &self.plan.lines {
            stmts.extend(self.line(line, current, &values));
            current = Some(line.to);
        }
        stmts.extend(self.outputs(current, &values));
        tree::body(stmts)
    }

    fn input(&self, id: NodeId) -> Stmt {
        let node = self.graph.node(id);
        let size = |it: &usize| int(i64::try_from(*it).unwrap_or(i64::MAX));
        let mut dims: Vec<_> = node.shape.dims().iter().map(size).collect();
        if node.shape.batch() == 1 {
            dims[0] = word("N");
        }
        let names = vec![tree::name(&node.path)];
        tree::stmt(StmtKind::Input { names, element: tree::name("f32"), dims })
    }

    /// `shared f: conv(64, 3)` for each set of shared weights.
    fn shared(&self) -> Vec<Stmt> {
        let mut stmts = Vec::new();
        let mut seen = HashSet::new();
        let none = |_: NodeId| None;
        let mut visit = |step: &Step| {
            if let Step::Layer(layer) = step
                && let Some(at) = layer.shared
                && seen.insert(at)
            {
                let alone = [step.clone()];
                let solved = params::solve(self.graph, &alone, 1, &self.plan.solved);
                let written = self.writer.instance(layer, &mut Reader::new(&solved, &none));
                let name = tree::name(&self.writer.shared[at]);
                stmts.push(tree::stmt(StmtKind::Shared { name, layer: written }));
            }
        };
        self.plan.lines.iter().for_each(|it| each(&it.steps, &mut visit));
        stmts
    }

    /// One line of the net; `current` is the value before it.
    fn line(&self, line: &Line, current: Option<NodeId>, values: &ValueNames) -> Vec<Stmt> {
        let solved = params::solve(self.graph, &line.steps, 1, &self.plan.solved);
        let named = |it: NodeId| values.get(&it).cloned();
        let mut reader = Reader::new(&solved, &named);
        let pieces = self.writer.pieces(&line.steps, &mut reader);
        let mut stmts = self.writer.lines(pieces, None);
        if let Some(from) = line.from.filter(|it| current != Some(*it))
            && let Some(StmtKind::Chain(chain)) = stmts.first_mut().map(|it| &mut it.kind)
        {
            let start = tree::value_named(values.get(&from).map_or("", String::as_str));
            chain.steps.insert(0, tree::step(None, StepKind::Expr(start)));
        }
        if let Some(name) = values.get(&line.to)
            && let Some(last) = stmts.last_mut()
            && let StmtKind::Chain(chain) = &last.kind
        {
            last.kind = StmtKind::Value { name: tree::name(name), chain: chain.clone() };
        }
        stmts
    }

    /// Names for the inputs, and for the values that are read when they are not the current one.
    fn value_names(&self, taken: &mut Taken) -> ValueNames {
        let inputs = self.graph.inputs();
        let mut names: ValueNames =
            inputs.iter().map(|&it| (it, self.graph.node(it).path.clone())).collect();
        let mut wanted: Vec<NodeId> = Vec::new();
        let mut current = inputs.first().copied().filter(|_| inputs.len() == 1);
        for line in &self.plan.lines {
            wanted.extend(line.from.filter(|it| Some(*it) != current));
            let mut visit = |step: &Step| {
                if let Step::Layer(layer) = step {
                    match &layer.operands {
                        Operands::Flow(named) => wanted.extend(named),
                        Operands::Given(all) => {
                            wanted.extend(all.iter().filter(|it| Some(**it) != current));
                        }
                    }
                }
            };
            each(&line.steps, &mut visit);
            current = Some(line.to);
        }
        wanted.extend(
            self.graph.outputs().iter().map(|it| it.node).filter(|it| Some(*it) != current),
        );
        let given: HashSet<&str> =
            inputs.iter().map(|it| self.graph.node(*it).path.as_str()).collect();
        let results = self.graph.outputs().iter().rev().map(|it| (it.node, it.name.as_str()));
        let results: HashMap<NodeId, &str> = results.collect();
        for id in wanted {
            if names.contains_key(&id) {
                continue;
            }
            let name = match results.get(&id).filter(|it| !given.contains(**it)) {
                Some(result) => {
                    taken.release(result);
                    taken.free(result)
                }
                None => {
                    let is_word =
                        |it: &&String| it.starts_with(|it: char| it.is_ascii_alphabetic());
                    let word = self.paths.raw(id).iter().rev().find(is_word);
                    taken.free(word.map_or("v", String::as_str))
                }
            };
            names.insert(id, name);
        }
        names
    }

    fn outputs(&self, current: Option<NodeId>, values: &ValueNames) -> Vec<Stmt> {
        let names: HashSet<&str> = values.values().map(String::as_str).collect();
        let bound = |name: &str| names.contains(name);
        let output = |it: &crate::graph::Output| {
            let own = values.get(&it.node);
            let chain = if own == Some(&it.name) || current == Some(it.node) && !bound(&it.name) {
                None
            } else {
                let value = own.map_or(expr(ExprKind::It), |it| tree::value_named(it));
                Some(tree::chain(vec![tree::step(None, StepKind::Expr(value))]))
            };
            let name = tree::name(&it.name);
            tree::stmt(StmtKind::Output { name, train: false, chain })
        };
        self.graph.outputs().iter().map(output).collect()
    }
}

/// Visits every step, those in branches too.
fn each<'a>(steps: &'a [Step], visit: &mut dyn FnMut(&'a Step)) {
    for step in steps {
        visit(step);
        match step {
            Step::Branch(it) => it.arms.iter().for_each(|it| each(&it.steps, visit)),
            Step::Seq(_, steps) => each(steps, visit),
            Step::Layer(_) | Step::Call(_) | Step::Repeat(_) => {}
        }
    }
}
