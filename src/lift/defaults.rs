//! `defaults`: what most layers of a kind say is said once.

use std::collections::BTreeMap;

use super::step::{Form, Layer, Step, same};
use super::tree::{self, arg};
use crate::ops::args::is_same;
use crate::ops::{Op, Value};
use crate::syntax::ast::{self, Expr};

/// Arguments that a file gives to all layers of a kind.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    all: Vec<(&'static str, &'static str, Value)>,
}

/// Arguments that are never given for all layers of a kind: they say what a single layer does.
const OWN: &[&str] =
    &["stride", "groups", "dilation", "axis", "p", "weight", "batch", "from", "to", "step"];

/// So many arguments must be saved.
const SAVED_MIN: isize = 3;

/// How often each value of an argument is said, by its text.
type Counts = BTreeMap<String, (Value, isize)>;

/// Whether a value is short enough to compare all of its kind.
fn is_single(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Tuple(_))
}

/// An argument if it is the same in all applications.
pub(super) fn constant(form: &Form) -> Option<Value> {
    Some(match form {
        Form::Whole(column) => Value::Int(same(column)?),
        Form::Fixed(value) => value.clone(),
        Form::List(items) => Value::List(items.iter().map(constant).collect::<Option<_>>()?),
        Form::Tuple(items) => Value::Tuple(items.iter().map(constant).collect::<Option<_>>()?),
    })
}

/// What an optional argument of the table is where it is left out; `None` if that is no value.
fn usual(op: &str, name: &str, beside_weight: bool) -> Option<Value> {
    let default = Op::find(op)?.args.iter().find(|it| it.name == name)?.default?;
    match default {
        "" => None,
        "true" if name == "bias" && beside_weight => Some(Value::Bool(false)),
        default => Some(crate::ops::args::literal(default)),
    }
}

impl Defaults {
    /// The defaults that shorten these chains.
    pub(super) fn of<'a>(chains: impl Iterator<Item = &'a [Step]>) -> Defaults {
        let mut layers = Vec::new();
        chains.for_each(|it| collect(it, &mut layers));
        let mut said: BTreeMap<(&'static str, &'static str), Counts> = BTreeMap::new();
        for layer in &layers {
            let Some(entry) = Op::find(layer.op) else { continue };
            for table in entry.args.iter().filter(|it| !OWN.contains(&it.name)) {
                if let Some(value) = effective(layer, table.name).filter(is_single) {
                    let counts = said.entry((layer.op, table.name)).or_default();
                    counts.entry(value.to_string()).or_insert((value, 0)).1 += 1;
                }
            }
        }
        let mut all: Vec<(&'static str, &'static str, Value)> = Vec::new();
        for ((op, name), counts) in said {
            let Some(usual) = usual(op, name, false) else { continue };
            let unsaid = counts.get(&usual.to_string()).map_or(0, |it| it.1);
            let others = counts.into_values().filter(|it| !is_same(&it.0, &usual));
            if let Some((value, count)) = others.max_by_key(|it| it.1)
                && count - unsaid >= SAVED_MIN
            {
                all.push((op, name, value));
            }
        }
        let row = |op: &str, name: &str| {
            let table = Op::TABLE.iter().position(|it| it.name == op);
            (table, Op::find(op).and_then(|it| it.args.iter().position(|it| it.name == name)))
        };
        all.sort_by_key(|it| row(it.0, it.1));
        Defaults { all }
    }

    /// The calls of the declaration.
    pub(super) fn calls(&self) -> Vec<ast::Call> {
        let mut calls: Vec<ast::Call> = Vec::new();
        for (op, name, value) in &self.all {
            let arg = arg(Some(name), tree::literal(value));
            match calls.last_mut().filter(|it| it.name.text == *op) {
                Some(call) => call.args.push(arg),
                None => calls.push(ast::Call {
                    name: tree::name(op),
                    args: vec![arg],
                    span: crate::diag::Span::default(),
                }),
            }
        }
        calls
    }

    /// The arguments of a layer that must be said; each with its value, if it has one in all applications.
    pub(super) fn shortened(
        &self,
        op: &'static str,
        mut args: Vec<(&'static str, Expr, Option<Value>)>,
    ) -> Vec<ast::Arg> {
        let Some(entry) = Op::find(op) else { return Vec::new() };
        let beside_weight = args.iter().any(|it| it.0 == "weight");
        let has_default = |name: &str| self.all.iter().find(|it| it.0 == op && it.1 == name);
        // What the defaults would change.
        for (_, name, value) in self.all.iter().filter(|it| it.0 == op) {
            if !args.iter().any(|it| it.0 == *name)
                && let Some(own) = usual(op, name, beside_weight).filter(|it| it != value)
            {
                args.push((name, tree::literal(&own), Some(own)));
            }
        }
        let kernel = args.iter().find(|it| it.0 == "kernel").map(|it| it.1.clone());
        let is_pool = entry.args.iter().any(|it| it.name == "stride" && it.default == Some(""));
        args.retain(|(name, written, value)| match has_default(name) {
            Some((_, _, default)) => value.as_ref() != Some(default),
            None if is_pool && *name == "stride" => Some(written) != kernel.as_ref(),
            None => value.is_none() || *value != usual(op, name, beside_weight),
        });
        let place = |name: &str| entry.args.iter().position(|it| it.name == name);
        args.sort_by_key(|it| place(it.0));
        let mut next = 0;
        let position = |(name, written, _): (&'static str, Expr, Option<Value>)| {
            let table = place(name).map(|it| entry.args[it]);
            let plain =
                table.is_some_and(|it| it.default.is_none()) || matches!(name, "stride" | "p");
            let by_position = place(name) == Some(next) && next < 3 && plain;
            if by_position {
                next += 1;
            } else {
                next = usize::MAX;
            }
            arg((!by_position).then_some(name), written)
        };
        args.into_iter().map(position).collect()
    }
}

/// What an argument of a layer is, said or not; `None` if it differs between applications.
fn effective(layer: &Layer, name: &str) -> Option<Value> {
    match layer.args.iter().find(|it| it.0 == name) {
        Some((_, form)) => constant(form),
        None => usual(layer.op, name, layer.args.iter().any(|it| it.0 == "weight")),
    }
}

fn collect<'a>(steps: &'a [Step], layers: &mut Vec<&'a Layer>) {
    for step in steps {
        match step {
            Step::Layer(it) => layers.push(it),
            Step::Branch(it) => it.arms.iter().for_each(|it| collect(&it.steps, layers)),
            Step::Seq(_, steps) => collect(steps, layers),
            Step::Call(_) | Step::Repeat(_) => {}
        }
    }
}
