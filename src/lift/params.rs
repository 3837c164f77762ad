//! What differs between the applications of a block becomes its parameters.

use std::collections::HashMap;

use super::blocks::Block;
use super::step::{Branch, Call, Column, Form, Layer, Step, same};
use crate::graph::{Graph, NodeId};

/// A whole number in the text of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// Itself.
    Plain(i64),
    /// `p`, `4*p`, `p / 2`: a parameter by its position.
    Param { at: usize, times: i64, over: i64 },
    /// `it.c`, `4*it.c`, `it.c / 2`
    Channels { times: i64, over: i64 },
}

/// Where whole numbers stand in the text of a block, in the order of the walk.
pub(super) type Numbers = Vec<Number>;

/// A parameter of a block.
#[derive(Clone, Debug)]
pub(super) struct Param {
    pub(super) name: String,
    /// The argument that it is for.
    pub(super) arg: &'static str,
    pub(super) default: Option<i64>,
    /// What it is in each application; a flag is 0 or 1.
    pub(super) column: Vec<i64>,
    pub(super) is_flag: bool,
}

/// When a shortcut is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// In every application.
    Always,
    /// In none: the identity.
    Never,
    /// Where the stride is not 1 or the channels are not those that come out.
    Unlike { stride: Option<Number>, channels: Option<Number> },
    /// Where a parameter says so.
    Flag(usize),
}

/// What a text needs besides its steps: its numbers and conditions, in the order of the walk.
#[derive(Clone, Debug, Default)]
pub(super) struct Solved {
    pub(super) params: Vec<Param>,
    /// The channels of the value that each application goes on from.
    pub(super) channels: Column<i64>,
    pub(super) numbers: Numbers,
    pub(super) conditions: Vec<Condition>,
}

/// The factor between two columns: `(times, over)` with `b = a * times / over`, one of them 1.
pub(super) fn ratio(a: &Column<i64>, b: &Column<i64>) -> Option<(i64, i64)> {
    let pairs = || a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
    if b.iter().zip(a).any(|(b, a)| b.is_some() && a.is_none()) {
        return None;
    }
    let (first_a, first_b) = pairs().next()?;
    if first_a <= 0 || first_b <= 0 {
        return (first_a == first_b && pairs().all(|(a, b)| a == b)).then_some((1, 1));
    }
    let (times, over) = if first_b % first_a == 0 {
        (first_b / first_a, 1)
    } else if first_a % first_b == 0 {
        (1, first_a / first_b)
    } else {
        return None;
    };
    let fits = |(a, b): (i64, i64)| {
        a.checked_mul(times).is_some_and(|it| it % over == 0 && it / over == b)
    };
    pairs().all(fits).then_some((times, over))
}

/// The largest factor that is written.
const FACTOR_MAX: i64 = 16;

/// Arguments that count channels.
const CHANNELS: &[&str] = &["channels", "features", "groups"];

/// Arguments of which most applications have the usual one.
const DEFAULTED: &[&str] = &["stride", "dilation", "groups", "pad"];

struct Solve<'a> {
    graph: &'a Graph,
    /// Solved before: the blocks that are applied here.
    inner: &'a [Solved],
    width: usize,
    /// Of each parameter: the argument that it came from, and its entries.
    columns: Vec<(&'static str, Column<i64>, bool)>,
    solved: Solved,
}

/// Every block after those that it applies.
pub(super) fn order(blocks: &[Block]) -> Vec<usize> {
    fn visit(at: usize, blocks: &[Block], seen: &mut [bool], order: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[at], true) {
            return;
        }
        let mut inner = Vec::new();
        calls(&blocks[at].steps, &mut inner);
        inner.into_iter().for_each(|it| visit(it, blocks, seen, order));
        order.push(at);
    }
    fn calls(steps: &[Step], all: &mut Vec<usize>) {
        for step in steps {
            match step {
                Step::Layer(_) => {}
                Step::Branch(it) => it.arms.iter().for_each(|it| calls(&it.steps, all)),
                Step::Call(it) => all.push(it.block),
                Step::Repeat(of) => all.push(of[0].block),
                Step::Seq(_, steps) => calls(steps, all),
            }
        }
    }
    let (mut seen, mut order) = (vec![false; blocks.len()], Vec::new());
    (0..blocks.len()).for_each(|it| visit(it, blocks, &mut seen, &mut order));
    order
}

