//! Typed arguments of a layer: every mistake is collected, with its place.

use std::sync::Arc;

use super::Operator;
use crate::diag::{Diagnostic, Span, nearest};
use crate::shape::{Padding, PerAxis, Shape};
use crate::tensor::Tensor;

/// A value that an argument can take, known when compiling.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Another number.
    Number(f64),
    /// `true`, `false`.
    Bool(bool),
    /// A string.
    Text(String),
    /// A word that only this argument knows: `half`, `same`, `valid`.
    Word(String),
    /// `[a, b]`.
    List(Vec<Value>),
    /// `(a, b)`.
    Tuple(Vec<Value>),
}

/// An argument as given, by name (positions are resolved against [`Operator::ARGS`] before).
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

/// An argument that a layer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// What it takes, in words: `a count`, `a count, or one an axis`, `true or false`.
    pub kind: &'static str,
    /// Its default as it would be written; `None` if it must be given; empty if absence has its own meaning.
    pub default: Option<&'static str>,
    /// The words that it knows, if any.
    pub words: &'static [&'static str],
    /// One line of explanation.
    pub doc: &'static str,
}

impl Arg {
    /// An argument that must be given.
    pub const fn required(name: &'static str, kind: &'static str, doc: &'static str) -> Self {
        Self { name, kind, default: None, words: &[], doc }
    }

    /// An argument with a default.
    pub const fn optional(
        name: &'static str,
        kind: &'static str,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name, kind, default: Some(default), words: &[], doc }
    }

    /// Words that the argument knows besides its kind.
    #[must_use]
    pub const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }
}

/// `conv(channels, kernel, stride=1)`.
pub fn signature(name: &str, args: &[Arg]) -> String {
    if args.is_empty() {
        return name.to_owned();
    }
    let args: Vec<String> = args
        .iter()
        .map(|it| match it.default {
            None => it.name.to_owned(),
            Some("") => format!("{}=..", it.name),
            Some(default) => format!("{}={default}", it.name),
        })
        .collect();
    format!("{name}({})", args.join(", "))
}

/// Reads the arguments of an operator, or says all that is wrong with them.
pub fn read<O: Operator>(call: Span, given: &[Given]) -> Result<O, Vec<Diagnostic>> {
    let mut args = Args { layer: O::NAME, known: O::ARGS, call, given, faults: Vec::new() };
    args.check_names();
    let op = O::parse(&mut args);
    if args.faults.is_empty() { Ok(op) } else { Err(args.faults) }
}

/// The arguments of an operator in the order of its table, without those at their defaults.
pub fn written<O: Operator>(op: &O) -> Vec<(&'static str, Value)> {
    let mut args = op.written();
    let row = |name: &str| O::ARGS.iter().position(|it| it.name == name);
    args.retain(|(name, value)| {
        let default = row(name).and_then(|at| O::ARGS[at].default).filter(|it| !it.is_empty());
        default.is_none_or(|it| !is_same(&literal(it), value))
    });
    args.sort_by_key(|it| row(it.0));
    args
}

/// Whether two values mean the same; a word is the same in quotes.
pub(crate) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Word(a) | Value::Text(a), Value::Word(b) | Value::Text(b)) => a == b,
        _ => a == b,
    }
}

/// The arguments of one layer while an operator reads them.
pub struct Args<'a> {
    layer: &'static str,
    known: &'static [Arg],
    call: Span,
    given: &'a [Given],
    faults: Vec<Diagnostic>,
}

