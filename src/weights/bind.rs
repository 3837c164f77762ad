//! Which tensor of a file is the value of which parameter.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::file::File;
use super::propose::propose;
use super::{Given, Weights, stored};
use crate::elaborate::BindRule;
use crate::graph::{Graph, ParamId};
use crate::ops::Op;

/// A parameter or a tensor, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The parameter's path; `None` for a tensor that no parameter asks for.
    pub path: Option<String>,
    /// The tensor's name in the file; for a missing one the name that was looked for.
    pub tensor: String,
    /// The parameter's extents; empty for an unused tensor.
    pub want: Vec<usize>,
    /// The tensor's extents; empty for a missing one.
    pub found: Vec<usize>,
    /// What became of it.
    pub state: State,
}

/// What became of a parameter or a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The tensor is the parameter's value.
    Bound,
    /// The file has no tensor of that name.
    Missing,
    /// The tensor has other extents than the parameter.
    WrongShape,
    /// The tensor cannot be read; says why.
    Unreadable(String),
    /// No parameter asks for the tensor.
    Unused,
}

/// How the tensors of a file fit the parameters of a graph: the parameters in the order of the graph,
/// then the unused tensors in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The weights file, as the user named it.
    pub file: String,
    /// One row a parameter and one a tensor that is unused.
    pub rows: Vec<Row>,
    /// Rules `(to, from)` for `bind { to <- from }` that would fit what is missing to what is unused.
    pub proposals: Vec<(String, String)>,
}

impl Table {
    /// The rows in a state that `of` accepts.
    pub fn count(&self, of: impl Fn(&State) -> bool) -> usize {
        self.rows.iter().filter(|it| of(&it.state)).count()
    }

    /// Whether every parameter has its tensor.
    pub fn is_complete(&self) -> bool {
        self.rows.iter().all(|it| matches!(it.state, State::Bound | State::Unused))
    }
}

/// `12 bound, 1 missing, 2 unused`; states without rows are left out.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.count(|it| *it == State::Bound), "bound"),
            (self.count(|it| *it == State::Missing), "missing"),
            (self.count(|it| *it == State::WrongShape), "of the wrong shape"),
            (self.count(|it| matches!(it, State::Unreadable(_))), "unreadable"),
            (self.count(|it| *it == State::Unused), "unused"),
        ];
        let said = counts.iter().enumerate().filter(|(i, (count, _))| *i == 0 || *count > 0);
        let said: Vec<_> = said.map(|(_, (count, what))| format!("{count} {what}")).collect();
        f.write_str(&said.join(", "))
    }
}

/// Weights that fit a graph.
#[derive(Clone, Debug)]
pub struct Bound {
    /// A value for every parameter.
    pub weights: Weights,
    /// How they were found.
    pub table: Table,
}

/// A file that does not fit a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the weights in `{}` do not fit the net: {table}", table.file)]
pub struct BindError {
    /// What fits and what does not, and what would.
    pub table: Table,
}

/// Finds the tensor for every learned parameter and every statistic.
///
/// A parameter's tensor has its path for a name, unless a rule says otherwise: the first rule that
/// matches the path and leads to a tensor of the file. In a rule, `*` stands for any text; a rule without
/// one holds for a path and all that is below it (`"fc" <- "head"` binds `fc.weight` to `head.weight`).
/// Tensors called `num_batches_tracked` are ignored, other tensors that nobody asks for are listed.
/// A convolution takes the weights of the fully connected layer that it stands for, `[O, I]` as `[O, C, k..]`:
/// both run through channels and taps in the same order.
///
/// Fails if a parameter is left without a tensor of its shape, unless `partial` gives a seed to draw those.
pub fn bind(
    graph: &Graph,
    rules: &[BindRule],
    file: &File,
    partial: Option<u64>,
) -> Result<Bound, BindError> {
    let convolutions = convolutions(graph);
    let mut values = HashMap::new();
    let mut used = vec![false; file.entries().len()];
    let mut rows = Vec::new();
    for id in stored(graph) {
        let param = graph.param(id);
        let (tensor, at) = find(&param.path, rules, file);
        let want = param.shape.dims().to_vec();
        let found = at.map_or(Vec::new(), |it| file.entries()[it].dims.clone());
        let state = match at {
            None => State::Missing,
            Some(_) if found != want && !(convolutions.contains(&id) && is_flat(&found, &want)) => {
                State::WrongShape
            }
            Some(at) => match readable(file, at) {
                Err(why) => State::Unreadable(why),
                Ok(()) => State::Bound,
            },
        };
        if let Some(at) = at {
            used[at] = true;
            if state == State::Bound {
                values.insert(param.path.clone(), Given::Entry(file.clone(), at));
            }
        }
        rows.push(Row { path: Some(param.path.clone()), tensor, want, found, state });
    }
    let unused = file.entries().iter().zip(&used).filter(|(entry, used)| {
        !**used && entry.name.rsplit('.').next() != Some("num_batches_tracked")
    });
    rows.extend(unused.map(|(entry, _)| Row {
        path: None,
        tensor: entry.name.clone(),
        want: Vec::new(),
        found: entry.dims.clone(),
        state: State::Unused,
    }));
    let proposals = propose(&rows);
    let table = Table { file: file.name().to_owned(), rows, proposals };
    if table.is_complete() || partial.is_some() {
        Ok(Bound { weights: Weights { values, seed: partial }, table })
    } else {
        Err(BindError { table })
    }
}

