//! The tree of a text: chains as statements, blocks, defaults.

use std::collections::HashMap;

use super::blocks::Block;
use super::defaults::Defaults;
use super::params::{Condition, Number, Param, Solved};
use super::step::{Arm, Branch, Call, Form, Layer, Operands, Step};
use super::tree::{self, arg, binary, expr, int, word};
use crate::graph::{Graph, NodeId};
use crate::ops::Value;
use crate::syntax::ast::{self, BinaryOp, Body, Definition, Expr, ExprKind, StepKind, StmtKind};

/// What is needed to write any part of a text.
pub(super) struct Writer<'a> {
    pub(super) graph: &'a Graph,
    pub(super) blocks: &'a [Block],
    pub(super) solved: &'a [Solved],
    /// What the blocks are called.
    pub(super) names: &'a [String],
    /// What the shared instances are called.
    pub(super) shared: &'a [String],
    pub(super) defaults: &'a Defaults,
}

/// What is written at present: numbers and conditions are read in the order in which they were found.
pub(super) struct Reader<'a> {
    params: &'a [Param],
    numbers: std::slice::Iter<'a, Number>,
    conditions: std::slice::Iter<'a, Condition>,
    /// The names of values that are read by name; `None` for the current one.
    values: &'a dyn Fn(NodeId) -> Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(solved: &'a Solved, values: &'a dyn Fn(NodeId) -> Option<String>) -> Self {
        Reader {
            params: &solved.params,
            numbers: solved.numbers.iter(),
            conditions: solved.conditions.iter(),
            values,
        }
    }

    fn number(&mut self) -> Expr {
        let number = *self.numbers.next().expect("every number was found");
        self.written(number)
    }

    fn written(&self, number: Number) -> Expr {
        let scaled = |it: Expr, times: i64, over: i64| match (times, over) {
            (1, 1) => it,
            (1, over) => binary(BinaryOp::Div, it, int(over)),
            (times, _) => binary(BinaryOp::Mul, int(times), it),
        };
        match number {
            Number::Plain(it) => int(it),
            Number::Param { at, times, over } => scaled(word(&self.params[at].name), times, over),
            Number::Channels { times, over } => scaled(tree::channels(), times, over),
        }
    }
}

/// A step as it is written, and what decides where lines are broken.
pub(super) struct Piece {
    pub(super) step: ast::Step,
    /// Whether a line may begin with it.
    pub(super) heavy: bool,
    /// Whether it takes several lines.
    pub(super) tall: bool,
    /// Whether it begins a line, on which nothing heavy follows.
    pub(super) alone: bool,
    /// Whether it takes the flow beside other values: at the beginning of a line it would start afresh.
    pub(super) bound: bool,
    /// The value that it goes on from, and the one that it makes, in the first application.
    pub(super) from: Option<NodeId>,
    pub(super) to: Option<NodeId>,
}

impl Piece {
    fn of(step: ast::Step, heavy: bool, tall: bool) -> Piece {
        Piece { step, heavy, tall, alone: false, bound: false, from: None, to: None }
    }
}

/// A branch that is longer takes several lines.
const BRANCH_WIDTH: usize = 80;

/// An arm or block that is longer takes several lines.
const BODY_WIDTH: usize = 74;

