//! A network as a list of calls, before it becomes a graph.

use super::Constant;
use crate::diag::Span;
use crate::ops::{Given, Op, Value};
use crate::shape::Shape;

/// A value of a [`Net`]: its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) usize);

/// A list of values, each after those that it reads.
#[derive(Debug, Default)]
pub(super) struct Net {
    pub(super) values: Vec<Item>,
    pub(super) inputs: Vec<(Id, super::Port)>,
    pub(super) outputs: Vec<(Id, super::Port)>,
}

/// What makes a value.
#[derive(Debug)]
pub(super) struct Item {
    /// Its name: a weight path for a layer with parameters.
    pub(super) name: String,
    pub(super) shape: Shape,
    /// `None` for an input.
    pub(super) call: Option<Call>,
}

/// A layer as it would be written.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) op: Op,
    /// The arguments that make `op`.
    pub(super) given: Vec<Given>,
    pub(super) operands: Vec<Id>,
    /// The values of its parameters, in the order of [`Op::params`].
    pub(super) params: Vec<Constant>,
}

impl Net {
    /// Adds a value after those that it reads.
    pub(super) fn add(&mut self, item: Item) -> Id {
        self.values.push(item);
        Id(self.values.len() - 1)
    }

    /// Which values the results depend on.
    pub(super) fn used(&self) -> Vec<bool> {
        let mut used = vec![false; self.values.len()];
        for (id, _) in &self.outputs {
            used[id.0] = true;
        }
        for at in (0..self.values.len()).rev() {
            if let (true, Some(call)) = (used[at], &self.values[at].call) {
                call.operands.iter().for_each(|it| used[it.0] = true);
            }
        }
        used
    }
}

/// No arguments.
pub(super) fn args() -> Arguments {
    Arguments(Vec::new())
}

/// Arguments of a layer while they are collected.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments(pub(super) Vec<Given>);

impl Arguments {
    /// Any value.
    pub(super) fn value(mut self, name: &str, value: Value) -> Self {
        self.0.push(Given { name: name.to_owned(), value, span: Span::default() });
        self
    }

    /// A whole number.
    pub(super) fn int(self, name: &str, it: impl TryInto<i64>) -> Self {
        self.value(name, Value::Int(it.try_into().unwrap_or(i64::MAX)))
    }

    /// A number.
    pub(super) fn number(self, name: &str, it: f32) -> Self {
        self.value(name, number(it))
    }

    /// `true` or `false`.
    pub(super) fn flag(self, name: &str, it: bool) -> Self {
        self.value(name, Value::Bool(it))
    }

    /// A string.
    pub(super) fn text(self, name: &str, it: &str) -> Self {
        self.value(name, Value::Text(it.to_owned()))
    }

    /// A word that the argument knows.
    pub(super) fn word(self, name: &str, it: &str) -> Self {
        self.value(name, Value::Word(it.to_owned()))
    }

    /// A list of whole numbers.
    pub(super) fn ints(self, name: &str, it: impl IntoIterator<Item = i64>) -> Self {
        self.value(name, Value::List(it.into_iter().map(Value::Int).collect()))
    }

    /// A list of numbers.
    pub(super) fn numbers(self, name: &str, it: &[f32]) -> Self {
        self.value(name, Value::List(it.iter().map(|&it| number(it)).collect()))
    }

    /// A pair (before, after).
    pub(super) fn pair(self, name: &str, (before, after): (usize, usize)) -> Self {
        let whole = |it: usize| Value::Int(i64::try_from(it).unwrap_or(i64::MAX));
        self.value(name, Value::Tuple(vec![whole(before), whole(after)]))
    }

    /// One number for all spatial axes where they agree, or a list.
    pub(super) fn axes(self, name: &str, it: &[usize]) -> Self {
        let whole = |it: &usize| Value::Int(i64::try_from(*it).unwrap_or(i64::MAX));
        match it {
            [first, rest @ ..] if rest.iter().all(|it| it == first) => {
                self.value(name, whole(first))
            }
            _ => self.value(name, Value::List(it.iter().map(whole).collect())),
        }
    }

    /// Rows before and after each spatial axis, written as briefly as they can be.
    pub(super) fn rows(self, name: &str, it: &[(usize, usize)]) -> Self {
        if it.iter().all(|it| it.0 == it.1) {
            return self.axes(name, &it.iter().map(|it| it.0).collect::<Vec<_>>());
        }
        let whole = |it: usize| Value::Int(i64::try_from(it).unwrap_or(i64::MAX));
        let pair = |it: &(usize, usize)| Value::Tuple(vec![whole(it.0), whole(it.1)]);
        self.value(name, Value::List(it.iter().map(pair).collect()))
    }
}

/// The shortest decimal that is this number as an f32.
fn number(it: f32) -> Value {
    if it == it.trunc() && it.abs() < 1e6 && (it != 0.0 || it.is_sign_positive()) {
        return Value::Int(it as i64);
    }
    Value::Number(it.to_string().parse().unwrap_or(f64::from(it)))
}

impl Arguments {
    /// Whether an `affine` with these arguments changes nothing.
    pub(super) fn is_identity(&self) -> bool {
        self.0.iter().all(|it| match (it.name.as_str(), &it.value) {
            ("scale", value) => *value == Value::Int(1),
            ("shift", value) => *value == Value::Int(0),
            _ => false,
        })
    }
}