/// The parameters and numbers of a text with so many applications; `inner` are those of the blocks in it.
pub(super) fn solve(graph: &Graph, steps: &[Step], width: usize, inner: &[Solved]) -> Solved {
    let mut solve = Solve { graph, inner, width, columns: Vec::new(), solved: Solved::default() };
    solve.steps(steps);
    let columns = std::mem::take(&mut solve.columns);
    let channels = steps.first().map(|it| solve.channels_before(it)).unwrap_or_default();
    let mut solved = Solved { channels, ..solve.solved };
    for (at, (arg, column, is_flag)) in columns.iter().enumerate() {
        let base = name_base(arg, *is_flag);
        let like = |it: &&(&'static str, Column<i64>, bool)| name_base(it.0, it.2) == base;
        let (count, before) =
            (columns.iter().filter(like).count(), columns[..at].iter().filter(like).count());
        let name = if count > 1 { format!("{base}{}", before + 1) } else { base.to_owned() };
        let usual = common(column);
        let column: Vec<i64> = column.iter().map(|it| it.unwrap_or(usual)).collect();
        let often = column.iter().filter(|it| **it == usual).count();
        let default = (*is_flag || DEFAULTED.contains(arg)) && 2 * often > column.len();
        solved.params.push(Param {
            name,
            arg,
            default: default.then_some(usual),
            column,
            is_flag: *is_flag,
        });
    }
    solved
}

fn name_base(arg: &'static str, is_flag: bool) -> &'static str {
    match arg {
        _ if is_flag => "project",
        "channels" | "features" => "c",
        "kernel" => "k",
        "" => "n",
        other => other,
    }
}

/// The most frequent entry, the first of several.
fn common(column: &Column<i64>) -> i64 {
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for it in column.iter().flatten() {
        *counts.entry(*it).or_default() += 1;
    }
    let most = counts.values().max();
    column.iter().flatten().find(|it| counts.get(it) == most).copied().unwrap_or(0)
}

impl Solve<'_> {
    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Layer(it) => self.layer(it),
                Step::Branch(it) => self.branch(it),
                Step::Call(it) => self.call(it),
                Step::Repeat(all) => {
                    self.call(&all[0]);
                    self.call(&all[1]);
                }
                Step::Seq(_, steps) => self.steps(steps),
            }
        }
    }

    fn layer(&mut self, layer: &Layer) {
        let channels = self.channels_in(&layer.nodes);
        for (name, form) in &layer.args {
            self.form(name, form, &channels);
        }
    }

    /// The channels of the value that a step goes on from.
    fn channels_before(&self, step: &Step) -> Column<i64> {
        match step {
            Step::Layer(it) => self.channels_in(&it.nodes),
            Step::Branch(it) => {
                let first = it.arms.iter().find(|it| it.present.iter().all(|it| *it));
                let first = first.and_then(|it| it.steps.first());
                first.map(|it| self.channels_before(it)).unwrap_or_default()
            }
            Step::Call(it) => {
                let inner = &self.inner[it.block].channels;
                it.instances.iter().map(|it| inner.get((*it)?).copied().flatten()).collect()
            }
            Step::Repeat(calls) => self.channels_before(&Step::Call(calls[0].clone())),
            Step::Seq(_, steps) => {
                steps.first().map(|it| self.channels_before(it)).unwrap_or_default()
            }
        }
    }

    fn channels_in(&self, nodes: &Column<NodeId>) -> Column<i64> {
        let channels = |it: &Option<NodeId>| {
            let first = *self.graph.node((*it)?).operands().first()?;
            i64::try_from(self.graph.node(first).shape.channels()).ok()
        };
        nodes.iter().map(channels).collect()
    }

    fn form(&mut self, name: &'static str, form: &Form, channels: &Column<i64>) {
        match form {
            Form::Whole(column) => {
                let number = self.number(name, column, channels);
                self.solved.numbers.push(number);
            }
            Form::Fixed(_) => {}
            Form::List(items) | Form::Tuple(items) => {
                items.iter().for_each(|it| self.form(name, it, channels));
            }
        }
    }

    fn number(
        &mut self,
        name: &'static str,
        column: &Column<i64>,
        channels: &Column<i64>,
    ) -> Number {
        let is_channels = CHANNELS.contains(&name);
        let is_depthwise = self.width > 1 && name == "groups" && column == channels;
        let is_optional = column.iter().any(Option::is_none);
        if let Some(constant) = same(column)
            && !is_depthwise
            && !is_optional
        {
            return Number::Plain(constant);
        }
        if column.iter().all(Option::is_none) {
            return Number::Plain(1);
        }
        for (at, (arg, known, is_flag)) in self.columns.iter().enumerate() {
            let alike = !is_flag && (*arg == name || is_channels && CHANNELS.contains(arg));
            if alike && let Some((1, 1)) = ratio(known, column) {
                return Number::Param { at, times: 1, over: 1 };
            }
        }
        if let Some(constant) = same(column)
            && !is_depthwise
        {
            return Number::Plain(constant);
        }
        if is_depthwise {
            return Number::Channels { times: 1, over: 1 };
        }
        for (at, (arg, known, is_flag)) in self.columns.iter().enumerate() {
            let alike = !is_flag && is_channels && CHANNELS.contains(arg);
            if alike
                && let Some((times, over)) = ratio(known, column)
                && times.max(over) <= FACTOR_MAX
            {
                return Number::Param { at, times, over };
            }
        }
        if is_channels
            && let Some((times, over)) = ratio(channels, column)
            && times.max(over) <= FACTOR_MAX
        {
            return Number::Channels { times, over };
        }
        self.columns.push((name, column.clone(), false));
        Number::Param { at: self.columns.len() - 1, times: 1, over: 1 }
    }

    fn call(&mut self, call: &Call) {
        let inner = &self.inner[call.block];
        let entry = |it: &Option<usize>| inner.channels.get((*it)?).copied().flatten();
        let channels: Column<i64> = call.instances.iter().map(entry).collect();
        let args: Vec<(Column<i64>, bool)> = inner
            .params
            .iter()
            .map(|param| {
                let entry = |it: &Option<usize>| it.map(|it| param.column[it]);
                (call.instances.iter().map(entry).collect(), param.is_flag)
            })
            .collect();
        let names: Vec<&'static str> = inner.params.iter().map(|it| it.arg).collect();
        for ((column, is_flag), name) in args.into_iter().zip(names) {
            let number = if is_flag && same(&column).is_none() {
                self.columns.push((name, column, true));
                Number::Param { at: self.columns.len() - 1, times: 1, over: 1 }
            } else {
                self.number(name, &column, &channels)
            };
            self.solved.numbers.push(number);
        }
    }

    fn branch(&mut self, branch: &Branch) {
        let shortcut = (0..branch.arms.len()).find(|&it| {
            let present = &branch.arms[it].present;
            present.iter().any(|it| *it) && !present.iter().all(|it| *it)
        });
        for arm in &branch.arms {
            self.steps(&arm.steps);
        }
        for (at, arm) in branch.arms.iter().enumerate() {
            let condition = if Some(at) == shortcut {
                self.condition(branch, at)
            } else if arm.steps.is_empty() {
                Condition::Never
            } else {
                Condition::Always
            };
            self.solved.conditions.push(condition);
        }
    }

    /// What decides whether a shortcut is there.
    fn condition(&mut self, branch: &Branch, at: usize) -> Condition {
        let present = &branch.arms[at].present;
        let start = branch.arms[1 - at].steps.first().map(|it| self.channels_before(it));
        let start = start.filter(|it| it.len() == self.width);
        let out: Column<i64> = branch
            .nodes
            .iter()
            .map(|it| i64::try_from(self.graph.node((*it)?).shape.channels()).ok())
            .collect();
        let stride = self.columns.iter().position(|it| it.0 == "stride");
        let channels = self.columns.iter().enumerate().find_map(|(at, (arg, column, _))| {
            let (times, over) = ratio(column, &out).filter(|_| CHANNELS.contains(arg))?;
            (times.max(over) <= FACTOR_MAX).then_some(Number::Param { at, times, over })
        });
        let channels = channels.or_else(|| same(&out).map(Number::Plain));
        let strides = stride.map(|it| self.columns[it].1.clone());
        let unlike = |by_stride: bool, by_channels: bool| {
            (0..self.width).all(|i| {
                let stride = strides.as_ref().is_some_and(|it| it[i] != Some(1));
                let width = start.as_ref().is_some_and(|it| it[i] != out[i]);
                present[i] == (by_stride && stride || by_channels && width)
            })
        };
        let number = |at| Number::Param { at, times: 1, over: 1 };
        let (has_stride, has_channels) = (stride.is_some(), channels.is_some() && start.is_some());
        for (by_stride, by_channels) in [(true, true), (false, true), (true, false)] {
            let possible = (!by_stride || has_stride) && (!by_channels || has_channels);
            if possible && unlike(by_stride, by_channels) {
                return Condition::Unlike {
                    stride: stride.filter(|_| by_stride).map(number),
                    channels: channels.filter(|_| by_channels),
                };
            }
        }
        let flags = present.iter().map(|it| Some(i64::from(*it))).collect();
        self.columns.push(("", flags, true));
        Condition::Flag(self.columns.len() - 1)
    }
}
