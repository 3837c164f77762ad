//! Rules that would fit what a net misses to what a file has left over.
//!
//! ```text
//! missing: layer1.0.conv1.weight [64, 64, 3, 3]     unused: module.layer1.0.conv1.weight [64, 64, 3, 3]
//! proposed: "*" <- "module.*"
//! ```

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::bind::{Row, State};

/// The most pairs whose names are compared; beyond, only their order counts.
const COMPARED_MAX: usize = 1_000_000;

/// A missing parameter and an unused tensor that could be its value.
type Pair<'a> = (&'a str, &'a str);

/// Missing parameters and unused tensors with one last component and shape.
type Groups<'a> = BTreeMap<(&'a str, &'a [usize]), (Vec<&'a str>, Vec<&'a str>)>;

/// Rules `(to, from)`, the most specific first.
pub(super) fn propose(rows: &[Row]) -> Vec<(String, String)> {
    let mut groups = Groups::new();
    for row in rows {
        match (&row.state, &row.path) {
            (State::Missing, Some(path)) => {
                groups.entry((last(path), &row.want)).or_default().0.push(path);
            }
            (State::Unused, _) => {
                groups.entry((last(&row.tensor), &row.found)).or_default().1.push(&row.tensor);
            }
            _ => {}
        }
    }
    let mut rules: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (missing, unused) in groups.into_values() {
        for (path, tensor) in pairs(missing, unused) {
            *rules.entry(rule(path, tensor)).or_default() += 1;
        }
    }
    let mut rules: Vec<_> = rules.into_iter().collect();
    rules.sort_by_key(|((to, _), _)| Reverse(to.matches('.').count()));
    rules.into_iter().map(|(rule, _)| rule).collect()
}

/// Pairs names of one kind and shape: first those that end alike in one way only, then, if as many are
/// left on both sides, the others in their order.
fn pairs<'a>(mut missing: Vec<&'a str>, mut unused: Vec<&'a str>) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    if missing.len().saturating_mul(unused.len()) <= COMPARED_MAX {
        missing.retain(|path| match best(path, &unused) {
            Some(at) => {
                pairs.push((*path, unused.remove(at)));
                false
            }
            None => true,
        });
    }
    if missing.len() == unused.len() {
        missing.sort_by_cached_key(|it| natural(it));
        unused.sort_by_cached_key(|it| natural(it));
        pairs.extend(missing.into_iter().zip(unused));
    }
    pairs
}

/// The only tensor that shares the most components with a path, counted from the end, and at least two
/// of them (the last is always shared) or a whole name.
fn best(path: &str, unused: &[&str]) -> Option<usize> {
    let shared = |name: &str| {
        let count = path.rsplit('.').zip(name.rsplit('.')).take_while(|(a, b)| a == b).count();
        let whole = count == path.split('.').count() || count == name.split('.').count();
        if whole { count + 1 } else { count }
    };
    let most = unused.iter().map(|it| shared(it)).max().filter(|&it| it >= 2)?;
    let mut at = (0..unused.len()).filter(|&it| shared(unused[it]) == most);
    let only = at.next()?;
    at.next().is_none().then_some(only)
}

/// `prefix.*` for both sides, without the components that they share at the end.
fn rule(path: &str, tensor: &str) -> (String, String) {
    let shared = path.rsplit('.').zip(tensor.rsplit('.')).take_while(|(a, b)| a == b).count();
    let prefix = |name: &str| {
        let components: Vec<_> = name.split('.').collect();
        let mut kept = components[..components.len() - shared].to_vec();
        kept.push("*");
        kept.join(".")
    };
    (prefix(path), prefix(tensor))
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// A key that sorts numbers in a name by their value: `conv2` before `conv10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut digits = String::new();
    for c in name.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            parts.push((std::mem::take(&mut text), digits.parse().unwrap_or(u64::MAX)));
            digits.clear();
        }
        text.push(c);
    }
    parts.push((text, 0));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(missing: &[(&str, &[usize])], unused: &[(&str, &[usize])]) -> Vec<String> {
        let missing = missing.iter().map(|(path, dims)| Row {
            path: Some((*path).to_owned()),
            tensor: (*path).to_owned(),
            want: dims.to_vec(),
            found: Vec::new(),
            state: State::Missing,
        });
        let unused = unused.iter().map(|(name, dims)| Row {
            path: None,
            tensor: (*name).to_owned(),
            want: Vec::new(),
            found: dims.to_vec(),
            state: State::Unused,
        });
        let rows: Vec<_> = missing.chain(unused).collect();
        propose(&rows).into_iter().map(|(to, from)| format!("{to} <- {from}")).collect()
    }

    #[test]
    fn a_common_prefix_is_one_rule() {
        let rules = proposed(
            &[("conv1.weight", &[4]), ("conv1.bias", &[4]), ("conv2.weight", &[4])],
            &[("m.conv1.weight", &[4]), ("m.conv1.bias", &[4]), ("m.conv2.weight", &[4])],
        );
        assert_eq!(rules, ["* <- m.*"]);
        let rules = proposed(&[("backbone.a.weight", &[4])], &[("a.weight", &[4])]);
        assert_eq!(rules, ["backbone.* <- *"]);
    }

    #[test]
    fn other_names_are_paired_by_shape_and_order() {
        let rules = proposed(
            &[("conv2.weight", &[4]), ("conv10.weight", &[4]), ("fc.weight", &[10, 4])],
            &[("f.3.weight", &[4]), ("f.0.weight", &[4]), ("head.weight", &[10, 4])],
        );
        assert_eq!(rules, ["conv10.* <- f.3.*", "conv2.* <- f.0.*", "fc.* <- head.*"]);
    }

    #[test]
    fn nothing_is_proposed_where_nothing_fits() {
        assert!(proposed(&[("a.weight", &[4])], &[("b.weight", &[5])]).is_empty());
        assert!(
            proposed(&[("a.weight", &[4]), ("b.weight", &[4])], &[("c.weight", &[4])]).is_empty()
        );
    }
}