impl Writer<'_> {
    /// Steps, each as it is written.
    pub(super) fn pieces(&self, steps: &[Step], reader: &mut Reader<'_>) -> Vec<Piece> {
        let pieces = steps.iter().map(|it| {
            let (from, to) = (self.first(it, 0), self.last(it, 0));
            Piece { from, to, ..self.piece(it, reader) }
        });
        pieces.collect()
    }

    /// The value that a step goes on from in an application.
    fn first(&self, step: &Step, at: usize) -> Option<NodeId> {
        match step {
            Step::Layer(it) => self.graph.node((*it.nodes.get(at)?)?).operands().first().copied(),
            Step::Branch(it) => {
                let steps = it.arms.iter().map(|it| it.steps.first());
                steps.flatten().find_map(|it| self.first(it, at))
            }
            Step::Call(it) => {
                self.first(self.blocks[it.block].steps.first()?, (*it.instances.get(at)?)?)
            }
            Step::Repeat(calls) => self.first(&Step::Call(calls.first()?.clone()), at),
            Step::Seq(_, steps) => self.first(steps.first()?, at),
        }
    }

    /// The node with which a step ends in an application.
    fn last(&self, step: &Step, at: usize) -> Option<NodeId> {
        match step {
            Step::Layer(it) => *it.nodes.get(at)?,
            Step::Branch(it) => *it.nodes.get(at)?,
            Step::Call(it) => {
                self.last(self.blocks[it.block].steps.last()?, (*it.instances.get(at)?)?)
            }
            Step::Repeat(calls) => self.last(&Step::Call(calls.last()?.clone()), at),
            Step::Seq(_, steps) => self.last(steps.last()?, at),
        }
    }

    fn piece(&self, step: &Step, reader: &mut Reader<'_>) -> Piece {
        match step {
            Step::Layer(it) => {
                let written = self.layer(it, reader);
                let step = tree::step(it.label.as_deref(), StepKind::Expr(written));
                let heavy = matches!(it.op, "conv" | "deconv" | "fc" | "matmul");
                let alone = matches!(it.op, "gap" | "gmp");
                let bound = matches!(&it.operands, Operands::Flow(named) if !named.is_empty());
                Piece { alone, bound, ..Piece::of(step, heavy, false) }
            }
            Step::Branch(it) => self.branch(it, reader),
            Step::Call(it) => {
                let numbers: Vec<Expr> = self.params(it).iter().map(|_| reader.number()).collect();
                let written = self.call(it, numbers);
                let step = tree::step(it.label.as_deref(), StepKind::Expr(written));
                Piece::of(step, true, false)
            }
            Step::Repeat(calls) => self.repeat(calls, reader),
            Step::Seq(label, steps) => {
                let pieces = self.pieces(steps, reader);
                let body = tree::body(self.lines(pieces, None));
                let seq = expr(ExprKind::Seq(body));
                let step = tree::step(Some(label), StepKind::Expr(seq));
                Piece::of(step, true, true)
            }
        }
    }

    fn layer(&self, layer: &Layer, reader: &mut Reader<'_>) -> Expr {
        let (Operands::Flow(named) | Operands::Given(named)) = &layer.operands;
        let operand = |it: &NodeId| match (reader.values)(*it) {
            Some(name) => tree::value_named(&name),
            None => expr(ExprKind::It),
        };
        let mut args: Vec<ast::Arg> = named.iter().map(|it| arg(None, operand(it))).collect();
        let forms: Vec<(&'static str, Expr, Option<Value>)> = layer
            .args
            .iter()
            .map(|(name, form)| {
                let written = self.form(form, reader);
                (*name, written, super::defaults::constant(form))
            })
            .collect();
        if let Some(at) = layer.shared {
            return tree::call(&self.shared[at], args);
        }
        args.extend(self.defaults.shortened(layer.op, forms));
        tree::call(layer.op, args)
    }

    /// The layer of a shared instance.
    pub(super) fn instance(&self, layer: &Layer, reader: &mut Reader<'_>) -> Expr {
        let plain = Layer { shared: None, operands: Operands::Flow(Vec::new()), ..layer.clone() };
        self.layer(&plain, reader)
    }

    fn form(&self, form: &Form, reader: &mut Reader<'_>) -> Expr {
        let mut all =
            |items: &[Form]| items.iter().map(|it| self.form(it, reader)).collect::<Vec<_>>();
        match form {
            Form::List(items) => expr(ExprKind::List(all(items))),
            Form::Tuple(items) => expr(ExprKind::Tuple(all(items))),
            Form::Whole(_) => reader.number(),
            Form::Fixed(value) => tree::literal(value),
        }
    }

    fn params(&self, call: &Call) -> &[Param] {
        &self.solved[call.block].params
    }

    /// `block(64, stride=2)`, without arguments at their defaults.
    fn call(&self, call: &Call, numbers: Vec<Expr>) -> Expr {
        let params = self.params(call);
        let mut args = Vec::new();
        let mut in_order = true;
        let mut all: Vec<(usize, Expr)> = numbers.into_iter().enumerate().collect();
        all.sort_by_key(|it| params[it.0].default.is_some());
        for (at, number) in all {
            let number = match number.kind {
                ExprKind::Int(it) if params[at].is_flag => expr(ExprKind::Bool(it != 0)),
                _ => number,
            };
            let usual = match (&number.kind, params[at].default) {
                (ExprKind::Int(it), Some(usual)) => *it == usual,
                (ExprKind::Bool(it), Some(usual)) => i64::from(*it) == usual,
                _ => false,
            };
            if usual {
                in_order = false;
                continue;
            }
            in_order = in_order && !params[at].is_flag;
            args.push(arg((!in_order).then_some(params[at].name.as_str()), number));
        }
        tree::call(&self.names[call.block], args)
    }

    /// `3 * block(64, first(2, 1))`
    fn repeat(&self, calls: &[Call], reader: &mut Reader<'_>) -> Piece {
        let count = self.params(&calls[0]).len();
        let first: Vec<Expr> = (0..count).map(|_| reader.number()).collect();
        let rest: Vec<Expr> = (0..count).map(|_| reader.number()).collect();
        let numbers = first.into_iter().zip(rest).map(|(first, rest)| {
            if first == rest {
                return first;
            }
            tree::call("first", vec![arg(None, first), arg(None, rest)])
        });
        let written = self.call(&calls[0], numbers.collect());
        let times = int(i64::try_from(calls.len()).unwrap_or(i64::MAX));
        let step = tree::step(
            calls[0].label.as_deref(),
            StepKind::Expr(binary(BinaryOp::Mul, times, written)),
        );
        Piece { alone: true, ..Piece::of(step, true, false) }
    }

    fn branch(&self, branch: &Branch, reader: &mut Reader<'_>) -> Piece {
        let arms: Vec<Vec<Piece>> =
            branch.arms.iter().map(|it| self.pieces(&it.steps, reader)).collect();
        let width =
            |arm: &Vec<Piece>| arm.iter().map(|it| tree::width(&it.step) + 4).sum::<usize>();
        let nested = arms.iter().flatten().any(|it| it.tall);
        let conditions: Vec<Condition> = branch
            .arms
            .iter()
            .map(|_| *reader.conditions.next().expect("every arm has a condition"))
            .collect();
        let all = arms.iter().map(width).sum::<usize>()
            + conditions.iter().filter(|it| matches!(it, Condition::Unlike { .. })).count() * 24;
        let tall = nested || all > BRANCH_WIDTH;
        let arms = arms.into_iter().zip(&conditions).zip(&branch.arms);
        let arms = arms
            .map(|((pieces, condition), arm)| self.arm(arm, pieces, condition, reader))
            .collect();
        let written = expr(ExprKind::Branch { op: tree::name(branch.op), arms });
        let step = tree::step(branch.label.as_deref(), StepKind::Expr(written));
        Piece::of(step, true, tall)
    }

    fn arm(&self, arm: &Arm, pieces: Vec<Piece>, when: &Condition, reader: &Reader<'_>) -> Body {
        if arm.steps.is_empty() {
            return Body::default();
        }
        let body = tree::body(self.lines(pieces, Some(BODY_WIDTH)));
        let condition = match when {
            Condition::Always | Condition::Never => return body,
            Condition::Flag(at) => word(&reader.params[*at].name),
            Condition::Unlike { stride, channels } => {
                let unlike = |a: Expr, b: Expr| binary(BinaryOp::Ne, a, b);
                let stride = stride.map(|it| unlike(reader.written(it), int(1)));
                let channels = channels.map(|it| unlike(tree::channels(), reader.written(it)));
                match (stride, channels) {
                    (Some(a), Some(b)) => binary(BinaryOp::Or, a, b),
                    (Some(it), None) | (None, Some(it)) => it,
                    (None, None) => expr(ExprKind::Bool(true)),
                }
            }
        };
        let choice = ast::If {
            cases: vec![(condition, body)],
            otherwise: None,
            span: crate::diag::Span::default(),
        };
        let step = tree::step(None, StepKind::If(choice));
        tree::body(vec![tree::stmt(StmtKind::Chain(tree::chain(vec![step])))])
    }

    /// A block as it is declared.
    pub(super) fn block(&self, at: usize, block: &Block) -> Definition {
        let solved = &self.solved[at];
        let values = |_: NodeId| None;
        let mut reader = Reader::new(solved, &values);
        let pieces = self.pieces(&block.steps, &mut reader);
        let mut params: Vec<&Param> = solved.params.iter().collect();
        params.sort_by_key(|it| it.default.is_some());
        let params = params.into_iter().map(|it| ast::Param {
            name: tree::name(&it.name),
            default: it.default.map(|default| match it.is_flag {
                true => expr(ExprKind::Bool(default != 0)),
                false => int(default),
            }),
        });
        Definition {
            name: tree::name(&self.names[at]),
            params: params.collect(),
            body: tree::body(self.lines(pieces, Some(BODY_WIDTH))),
        }
    }

    /// Steps as statements: as many on a line as fit. A new one begins where the extents change, or after a
    /// pool changed them. With `narrow`, inside a block, everything is one line if it is no longer than that;
    /// without it, lines at which the extents change end with a shape note.
    pub(super) fn lines(&self, pieces: Vec<Piece>, narrow: Option<usize>) -> Vec<ast::Stmt> {
        let spatial = |it: NodeId| self.graph.node(it).shape.spatial();
        let total: usize = pieces.iter().map(|it| tree::width(&it.step) + 4).sum();
        let tall = pieces.iter().any(|it| it.tall);
        let whole = narrow.is_some_and(|it| total <= it) && !tall;
        let mut lines: Vec<Line> = Vec::new();
        let mut line = Line::default();
        for piece in pieces {
            let width = tree::width(&piece.step);
            let changes = match (piece.from, piece.to) {
                (Some(from), Some(to)) => spatial(from) != spatial(to),
                _ => false,
            };
            let is_full = line.width + width + 4 > LINE_WIDTH;
            let is_stage = line.pooled || line.alone || line.heavy && (changes || narrow.is_some());
            let starts = piece.tall || narrow.is_none() && piece.alone;
            let breaks = starts || line.tall || is_full || piece.heavy && is_stage;
            if !line.steps.is_empty() && !whole && breaks && !piece.bound {
                lines.push(std::mem::take(&mut line));
            }
            line.width += width + 4;
            line.tall |= piece.tall;
            line.heavy |= piece.heavy;
            line.pooled |= changes && !piece.heavy && !piece.alone;
            line.alone |= piece.alone && piece.heavy;
            line.changed |= changes;
            line.to = piece.to;
            line.is_seq = matches!(&piece.step.kind, StepKind::Expr(it) if matches!(it.kind, ExprKind::Seq(_)));
            line.steps.push(piece.step);
        }
        lines.push(line);
        lines.retain(|it| !it.steps.is_empty());
        for line in lines.iter_mut().filter(|it| narrow.is_none() && it.changed && !it.is_seq) {
            let shape = line.to.map(|it| &self.graph.node(it).shape);
            if let (Some(shape), Some(last)) = (shape, line.steps.last_mut())
                && shape.spatial().iter().any(|it| *it > 1)
            {
                last.note = Some(tree::note(shape.sample()));
            }
        }
        let stmt = |it: Line| tree::stmt(StmtKind::Chain(tree::chain(it.steps)));
        lines.into_iter().map(stmt).collect()
    }
}

/// A line is no longer than this if it can be helped.
const LINE_WIDTH: usize = 92;

/// A line while it grows.
#[derive(Default)]
struct Line {
    steps: Vec<ast::Step>,
    width: usize,
    tall: bool,
    alone: bool,
    /// Whether it holds something with weights.
    heavy: bool,
    /// Whether the extents have changed in it, and whether a pool changed them.
    changed: bool,
    pooled: bool,
    /// Whether its lines have notes of their own.
    is_seq: bool,
    to: Option<NodeId>,
}

/// The names under which values are read.
pub(super) type ValueNames = HashMap<NodeId, String>;