/// The weights of convolutions.
fn convolutions(graph: &Graph) -> HashSet<ParamId> {
    let layers = graph.order().into_iter().filter_map(|it| graph.layer(it));
    let convolutions = layers.filter(|it| matches!(it.op, Op::Conv(_)));
    convolutions.filter_map(|it| it.params.first().copied()).collect()
}

/// Whether extents are those of a convolution's weights with all but the outputs in one.
fn is_flat(found: &[usize], want: &[usize]) -> bool {
    want.len() > 2 && *found == [want[0], want[1..].iter().product()]
}

fn readable(file: &File, at: usize) -> Result<(), String> {
    match &file.entries()[at].element {
        Err(element) => Err(super::npy::unknown(element)),
        Ok(_) => file.check(at),
    }
}

/// The name to look for, and the tensor if it is there.
fn find(path: &str, rules: &[BindRule], file: &File) -> (String, Option<usize>) {
    let named = rules.iter().filter_map(|it| rename(path, &it.to, &it.from));
    let named: Vec<String> = named.chain([path.to_owned()]).collect();
    match named.iter().find_map(|name| Some((name, file.find(name)?))) {
        Some((name, at)) => (name.clone(), Some(at)),
        None => (named[0].clone(), None),
    }
}

/// What a rule makes of a path; `None` if it does not match.
pub(super) fn rename(path: &str, to: &str, from: &str) -> Option<String> {
    if !to.contains('*') {
        let below = path.strip_prefix(to).filter(|it| it.is_empty() || it.starts_with('.'))?;
        return Some(format!("{from}{below}"));
    }
    let mut pieces = captures(path, to)?.into_iter();
    let mut parts = from.split('*');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        name.push_str(pieces.next().unwrap_or_default());
        name.push_str(part);
    }
    Some(name)
}

/// What each `*` of a pattern stands for: the shortest text, but the last takes the rest.
fn captures<'a>(path: &'a str, pattern: &str) -> Option<Vec<&'a str>> {
    let (first, rest) = pattern.split_once('*')?;
    let mut left = path.strip_prefix(first)?;
    let mut pieces = Vec::new();
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        let piece = if parts.peek().is_none() {
            left.strip_suffix(part)?
        } else {
            &left[..left.find(part)?]
        };
        pieces.push(piece);
        left = &left[piece.len() + part.len()..];
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_rename_paths() {
        let cases = [
            (
                "backbone.conv1.weight",
                "backbone.*",
                "model.module.*",
                Some("model.module.conv1.weight"),
            ),
            ("fc.weight", "fc", "classifier.6", Some("classifier.6.weight")),
            ("fc1.weight", "fc", "classifier.6", None),
            ("a.1.b.2.c", "a.*.b.*.c", "x*y*", Some("x1y2")),
            ("head.bias", "backbone.*", "m.*", None),
            ("conv.weight", "*", "module.*", Some("module.conv.weight")),
            ("é.weight", "*.weight", "*.w", Some("é.w")),
        ];
        for (path, to, from, want) in cases {
            assert_eq!(rename(path, to, from).as_deref(), want, "{path}: {to} <- {from}");
        }
    }
}