impl Args<'_> {
    fn check_names(&mut self) {
        for (i, it) in self.given.iter().enumerate() {
            if self.given[..i].iter().any(|before| before.name == it.name) {
                let message = format!("`{}` is given twice", it.name);
                self.faults.push(Diagnostic::error("duplicate-argument", it.span, message));
            }
            if !self.known.iter().any(|arg| arg.name == it.name) {
                self.faults.push(self.unknown(it));
            }
        }
        let meant: Vec<Option<&str>> = self.given.iter().map(|it| self.meant(&it.name)).collect();
        for arg in self.known {
            if arg.default.is_none() && !meant.contains(&Some(arg.name)) {
                let message = format!("`{}` needs `{}`: {}", self.layer, arg.name, arg.doc);
                let diagnostic = Diagnostic::error("missing-argument", self.call, message);
                self.faults.push(diagnostic.help(signature(self.layer, self.known)));
            }
        }
    }

    /// The argument that a name stands for, or was meant to.
    fn meant(&self, name: &str) -> Option<&'static str> {
        let known = || self.known.iter().map(|arg| arg.name);
        known()
            .find(|it| *it == name)
            .or_else(|| super::synonyms::argument(name, self.known))
            .or_else(|| nearest(name, known()))
    }

    fn unknown(&self, it: &Given) -> Diagnostic {
        let message = format!("`{}` has no argument `{}`", self.layer, it.name);
        let signature = signature(self.layer, self.known);
        let help = match super::synonyms::answer(&it.name, self.known) {
            Some(answer) => format!("{answer}: {signature}"),
            None => match self.meant(&it.name) {
                Some(near) => format!("did you mean `{near}`? {signature}"),
                None => signature,
            },
        };
        Diagnostic::error("unknown-argument", it.span, message).help(help)
    }

    /// Whether an argument was given (rather than left to its default).
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|it| it.name == name)
    }

    fn arg(&self, name: &str) -> &'static Arg {
        self.known
            .iter()
            .find(|it| it.name == name)
            .expect("an operator reads only arguments that it lists")
    }

    /// The value given or the default; `None` if there is neither (already reported where it is a fault).
    fn value(&self, name: &str) -> Option<(Value, Span)> {
        let given = self.given.iter().find(|it| it.name == name);
        given.map(|it| (it.value.clone(), it.span)).or_else(|| {
            let default = self.arg(name).default.filter(|it| !it.is_empty())?;
            Some((literal(default), self.call))
        })
    }

    fn wrong(&mut self, name: &str, value: &Value, span: Span, want: &str) {
        let message = format!("`{name}` of `{}` takes {want}, found {value}", self.layer);
        let signature = signature(self.layer, self.known);
        let help = match value {
            Value::Text(word) | Value::Word(word) => {
                match nearest(word, self.arg(name).words.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`? {signature}"),
                    None => signature,
                }
            }
            _ => signature,
        };
        self.faults.push(Diagnostic::error("argument-type", span, message).help(help));
    }

    /// A fault that is no matter of type, at an argument.
    pub fn fault(&mut self, name: &str, message: impl Into<String>) {
        let span = self.given.iter().find(|it| it.name == name).map_or(self.call, |it| it.span);
        self.faults.push(Diagnostic::error("argument-value", span, message));
    }

    fn read<T>(
        &mut self,
        name: &str,
        fallback: T,
        want: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let Some((value, span)) = self.value(name) else { return fallback };
        match read(&value) {
            Some(it) => it,
            None => {
                self.wrong(name, &value, span, want);
                fallback
            }
        }
    }

    /// A whole number of at least 1.
    pub fn count(&mut self, name: &str) -> usize {
        self.read(name, 1, "a whole number of at least 1", |it| it.at_least(1))
    }

    /// A whole number of at least 0.
    pub fn index(&mut self, name: &str) -> usize {
        self.read(name, 0, "a whole number of at least 0", |it| it.at_least(0))
    }

    /// Any whole number.
    pub fn int(&mut self, name: &str) -> i64 {
        self.read(
            name,
            0,
            "a whole number",
            |it| if let Value::Int(it) = it { Some(*it) } else { None },
        )
    }

    /// A finite number.
    pub fn number(&mut self, name: &str) -> f32 {
        self.read(name, 0.0, "a number", Value::number)
    }

    /// A finite number that is not negative.
    pub fn not_negative(&mut self, name: &str) -> f32 {
        let number = self.number(name);
        if number < 0.0 {
            self.fault(name, format!("`{name}` of `{}` is {number}, not positive", self.layer));
        }
        number
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> bool {
        self.read(name, false, "`true` or `false`", |it| match it {
            Value::Bool(it) => Some(*it),
            _ => None,
        })
    }

    /// One of a few words, as a string or bare.
    pub fn word(&mut self, name: &str, words: &[&'static str]) -> &'static str {
        let want = words.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(" or ");
        self.read(name, words[0], &want, |it| match it {
            Value::Text(text) | Value::Word(text) => {
                words.iter().find(|word| *word == text).copied()
            }
            _ => None,
        })
    }

    /// Counts of at least 1: one for all axes, or a list with one an axis.
    pub fn axes(&mut self, name: &str) -> PerAxis<usize> {
        self.per_axis(name, 1, "a whole number of at least 1, or a list with one an axis")
    }

    /// Counts of at least 0: one for all axes, or a list with one an axis.
    pub fn axes_from_zero(&mut self, name: &str) -> PerAxis<usize> {
        self.per_axis(name, 0, "a whole number of at least 0, or a list with one an axis")
    }

    fn per_axis(&mut self, name: &str, least: i64, want: &str) -> PerAxis<usize> {
        self.read(name, PerAxis::All(1), want, |it| match it {
            Value::List(items) if !items.is_empty() => items
                .iter()
                .map(|it| it.at_least(least))
                .collect::<Option<Vec<_>>>()
                .map(PerAxis::Each),
            other => other.at_least(least).map(PerAxis::All),
        })
    }

    /// A padding: rows, a list of rows or of pairs `(before, after)` an axis, or a word.
    pub fn padding(&mut self, name: &str) -> Padding {
        let words: Vec<String> = self.arg(name).words.iter().map(|it| format!("`{it}`")).collect();
        let mut want = "rows, a list with one an axis, a list of pairs (before, after)".to_owned();
        if let [words @ .., last] = words.as_slice() {
            want = format!("{want}, or {} or {last}", words.join(", "));
        }
        let none = Padding::Explicit(PerAxis::All((0, 0)));
        self.read(name, none.clone(), &want, |it| match it {
            Value::Word(word) | Value::Text(word) => match word.as_str() {
                "half" => Some(Padding::Half),
                "same" => Some(Padding::Same),
                "same_lower" => Some(Padding::SameLower),
                "valid" => Some(none.clone()),
                _ => None,
            },
            Value::List(items) if !items.is_empty() => {
                let pairs = items.iter().map(Value::pair).collect::<Option<Vec<_>>>();
                pairs.map(|it| Padding::Explicit(PerAxis::Each(it)))
            }
            other => other.at_least(0).map(|it| Padding::Explicit(PerAxis::All((it, it)))),
        })
    }

    /// Rows before and after: a number, a list with one an axis, or a list of pairs; no words.
    pub fn rows(&mut self, name: &str) -> PerAxis<(usize, usize)> {
        match self.padding(name) {
            Padding::Explicit(rows) => rows,
            Padding::Half | Padding::Same | Padding::SameLower => {
                self.fault(name, format!("`{name}` of `{}` takes rows, not a word", self.layer));
                PerAxis::All((0, 0))
            }
        }
    }

    /// `(before, after)`, or one number for both.
    pub fn pair(&mut self, name: &str) -> (usize, usize) {
        self.read(name, (0, 0), "a pair (before, after)", Value::pair)
    }

    /// A list of whole numbers.
    pub fn ints(&mut self, name: &str) -> Vec<i64> {
        self.read(name, Vec::new(), "a list of whole numbers", |it| match it {
            Value::List(items) => items
                .iter()
                .map(|it| if let Value::Int(it) = it { Some(*it) } else { None })
                .collect(),
            _ => None,
        })
    }

    /// A list of finite numbers, or one number as a list of one.
    pub fn numbers(&mut self, name: &str) -> Vec<f32> {
        self.read(name, Vec::new(), "a list of numbers", |it| match it {
            Value::List(items) => items.iter().map(Value::number).collect(),
            other => other.number().map(|it| vec![it]),
        })
    }

    /// A list of pairs of finite numbers: `[(10, 14), (23, 27)]`.
    pub fn sizes(&mut self, name: &str) -> Vec<(f32, f32)> {
        let size = |it: &Value| match it {
            Value::Tuple(items) | Value::List(items) => match items.as_slice() {
                [width, height] => Some((width.number()?, height.number()?)),
                _ => None,
            },
            _ => None,
        };
        self.read(name, Vec::new(), "a list of pairs (width, height)", |it| match it {
            Value::List(items) if !items.is_empty() => items.iter().map(size).collect(),
            _ => None,
        })
    }

    /// Values of any rank written in the file as nested lists, all rows of one length; `None` if not given.
    pub fn tensor(&mut self, name: &str) -> Option<Arc<Tensor>> {
        self.value(name)?;
        self.read(name, None, "nested lists of numbers, all of one length", |it| {
            it.tensor().map(Arc::new).map(Some)
        })
    }

    /// The value as given, for arguments with a form of their own.
    pub fn raw(&self, name: &str) -> Option<Value> {
        self.value(name).map(|it| it.0)
    }
}

impl Value {
    fn at_least(&self, least: i64) -> Option<usize> {
        match self {
            Value::Int(it) if *it >= least && *it < 1 << 31 => usize::try_from(*it).ok(),
            _ => None,
        }
    }

    fn number(&self) -> Option<f32> {
        match self {
            Value::Int(it) => Some(*it as f32),
            Value::Number(it) => Some(*it as f32).filter(|it| it.is_finite()),
            _ => None,
        }
    }

    fn pair(&self) -> Option<(usize, usize)> {
        match self {
            Value::Tuple(items) | Value::List(items) => match items.as_slice() {
                [before, after] => Some((before.at_least(0)?, after.at_least(0)?)),
                _ => None,
            },
            other => other.at_least(0).map(|it| (it, it)),
        }
    }

    fn tensor(&self) -> Option<Tensor> {
        let mut dims = Vec::new();
        let mut at = self;
        while let Value::List(items) = at {
            dims.push(items.len());
            at = items.first()?;
        }
        let shape = Shape::checked(&dims)?;
        let mut data = Vec::with_capacity(shape.elements());
        self.flatten(&dims, &mut data)?;
        Some(Tensor::new(shape, data))
    }

    fn flatten(&self, dims: &[usize], data: &mut Vec<f32>) -> Option<()> {
        match (self, dims.split_first()) {
            (Value::List(items), Some((&extent, inner))) if items.len() == extent => {
                items.iter().try_for_each(|it| it.flatten(inner, data))
            }
            (it, None) => {
                data.push(it.number()?);
                Some(())
            }
            _ => None,
        }
    }
}

impl Value {
    /// Nested lists that [`Args::tensor`] reads.
    pub(super) fn of_tensor(tensor: &Tensor) -> Value {
        fn list(dims: &[usize], data: &[f32]) -> Value {
            match dims {
                [] | [_] => data.into(),
                [_, inner @ ..] => {
                    let size = inner.iter().product();
                    Value::List(data.chunks(size).map(|it| list(inner, it)).collect())
                }
            }
        }
        list(tensor.shape.dims(), &tensor.data)
    }
}

impl From<i64> for Value {
    fn from(it: i64) -> Value {
        Value::Int(it)
    }
}

impl From<usize> for Value {
    fn from(it: usize) -> Value {
        Value::Int(i64::try_from(it).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(it: bool) -> Value {
        Value::Bool(it)
    }
}

/// The shortest decimal that is this number as an f32.
impl From<f32> for Value {
    fn from(it: f32) -> Value {
        if it == it.trunc() && it.abs() < 1e6 && (it != 0.0 || it.is_sign_positive()) {
            return Value::Int(it as i64);
        }
        Value::Number(it.to_string().parse().unwrap_or(f64::from(it)))
    }
}

impl From<&[i64]> for Value {
    fn from(it: &[i64]) -> Value {
        Value::List(it.iter().map(|&it| it.into()).collect())
    }
}

impl From<&[usize]> for Value {
    fn from(it: &[usize]) -> Value {
        Value::List(it.iter().map(|&it| it.into()).collect())
    }
}

impl From<&[f32]> for Value {
    fn from(it: &[f32]) -> Value {
        Value::List(it.iter().map(|&it| it.into()).collect())
    }
}

/// A pair (before, after).
impl From<(usize, usize)> for Value {
    fn from(it: (usize, usize)) -> Value {
        Value::Tuple(vec![it.0.into(), it.1.into()])
    }
}

impl From<&PerAxis<usize>> for Value {
    fn from(it: &PerAxis<usize>) -> Value {
        match it {
            PerAxis::All(it) => (*it).into(),
            PerAxis::Each(each) => each.as_slice().into(),
        }
    }
}

/// Rows on both sides where they agree, or pairs.
impl From<&PerAxis<(usize, usize)>> for Value {
    fn from(it: &PerAxis<(usize, usize)>) -> Value {
        let rows = |it: &(usize, usize)| if it.0 == it.1 { it.0.into() } else { (*it).into() };
        match it {
            PerAxis::All(it) => rows(it),
            PerAxis::Each(each) => Value::List(each.iter().map(rows).collect()),
        }
    }
}

impl From<&Padding> for Value {
    fn from(it: &Padding) -> Value {
        let word = |it: &str| Value::Word(it.to_owned());
        match it {
            Padding::Explicit(rows) => rows.into(),
            Padding::Half => word("half"),
            Padding::Same => word("same"),
            Padding::SameLower => word("same_lower"),
        }
    }
}

/// Prints a value as it would be written.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list =
            |items: &[Value]| items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Value::Int(it) => write!(f, "{it}"),
            Value::Number(it) => write!(f, "{it}"),
            Value::Bool(it) => write!(f, "{it}"),
            Value::Text(it) => write!(f, "{it:?}"),
            Value::Word(it) => f.write_str(it),
            Value::List(items) if items.len() > 8 => write!(f, "[{}, ..]", list(&items[..8])),
            Value::List(items) => write!(f, "[{}]", list(items)),
            Value::Tuple(items) => write!(f, "({})", list(items)),
        }
    }
}

/// A default as it would be written: a number, `true`, `false` or a word.
pub(crate) fn literal(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text
            .parse()
            .map(Value::Int)
            .or_else(|_| text.parse().map(Value::Number))
            .unwrap_or_else(|_| Value::Word(text.trim_matches('"').to_owned())),
    }
}
