//! A layer of the net: an operator on operands.

use super::Expander;
use super::args::Inside;
use super::draft::{Id, Refusal, Terms};
use super::explain::Explain;
use super::value::Flow;
use crate::diag::{Diagnostic, Span};
use crate::ops::{Entry, Given, Op};

/// A layer as it was written, its arguments resolved to names.
pub(super) struct Call {
    /// The operator's row.
    pub(super) entry: &'static Entry,
    /// The place of its name.
    pub(super) name: Span,
    /// The place of the whole call.
    pub(super) span: Span,
    /// Its arguments; `None` if one of them is broken.
    pub(super) given: Option<Vec<Given>>,
    /// Its weight path.
    pub(super) path: String,
    /// Whether its operands are the arms of a branch.
    pub(super) arms: bool,
    /// The first value that stands among its arguments.
    pub(super) inside: Option<Inside>,
}

impl Expander<'_> {
    /// Adds a layer, or says why not. After a broken operand the arguments are checked, nothing else.
    pub(super) fn layer(&mut self, mut call: Call, operands: &[Flow]) -> Flow {
        let Some(given) = call.given.take() else { return Flow::default() };
        let op = match Op::parse(call.entry.name, call.span, &given) {
            Some(Ok(op)) => op,
            Some(Err(faults)) => {
                self.report_all(faults.into_iter().map(|it| value_inside(it, &call)));
                return Flow::default();
            }
            None => unreachable!("the operator has a row in the table"),
        };
        if !self.check_arity(call.entry, call.span, operands.len()) {
            return Flow::default();
        }
        let ids: Option<Vec<Id>> = operands.iter().map(|it| it.id).collect();
        let Some(ids) = ids else { return Flow::default() };
        if !self.charge_node(call.span) {
            return Flow::default();
        }
        let shapes: Vec<_> = ids.iter().map(|&it| self.draft.shape(it)).collect();
        let shape = match op.infer(&shapes) {
            Ok(shape) => shape,
            Err(_) if self.was_said("shape", call.span) => return Flow::default(),
            Err(violation) => {
                let explain = Explain { draft: &self.draft, lines: &self.lines };
                let mut diagnostic = explain.violation(&op, violation, &ids, &call);
                if !self.applications.is_empty() {
                    diagnostic = diagnostic.at(format!("this is `{}`", call.path));
                }
                self.report(diagnostic);
                return Flow::default();
            }
        };
        if shape.elements() > self.limits.elements {
            let message = format!("{shape} has more than {} elements", self.limits.elements);
            self.report(limit(call.span, "elements", message));
            return Flow::default();
        }
        if let [only] = ids[..] {
            self.lint_stride(&op, only, call.span);
        }
        let terms = Terms { elements_max: self.limits.params, site: self.sites.last().copied() };
        let added = self.draft.add_layer(call.path, call.name, op, ids, shape, terms);
        match added {
            Ok(id) => Flow::of(id),
            Err(refusal) => {
                self.refuse(refusal, call.span);
                Flow::default()
            }
        }
    }

    fn check_arity(&mut self, entry: &Entry, span: Span, operands: usize) -> bool {
        let (least, most) = entry.arity;
        if (least..=most).contains(&operands) {
            return true;
        }
        let wants = match (least, most) {
            (_, 0) => "no value".to_owned(),
            (least, most) if least == most => format!("{least} value{}", plural(least)),
            (least, most) => format!("{least} to {most} values"),
        };
        let message = format!("`{}` takes {wants}, here it has {operands}", entry.name);
        let diagnostic = Diagnostic::error("operands", span, message);
        let name = entry.name;
        self.report(if operands < least && operands > 0 {
            diagnostic.help(format!("`a -> {name}(b)` and `{name}(a, b)` give it two"))
        } else {
            diagnostic
        });
        false
    }

    /// Rows that no place of a window reads, though neighbouring places meet.
    fn lint_stride(&mut self, op: &Op, operand: Id, span: Span) {
        let shape = self.draft.shape(operand);
        let unread = |(window, &extent): (crate::shape::Window, &usize)| {
            let real = window.unread(extent).saturating_sub(window.after);
            if window.reach() >= window.stride { real } else { 0 }
        };
        let windows = op.windows(shape);
        let strides: Vec<usize> = windows.iter().map(|it| it.stride).collect();
        let rows: Vec<usize> = windows.into_iter().zip(shape.spatial()).map(unread).collect();
        let what = match rows.as_slice() {
            [0] | [0, 0] | [0, 0, 0] | [] => return,
            [n] => count(*n, "place"),
            [0, w] => count(*w, "column"),
            [h, 0] => count(*h, "row"),
            [h, w] => format!("{} and {}", count(*h, "row"), count(*w, "column")),
            more => format!("{more:?} places an axis"),
        };
        let stride = strides.iter().max().copied().unwrap_or(1);
        let message =
            format!("stride {stride} does not divide: the last {what} of {shape} are never read");
        self.report(Diagnostic::warning("stride-unread", span, message).help(
            "pad the input, or take a size and a stride that fit, if every row should count",
        ));
    }

    fn refuse(&mut self, refusal: Refusal, span: Span) {
        let diagnostic = match refusal {
            Refusal::Unlike { path, known, wanted, first } => {
                let site = self.sites.last().copied().unwrap_or(span);
                let (known, wanted) = (known.dims(), wanted.dims());
                let message = format!("the shared weights `{path}` are {known:?}");
                Diagnostic::error("shared-shape", site, message)
                    .at(format!("here they would be {wanted:?}"))
                    .and(first, "first applied here")
                    .help(
                        "apply it to values with the same channels, or declare one for each shape",
                    )
            }
            Refusal::Taken(path, first) => {
                let message = format!("two layers would have the weights `{path}`");
                Diagnostic::error("duplicate-label", span, message)
                    .and(first, "the other one")
                    .help("rename a label; `shared f: ..` declares weights to use twice")
            }
            Refusal::TooMany(most) => {
                limit(span, "params", format!("the parameters are more than {most} numbers"))
            }
        };
        self.report(diagnostic);
    }

    /// Counts a layer before it is made; `false` if there is no room.
    fn charge_node(&mut self, span: Span) -> bool {
        if self.draft.layers() < self.limits.nodes {
            return true;
        }
        let message = format!("the net has more than {} layers", self.limits.nodes);
        self.report(limit(span, "nodes", message));
        self.stopped = true;
        false
    }

    /// Counts steps of evaluation before they are made; `false` if there is no room.
    pub(super) fn charge(&mut self, steps: usize, span: Span) -> bool {
        if self.stopped {
            return false;
        }
        if let Some(left) = self.steps_left.checked_sub(steps) {
            self.steps_left = left;
            return true;
        }
        let message = format!("expanding the net takes more than {} steps", self.limits.steps);
        self.report(limit(span, "steps", message));
        self.stopped = true;
        false
    }
}

/// A missing argument is best explained by a value that stands in its place.
fn value_inside(fault: Diagnostic, call: &Call) -> Diagnostic {
    let Some(Inside { span, is_it }) = call.inside.filter(|_| fault.code == "missing-argument")
    else {
        return fault;
    };
    let (name, signature) = (call.entry.name, call.entry.signature());
    let help = if is_it {
        format!("`it` is what `{name}` works on anyway; its channels are `it.c`: {signature}")
    } else {
        format!("a value stands before its layer, as in `x -> {name}(..)`: {signature}")
    };
    fault.and(span, "a value of the net is what the layer works on, no argument").help(help)
}

/// A broken limit of the language.
pub(super) fn limit(span: Span, key: &str, message: String) -> Diagnostic {
    Diagnostic::error("limit", span, message)
        .help(format!("`--limit {key}=N` changes this limit, if the net is meant so"))
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { what.to_owned() } else { format!("{n} {what}s") }
}

pub(super) fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
